"""Ions per layer of depth, and the judgement of two starts from the results of their productions."""

from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.starts import both_starts, depth_populations, starts_lines
from aiida_cse.physics.exchange.starts import BOTH_SIDES, NOT_EQUILIBRATED, ONE_START
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import config

FRAMES, STRIDE = 900, 3
#: the slab of the synthetic trajectories reaches to ± 23 Å for Li: six layers of depth on either side
LAYERS = 12


def state(z: np.ndarray[Any, np.dtype[np.float64]]) -> State:
    """Return a state whose Li (F, ions) are at these positions at the snapshots, Å."""
    made = State.empty(config(), 0, FRAMES, ions=20)
    lithium = Selection.from_config(made.config).ion_species == 0
    grid = made.config.grid
    made.snapshot_bins[:, lithium] = np.floor((z + grid.span / 2) / grid.width)
    return made


def lithium() -> int:
    return config().ion_counts["Li"]


def test_ions_are_counted_in_layers_from_the_boundary_to_the_mid_plane() -> None:
    positions = np.full((FRAMES // STRIDE, lithium()), 40.0)
    positions[:, 0], positions[:, 1], positions[:, 2] = -22.5, 0.5, 22.5
    found = depth_populations(ReducedProduction(state(positions), 700.0))
    assert found["depth_edges_li_A"][:: LAYERS // 2] == [-23, 0, 23]
    assert found["n_li_depth"].shape == (300, LAYERS)
    assert found["n_li_depth"][7].tolist() == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert not found["covariance_li_depth"][1:6].any()
    share = np.zeros(lithium())
    share[0] = 1
    assert found["covariance_li_depth"][0, 0] == pytest.approx(len(share) * share.var(ddof=1))


def test_the_start_is_kept_and_a_third_is_not_judged_unless_the_analysis_begins_later() -> None:
    made = state(np.zeros((FRAMES // STRIDE, lithium())))
    frame_ns = made.config.frame_ps / 1000
    for skipped, judged in ((0, 300), (150, 300), (600, 600)):
        settings = AnalysisSettings(start_ns=skipped * frame_ns)
        found = depth_populations(ReducedProduction(made, 700.0, settings))
        assert found["times_ns"][0] == 0
        assert found["judged_from_ns"] == pytest.approx(judged * frame_ns, abs=10 * frame_ns)


def result(begun: list[int], now: list[int], seed: int, **changes: Any) -> dict[str, Any]:
    """Return the results of a run with numbers in three depths on either side, that fluctuate by one ion."""
    rng = np.random.default_rng(seed)
    numbers = np.array(now + now[::-1]) + rng.integers(-1, 2, (300, 6))
    numbers[0] = begun + begun[::-1]
    depth = {
        "temperature_K": 700.0,
        "ions": ["Li"],
        "end_ns": 299.0,
        "times_ns": np.arange(300.0),
        "judged_from_ns": 100.0,
        "depth_edges_li_A": [-12.0, -8.0, -4.0, 0.0, 4.0, 8.0, 12.0],
        "n_li_depth": numbers,
        "covariance_li_depth": np.eye(6) * 0.1,
    }
    return {"depth_populations": depth | changes, "equilibration": {"equilibrated": True}}


def test_two_starts_that_have_met_are_equilibrated_from_both_sides() -> None:
    runs = {"filled": result([30, 30, 30], [20, 20, 20], 1), "emptied": result([10, 10, 10], [20, 20, 20], 2)}
    found = both_starts(runs)
    assert (found["kind"], found["equilibrated"]) == (BOTH_SIDES, True)
    assert [record["layer"] for record in found["layers"]] == ["slab", "0–8 Å", "8–12 Å"]
    assert [record["gap"] for record in found["layers"]] == [120, 80, 40]
    assert found["slowest_times_ns"]["filled"] == pytest.approx(299 / 3)
    lines = list(starts_lines(found))
    assert lines[0] == f"700 K, 2 starts: {BOTH_SIDES}"
    assert max(map(len, lines)) <= 80


def test_one_layer_that_has_not_met_decides_and_one_that_was_not_tested_caps() -> None:
    low = result([10, 10, 10], [20, 20, 20], 2)
    frozen = both_starts({"filled": result([30, 30, 30], [20, 20, 30], 1), "emptied": low})
    assert frozen["kind"] == NOT_EQUILIBRATED
    assert [record["status"] for record in frozen["layers"]] == ["apart", "met", "apart"]
    surface = both_starts({"filled": result([30, 30, 10], [20, 20, 20], 1), "emptied": low})
    assert surface["kind"] == ONE_START
    assert [record["status"] for record in surface["layers"]] == ["met", "met", "not tested"]
    assert max(map(len, [*starts_lines(frozen), *starts_lines(surface)])) <= 80


def test_runs_that_cannot_be_compared_are_refused() -> None:
    one = result([30, 30, 30], [20, 20, 20], 1)
    for other, message in (
        ({}, r"runs\.b: depth_populations is missing; analyse its reduction again"),
        (
            result([1, 1, 1], [1, 1, 1], 1, temperature_K=600.0),
            r"runs\.b: is of Li at 600 K, but a of Li at 700 K",
        ),
        (
            result([1, 1, 1], [1, 1, 1], 1, depth_edges_li_A=[-9, -6, -3, 0, 3, 6, 9]),
            r"runs\.b: its layers of depth",
        ),
        (
            result([1, 1, 1], [1, 1, 1], 1, judged_from_ns=295.0),
            r"runs\.b\.depth_populations, Li: series has 5 times.*choose a longer run",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            both_starts({"a": one, "b": other})
    with pytest.raises(ValueError, match="at least two runs are needed"):
        both_starts({"a": one})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        *(
            (key, None, f"{key} is missing; give the depth_populations")
            for key in ("ions", "times_ns", "n_li_depth")
        ),
        ("ions", [], r"ions = \[\]: no ion exchanges with the ceramic"),
        ("temperature_K", "hot", "temperature_K = 'hot': must be a finite number"),
        ("times_ns", np.arange(299.0), "n_li_depth has 300 times and 6 layers, but times_ns 299"),
        ("depth_edges_li_A", [-4.0, 4.0], "depth_edges_li_A has 2 values: must have at least 3"),
        ("covariance_li_depth", np.eye(5), r"Li: covariance has the shape \(5, 5\)"),
    ],
)
def test_results_of_another_kind_are_refused_by_run_and_key(key: str, value: object, message: str) -> None:
    one, other = result([30, 30, 30], [20, 20, 20], 1), result([10, 10, 10], [20, 20, 20], 2)
    other["depth_populations"][key] = value
    if value is None:
        del other["depth_populations"][key]
    with pytest.raises(ValueError, match=rf"^runs\.b\.depth_populations.*{message}"):
        both_starts({"a": one, "b": other})
    with pytest.raises(ValueError, match=r"^runs\.b\.equilibration: equilibrated is missing"):
        both_starts({"a": one, "b": one | {"equilibration": {}}})


def test_a_layer_in_the_middle_is_counted_once() -> None:
    odd = {"depth_edges_li_A": [-10.0, -6.0, -2.0, 2.0, 6.0, 10.0], "covariance_li_depth": np.eye(5) * 0.1}
    runs = {"filled": result([30, 30, 30], [20, 20, 20], 1), "emptied": result([10, 10, 10], [20, 20, 20], 2)}
    for run in runs.values():
        found = run["depth_populations"]
        found |= odd | {"n_li_depth": np.delete(found["n_li_depth"], 3, axis=1)}
    layers = both_starts(runs)["layers"]
    assert {one["layer"]: one["gap"] for one in layers} == {"slab": 100, "0–8 Å": 80, "8–10 Å": 20}
