"""Rates that were measured without counting, in the joint kinetics."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.kinetics import KineticsSettings, conclusions, kinetics
from aiida_cse.physics.kinetics.arrhenius_fit import joint_kinetics
from aiida_cse.physics.kinetics.measured import MeasuredRate, over_faces
from aiida_cse.physics.kinetics.observations import Observation
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


#: what a crossing has whose systems have no ion in the layer
NO_ION = {"layer_ions": 0.0, "layer_density_per_nm2": None, "layer_ions_counted": 0}
HOT = {
    f"T{kelvin:04d}_r1": results(kelvin, round(rate(kelvin) * EXPOSURE), EXPOSURE * 1e9)
    for kelvin in (700, 800, 900)
}


HOT_WITHOUT_AREA = {
    label: run | {"transitions": run["transitions"] | {"area_nm2": 0.0}} for label, run in HOT.items()
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
    known = {"layer_ions": 3.0, "layer_density_per_nm2": 3.0, "layer_ions_counted": 3000} | changes
    other = {"layer_ions": 1.0, "layer_density_per_nm2": 1.0, "layer_ions_counted": 1000} | changes
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
    few = {**HOT, **faces(ratio, layer_ions=1.0, layer_ions_counted=2)}
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
    unknown, wide = mean(layer_ions=None)
    assert min(rates) < unknown < max(rates)
    assert wide > 2 * width


def test_several_rates_of_a_face_share_its_weight() -> None:
    def of(face: str, value: float, label: str) -> MeasuredRate:
        return MeasuredRate(400, value, 0.01, face=face, label=label, ions=2.0, counted=1e6)

    both = [of("left", 1.0, "a"), of("right", 3.0, "b")]
    (mean,) = over_faces(both)
    assert mean.rate.rate == pytest.approx(2, rel=1e-3)
    assert (mean.labels, mean.faces) == (("a", "b"), 2)
    (thrice,) = over_faces([of("left", 1.0, "a"), of("left", 1.0, "c"), of("right", 3.0, "b")])
    assert thrice.rate.rate == pytest.approx(2, rel=1e-3)
    # the face of both rates is known better
    assert thrice.rate.log_error < mean.rate.log_error
    assert over_faces(both[::-1])[0].rate.rate == mean.rate.rate, "the order does not matter"
    assert [one.rate.temperature for one in over_faces([*both, MeasuredRate(500, 1.0, 0.3)])] == [400, 500]
    # rates of one face are of one unknown: more of them are no reason for a higher one
    many = [MeasuredRate(400, 1.0, 1.0, face="left", label=str(number)) for number in range(10)]
    (one,) = over_faces(many)
    assert (one.rate.rate, one.rate.log_error) == (pytest.approx(1), pytest.approx(0.1**0.5))
    near = [replace(both[0], temperature=400.4), replace(both[1], temperature=400.6)]
    assert [one.faces for one in over_faces(near)] == [2]


def test_a_face_without_an_ion_weighs_little() -> None:
    left = MeasuredRate(400, 1.0, 0.05, face="left", ions=15 / 40, counted=15)
    right = MeasuredRate(400, 100.0, 0.05, face="right", counted=0)
    (mean,) = over_faces([left, right])
    # half an ion in sixteen, as for any Poisson number
    assert 1.5 < mean.rate.rate < 4.1
    assert over_faces([replace(left, counted=150), right])[0].rate.rate < mean.rate.rate


def test_resistance_takes_the_ions_of_both_faces() -> None:
    settings = SETTINGS
    left, right = faces(8.0).items()
    found = [kinetics({**HOT_WITHOUT_AREA, **dict(order)}, settings) for order in ((left, right), (right, left))]
    for one in found:
        low, high = one["layer_density_per_nm2"]
        assert low < 2.0 < high, "the mean of 3 and 1"
    assert found[0]["resistance_0400K_ohm_cm2"] == pytest.approx(found[1]["resistance_0400K_ohm_cm2"], rel=1e-9)
    empty = {"left": faces(8.0)["left"], "right": crossing(400, side="right", **NO_ION)}
    low, high = kinetics({**HOT_WITHOUT_AREA, **empty}, settings)["layer_density_per_nm2"]
    assert low < 1.5 < high


def test_replicates_share_the_weights_whatever_their_order() -> None:
    def populations(left: float, error: float) -> dict[str, Any]:
        return {
            "n_li_layer_left": left,
            "n_li_layer_left_error": error,
            "n_li_layer_right": 10,
            "n_li_layer_right_error": 1.0,
        }

    good, poor = (HOT["T0700_r1"] | {"populations": populations(*one)} for one in ((30, 0.3), (10.0, 5.0)))
    means = [
        kinetics({**HOT, "T0700_r1": one, "T0700_r2": other, **faces(8.0)}, SETTINGS)["crossings"][0][
            "mean_rate_per_s"
        ]
        for one, other in ((good, poor), (poor, good))
    ]
    assert means[0] == pytest.approx(means[1], rel=1e-9)
    assert means[0] == pytest.approx(rate(400), rel=0.05)


def test_faces_of_different_energies_are_told() -> None:
    # the mean of two laws that meet at 800 K is far from the line through the counts
    many = {
        label: results(kelvin, round(400 * rate(kelvin) / rate(700)), 400 / rate(700) * 1e9)
        for label, kelvin in (("T0700_r1", 700), ("T0800_r1", 800), ("T0900_r1", 900))
    }
    said = conclusions(kinetics({**many, **faces(8.0), "left": crossing(400, 0.1, 60.0)}, SETTINGS))
    assert sum("faces may have different energies" in line for line in said) == 1
    # a weak rate beside precise counts is no contradiction
    weak = kinetics({**many, "left": crossing(700, 1.0, 1.5), "right": crossing(700, 1.0, side="right")}, SETTINGS)
    assert not any("different energies" in line for line in conclusions(weak))


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
        ({"temperature_K": None}, "runs.left.crossing.temperature_K = None: must be between 1 and 5000"),
        ({"rate_in_interval_per_s": [1.0, 0.5]}, "must be null or two rates above zero"),
        ({"rate_in_interval_per_s": "wide"}, "must be null or two rates above zero"),
        ({"rate_in_per_s": float("nan")}, "must be null or two rates above zero"),
        ({"rate_in_per_s": 10**400}, "must be null or two rates above zero"),
        ({"rate_in_per_s": 1e300}, "with rate_in_per_s = 1e\\+300 between them"),
        ({"layer_density_per_nm2": "many"}, "must be null or a number above zero"),
        ({"layer_density_per_nm2": True}, "must be null or a number above zero"),
        ({"layer_ions_counted": 2.5}, "layer_ions_counted = 2.5: must be null or a whole number"),
        ({"side": "top"}, "runs.left.crossing.side = 'top': must be left or right"),
        ({"level": 1 - 2**-53}, "level = .*: must be between 0.5 and 0.9999"),
        ({"off_equilibrium": True}, "off_equilibrium = True: must be null or a sentence"),
        ({"ion": None}, "ion = None: must be the name of an ion"),
    ],
)
def test_results_that_are_no_rate_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kinetics({**HOT, "left": crossing(400, **changes)}, SETTINGS)


@pytest.mark.parametrize("value", ["1.0", float("nan"), -1.0, True, [1.0], 1e300])
def test_populations_that_are_no_numbers_are_refused(value: Any) -> None:
    run = HOT["T0700_r1"] | {"populations": {"n_li_layer_left": value}}
    with pytest.raises(
        ValueError, match=r"runs.T0700_r1.populations.n_li_layer_left = .*: must be null or a number"
    ):
        kinetics({**HOT, "T0700_r1": run, **faces(2.0)}, SETTINGS)


def test_parts_that_are_no_results_are_refused() -> None:
    with pytest.raises(ValueError, match=r"runs.left.crossing = None: must be the result of cse.crossing"):
        kinetics({**HOT, "left": {"crossing": None}}, SETTINGS)
    run = HOT["T0700_r1"] | {"populations": "many"}
    with pytest.raises(
        ValueError, match=r"runs.T0700_r1.populations = many: must be the result of cse.populations"
    ):
        kinetics({**HOT, "T0700_r1": run, **faces(2.0)}, SETTINGS)
