"""Rates and conditioned counts, against counts from the schedule of the trajectory."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.transitions import transitions
from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.physics.statistics.poisson import rate_interval
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import FRAME_STEPS, TIMESTEP, Synthetic, config, make, write_dcd

FRAMES = 205
FRAME_NS = FRAME_STEPS * TIMESTEP * 1e-6
STRIDE = 3
INITIAL = 4
#: frames that are left out, a whole number of blocks
BEGIN = 20


@pytest.fixture(scope="module")
def trajectory() -> Synthetic:
    return make(17, FRAMES, hop=0.05)


@pytest.fixture(scope="module")
def state(trajectory: Synthetic, tmp_path_factory: pytest.TempPathFactory) -> State:
    path = write_dcd(tmp_path_factory.mktemp("a") / "a.dcd", trajectory.positions)
    return reduce_segments([path], config())


def found(state: State, **settings: Any) -> dict[str, Any]:
    start = {"start_ns": BEGIN * FRAME_NS}
    return transitions(ReducedProduction(state, 700.0, AnalysisSettings.model_validate(start | settings)))


def looks(trajectory: Synthetic, name: str, rule: Rule) -> NDArray[np.int64]:
    """Return the regions (looks, ions) that the rule sees after the frames that are left out."""
    if rule == "core":
        return trajectory.regions[name][BEGIN:]
    first = -(-BEGIN // STRIDE) * STRIDE
    return trajectory.regions[name][first::STRIDE]


def walk(regions: NDArray[np.int64], interval: float, minimum: int | None = None) -> tuple[int, float, float]:
    """Return entries of Li to the ceramic, ns and ion·ns while the excess at the look before was large enough."""
    entries, time, ion_time = 0, 0.0, 0.0
    for before, after in pairwise(regions):
        if minimum is None or (before == 2).sum() - INITIAL >= minimum:
            entries += int(((before != 2) & (after == 2)).sum())
            time += interval
            ion_time += interval * int(np.isin(before, (1, 3)).sum())
    return entries, time, ion_time


@pytest.mark.parametrize(("rule", "stride"), [("snapshot", STRIDE), ("core", 1)])
def test_rates_of_entry_are_events_over_exposure(
    state: State, trajectory: Synthetic, rule: Rule, stride: int
) -> None:
    results = found(state, rule=rule)
    entries, time, ion_time = walk(looks(trajectory, "Li", rule), stride * FRAME_NS)
    assert results["s_in_li_ceramic"] == entries > 5
    assert results["observed_ns"] == pytest.approx(time)
    assert results["exposure_li_ceramic_ion_ns"] == pytest.approx(ion_time)
    for key, exposure, suffix in (("per_s", time, "_raw"), ("per_ion_per_s", ion_time, "")):
        assert results[f"rate_in_li_ceramic_{key}"] == pytest.approx(entries / (exposure * 1e-9))
        index = results[f"dispersion_li_ceramic{suffix}"]
        interval = rate_interval(entries, exposure * 1e-9, dispersion=index)
        assert results[f"rate_in_li_ceramic_{key}_interval"] == pytest.approx(interval)


def test_the_exposure_of_the_anion_is_that_of_the_bulk(state: State, trajectory: Synthetic) -> None:
    regions = looks(trajectory, "TFSI", "snapshot")[:-1]
    exposure = np.isin(regions, (0, 4)).sum() * STRIDE * FRAME_NS
    assert found(state)["exposure_tfsi_layer_ion_ns"] == pytest.approx(exposure)


@pytest.mark.parametrize(("rule", "stride"), [("snapshot", STRIDE), ("core", 1)])
@pytest.mark.parametrize("minimum", [-4, -2, -1, 0, 9])
def test_only_the_time_that_meets_the_condition_counts(
    state: State, trajectory: Synthetic, rule: Rule, stride: int, minimum: int
) -> None:
    results = found(state, rule=rule, minimum_excess=minimum)
    entries, time, ion_time = walk(looks(trajectory, "Li", rule), stride * FRAME_NS, minimum)
    assert results["condition_minimum_excess"] == minimum
    assert results["s_in_li_ceramic_conditioned"] == entries
    assert results["exposure_conditioned_ns"] == pytest.approx(time)
    assert results["exposure_conditioned_ion_ns"] == pytest.approx(ion_time)
    rate = results["rate_in_li_ceramic_conditioned_per_ion_per_s"]
    assert rate is None if ion_time == 0 else rate == pytest.approx(entries / (ion_time * 1e-9))
    assert results["s_in_li_ceramic"] == found(state, rule=rule)["s_in_li_ceramic"], "those without are untouched"


@pytest.mark.parametrize("rule", ["snapshot", "core"])
def test_without_a_condition_everything_counts(state: State, rule: Rule) -> None:
    results = found(state, rule=rule)
    assert results["condition_minimum_excess"] is None
    for key in (
        "s_in_li_ceramic{}",
        "rate_in_li_ceramic{}_per_ion_per_s",
        "rate_in_li_ceramic{}_per_ion_per_s_interval",
    ):
        assert results[key.format("_conditioned")] == results[key.format("")]
    assert results["exposure_conditioned_ns"] == results["observed_ns"]
    assert results["exposure_conditioned_ion_ns"] == results["exposure_li_ceramic_ion_ns"]


def test_entries_count_in_the_last_part_of_the_run_and_at_one_temperature(
    state: State, trajectory: Synthetic
) -> None:
    last = 60 * FRAME_NS
    late = looks(trajectory, "Li", "core")[-61:]
    results = found(state, rule="core", condition_last_ns=last, minimum_excess=[[700, -2], [600, 9]])
    entries, time, ion_time = walk(late, FRAME_NS, -2)
    assert (results["condition_last_ns"], results["condition_minimum_excess"]) == (last, -2)
    assert results["s_in_li_ceramic_conditioned"] == entries
    assert results["exposure_conditioned_ns"] == pytest.approx(time)
    assert results["exposure_conditioned_ion_ns"] == pytest.approx(ion_time)
    assert results["s_in_li_ceramic"] == found(state, rule="core")["s_in_li_ceramic"]
    elsewhere = found(state, condition_last_ns=[[600, 1.0]], minimum_excess=[[600, 9]])
    assert (elsewhere["condition_last_ns"], elsewhere["condition_minimum_excess"]) == (None, None)


def test_the_analysis_of_the_last_part_is_that_from_its_start(state: State) -> None:
    # frame 204 is the last one; whole blocks of 10 frames
    assert found(state, last_ns=85 * FRAME_NS) == found(state, start_ns=120 * FRAME_NS)
    assert found(state, last_ns=85 * FRAME_NS, end_ns=200 * FRAME_NS) == found(
        state, start_ns=120 * FRAME_NS, end_ns=200 * FRAME_NS
    )
    assert found(state, last_ns=1.0) == found(state)
    with pytest.raises(ValueError, match=r"last_ns = 0\.0001: it must be at least one block, 0\.0002 ns"):
        found(state, last_ns=0.0001)


def test_a_rate_per_area_has_both_faces(state: State) -> None:
    results = found(state)
    x, y, _ = state.config.box
    assert results["area_nm2"] == pytest.approx(2 * x * y / 100)
    for key in ("rate_in_li_ceramic{}_per_s", "rate_in_tfsi_layer{}_per_s"):
        assert results[key.format("_per_nm2")] == pytest.approx(results[key.format("")] / results["area_nm2"])


def test_fewer_than_two_looks_observe_nothing(trajectory: Synthetic, tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", trajectory.positions[:20], first_step=10)
    for snapshot_ps, looks_in_all in ((1.0, 0), (0.3, 1)):
        short = reduce_segments([path], config(snapshot_ps=snapshot_ps))
        results = transitions(ReducedProduction(short, 700.0))
        assert len(ReducedProduction(short, 700.0).window.looks("snapshot")) == looks_in_all
        assert results["observed_ns"] == results["exposure_li_ceramic_ion_ns"] == 0
        assert results["rate_in_li_ceramic_per_s"] is None
        assert results["rate_in_li_ceramic_per_ion_per_s_interval"] is None
        assert results["by_rule"]["core"]["rate_in_li_ceramic_per_s"] is not None


def test_a_condition_on_an_unknown_excess_is_refused(state: State) -> None:
    ions = {name: ion.model_copy(update={"initial_ceramic": None}) for name, ion in state.config.ions.items()}
    other = State(**{**vars(state), "config": state.config.model_copy(update={"ions": ions})})
    assert "exposure_conditioned_ns" not in transitions(ReducedProduction(other, 700.0))
    with pytest.raises(ValueError, match="minimum_excess is 3, it must be null: the slab started with none"):
        transitions(ReducedProduction(other, 700.0, AnalysisSettings(minimum_excess=3)))
