"""Warnings about a rate whose parts cannot be trusted."""

from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.crossing.rate import _warnings
from aiida_cse.lammps.protocol.crossing import CrossingPlan
from aiida_cse.physics.crossing.reactive_flux import transmission


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        # four ladders: the standard deviation is twice the error
        ({"tst_barrier_error_K": 600.0}, ["the ladders differ by 2.4 k_BT"]),
        ({"correlation_ps": 30.0}, ["30 ps, is not short against the 100 ps of a window"]),
        ({"thin": [[1, -24.0, -23.5]]}, ["1 pair of windows overlaps too little"]),
    ],
    ids=["sound", "ladders", "slow", "thin"],
)
def test_what_speaks_against_a_rate_is_said(change: dict[str, Any], words: list[str]) -> None:
    found = {
        "temperature_K": 500.0,
        "tst_barrier_error_K": 400.0,
        "ladders_K": np.zeros((4, 10)),
        "window_ps": np.full(10, 400.0),
        "correlation_ps": 2.0,
        "thin": [],
    }
    rng = np.random.default_rng(1)
    kappa = transmission(np.abs(rng.normal(0, 0.01, 400)), rng.random(400) < 0.5, np.repeat(np.arange(8), 50))
    said = _warnings(found | change, kappa, kappa, 0.0, CrossingPlan())
    assert len(said) == len(words)
    assert all(one in sentence for one, sentence in zip(words, said, strict=True))
