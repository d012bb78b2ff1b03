"""A small state and its file, for the tests of states."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import config, make, write_dcd


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return reduce_segments([write_dcd(tmp_path_factory.mktemp("a") / "a.dcd", make(3, 25).positions)], config())


@pytest.fixture
def path(state: State, tmp_path: Path) -> Path:
    """A file of the state."""
    state.save(tmp_path / "state.npz")
    return tmp_path / "state.npz"
