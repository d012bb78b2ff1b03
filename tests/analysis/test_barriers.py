"""Barriers and rates of theory, from states with histograms drawn from a known landscape."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import constants

from aiida_cse.analysis.barriers import anion_barriers, barriers, mass_of
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.physics.profiles.barriers import boltzmann_average
from aiida_cse.physics.statistics.poisson import poisson_interval
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import LENGTH, config

T = 700.0
FRAMES = 40 * 40
LEFT_K, RIGHT_K = 4500.0, 4000.0


def state(well_counts: float = 2e5, entries: int = 3) -> State:
    """Return a state with 8 Li+ in the layers and 4 in the ceramic all the time, and some entries and exits."""
    settings = config(bins=550, block_ps=0.8)
    made = State.empty(settings, 0, FRAMES, ions=20)
    z = settings.grid.centres
    height = np.where(z < 0, LEFT_K, RIGHT_K)
    free_energy = np.where(np.abs(z) > 33, height, height * (1 + np.cos(np.pi * (np.abs(z) - 23) / 5)) / 2)
    free_energy[np.abs(z) < 18] = 0
    mean = well_counts / len(made.point_histograms) * np.exp(-free_energy / T)
    rng = np.random.default_rng(4)
    made.point_histograms[:, 0] = rng.poisson(mean, (len(made.point_histograms), len(z)))
    made.point_histograms[:, 1] = 1
    made.region_counts[:, 0] = (0, 4, 4, 4, 0)
    events = [
        (100 + 400 * i + 20 * kind, i, *way) for i in range(entries) for kind, way in enumerate(((1, 2), (2, 1)))
    ]
    made.tracks["core"].events = np.array(events, dtype=np.int64).reshape(-1, 4)
    return made


#: a verdict that the few exchanges of the synthetic state pass
LENIENT = {"minimum_coefficient": 0.0, "minimum_lower_bound": 0.0, "maximum_remaining": None}


def analysed(made: State, **settings: Any) -> dict[str, Any]:
    return barriers(ReducedProduction(made, T, AnalysisSettings(rule="core", **(LENIENT | settings))))


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return analysed(state())


@pytest.mark.parametrize(("side", "truth", "sign"), [("left", LEFT_K, -1), ("right", RIGHT_K, 1)])
def test_each_side_has_its_barrier(found: dict[str, Any], side: str, truth: float, sign: int) -> None:
    low, high = found[f"barrier_li_{side}_interval_K"]
    assert low < truth < high
    assert found[f"barrier_li_{side}_K"] == pytest.approx(truth, abs=150)
    assert found[f"top_li_{side}_z_A"] == pytest.approx(sign * 23, abs=0.2)
    assert found[f"well_li_{side}_z_A"] == pytest.approx(sign * 28, abs=0.2)
    assert found[f"curvature_li_{side}_K_per_A2"] == pytest.approx(truth * np.pi**2 / 100, rel=0.1)
    assert found[f"visits_li_{side}"] >= 30
    assert found["reasons"] == []


def test_the_barriers_of_both_sides_are_joined(found: dict[str, Any]) -> None:
    sides = [found[f"barrier_li_{side}_K"] for side in ("left", "right")]
    assert found["barrier_li_K"] == pytest.approx(boltzmann_average(sides, T))
    assert found["barrier_li_kJ_per_mol"] == pytest.approx(found["barrier_li_K"] * constants.R / 1000)
    low, high = found["barrier_li_interval_K"]
    assert low < boltzmann_average([LEFT_K, RIGHT_K], T) < high
    assert found["barrier_li_lower_bound_K"] < found["barrier_li_K"]


def test_frequency_rate_and_kappa_follow_from_the_barrier(found: dict[str, Any]) -> None:
    # eq 8, and transition-state theory with the TST barrier, by hand
    mass = 6.94 * constants.atomic_mass
    spring = (LEFT_K + RIGHT_K) / 2 * np.pi**2 / 100 * constants.k * 1e20
    frequency = np.sqrt(spring / (2 * np.pi**2 * mass))
    assert found["frequency_li_per_s"] == pytest.approx(frequency, rel=0.05)
    assert 0 < found["frequency_li_log_error"] < 0.05
    attempts = np.sqrt(constants.k * T / (2 * np.pi * mass)) * 1e10
    assert found["attempts_li_per_s"] == pytest.approx(attempts)
    rate = attempts * np.exp(-found["tst_barrier_li_K"] / T)
    assert found["rate_tst_li_per_s"] == pytest.approx(rate)
    assert found["rate_tst_li_log_error"] == pytest.approx(found["tst_barrier_li_error_K"] / T)
    exposure_s = 8 * (FRAMES - 1) * 0.02 * 1e-12
    assert found["expected_in_li_ceramic"] == pytest.approx(rate * exposure_s)
    assert found["kappa_li"] == pytest.approx(3 / (rate * exposure_s))
    low, high = found["kappa_li_interval"]
    exact = [end / (rate * exposure_s) for end in poisson_interval(3)]
    assert low < exact[0] < exact[1] < high


def test_tst_and_resistance_barriers_are_the_integrals_over_the_landscape(found: dict[str, Any]) -> None:
    z, width = state().config.grid.centres, state().config.grid.width
    for side, height, sign in (("left", LEFT_K, -1), ("right", RIGHT_K, 1)):
        energy = height * (1 + np.cos(np.pi * (sign * z - 23) / 5)) / 2
        top, layer = (sign * z > 20.5) & (sign * z < 25.5), (sign * z > 23) & (sign * z < 32)
        well = T * np.log(np.exp(-energy[layer] / T).sum() * width)
        low, high = found[f"tst_barrier_li_{side}_interval_K"]
        assert low < height + well < high
        low, high = found[f"resistance_barrier_li_{side}_interval_K"]
        assert low < T * np.log(np.exp(energy[top] / T).sum() * width) + well < high
    joined = boltzmann_average([found[f"tst_barrier_li_{side}_K"] for side in ("left", "right")], T)
    assert found["tst_barrier_li_K"] == pytest.approx(joined)


def test_off_equilibrium_there_are_bounds_and_neither_rate_nor_kappa(monkeypatch: pytest.MonkeyPatch) -> None:
    off = analysed(state(), minimum_coefficient=0.9)
    verdict = {
        "equilibrated": True,
        "ec": 0.6,
        "relaxation_times_li_ceramic": 0.2,
        "relaxation_times_tfsi_layer": 9,
    }
    monkeypatch.setattr("aiida_cse.analysis.barriers.equilibration", lambda _: verdict)
    short = analysed(state())
    assert short["equilibrated"] is True
    assert short["reasons"] == [
        "the run has 0.2 relaxation times of Li (needs ≥ 1): its barriers have lower bounds only"
    ]
    assert off["equilibrated"] is False
    assert off["reasons"] == ["the run has not equilibrated (EC 0.38): the barriers have lower bounds only"]
    for found in (short, off):
        for name in ("barrier", "tst_barrier", "resistance_barrier"):
            for place in ("li", "li_left", "li_right"):
                assert found[f"{name}_{place}_interval_K"] is found[f"{name}_{place}_error_K"] is None
        assert 2000 < found["barrier_li_lower_bound_K"] < RIGHT_K
        assert found["rate_tst_li_per_s"] is found["kappa_li"] is found["kappa_li_interval"] is None


def test_few_visits_give_a_bound_and_no_theory() -> None:
    found = analysed(state(well_counts=300))
    assert found["barrier_li_interval_K"] is None
    assert found["barrier_li_lower_bound_K"] < boltzmann_average([LEFT_K, RIGHT_K], T)
    assert found["rate_tst_li_per_s"] is None
    assert found["kappa_li"] is None


def test_a_side_without_ions_has_a_reason_instead_of_a_barrier() -> None:
    made = state()
    made.point_histograms[:, 0, : made.config.bins // 2] = 0
    found = analysed(made)
    assert found["barrier_li_left_K"] is None
    assert found["barrier_li_right_K"] is not None
    assert found["barrier_li_K"] is None
    assert found["reasons"] == ["Li, left: counts: all bins of the well, -32 to -25.5 Å, are empty"]


def test_too_few_blocks_of_time_are_a_reason() -> None:
    found = analysed(state(), start_ns=FRAMES * 0.02e-3 * 0.95)
    assert found["barrier_li_K"] is None
    assert (
        found["reasons"][0] == "Li, left: 2 whole block(s) of time, it takes 5 to tell how many counts are a visit"
    )


def test_thin_layers_have_narrow_windows() -> None:
    made = state()
    edges = (-55.0, -26.0, -23.0, 23.0, 26.0, 55.0)
    cores = ((-55.0, -26.5), (-25.9, -23.1), (-22.0, 22.0), (23.1, 25.9), (26.5, 55.0))
    thin = made.config.ions["Li"].model_copy(update={"edges": edges, "cores": cores})
    config = made.config.model_copy(update={"ions": {**made.config.ions, "Li": thin}})
    # the well lies outside of the layer: said as such, and no mistake about the windows themselves
    reasons = analysed(replace(made, config=config))["reasons"]
    assert reasons[0] == "Li, left: well = -26 to -24.5 Å: F has its minimum at the end; must have it inside"


def test_the_mass_is_that_of_all_atoms_of_an_ion() -> None:
    production = ReducedProduction(state(), T, AnalysisSettings(rule="core"))
    assert mass_of(production, production.ions["Li"]) == pytest.approx(6.94 * constants.atomic_mass)
    assert mass_of(production, production.ions["TFSI"]) == pytest.approx((14.0 + 2 * 19.0) * constants.atomic_mass)


def test_the_keys_do_not_depend_on_the_counts(found: dict[str, Any]) -> None:
    empty = state()
    empty.point_histograms[:, 0] = 0
    assert analysed(empty).keys() == found.keys()


def test_the_anion_does_not_cross_and_has_no_barrier(found: dict[str, Any]) -> None:
    assert not [key for key in found if "tfsi" in key]


def test_fewer_exchanges_make_a_wider_interval(found: dict[str, Any]) -> None:
    none = analysed(state(entries=0))
    assert none["barrier_li_error_K"] > found["barrier_li_error_K"]
    assert none["kappa_li"] == 0
    assert none["kappa_li_interval"][0] == 0


def test_the_time_before_start_ns_does_not_count() -> None:
    made = state()
    late = replace(made, point_histograms=made.point_histograms.copy())
    late.point_histograms[:20, 0] = 10**6
    assert late.config.box[2] == LENGTH
    half = FRAMES // 2 * 0.02e-3
    assert analysed(late, start_ns=half)["barrier_li_K"] == analysed(made, start_ns=half)["barrier_li_K"]


# -- anions --------------------------------------------------------------------------------------------------

ANION_LEFT_K, ANION_RIGHT_K = 3000.0, 2500.0


def anion_state(bulk_counts: float = 2e5) -> State:
    """Return a state whose anions see a flat bulk, a top at ±26 Å and a first layer 1,500 K below the bulk."""
    made = state()
    z = np.abs(made.config.grid.centres)
    height = np.where(made.config.grid.centres < 0, ANION_LEFT_K, ANION_RIGHT_K)
    outside = np.where(z > 30, 0.0, height * (1 + np.cos(np.pi * (z - 26) / 4)) / 2)
    inside = (height + 1500) * (1 + np.cos(np.pi * (z - 26) / 4)) / 2 - 1500
    free_energy = np.where(z > 26, outside, np.where(z > 22, inside, np.where(z > 19, -1500.0, 30_000.0)))
    mean = bulk_counts / len(made.point_histograms) * np.exp(-free_energy / T)
    rng = np.random.default_rng(8)
    made.point_histograms[:, 1] = rng.poisson(mean, (len(made.point_histograms), len(z)))
    made.region_counts[:, 1] = (1, 2, 0, 3, 2)
    # each anion goes in and out many times, so that the exchange does not limit the barrier
    events = [
        (20 + 20 * number + 10 * kind, 12 + number % 8, *way)
        for number in range(70)
        for kind, way in enumerate(((0, 1), (1, 0)))
    ]
    merged = [*made.tracks["core"].events.tolist(), *events]
    made.tracks["core"].events = np.array(sorted(merged, key=lambda event: event[0]), dtype=np.int64)
    return made


def anions(made: State, **settings: Any) -> dict[str, Any]:
    return anion_barriers(ReducedProduction(made, T, AnalysisSettings(rule="core", **(LENIENT | settings))))


@pytest.mark.parametrize(("side", "truth", "sign"), [("left", ANION_LEFT_K, -1), ("right", ANION_RIGHT_K, 1)])
def test_an_anion_has_its_barrier_from_the_bulk_on_each_side(side: str, truth: float, sign: int) -> None:
    found = anions(anion_state())
    assert found["equilibrated"] is True
    assert found["reasons"] == []
    low, high = found[f"barrier_tfsi_{side}_interval_K"]
    assert low < truth < high
    assert found[f"barrier_tfsi_{side}_K"] == pytest.approx(truth, abs=60)
    assert found[f"barrier_tfsi_{side}_lower_bound_K"] < truth
    assert found[f"top_tfsi_{side}_z_A"] == pytest.approx(sign * 26, abs=0.2)
    assert found[f"visits_tfsi_{side}"] >= 30


def test_the_anion_barriers_of_both_sides_are_joined() -> None:
    found = anions(anion_state())
    sides = [found[f"barrier_tfsi_{side}_K"] for side in ("left", "right")]
    assert found["barrier_tfsi_K"] == pytest.approx(boltzmann_average(sides, T))
    low, high = found["barrier_tfsi_interval_K"]
    assert low < boltzmann_average([ANION_LEFT_K, ANION_RIGHT_K], T) < high
    assert high - low < 500
    assert not [key for key in found if "_li_" in key]


def test_an_anion_barrier_off_equilibrium_is_a_bound_with_its_reason() -> None:
    found = anions(anion_state(), minimum_coefficient=0.9)
    assert found["equilibrated"] is False
    for name in ("tfsi", "tfsi_left", "tfsi_right"):
        assert found[f"barrier_{name}_interval_K"] is found[f"barrier_{name}_error_K"] is None
        assert found[f"barrier_{name}_lower_bound_K"] > 1000
    assert found["reasons"] == ["the run has not equilibrated (EC 0.38): the barriers have lower bounds only"]


def test_few_visits_of_the_top_give_a_lower_bound_of_the_anion_barrier() -> None:
    found = anions(anion_state(bulk_counts=40))
    assert found["equilibrated"] is True
    assert found["barrier_tfsi_interval_K"] is None
    assert 0 < found["barrier_tfsi_lower_bound_K"] < boltzmann_average([ANION_LEFT_K, ANION_RIGHT_K], T)


def test_anions_that_were_never_in_the_bulk_have_no_barrier_and_the_same_keys() -> None:
    empty = anion_state()
    empty.point_histograms[:, 1] = 0
    found = anions(empty)
    assert found["barrier_tfsi_K"] is found["barrier_tfsi_lower_bound_K"] is None
    assert len(found["reasons"]) == 2
    assert found["reasons"][0].startswith("TFSI, left: counts: all bins of the well")
    assert found.keys() == anions(anion_state()).keys()
