"""Laws between temperatures: analytic evidence, laws found from many counts, and what few counts leave open."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special

from aiida_cse.physics.kinetics.arrhenius_fit import Kinetics, joint_kinetics
from aiida_cse.physics.kinetics.laws import LARGEST_ENERGY, LAWS, shape_priors
from aiida_cse.physics.kinetics.observations import Observation
from aiida_cse.physics.statistics.poisson import poisson_interval

LnRate = Callable[[float], float]


def arrhenius(kelvin: float) -> float:
    return 20 - 6500 / kelvin


def vogel_fulcher(kelvin: float) -> float:
    return 20 - 2000 / (kelvin - 250)


def two_channels(kelvin: float) -> float:
    return 20 + float(np.logaddexp(-8000 * (1 / kelvin - 1 / 450), -3000 * (1 / kelvin - 1 / 450)))


def runs(law: LnRate, means: dict[float, float], seed: int | None = None) -> list[Observation]:
    """Return runs with these mean numbers of entries, or numbers drawn with the seed."""
    rng = np.random.default_rng(seed)
    return [
        Observation(
            kelvin,
            round(mean) if seed is None else int(rng.poisson(mean)),
            mean / np.exp(law(kelvin)),
            conditioned=True,
            label=f"{kelvin:g} K",
        )
        for kelvin, mean in means.items()
    ]


def fitted(law: LnRate, entries: float, kelvin: float) -> Kinetics:
    means = dict.fromkeys((700.0, 600.0, 500.0, 450.0, 400.0), entries)
    return joint_kinetics(runs(law, means, seed=5), (kelvin,), level=0.999)


@pytest.mark.parametrize("law", LAWS)
def test_the_evidence_at_two_temperatures_is_a_beta_function(law: str) -> None:
    # the share of the hotter run determines E, so that ∫ dE is Euler's integral over Δx: exact for each shape
    hot, cold = 60, 40
    seen = runs(arrhenius, {700.0: hot, 600.0: cold})
    found = joint_kinetics(seen, (400.0,), laws=[law], priors={"gap": (0, 100)}).laws.fits[0]
    reference = 2 / (1 / 700 + 1 / 600)
    shapes = LAWS[law].shapes({**shape_priors(400, 700, {}), "gap": (0, 100)})
    x, _ = LAWS[law].terms(shapes, np.array([700.0, 600.0]), reference)
    exact = (
        special.gammaln(hot + cold)
        - special.gammaln([hot + 1, cold + 1]).sum()
        + special.betaln(hot, cold)
        + np.log((1 / (x[:, 1] - x[:, 0])).mean() / LARGEST_ENERGY)
    )
    assert found.log_evidence == pytest.approx(exact, abs=2e-3)


def test_vogel_fulcher_is_recovered_from_many_counts() -> None:
    found = fitted(vogel_fulcher, 2000, 350.0)
    assert [fit.law for fit in found.laws.fits if fit.supported] == ["vogel-fulcher"]
    fit = found.laws.fits[1]
    assert fit.weight > 0.999
    energy, t0 = fit.parameters["energy"], fit.parameters["t0"]
    assert energy.low < 2000 < energy.high < 1.2 * energy.low
    assert t0.low < 250 < t0.high < t0.low + 20
    assert found.rates[0].rate.low < np.exp(vogel_fulcher(350)) < found.rates[0].rate.high
    assert found.p_value < 1e-6


def test_two_channels_are_recovered_from_many_counts() -> None:
    found = fitted(two_channels, 20_000, 350.0)
    assert [fit.law for fit in found.laws.fits if fit.supported] == ["two-channels"]
    parameters = found.laws.fits[2].parameters
    for name, true in (("energy", 3000), ("second_energy", 8000), ("crossing", 450)):
        assert parameters[name].median == pytest.approx(true, rel=0.1)
    assert found.rates[0].rate.low < np.exp(two_channels(350)) < found.rates[0].rate.high


def test_the_law_that_holds_is_not_refuted_and_arrhenius_wins_its_own() -> None:
    found = fitted(arrhenius, 20_000, 350.0)
    weights = {fit.law: fit.weight for fit in found.laws.fits}
    assert max(weights, key=lambda law: weights[law]) == "arrhenius"
    assert sum(weights.values()) == pytest.approx(1)


def test_few_counts_tell_no_law_and_the_union_holds_all() -> None:
    found = joint_kinetics(runs(arrhenius, {700.0: 30, 600.0: 8, 500.0: 2}), (400.0,))
    fits, (union,), (averaged,) = found.laws.fits, found.laws.union, found.laws.averaged
    assert all(fit.supported for fit in fits)
    rates = [fit.rates[0] for fit in fits]
    assert union.rate.low == min(one.rate.low for one in rates) < averaged.low
    assert union.rate.high == max(one.rate.high for one in rates) > averaged.high
    assert union.lower_bound == min(one.lower_bound for one in rates) < union.rate.low
    assert union.upper_bound == max(one.upper_bound for one in rates) > union.rate.high
    assert union.rate.median == averaged.median
    assert found.rates == found.laws.union


@pytest.mark.parametrize("truth", [vogel_fulcher, two_channels])
def test_the_union_holds_where_arrhenius_does_not(truth: LnRate) -> None:
    held = {"arrhenius": 0, "union": 0}
    exact = np.exp(truth(400))
    for seed in range(12):
        found = joint_kinetics(runs(truth, {700.0: 200, 600.0: 60, 500.0: 15}, seed), (400.0,), samples=2000)
        for name, rate in (("arrhenius", found.laws.fits[0].rates[0].rate), ("union", found.rates[0].rate)):
            held[name] += rate.low <= exact <= rate.high
    assert held["arrhenius"] < 6
    assert held["union"] >= 11


def test_arrhenius_does_not_depend_on_the_other_laws() -> None:
    seen = runs(arrhenius, {700.0: 7, 600.0: 2})
    alone, among = joint_kinetics(seen, (400.0,), laws=["arrhenius"]), joint_kinetics(seen, (400.0,))
    assert alone.laws.fits[0].rates == among.laws.fits[0].rates == alone.rates
    assert (alone.energy, alone.p_value) == pytest.approx((among.energy, among.p_value), nan_ok=True)
    assert alone.laws.averaged == (alone.rates[0].rate,)


def test_one_temperature_or_no_entry_tells_no_law() -> None:
    exposure = 5e-6
    for seen in (
        [Observation(700, 7, exposure)],
        [Observation(kelvin, 0, exposure, conditioned=True, label=f"{kelvin}") for kelvin in (700, 600)],
    ):
        found = joint_kinetics(seen, (700.0, 400.0))
        assert all(fit.supported and np.isnan([fit.weight, fit.log_evidence]).all() for fit in found.laws.fits)
        assert np.isnan(found.rates[1].rate.median)
        assert found.rates[1].upper_bound <= poisson_interval(seen[0].events, 0.975)[1] / exposure


def test_a_rate_does_not_depend_on_others_that_are_asked_for() -> None:
    seen = runs(vogel_fulcher, {700.0: 200, 600.0: 60, 500.0: 15})
    alone = joint_kinetics(seen, (400.0,)).rates[0]
    found = joint_kinetics(seen, (400.0, 233.0, 20.0))
    assert found.rates[0] == alone
    assert found.laws.priors["t0"] == (0, 300)
    assert found.rates[2].rate.low == 0
    assert all(np.isfinite([one.rate.low, one.rate.median, one.rate.high]).all() for one in found.rates)


def test_t0_stays_below_the_coldest_run() -> None:
    seen = runs(arrhenius, {350.0: 30, 280.0: 8})
    found = joint_kinetics(seen, (250.0,), laws=["vogel-fulcher"])
    assert found.laws.priors["t0"] == (0, 280)
    with pytest.raises(ValueError, match=r"priors.t0 = 0, 450: must end at or below 280 K"):
        joint_kinetics(seen, (400.0,), priors={"t0": (0, 450)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"laws": ["vft"]}, r"laws = \['vft'\]: must be one or more of arrhenius, vogel-fulcher, two-channels"),
        ({"laws": []}, r"laws = \[\]"),
        ({"laws": ["arrhenius", "arrhenius"]}, "each once"),
        ({"priors": {"gap": (3.0, 2.0)}}, "priors.gap = 3, 2: must be two rising values"),
        ({"priors": {"slope": (0.0, 2.0)}}, "priors.slope: is unknown; must be one of t0, gap, crossing"),
    ],
)
def test_bad_laws_and_priors_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        joint_kinetics(runs(arrhenius, {700.0: 30, 600.0: 8}), (400.0,), **arguments)  # type: ignore[arg-type]
