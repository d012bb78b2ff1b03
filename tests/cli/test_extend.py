"""``aiida-cse extend``: what is refused before anything is launched."""

from __future__ import annotations

import pytest
from aiida.orm import Int
from click.testing import CliRunner, Result

from aiida_cse.cli import main
from tests.nodes import run_node

pytestmark = pytest.mark.usefixtures("aiida_profile")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["extend", *map(str, arguments)])


def test_what_cannot_be_continued_is_refused_in_one_line() -> None:
    number, base = Int(1).store(), run_node("cse.base")
    for arguments, complaint in (
        ((number.pk, "--replicas", 2), "must be a WorkChainNode"),
        ((base.pk, "--replicas", 2), "it must be the process of a study"),
        ((base.pk, "--temperatures", "500;600"), "'500;600': give numbers in K with commas between them"),
        ((10**9, "--length", 20), "there is no node 1000000000"),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 2, result.output
        assert complaint in " ".join(result.output.split())
