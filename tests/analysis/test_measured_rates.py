"""Rates that were measured without counting, in the joint kinetics."""

from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.kinetics import KineticsSettings, conclusions, kinetics
from aiida_cse.physics.kinetics.arrhenius_fit import joint_kinetics
from aiida_cse.physics.kinetics.observations import MeasuredRate, Observation, over_faces
from tests.analysis.test_kinetics import results

ENERGY, PREFACTOR = 7000.0, 5e12
EXPOSURE = 2e-6
SETTINGS = KineticsSettings(laws=["arrhenius"], barrier="maximum", temperatures=[400])


def rate(temperature: float) -> float:
    """Return Γ of Arrhenius' law, s⁻¹."""
    return PREFACTOR * float(np.exp(-ENERGY / temperature))


def crossing(temperature: float, log_error: float = 0.3, factor: float = 1.0, **changes: Any) -> dict[str, Any]:
    """Return the result of a crossing, as far as kinetics reads it."""
    value = factor * rate(temperature)
    ends = [value * float(np.exp(sign * 1.959964 * log_error)) for sign in (-1, 1)]
    known = {
        "ion": "Li", "temperature_K": temperature, "side": "left", "level": 0.95,
        "rate_in_per_s": value, "rate_in_interval_per_s": ends, "layer_density_per_nm2": 0.5,
    }  # fmt: skip
    return {"crossing": known | changes}


HOT = {
    f"T{kelvin:04d}_r1": results(kelvin, round(rate(kelvin) * EXPOSURE), EXPOSURE * 1e9)
    for kelvin in (700, 800, 900)
}


def test_a_measured_rate_tells_as_much_as_its_error_allows() -> None:
    counted = joint_kinetics([Observation(700, 25, 1e-6), Observation(500, 25, 1e-3)], laws=["arrhenius"])
    measured = MeasuredRate(500, 25 / 1e-3, 0.2)
    found = joint_kinetics([Observation(700, 25, 1e-6)], laws=["arrhenius"], measured=[measured])
    for one, other in ((found.energy, counted.energy), (found.rates[0].rate, counted.rates[0].rate)):
        assert [one.median, one.low, one.high] == pytest.approx([other.median, other.low, other.high], rel=1e-9)
    assert (found.events, found.used) == (25, ("run 1", "run 2"))


def test_a_measured_rate_at_400_k_replaces_an_extrapolation() -> None:
    alone = kinetics(HOT, SETTINGS)
    found = kinetics({**HOT, "left": crossing(400, 0.1)}, SETTINGS)
    assert alone["rate_0400K_extrapolated"]
    assert not found["rate_0400K_extrapolated"]
    (low, high), (least, most) = alone["rate_0400K_interval_per_s"], found["rate_0400K_interval_per_s"]
    assert least < rate(400) < most
    assert np.log(most / least) < np.log(high / low)
    record = found["crossings"][0]
    assert record["counted_rate_per_s"] == alone["rate_0400K_per_s"]
    assert record["equivalent_events"] == pytest.approx(1 / 0.1**2, rel=1e-5)
    assert record["agrees"] is True
    assert found["used"][-1] == "left"
    assert found["resistance_0400K_ohm_cm2"] is not None


def faces(ratio: float, kelvin: float = 400, **changes: Any) -> dict[str, Any]:
    """Return crossings of two faces whose rates differ by ``ratio``, and whose mean is that of Arrhenius' law.

    The left face has three times as many ions in its layer.
    """
    right = 4 / (3 * ratio + 1)
    known = {"layer_density_per_nm2": 3.0, "layer_ions_counted": 3000} | changes
    other = {"layer_density_per_nm2": 1.0, "layer_ions_counted": 1000} | changes
    return {
        "left": crossing(kelvin, 0.1, ratio * right, **known),
        "right": crossing(kelvin, 0.1, right, side="right", **other),
    }


@pytest.mark.parametrize("ratio", [1.0, 8.0, 0.05])
def test_rates_of_both_faces_enter_as_their_mean_by_ions(ratio: float) -> None:
    found = kinetics({**HOT, **faces(ratio)}, SETTINGS)
    low, high = found["rate_0400K_interval_per_s"]
    assert low < rate(400) < high
    assert found["p_value"] > 0.05
    assert {record["run"] for record in found["crossings"]} < set(found["used"])
    # the populations of a run in equilibrium tell the numbers of ions better than the systems of a crossing
    populations = {f"n_li_layer_{side}{end}": value for side, end, value in (
        ("left", "", 30.0), ("left", "_error", 0.3), ("right", "", 10.0), ("right", "_error", 0.1),
    )}  # fmt: skip
    few = {**HOT, **faces(ratio, layer_density_per_nm2=1.0, layer_ions_counted=2)}
    few["T0700_r1"] = few["T0700_r1"] | {"populations": populations}
    better = kinetics(few, SETTINGS)
    assert [one["layer_ions"] for one in better["crossings"]] == [30, 10]
    assert better["rate_0400K_per_s"] == pytest.approx(found["rate_0400K_per_s"], rel=0.01)
    for record in found["crossings"]:
        assert (record["faces"], record["agrees"]) == (2, True)
        assert record["mean_rate_per_s"] == pytest.approx(rate(400), rel=0.03)
    assert any("the mean of both faces is" in line for line in conclusions(found))


def test_a_rate_of_one_face_is_told() -> None:
    found = kinetics({**HOT, "left": crossing(400, 0.1)}, SETTINGS)
    assert found["crossings"][0]["faces"] == 1
    assert any("of one face only" in line for line in conclusions(found))


def test_the_mean_over_faces_knows_how_few_ions_its_weights_rest_on() -> None:
    def mean(**changes: Any) -> tuple[float, float]:
        pair = faces(8.0, **changes)
        record = kinetics({**HOT, **pair}, SETTINGS)["crossings"][0]
        low, high = record["mean_rate_interval_per_s"]
        return record["mean_rate_per_s"], float(np.log(high / low))

    width = mean()[1]
    assert mean(layer_ions_counted=4)[1] > 1.5 * width
    rates = [one["crossing"]["rate_in_per_s"] for one in faces(8.0).values()]
    unknown, wide = mean(layer_density_per_nm2=None)
    assert min(rates) < unknown < max(rates)
    assert wide > 2 * width


def test_several_rates_of_a_face_share_its_weight() -> None:
    def of(face: str, value: float, label: str) -> MeasuredRate:
        return MeasuredRate(400, value, 0.01, face=face, label=label, ions=2.0, counted=1e6)

    both = [of("left", 1.0, "a"), of("right", 3.0, "b")]
    assert over_faces(both)[0].rate == pytest.approx(2, rel=1e-3)
    thrice = over_faces([of("left", 1.0, "a"), of("left", 1.0, "c"), of("right", 3.0, "b")])
    assert thrice[0].rate == pytest.approx(2, rel=1e-3)
    assert thrice[0].log_error == pytest.approx(over_faces(both)[0].log_error, rel=0.1)
    assert [one.temperature for one in over_faces([*both, MeasuredRate(500, 1.0, 0.3)])] == [400, 500]


def test_rates_alone_give_a_fit_and_bounds() -> None:
    cold = {f"T{kelvin}": crossing(kelvin) for kelvin in (400, 500, 600)}
    found = kinetics(cold, SETTINGS)
    low, high = found["energy_interval_K"]
    assert low < ENERGY < high
    assert (found["rule"], found["events"], found["gamma"]) == ("committed", 0, None)
    assert found["crossings"][0]["agrees"] is None
    assert found["p_value"] > 0.05


def test_a_rate_that_contradicts_the_counts_is_told() -> None:
    found = kinetics({**HOT, "left": crossing(400, factor=1e4)}, SETTINGS)
    assert found["crossings"][0]["agrees"] is False
    said = conclusions(found)
    assert any("measured, left: left" in line for line in said)
    assert any("differs from that extrapolated from the counts" in line for line in said)
    assert found["p_value"] < 1e-3


def test_a_rate_without_an_interval_or_off_equilibrium_is_named_and_left_out() -> None:
    off = "N(Li excess) of the windows is 12 σ from that of equilibrium"
    found = kinetics(
        {
            **HOT,
            "open": crossing(400, rate_in_interval_per_s=None),
            "early": crossing(400, off_equilibrium=off),
            "rare": crossing(400, rate_in_interval_per_s=None, rate_in_upper_bound_per_s=2e5),
        },
        SETTINGS,
    )
    assert found["excluded"] == {
        "open": "its rate has no interval",
        "early": off,
        "rare": "its rate has no interval, only an upper bound, 2e+05 s⁻¹",
    }
    assert found["crossings"] == []
    assert found["rate_0400K_per_s"] == kinetics(HOT, SETTINGS)["rate_0400K_per_s"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ion": "Na"}, "runs = .*T0700_r1: li; .*left: na: they must be of the same ion"),
        ({"temperature_K": None}, "runs.left.crossing.temperature_K = None: must be between 0 and 5000"),
        ({"rate_in_interval_per_s": [1.0, 0.5]}, "must be null or two rates above zero"),
        ({"rate_in_interval_per_s": "wide"}, "must be null or two rates above zero"),
        ({"rate_in_per_s": float("nan")}, "must be null or two rates above zero"),
        ({"layer_density_per_nm2": "many"}, "must be null or a number above zero"),
    ],
)
def test_results_that_are_no_rate_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kinetics({**HOT, "left": crossing(400, **changes)}, SETTINGS)
