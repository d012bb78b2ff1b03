"""Judgement of runs with different starts: known answers, and models in which a single start is deceived."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from aiida_cse.physics.exchange.starts import (
    BOTH_SIDES,
    NOT_EQUILIBRATED,
    ONE_START,
    StartCriteria,
    StartedRun,
    StartsVerdict,
    judge_starts,
)

#: states: outside, surface and deep; the last two are the layers
OUTSIDE, SURFACE, DEEP = -1, 0, 1
IONS, FRAMES = 200, 900
NAMES = ("surface", "deep")
Places = NDArray[np.int64]


def walk(start: tuple[int, int, int], deep_rate: float, seed: int, rate: float = 0.02) -> Places:
    """Return ions that exchange at a rate with the surface, and at another one between surface and deep sites."""
    rng = np.random.default_rng(seed)
    here = np.repeat([OUTSIDE, SURFACE, DEEP], start)
    places = [here]
    for _ in range(FRAMES):
        draw = rng.random(IONS)
        after = here.copy()
        after[(here == OUTSIDE) & (draw < rate)] = SURFACE
        after[(here == SURFACE) & (draw < rate)] = OUTSIDE
        after[(here == SURFACE) & (draw >= rate) & (draw < rate + deep_rate)] = DEEP
        after[(here == DEEP) & (draw < deep_rate)] = SURFACE
        here = after
        places.append(here)
    return np.array(places)


def judged(*starts: tuple[int, int, int], deep_rate: float, alone: bool | None = None) -> StartsVerdict:
    runs = {
        f"run{number}": StartedRun.from_layers(walk(start, deep_rate, seed=number), 2, equilibrated=alone)
        for number, start in enumerate(starts)
    }
    return judge_starts(runs, NAMES)


def test_runs_from_both_sides_that_have_met_in_every_layer_are_equilibrated() -> None:
    found = judged((20, 90, 90), (110, 45, 45), deep_rate=0.5)
    assert (found.kind, found.equilibrated) == (BOTH_SIDES, True)
    assert [layer.status for layer in found.layers] == ["met", "met"]
    assert found.layers[1].gap == 45
    assert found.layers[1].between == ("run0", "run1")
    assert found.layers[1].sentence.startswith("✓ deep: 45 apart at start (")


def test_deep_sites_that_fill_slower_than_the_run_keep_the_starts_apart() -> None:
    found = judged((20, 90, 90), (110, 45, 45), deep_rate=1e-4, alone=True)
    assert (found.kind, found.equilibrated) == (NOT_EQUILIBRATED, False)
    assert found.layers[1].status == "apart"
    assert found.layers[1].remaining > 1
    assert "(± < " in found.layers[1].sentence


@pytest.mark.parametrize(("alone", "kind"), [(True, BOTH_SIDES), (None, BOTH_SIDES), (False, NOT_EQUILIBRATED)])
def test_runs_that_met_need_one_that_is_equilibrated_alone(alone: bool | None, kind: str) -> None:
    runs = {
        f"run{number}": StartedRun.from_layers(walk(start, 0.5, seed=number), 2, equilibrated=verdict)
        for number, (start, verdict) in enumerate([((20, 90, 90), alone), ((110, 45, 45), alone and False)])
    }
    found = judge_starts(runs, NAMES)
    assert found.kind == kind
    assert found.reason.endswith("but no run is equilibrated alone") == (alone is False)


def test_numbers_that_never_changed_are_no_test() -> None:
    constant = np.full((50, 1), 40)
    runs = {name: StartedRun([begun], constant, [[0]], True, [[0]]) for name, begun in (("a", 80), ("b", 0))}
    found = judge_starts(runs, ["all"])
    assert (found.kind, found.slab.status) == (ONE_START, "not tested")
    assert found.slab.sentence == "– slab: 80 apart at start, but no number changed since, not tested"
    runs["b"] = StartedRun([0], np.full((50, 1), 10), [[0]], True, [[0]])
    assert judge_starts(runs, ["all"]).kind == NOT_EQUILIBRATED


@pytest.mark.parametrize(
    ("alone", "kind"), [(True, ONE_START), (False, NOT_EQUILIBRATED), (None, NOT_EQUILIBRATED)]
)
def test_a_layer_that_did_not_start_apart_caps_the_verdict(alone: bool | None, kind: str) -> None:
    """Ions that were only added at the surface do not show that deep sites fill slowly."""
    found = judged((35, 100, 65), (100, 35, 65), deep_rate=1e-4, alone=alone)
    assert found.kind == kind
    assert [layer.status for layer in found.layers] == ["met", "not tested"]
    assert found.reason.startswith("the starts do not test 1 of 2 layers")
    assert found.layers[1].sentence == "– deep: 0 apart at start (0 σ, needs ≥ 3), not tested"


@pytest.mark.parametrize("trends", [True, False])
def test_runs_that_drift_together_are_not_equilibrated(trends: bool) -> None:
    """Ions that are captured outside for good, evenly in time, leave both runs alike."""
    runs = {}
    for seed, start in enumerate([(20, 90, 90), (110, 45, 45)]):
        places = walk(start, 0.5, seed)
        rng = np.random.default_rng(seed)
        for ion in rng.choice(IONS, 60, replace=False):
            places[rng.integers(FRAMES) :, ion] = OUTSIDE
        runs[f"run{seed}"] = StartedRun.from_layers(places, 2, equilibrated=True)
    if not trends:
        runs = {name: replace(run, trend_covariance=None) for name, run in runs.items()}
    found = judge_starts(runs, NAMES)
    assert (found.kind, found.slab.status) == (NOT_EQUILIBRATED, "drifting")
    assert found.reason == "the runs drift together in slab and 2 more"
    assert found.slab.drift == pytest.approx(-60 * 2 / 3 * 2 * 2 / 3, rel=0.3)
    assert found.slab.sentence.startswith("✗ slab: the runs drift together, -")


def test_the_error_of_a_common_drift_is_that_of_trends_drawn_anew() -> None:
    """Pairs of stationary runs: the drift varies by its standard error, and 2 % have p < 0.02."""
    rng, size = np.random.default_rng(4), 150
    found = []
    for _ in range(size):
        runs = {}
        for name, share in (("high", 1.0), ("low", 0.0)):
            flips = rng.random((90, 60)) < 0.08
            inside = (np.cumsum(flips, axis=0) + (rng.random(60) < 0.5)) % 2
            places = np.vstack([np.where(np.arange(60) < 60 * share, 0, -1)[None], inside - 1])
            runs[name] = StartedRun.from_layers(places, 1, judged_from=1)
        found.append(judge_starts(runs, ["all"]).slab)
    errors = [one.drift_error for one in found]
    assert np.std([one.drift for one in found]) == pytest.approx(np.mean(errors), rel=0.15)
    assert np.mean([one.drift_p_value < 0.02 for one in found]) <= 0.04


def test_a_start_in_between_must_have_met_the_others() -> None:
    """R̂ is of all runs: one that is stuck between the two outermost ones at equilibrium is seen."""
    rng = np.random.default_rng(5)
    series = {
        "high": 50 + rng.normal(size=200),
        "low": 50 + rng.normal(size=200),
        "stuck": 58 + rng.normal(size=200),
    }
    begun = {"high": 90, "low": 10, "stuck": 58}
    runs = {name: StartedRun([begun[name]], one[:, None], [[0.05]]) for name, one in series.items()}
    assert judge_starts(runs, ["all"]).kind == NOT_EQUILIBRATED
    del runs["stuck"]
    assert judge_starts(runs, ["all"]).kind == BOTH_SIDES


def test_standard_error_and_scale_reduction_of_series_made_by_hand() -> None:
    first, second = np.tile([10.0, 12.0], 50), np.tile([9.0, 11.0], 50)
    runs = {"a": StartedRun([40], first[:, None], [[0.5]]), "b": StartedRun([0], second[:, None], [[1.5]])}
    (layer,) = judge_starts(runs, ["all"]).layers
    within = 100 / 99
    assert layer.difference == 1
    assert layer.standard_error == pytest.approx(np.sqrt(2.0))  # the series have no slow cosines
    assert layer.scale_reduction == pytest.approx(np.sqrt(0.99 + 0.5 / within))
    assert layer.gap_deviations == pytest.approx(40 / np.sqrt(within + 1.0))
    assert layer.remaining == pytest.approx((1 + 2 * np.sqrt(2)) / 40)


def test_joined_layers_are_those_of_joined_places() -> None:
    places = walk((60, 70, 70), 0.01, seed=8)
    fine = StartedRun.from_layers(places, 2).joined([[0, 1]])
    coarse = StartedRun.from_layers(np.minimum(places, 0), 1)
    assert np.array_equal(fine.series, coarse.series)
    assert fine.at_start == coarse.at_start == [140]
    assert np.asarray(fine.covariance) == pytest.approx(np.asarray(coarse.covariance))


def test_ions_that_move_together_have_the_error_of_their_number_in_time() -> None:
    """A common gate moves all ions at once: the variance between them does not see it."""
    slow = 50 + 12 * np.cos(np.pi * np.arange(300) / 300)[:, None]
    runs = {name: StartedRun([begun], slow, [[0.01]]) for name, begun in (("a", 90), ("b", 10))}
    (layer,) = judge_starts(runs, ["all"]).layers
    # one of four cosines has the power 12² / 2 in each series; Student's t with 8 degrees of freedom
    assert layer.standard_error == pytest.approx(np.sqrt(2 * 12**2 / 8) * 2.306 / 1.96, rel=1e-3)


def test_wrong_data_are_refused() -> None:
    run = StartedRun([1, 1], np.ones((12, 2)), np.eye(2))
    with pytest.raises(ValueError, match="series has 11 times: at least 12 are needed"):
        StartedRun([1, 1], np.ones((11, 2)), np.eye(2))
    with pytest.raises(ValueError, match="must have one number of layers"):
        StartedRun([1, 1], np.ones((12, 3)), np.eye(2))
    with pytest.raises(ValueError, match="trend_covariance is not symmetric"):
        StartedRun([1, 1], np.ones((12, 2)), np.eye(2), True, [[1, 2], [0, 1]])
    with pytest.raises(ValueError, match=r"groups\[0\] = \[5\]: give numbers of layers from 0 to 1"):
        run.joined([[5]])
    for places in (np.zeros((0, 5)), np.zeros((1, 5)), np.zeros(50), np.full((50, 3), 2)):
        with pytest.raises(ValueError, match=r"^places.*must"):
            StartedRun.from_layers(places, 2)
    with pytest.raises(ValueError, match="covariance has a negative variance"):
        StartedRun([1, 1], np.ones((12, 2)), -np.eye(2))
    with pytest.raises(ValueError, match="runs = a: at least two runs are needed"):
        judge_starts({"a": run}, NAMES)
    with pytest.raises(ValueError, match=r"runs\.a has 2 layers, but names has 1"):
        judge_starts({"a": run, "b": run}, ["one"])
    with pytest.raises(ValueError, match="greater than 1"):
        StartCriteria(maximum_scale_reduction=1)
