"""Stored names are a file format: what was stored by a release is found by the same names later."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.golden.names import classes, lost, stored_names, workchains

FOLDER = Path(__file__).parent


def stored(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", list(stored("stored_names.json")))
def test_no_stored_name_is_lost(kind: str) -> None:
    gone = lost(stored("stored_names.json")[kind], stored_names()[kind])
    assert gone == [], f"{kind}: keep these names, or read them as aliases (tests/golden/make_golden.py)"


@pytest.mark.parametrize("place", classes().values())
def test_a_stored_class_is_found_by_its_module_and_name(place: str) -> None:
    module, name = place.split(":")
    found = getattr(import_module(module), name)
    assert (found.__module__, found.__name__) == (module, name)


@pytest.mark.parametrize("entry_point", list(stored("protocols.json")))
def test_protocols_give_the_inputs_that_they_gave(entry_point: str) -> None:
    made = workchains()[entry_point]
    for protocol, expected in stored("protocols.json")[entry_point].items():
        assert lost(expected, made.get_protocol_inputs(protocol), f"{protocol} / ") == []


def test_what_is_lost_is_named_by_its_place() -> None:
    old = {"a": {"b": 1, "c": ["x", "y"]}, "d": 2}
    assert lost(old, {"a": {"b": 3, "c": ["y", "z"]}, "e": 1}) == ["d", "a / b / 1 (now 3)", "a / c / x"]
