"""Interfacial resistance of a reduced production, against the counts of its transitions."""

import pytest

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.resistance import interfacial_resistances
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.transitions import transitions
from aiida_cse.physics.kinetics.resistance import interfacial_resistance
from aiida_cse.physics.statistics.poisson import poisson_upper
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import config, make, write_dcd


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    path = write_dcd(tmp_path_factory.mktemp("a") / "a.dcd", make(17, 400, hop=0.05).positions)
    return reduce_segments([path], config())


def test_each_face_has_the_resistance_of_its_committed_crossings(state: State) -> None:
    # a walk between the regions has no equilibrium of its own; criteria that it passes
    lenient = {"minimum_coefficient": 0, "minimum_lower_bound": 0, "significance": 1e-9, "maximum_remaining": None}
    production = ReducedProduction(state, 700.0, AnalysisSettings.model_validate(lenient))
    found, counted = interfacial_resistances(production), transitions(production)
    assert found["equilibrated"]
    core = counted["by_rule"]["core"]
    assert found["rule"] == "core"
    assert found["face_area_nm2"] * 2 == counted["area_nm2"]
    for face in ("", "_left", "_right"):
        crossings = core[f"s_in_li_ceramic{face}"] + core[f"s_out_li_ceramic{face}"]
        assert found[f"crossings_li{face}"] == crossings > 0
        area = counted["area_nm2"] / (1 if face == "" else 2)
        rate = crossings / 2 / (core["observed_ns"] * 1e-9)
        value = found[f"resistance_li{face}_ohm_cm2"]
        assert value == pytest.approx(float(interfacial_resistance(rate, area, 700.0)))
        low, high = found[f"resistance_li{face}_interval_ohm_cm2"]
        assert low < value < high
        assert low < found[f"resistance_li{face}_lower_bound_ohm_cm2"] < value
    assert found["exchange_current_li_A_per_cm2"] == pytest.approx(
        8.617333e-5 * 700 / found["resistance_li_ohm_cm2"], rel=1e-6
    )


def test_off_equilibrium_there_is_a_lower_bound_only(state: State) -> None:
    # three blocks cannot pass the verdict
    found = interfacial_resistances(ReducedProduction(state, 700.0, AnalysisSettings(end_ns=0.6e-3)))
    assert not found["equilibrated"]
    for face in ("", "_left", "_right"):
        assert found[f"resistance_li{face}_ohm_cm2"] is None
        assert found[f"resistance_li{face}_interval_ohm_cm2"] is None
        bound = found[f"resistance_li{face}_lower_bound_ohm_cm2"]
        # nothing is known of the other direction: no more than the larger count alone says
        fewest = -(-found[f"crossings_li{face}"] // 2)
        area = found["face_area_nm2"] * (2 if face == "" else 1)
        most = poisson_upper(fewest, 0.95) / (found["observed_ns"] * 1e-9)
        assert 0 < bound <= float(interfacial_resistance(most, area, 700.0)) * (1 + 1e-9)
    assert found["exchange_current_li_A_per_cm2"] is None


def test_boundaries_of_the_settings_leave_the_snapshots(state: State) -> None:
    first = next(iter(state.config.ions.values())).edges[1:-1]
    moved = AnalysisSettings.model_validate(
        {"boundaries": {"Li": [first[0], first[1] - 1, first[2] + 1, first[3]]}}
    )
    found = interfacial_resistances(ReducedProduction(state, 700.0, moved))
    assert found["rule"] == "snapshot"
    assert found["counted_in_snapshots"] == ["Li"]
