"""Registered observables of a state, against the schedule from which its trajectory was made."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.registry import Documented, analyse, observable, observables
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.physics.exchange.equilibration import equilibration_coefficient, equilibration_lower_bound
from aiida_cse.physics.exchange.transitions import count_transitions
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import LENGTH, Synthetic, config, make, write_dcd

FRAMES = 205
TEMPERATURE = 700.0


@pytest.fixture(scope="module")
def trajectory() -> Synthetic:
    return make(11, FRAMES, hop=0.03)


def reduced(trajectory: Synthetic, folder: Path, first_step: int = 0, **changes: Any) -> State:
    path = write_dcd(folder / "a.dcd", trajectory.positions, first_step=first_step)
    return reduce_segments([path], config(**changes))


@pytest.fixture(scope="module")
def state(trajectory: Synthetic, tmp_path_factory: pytest.TempPathFactory) -> State:
    return reduced(trajectory, tmp_path_factory.mktemp("a"), snapshot_ps=0.02)


@pytest.fixture(scope="module")
def results(state: State) -> dict[str, dict[str, Any]]:
    return analyse(state, TEMPERATURE)


#: units by the ending of a key, longest first
UNITS = {
    "_per_nm2_per_s": "s⁻¹ nm⁻²",
    "_K_per_A2": "K Å⁻²",
    "_J_per_A2": "J Å⁻²",
    "_e_per_A2": "e Å⁻²",
    "_e_per_A3": "e Å⁻³",
    "_kJ_per_mol": "kJ/mol",
    "_K_per_A": "K Å⁻¹",
    "_per_A3": "Å⁻³",
    "_ion_ns": "ion ns",
    "_per_s": "s⁻¹",
    "_A2": "Å²",
    "_ns": "ns",
    "_ps": "ps",
    "_K": "K",
    "_A": "Å",
}
#: endings that keep the unit of the number that they belong to
SAME_UNIT = ("_interval", "_error", "_lower_bound", "_blocks")


def unit_of(key: str) -> str | None:
    """Return the unit that a key says by its ending, None if it says none."""
    for ending in SAME_UNIT:
        key = key.removesuffix(ending)
    return next((unit for ending, unit in UNITS.items() if key.endswith(ending)), None)


@pytest.mark.parametrize("name", observables())
def test_the_documented_keys_are_those_of_the_result_with_their_units(
    name: str, results: dict[str, dict[str, Any]]
) -> None:
    documented = observables()[name]
    assert documented.mismatches(results[name]) == []
    for key, (unit, meaning) in documented.keys.items():
        assert meaning, key
        assert unit_of(key) in (unit, None), key


def test_a_key_without_documentation_and_one_that_is_not_written_are_found() -> None:
    documented = Documented("a", "A result.", {"n_<ion>_<side>_K": ("K", "One"), "b": ("", "Two")})
    assert documented.mismatches({"n_li_left_K", "n_tfsi_right_K", "n_li_top_K"}) == [
        "n_li_top_K: not documented",
        "b: not written",
    ]


def test_an_observable_is_registered_once() -> None:
    with pytest.raises(ValueError, match=r"observable = 'populations': registered twice; choose another name"):
        observable("populations", kind="Dict", summary="Again.", keys={})(lambda production: {})


def test_an_observable_is_computed_only_if_the_reduction_holds_what_it_needs(
    trajectory: Synthetic, tmp_path: Path, results: dict[str, dict[str, Any]]
) -> None:
    assert set(results) == set(observables())
    without = reduced(trajectory, tmp_path, lags_ps=(), displacement_ps=None)
    assert set(observables()) - set(analyse(without, TEMPERATURE)) == {"displacement_variance"}


def test_importing_the_registry_is_cheap() -> None:
    """The command line names observables in its help and must not wait for numpy."""
    source = "import sys, aiida_cse.analysis.registry; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", source], check=True)


def plain(value: Any) -> bool:
    """Whether a value can be stored in a node as it is."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(plain(item) for item in value)
    return value is None or type(value) in (bool, int, str) or (type(value) is float and np.isfinite(value))


def test_results_can_be_stored(results: dict[str, dict[str, Any]]) -> None:
    for part in ("populations", "transitions", "equilibration"):
        assert plain(results[part]), part
    for part in ("density_profiles", "free_energy_profiles", "charge_integral"):
        assert all(isinstance(item, np.ndarray) or plain(item) for item in results[part].values()), part


def test_populations_are_means_of_the_known_regions(
    results: dict[str, dict[str, Any]], trajectory: Synthetic
) -> None:
    found = results["populations"]
    inside = (trajectory.regions["Li"] == 2).sum(axis=1)
    assert found["n_li_ceramic"] == pytest.approx(inside.mean())
    assert found["n_li_excess"] == pytest.approx(inside.mean() - 4)
    layers = np.isin(trajectory.regions["TFSI"], (1, 3)).sum(axis=1)
    assert found["n_tfsi_layer"] == pytest.approx(layers.mean())
    assert found["n_tfsi_layer"] == pytest.approx(found["n_tfsi_layer_left"] + found["n_tfsi_layer_right"])
    assert "n_tfsi_excess" not in found
    shares = (trajectory.regions["Li"] == 2).mean(axis=0)
    assert found["n_li_ceramic_error_from"] == found["n_li_excess_error_from"] == "ions"
    assert found["n_li_ceramic_error"] == pytest.approx(np.sqrt(len(shares) * shares.var(ddof=1)))
    assert found["n_li_ceramic_reason"] is None
    assert found["time_ns"] == pytest.approx((FRAMES - 1) * 2e-5)


def test_transitions_are_those_of_the_known_regions(
    results: dict[str, dict[str, Any]], trajectory: Synthetic
) -> None:
    found = results["transitions"]
    for name, target in (("Li", "ceramic"), ("TFSI", "layer")):
        counted = count_transitions(trajectory.regions[name])
        assert found[f"matrix_{name.lower()}"] == counted.matrix.tolist()
        for side, events in counted.exchange(target).items():
            assert found[f"s_in_{name.lower()}_{target}_{side}"] == events.entries
            assert found[f"s_out_{name.lower()}_{target}_{side}"] == events.exits
    assert found["by_rule"]["core"]["matrix_li"] == found["by_rule"]["snapshot"]["matrix_li"]
    assert found["stride_ps"] == pytest.approx(0.02)


def test_the_verdict_rests_on_the_counted_transitions(results: dict[str, dict[str, Any]]) -> None:
    found, counts = results["equilibration"], results["transitions"]
    entries, exits = counts["s_in_li_ceramic"], counts["s_out_li_ceramic"]
    assert entries > 0
    assert found["ec"] == found["ec_li_ceramic"] == equilibration_coefficient(entries, exits)
    assert found["ec_lower_bound"] == equilibration_lower_bound(entries, exits)
    assert found["decided_by"] == ["Li"]
    assert len(found["reasons"]) == 5
    assert all(reason.startswith("Li: ") for reason in found["reasons"])
    low, high = found["s_total_li_ceramic_interval"]
    assert low < entries + exits < high


def test_without_events_there_is_an_upper_bound(tmp_path: Path) -> None:
    results = analyse(reduced(make(1, 101, hop=0.0), tmp_path, snapshot_ps=0.02), TEMPERATURE)["equilibration"]
    assert results["equilibrated"] is False
    assert results["ec"] == results["ec_lower_bound"] == 0.0
    assert results["rate_upper_bound_per_s"] == pytest.approx(2.9957 / (100 * 2e-14), rel=1e-4)


def test_start_ns_is_rounded_up_to_whole_blocks(state: State, trajectory: Synthetic) -> None:
    results = analyse(state, TEMPERATURE, AnalysisSettings(start_ns=0.00145))
    begin = 80
    assert results["populations"]["start_ns"] == pytest.approx(begin * 2e-5)
    assert results["populations"]["frames"] == FRAMES - begin
    late = trajectory.regions["Li"][begin:]
    assert results["populations"]["n_li_ceramic"] == pytest.approx((late == 2).sum(axis=1).mean())
    shares = np.isin(late, (1, 3)).mean(axis=0)
    assert results["populations"]["n_li_layer_error"] == pytest.approx(np.sqrt(len(shares) * shares.var(ddof=1)))
    assert results["transitions"]["matrix_li"] == count_transitions(late).matrix.tolist()
    density = results["density_profiles"]["Li_per_A3"].sum() * 20 * 20 * LENGTH / 110
    assert density == pytest.approx(trajectory.regions["Li"].shape[1])


def test_a_state_may_start_within_a_block(trajectory: Synthetic, tmp_path: Path) -> None:
    results = analyse(reduced(trajectory, tmp_path, first_step=70, snapshot_ps=0.02), TEMPERATURE)
    assert results["transitions"]["matrix_li"] == count_transitions(trajectory.regions["Li"]).matrix.tolist()
    assert results["populations"]["frames"] == FRAMES


def test_start_ns_counts_from_the_first_frame_of_the_state(trajectory: Synthetic, tmp_path: Path) -> None:
    state = reduced(trajectory, tmp_path, first_step=270, snapshot_ps=0.14)
    results = analyse(state, TEMPERATURE, AnalysisSettings(start_ns=0.0019))
    begin = 130 - 27
    late = trajectory.regions["Li"][begin:]
    assert results["populations"]["frames"] == len(late)
    density = results["density_profiles"]
    assert density["point_li_per_A3"].sum() * 20 * 20 * LENGTH / 110 == pytest.approx(late.shape[1])
    inside = np.abs(density["z_A"]) < 23
    in_ceramic = density["Li_per_A3"][inside].sum() * 20 * 20 * LENGTH / 110
    assert in_ceramic == pytest.approx((late == 2).sum(axis=1).mean())
    # frame 133 of the production is the first snapshot of the window
    snapshots = count_transitions(trajectory.regions["Li"][133 - 27 :], stride=7)
    assert results["transitions"]["matrix_li"] == snapshots.matrix.tolist()


def test_snapshots_at_a_stride_state_their_observed_time(trajectory: Synthetic, tmp_path: Path) -> None:
    found = analyse(reduced(trajectory, tmp_path, snapshot_ps=0.14), TEMPERATURE)["transitions"]["by_rule"]
    assert found["snapshot"]["matrix_li"] == count_transitions(trajectory.regions["Li"], stride=7).matrix.tolist()
    assert found["snapshot"]["observed_ns"] == pytest.approx(203 * 2e-5)
    assert found["core"]["observed_ns"] == pytest.approx(204 * 2e-5)


def test_a_start_that_leaves_nothing_is_refused(state: State) -> None:
    with pytest.raises(
        ValueError, match=r"start_ns = 1: .* at most 0.004, the start of the last block of 0.0002 ns"
    ):
        analyse(state, TEMPERATURE, AnalysisSettings(start_ns=1.0))


def test_densities_are_counts_per_frame_and_volume(state: State, results: dict[str, dict[str, Any]]) -> None:
    found = results["density_profiles"]
    volume = 20 * 20 * LENGTH / state.config.bins
    counts = state.histograms.sum(axis=0) / FRAMES
    for index, label in enumerate(state.config.labels):
        assert found[f"{label}_per_A3"] * volume == pytest.approx(counts[index])
    charge = np.array(state.config.charges) @ counts
    assert found["charge_e_per_A3"] * volume == pytest.approx(charge)
    assert found["z_A"][[0, -1]] == pytest.approx([-54.5, 54.5])
    assert np.isfinite(found["Li_error_per_A3"]).all()


def test_free_energies_have_a_value_or_a_bound_in_each_bin(results: dict[str, dict[str, Any]]) -> None:
    found = results["free_energy_profiles"]
    for ion in ("li", "tfsi"):
        seen = np.isfinite(found[f"{ion}_K"])
        assert (seen == np.isnan(found[f"{ion}_lower_bound_K"])).all()
        assert (found[f"{ion}_error_K"][seen] > 0).all()
        assert found[f"{ion}_counts_per_visit"] >= 1
    assert found["li_zero"].startswith("the bin with most counts")
    assert found["tfsi_zero"] == "mean density of the bulk electrolyte"


def test_wrong_settings_name_the_field(state: State) -> None:
    with pytest.raises(ValueError, match="temperature = 0"):
        analyse(state, 0.0)
    for wrong in ({"rule": "cores"}, {"start_ns": -1}, {"lam": 0}, {"level": 1}, {"lamda": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            AnalysisSettings.model_validate(wrong)
