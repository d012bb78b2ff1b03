"""The outlines of the WorkChains are those of their versions: checkpoints hold steps by position and name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.outlines import context_names, outlines

STORED: dict[str, Any] = json.loads((Path(__file__).parent / "outlines.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", outlines())
def test_an_outline_that_changes_has_another_version(name: str) -> None:
    advice = "raise OUTLINE_VERSION of its class, then: python -m tests.golden.make_golden outlines"
    assert outlines()[name] == STORED["outlines"].get(name), f"{name}: {advice}"


def test_no_workchain_is_gone() -> None:
    assert set(STORED["outlines"]) <= set(outlines())


def test_steps_find_what_earlier_steps_left_in_a_checkpoint() -> None:
    gone = set(STORED["context"]) - set(context_names())
    advice = "keep the names in ctx, or raise OUTLINE_VERSION of the classes and write outlines.json anew"
    assert gone == set(), advice
