"""The LAMMPS scripts of all protocols are those of the release before, byte for byte."""

from __future__ import annotations

import gzip
import json
from difflib import unified_diff
from itertools import islice
from pathlib import Path

import pytest

from tests.golden.scripts import PROTOCOLS, protocol_scripts, settings_scripts

FILE = Path(__file__).parent / "scripts.json.gz"
#: lines of a difference that are shown
SHOWN = 40


@pytest.mark.parametrize("protocol", [*PROTOCOLS, "settings"])
def test_scripts_are_those_of_the_release_before(protocol: str) -> None:
    """A default that changes its meaning requires a new CACHE_VERSION of the LAMMPS job."""
    old = json.loads(gzip.decompress(FILE.read_bytes()))[protocol]
    new = dict(settings_scripts() if protocol == "settings" else protocol_scripts(protocol))
    assert list(new) == list(old)
    for name, text in old.items():
        difference = unified_diff(text.splitlines(), new[name].splitlines(), "before", "now", lineterm="")
        assert new[name] == text, "\n".join([name, *islice(difference, SHOWN)])
