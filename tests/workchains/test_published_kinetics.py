"""The kinetics of the published study: its counts and barriers as nodes, its results from `cse.kinetics`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from aiida import orm
from aiida.plugins import CalculationFactory

from aiida_cse.analysis.settings import AnalysisSettings, single
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.physics.kinetics.transition_state import vibrational_frequency
from aiida_cse.physics.profiles.barriers import boltzmann_average
from aiida_cse.workchains.common.builders import Codes, recipe_node
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.study import StudyWorkChain

PUBLISHED = "llzo-peo-litfsi"
#: Kozdra et al., PCCP 27, 24918 (2025), sections 3.3 and 3.4
IONS, HOT_NS, COLD_NS = 15, 380, 300
SIDES_K, CURVATURES, MASS_KG, SLOPE = (8000, 7500), (4.9e-21, 5.2e-21), 1.15e-26, 1850.0


pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@dataclass(frozen=True)
class Inputs:
    """Settings of the kinetics and of the analysis of each run, from the builder of a study."""

    kinetics: dict[str, Any]
    analysis: AnalysisSettings


_MADE: dict[tuple[str, str, str], Inputs] = {}


def study(codes: Codes, recipe: str, protocol: str = "paper", **overrides: Any) -> Inputs:
    """Return the inputs of a study; the builder of each is made once."""
    key = (recipe, protocol, repr(overrides))
    if key not in _MADE:
        made = StudyWorkChain.get_builder_from_protocol(codes, load_recipe(recipe), protocol, overrides=overrides)
        analysis = AnalysisSettings.model_validate(made.production.analysis.settings.get_dict())
        _MADE[key] = Inputs(made.kinetics.get_dict(), analysis)
    return _MADE[key]


def run(temperature: int, entries: int, time_ns: float, *, equilibrated: bool, minimum: int | None) -> Any:
    """Return the nodes of a run; as published, only that at 700 K has a barrier with an error."""
    joined = float(boltzmann_average(SIDES_K, 700))
    frequency = float(vibrational_frequency(sum(CURVATURES) / 2, MASS_KG))
    contents: dict[str, dict[str, Any]] = {
        "transitions": {
            "temperature_K": temperature,
            "rule": "snapshot",
            "s_in_li_ceramic_conditioned": entries,
            "exposure_conditioned_ns": time_ns,
            "exposure_conditioned_ion_ns": time_ns * IONS,
            "condition_minimum_excess": minimum,
        },
        "equilibration": {"equilibrated": equilibrated, "decided_by": ["Li"]},
        "barrier": {
            "barrier_li_K": joined,
            "barrier_li_error_K": 100.0 if temperature == 700 else None,
            "slope_li_K_per_A": SLOPE,
            "frequency_li_per_s": frequency,
            "frequency_li_log_error": 0.03,
        },
    }
    return {name: orm.Dict(content) for name, content in contents.items()}


def kinetics(inputs: Inputs, cold_ns: float = COLD_NS) -> Any:
    """Return the kinetics of the published runs as a study with these inputs computes them."""
    entries = {700: (7, HOT_NS, True), 600: (2, cold_ns, False), 500: (0, 200, False), 400: (0, 200, False)}
    runs: Any = {
        f"T{kelvin:04d}_r1": run(
            kelvin, count, time, equilibrated=verdict, minimum=single(inputs.analysis.at(kelvin).minimum_excess)
        )
        for kelvin, (count, time, verdict) in entries.items()
    }
    return CalculationFactory("cse.kinetics")(settings=orm.Dict(inputs.kinetics), **runs)


@pytest.fixture(scope="module")
def published(aiida_profile: object) -> dict[str, Any]:
    return recipe_node(load_recipe(PUBLISHED)).get_dict()


def test_the_published_counts_give_the_published_ratio_and_transmission(codes: Codes) -> None:
    found = kinetics(study(codes, PUBLISHED))
    assert (found["gamma_temperatures_K"], round(found["gamma"], 2)) == ([700, 600], 2.76)
    assert found["frequency_per_s"] == pytest.approx(1.5e12, rel=0.01)
    assert (found["barrier_from"], found["barrier_fallback"], found["laws"]) == ("maximum", None, ["arrhenius"])
    # 7 observed of 140 expected
    assert found["kappa"] == pytest.approx(0.05, rel=0.1)
    assert (found["slope_K_per_A"], found["shifts_from"]) == (SLOPE, "settings")
    lowered = {record["run"]: record["lowering_K"] for record in found["observations"]}
    assert lowered["T0600_r1"] == pytest.approx(0.18 * SLOPE)
    assert (sorted(found["used"]), found["admitted_off_equilibrium"]) == (["T0600_r1", "T0700_r1"], ["T0600_r1"])
    assert set(found["excluded"]) == {"T0500_r1", "T0400_r1"}


@pytest.mark.parametrize(("gamma", "rate"), [(2, 3.7e4), (3, 6.0e3), (6, 2.7e2)])
def test_energy_entropy_and_rate_are_the_published_ones(codes: Codes, gamma: float, rate: float) -> None:
    # γ as if the two entries at 600 K had taken another time
    found = kinetics(study(codes, PUBLISHED), cold_ns=gamma * 2 / 7 * HOT_NS)
    assert found["gamma"] == pytest.approx(gamma)
    # published with δ = 330 K instead of 0.18 Å × 1850 K/Å = 333 K, which makes 21 K of ΔE
    assert found["gamma_energy_K"] == pytest.approx(4200 * math.log(gamma) + 2310, abs=22)
    # and with a barrier of 7700 K instead of 7706 K
    assert found["gamma_entropy_kB"] == pytest.approx(6 * math.log(gamma) - 7.7, abs=0.03)
    # κ = 0.05 instead of 0.0496, and both of these
    assert found["gamma_rate_0400K_per_s"] == pytest.approx(rate, rel=0.06)
    assert found["gamma_rate_0400K_per_s"] * gamma**4.5 == pytest.approx(0.84e6, rel=0.05)
    if gamma == 3:
        assert found["gamma_energy_K"] == pytest.approx(6924, abs=22)
        assert found["gamma_entropy_kB"] == pytest.approx(-1.11, abs=0.03)


def test_only_the_paper_admits_the_run_off_equilibrium(codes: Codes) -> None:
    found = kinetics(study(codes, PUBLISHED, "moderate"))
    assert found["used"] == ["T0700_r1"]
    assert found["admit"] == "equilibrated"


def test_the_published_values_belong_to_their_recipe(codes: Codes, published: dict[str, Any]) -> None:
    settings = [study(codes, PUBLISHED).analysis.at(kelvin) for kelvin in (700, 600, 500)]
    conditions = [(one.minimum_excess, one.condition_last_ns) for one in settings]
    assert conditions == [(None, None), (42, 300), (None, None)]
    other = study(codes, "llzo-ppo-litfsi-demo")
    assert (other.kinetics["shifts"], other.kinetics["admit"]) == (None, "conditioned")
    assert other.analysis.minimum_excess is None
    assert study(codes, PUBLISHED, "moderate").kinetics["shifts"] is None
    own = study(codes, PUBLISHED, kinetics={"shifts": [[700, 0], [400, 0.5]]})
    assert own.kinetics["shifts"] == [[700, 0], [400, 0.5]]
    alone = ProductionWorkChain.get_builder_from_protocol(codes, published, protocol="paper")
    assert alone.analysis.settings["minimum_excess"] == [[600, 42]]


def test_a_recipe_without_known_kinetics_is_the_node_that_it_was(published: dict[str, Any]) -> None:
    demo = recipe_node(load_recipe("llzo-peo-litfsi-demo")).get_dict()
    assert "kinetics" not in demo
    assert "kinetics" in published
    assert Recipe.model_validate(published).model_dump(mode="json") == published
