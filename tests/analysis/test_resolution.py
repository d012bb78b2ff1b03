"""A reduction analysed at another resolution: the results of a reduction made so, or a refusal."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from aiida_cse.schema import explain
from tests.reduction.synthetic import FRAME_STEPS, config, make, write_dcd

FRAMES = 205
FIRST = 7
NS = 1e-3
#: bins of 0.5 Å, and boundaries on their edges, through the places where the ions stay
FINE: dict[str, Any] = {"bins": 220}
PLACES = {"Li": (-45.5, -28.5, 28.0, 44.5), "TFSI": (-40.5, -22.5, 22.0, 39.5)}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("question") / "a.dcd"
    return write_dcd(file, make(11, FRAMES, hop=0.03).positions, first_step=FIRST * FRAME_STEPS)


@pytest.fixture(scope="module")
def state(path: Path) -> State:
    return reduce_segments([path], config(**FINE))


def ask(state: State, **settings: Any) -> dict[str, dict[str, Any]]:
    return analyse(state, 700.0, AnalysisSettings.model_validate(settings))


def same(found: Any, expected: Any) -> bool:
    """Whether two results are equal, bit for bit."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, np.ndarray):
        return np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")
    return bool(found == expected)


def with_boundaries(made: ReductionConfig, name: str) -> ReductionConfig:
    edges = (-55.0, *PLACES[name], 55.0)
    other = made.ions[name].model_copy(update={"edges": edges, "cores": tuple(pairwise(edges))})
    return made.model_copy(update={"ions": {**made.ions, name: other}})


# -- the answer of the trajectory itself ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sampling"),
    [
        ({"bins": 110}, {"bins": 110}),
        ({"bins": 220, "block_ps": 0.2, "snapshot_ps": 0.06, "lags_ps": [0.12, 0.3]}, FINE),
        ({"block_ps": 0.6}, FINE | {"block_ps": 0.6}),
        ({"snapshot_ps": 0.18}, FINE | {"snapshot_ps": 0.18}),
        ({"lags_ps": [0.3]}, FINE | {"lags_ps": (0.3,)}),
        (
            {"bins": 55, "block_ps": 0.4, "snapshot_ps": 0.12, "lags_ps": [0.12]},
            {"bins": 55, "block_ps": 0.4, "snapshot_ps": 0.12, "lags_ps": (0.12,)},
        ),
    ],
)
@pytest.mark.parametrize(
    "common",
    [{}, pytest.param({"rule": "core", "start_ns": 0.5 * NS, "minimum_excess": 0}, marks=pytest.mark.long)],
)
def test_coarser_settings_give_the_results_of_a_coarser_reduction(
    path: Path, state: State, settings: dict[str, Any], sampling: dict[str, Any], common: dict[str, Any]
) -> None:
    found = ask(state, **settings, **common)
    expected = ask(reduce_segments([path], config(**sampling)), **common)
    found["equilibration"].pop("criteria")
    expected["equilibration"].pop("criteria")
    assert same(found, expected)


def test_a_range_may_have_no_snapshot(state: State) -> None:
    found = ask(state, snapshot_ps=60.0)["transitions"]
    assert found["s_in_li_ceramic"] == found["observed_ns"] == 0
    assert found["rate_in_li_ceramic_per_s"] is None
    assert found["by_rule"]["core"]["s_in_li_ceramic"] > 0


@pytest.mark.parametrize("rule", ["snapshot", "core"])
def test_a_range_gives_the_results_of_a_production_that_ended_there(path: Path, tmp_path: Path, rule: str) -> None:
    positions = make(11, FRAMES, hop=0.03).positions
    short = write_dcd(tmp_path / "a.dcd", positions[: 160 - FIRST], first_step=FIRST * FRAME_STEPS)
    settings: dict[str, Any] = {"rule": rule, "start_ns": 0.4 * NS}
    plain = config(lags_ps=(), displacement_ps=None)
    expected = ask(reduce_segments([short], plain), **settings)
    # a block ends at frame 160, which is 3.06 ps from the first one
    for end in (3.06, 3.1, 3.25):
        found = ask(reduce_segments([path], plain), **settings, end_ns=end * NS)
        found["equilibration"]["criteria"] = expected["equilibration"]["criteria"]
        assert same(found, expected), end


def test_displacements_belong_to_the_time_at_which_they_begin(state: State) -> None:
    found = ask(state, end_ns=3.06 * NS)["displacement_variance"]
    counts = state.displacement_moments("Li").counts
    assert found["li_samples"].tolist() == counts[: 160 // 10].sum(axis=0).tolist()


def test_end_ns_may_be_the_end_of_the_reduction(state: State) -> None:
    facts = ask(state)["populations"]
    assert same(ask(state, end_ns=FRAMES * 0.02 * NS)["populations"], facts)


# -- other boundaries ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Li", "TFSI"])
@pytest.mark.parametrize("common", [{}, {"start_ns": 0.5 * NS, "end_ns": 3.4 * NS, "snapshot_ps": 0.12}])
def test_transitions_with_other_boundaries_are_those_of_such_a_reduction(
    path: Path, state: State, name: str, common: dict[str, Any]
) -> None:
    found = ask(state, boundaries={name: PLACES[name]}, **common)
    expected = ask(reduce_segments([path], with_boundaries(config(**FINE), name)), **common)
    counted = expected["transitions"]["by_rule"]["snapshot"]
    assert found["transitions"]["by_rule"].keys() == {"snapshot"}
    assert same(found["transitions"]["by_rule"]["snapshot"], counted)
    assert found["transitions"]["counted_in_snapshots"] == [name]
    assert found["transitions"][f"boundaries_{name.lower()}_A"] == list(PLACES[name])
    assert not same(counted, ask(state, **common)["transitions"]["by_rule"]["snapshot"])
    snapshots = [one for one in expected["transitions"]["sensitivity"] if one["rule"] == "snapshot"]
    assert same(found["transitions"]["sensitivity"], snapshots)
    for key in ("ec", "ec_lower_bound", "ec_tfsi_layer", "burst_index_li_ceramic"):
        assert found["equilibration"][key] == expected["equilibration"][key]


def test_populations_with_other_boundaries_are_those_of_the_snapshots(path: Path, state: State) -> None:
    settings: dict[str, Any] = {"start_ns": 0.5 * NS, "end_ns": 3.4 * NS}
    found = ask(state, boundaries={"Li": PLACES["Li"]}, **settings)["populations"]
    other = reduce_segments([path], with_boundaries(config(**FINE), "Li"))
    window = ReducedProduction(other, 700.0, AnalysisSettings.model_validate(settings)).window
    looks = window.looks("snapshot")
    inside = other.region_counts[looks - FIRST, 0, 2]
    assert found["n_li_ceramic"] == pytest.approx(inside.mean())
    assert found["n_li_excess"] == pytest.approx(inside.mean() - 4)
    assert found["n_li_stride_ps"] == pytest.approx(0.06)
    assert found["n_tfsi_stride_ps"] == pytest.approx(0.02)
    assert found["n_li_ceramic_inefficiency_ps"] >= 0.06
    plain = ask(state, **settings)["populations"]
    assert found["n_tfsi_layer"] == plain["n_tfsi_layer"]
    assert found["n_li_ceramic"] != plain["n_li_ceramic"]
    wanted = ask(other, **settings)["populations"]
    key = "correlation_tfsi_layer_li_ceramic"
    assert (found[key], found[f"{key}_interval"]) == (wanted[key], wanted[f"{key}_interval"])


def test_two_distances_hold_for_both_sides(state: State) -> None:
    both = ask(state, boundaries={"Li": [21, 30]})
    each = ask(state, boundaries={"Li": [-30, -21, 21, 30]})
    both["equilibration"].pop("criteria")
    each["equilibration"].pop("criteria")
    assert same(both, each)
    assert both["barrier"]["boundaries_li_A"] == [-30, -21, 21, 30]


def test_the_boundaries_of_the_reduction_change_nothing(path: Path) -> None:
    """They need not lie on edges of bins, and every rule is known for them."""
    uneven = reduce_segments([path], config(bins=520))
    found = ask(uneven, boundaries={"Li": [23, 32]}, rule="core")
    expected = ask(uneven, rule="core")
    found["equilibration"].pop("criteria")
    expected["equilibration"].pop("criteria")
    assert same(found, expected)
    assert found["populations"]["counted_in_snapshots"] == []


def test_boundaries_lie_on_bins_of_the_reduction_and_not_on_wider_ones(state: State) -> None:
    found = ask(state, boundaries={"Li": [21.5, 30.5]}, bins=55)
    assert len(found["density_profiles"]["z_A"]) == 55
    assert found["populations"]["boundaries_li_A"] == [-30.5, -21.5, 21.5, 30.5]


# -- refused -------------------------------------------------------------------------------------------------

AGAIN = r", or reduce the trajectory again \(aiida-cse reduce, or cse.reduce on its folders\)"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            {"bins": 100},
            "bins = 100: the 220 bins of the reduction make 220, 110, 55, 44, 22, 20, 11, 10; choose from these"
            + AGAIN,
        ),
        ({"bins": 440}, "bins = 440: the 220 bins of the reduction make 220, "),
        ({"block_ps": 0.3}, "block_ps = 0.3: it is no multiple of the 0.2 of the reduction; choose one" + AGAIN),
        ({"block_ps": 0.1}, "block_ps = 0.1: it is no multiple of the 0.2"),
        ({"snapshot_ps": 0.02}, "snapshot_ps = 0.02: it is no multiple of the 0.06" + ".*" + AGAIN),
        (
            {"lags_ps": [0.12, 0.24]},
            "lags_ps = 0.24: the lags of the reduction are 0.12, 0.3; choose from these" + AGAIN,
        ),
        (
            {"boundaries": {"Li": [21, 30]}, "rule": "core"},
            "rule = core: there are other boundaries of Li, and the reduction followed only its own boundaries at "
            "every frame; set rule to snapshot" + AGAIN,
        ),
        ({"boundaries": {"li": [21, 30]}}, "boundaries.li: the reduction has no such ion; did you mean 'Li'"),
        (
            {"boundaries": {"TFSI": [21, 30.2]}},
            r"boundaries.TFSI = -30.2 Å: lies on no edge .* nearest: -30.50 and -30.00 Å; choose these" + AGAIN,
        ),
        ({"boundaries": {"Li": [21, 60]}}, r"boundaries.Li = -60 Å: lies on no edge .* nearest: -54.50 Å"),
        ({"bins": 3, "block_ps": 1e6 + 0.1}, "bins = 3: .*; block_ps = 1e\\+06: "),
        ({"end_ns": 5 * NS}, "end_ns = 0.005: it is after the end of the reduction; it must be at most 0.0041"),
        (
            {"start_ns": 1 * NS, "end_ns": 1.1 * NS},
            "end_ns = 0.0011: .* at least 0.00126, the end of the first block of 0.0002 ns after start_ns",
        ),
        (
            {"boundaries": {"Li": [21, 30]}, "snapshot_ps": 60.0},
            "boundaries: there is no snapshot between start_ns and end_ns; choose a longer range",
        ),
    ],
)
def test_a_setting_that_the_reduction_does_not_resolve_is_refused(
    state: State, settings: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        ReducedProduction(state, 700.0, AnalysisSettings.model_validate(settings))


def test_lags_without_displacements_in_the_reduction_are_refused(path: Path) -> None:
    plain = reduce_segments([path], config(lags_ps=(), displacement_ps=None))
    with pytest.raises(ValueError, match="lags_ps = 1000: the lags of the reduction are none"):
        ask(plain, lags_ps=[1000])


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"boundaries": {"Li": [30, 21]}}, "boundaries.Li = 30, 21: they must ascend"),
        (
            {"boundaries": {"Li": [-30, 21]}},
            "boundaries.Li = -30, 21: distances from the mid-plane must",
        ),
        ({"boundaries": {"Li": [1, 2, 3]}}, "boundaries.Li = 1, 2, 3: give two distances .* or four positions"),
        ({"boundaries": {"Li": [1]}}, "needs at least 2 entries"),
        ({"boundaries": {"Li": 21}}, "must be a list"),
        ({"boundaries": [21, 30]}, "must be a mapping"),
        ({"lags_ps": [2, 1]}, "lags_ps = 2, 1: they must ascend"),
        ({"lags_ps": []}, "needs at least 1 entry"),
        ({"bins": 0}, "greater than or equal to 1"),
        ({"bins": 2.5}, "valid integer"),
        ({"block_ps": 0}, "greater than 0"),
        ({"end_ns": 0}, "greater than 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AnalysisSettings.model_validate(settings)
    with pytest.raises(ValueError, match=why):
        raise ValueError(explain(caught.value))
