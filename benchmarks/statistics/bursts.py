"""Coverage of results from counts of events that are not independent: bursts, memory, attraction, differences.

The runs are those of :mod:`~benchmarks.statistics.correlated`, and each interval allows for the dispersion of its
own run as in the analysis. A run without an event takes that of three others.
``python -m benchmarks.statistics.bursts`` prints how wide the intervals are, relative to those of an oracle that
knows the ratio of variance to mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.exchange.equilibration import exchange_interval
from aiida_cse.physics.exchange.verdict import Criteria, ExchangeData
from aiida_cse.physics.kinetics.arrhenius_fit import joint_kinetics
from aiida_cse.physics.kinetics.observations import Observation
from aiida_cse.physics.kinetics.transition_state import transmission_coefficient
from aiida_cse.physics.statistics.dispersion import dispersion, pooled_dispersion
from aiida_cse.physics.statistics.poisson import poisson_interval, poisson_upper, rate_ratio_interval
from aiida_cse.physics.statistics.resampling import visits_interval
from benchmarks.statistics.correlated import Crowds, attracting, gated, semi_markov, unequal
from benchmarks.statistics.rows import Case, Row, coverage_row

__all__ = ["burst_cases", "main"]

LEVEL: Final = 0.95
CRITERIA: Final = Criteria(bound_level=0.975)
PROMISED, OPEN = (0.9, 1.0), (0.0, 1.0)
NEIGHBOURS: Final = 3
#: experiments of these rows, in units of those of the others
SHARE: Final = 5
FEWEST: Final = 200
#: experiments of joint fits and of κ, which take long, in units of those of these rows
FIT_SHARE: Final = 4

Model = Callable[[np.random.Generator, int], Crowds]
Limits = tuple[float, float]


def gate(openings: float, per_opening: float = 4.0) -> Model:
    """Return 30 ions behind a common gate."""
    return lambda rng, experiments: gated(
        rng, experiments=experiments, ions=30, openings=openings, entries=openings * per_opening
    )


def memory(sigma: float) -> Model:
    """Return 60 ions with lognormal residence times and 60 entries on average."""
    return lambda rng, experiments: semi_markov(rng, experiments=experiments, ions=60, entries=60, sigma=sigma)


def attraction(relaxation_times: float) -> Model:
    """Return 30 ions that attract each other weakly enough to have a single most likely number inside."""
    return lambda rng, experiments: attracting(
        rng, experiments=experiments, ions=30, coupling=1.5, relaxation_times=relaxation_times
    )


def lasting(spread: float) -> Model:
    """Return 60 ions with rates that differ for ever and 60 entries on average."""
    return lambda rng, experiments: unequal(rng, experiments=experiments, ions=60, entries=60, spread=spread)


def plain(entries: float) -> Model:
    """Return 60 independent ions."""
    return lambda rng, experiments: unequal(rng, experiments=experiments, ions=60, entries=entries, spread=0)


MODELS: Final[dict[str, tuple[Model, Limits]]] = {
    "common gate, 3 openings": (gate(3), (0.88, 1.0)),
    **{f"common gate, {openings} openings": (gate(openings), PROMISED) for openings in (5, 10, 30)},
    **{f"lognormal residence, σ = {sigma:g}": (memory(sigma), PROMISED) for sigma in (1, 1.5, 2, 2.5)},
    "attracting ions, 5 relaxation times": (attraction(5), OPEN),
    **{f"attracting ions, {times} relaxation times": (attraction(times), PROMISED) for times in (10, 20)},
    **{f"ions that differ for ever, spread {spread:g}": (lasting(spread), PROMISED) for spread in (1, 2)},
}


@dataclass(frozen=True)
class Counted:
    """Entries of one experiment, their dispersion per exposure and per time, and the exposure × true rate."""

    entries: int
    per_exposure: float
    per_time: float
    expected: float

    @classmethod
    def of(cls, crowds: Crowds) -> list[Counted]:
        """Return what is counted in each experiment; without an entry, the dispersions of its neighbours."""
        found = []
        for ions, frames, outside, waiting in zip(
            crowds.ion_events[:, :, 0],
            crowds.frame_events[:, :, 0],
            crowds.ion_outside,
            crowds.frame_outside,
            strict=True,
        ):
            found.append(
                cls(
                    int(ions.sum()),
                    dispersion(ions, frames, ion_exposure=outside, time_exposure=waiting),
                    dispersion(ions, frames, ion_exposure=outside),
                    float(outside.sum()) * crowds.rate,
                )
            )
        return [
            one if one.entries else one.with_neighbours([found[place - back] for back in range(1, NEIGHBOURS + 1)])
            for place, one in enumerate(found)
        ]

    def with_neighbours(self, others: list[Counted]) -> Counted:
        """Return the same with the pooled dispersions of other experiments."""
        entries = [one.entries for one in others]
        per_exposure = pooled_dispersion(entries, [one.per_exposure for one in others])
        per_time = pooled_dispersion(entries, [one.per_time for one in others])
        return Counted(self.entries, per_exposure, per_time, self.expected)


# -- rows ----------------------------------------------------------------------------------------------------


#: models in which each other quantity is measured
SAMPLE: Final = (
    "common gate, 5 openings",
    "common gate, 10 openings",
    "lognormal residence, σ = 2",
    "attracting ions, 10 relaxation times",
    "ions that differ for ever, spread 2",
)


def burst_cases() -> list[Case]:
    """Return the rows of counts that are not independent."""
    rows: dict[str, Callable[[str, int, np.random.SeedSequence], Row]] = {
        f"rate: {what}": partial(_rate, model=model, limits=limits) for what, (model, limits) in MODELS.items()
    }
    for kind, measure in (
        ("rate per time", _rate_per_time),
        ("S_t", _total),
        ("EC bound", _bound),
        ("κ", _kappa),
        ("rate, single events", _single),
    ):
        rows |= {f"{kind}: {what}": partial(measure, model=MODELS[what][0]) for what in SAMPLE}
    rows["EC bound: common gate, 3 openings"] = partial(_bound, model=gate(3))
    for openings in (3, 5, 10):
        name = f"EC bound: gate, on the way in, {openings} openings"
        rows[name] = partial(_bound_on_the_way, openings=openings, single=False)
        rows[f"{name}, single events"] = partial(_bound_on_the_way, openings=openings, single=True)
    for hot, cold in ((10, 5), (30, 10)):
        rows[f"ratio: common gate, {hot} and {cold} openings"] = partial(_ratio, openings=(hot, cold))
    name = "no event, bound: common gate, 3 openings"
    rows |= {
        name: partial(_without_event, known=True),
        f"{name}, single events": partial(_without_event, known=False),
    }
    for entries in (7, 30, 200):
        name = f"rate: independent ions, {entries} entries, dispersion estimated"
        rows[name] = partial(_rate, model=plain(entries), limits=(LEVEL, 1.0))
    return [Case(name, partial(measure, name)) for name, measure in (rows | _joint_rows()).items()]


def _joint_rows() -> dict[str, Callable[[str, int, np.random.SeedSequence], Row]]:
    rows: dict[str, Callable[[str, int, np.random.SeedSequence], Row]] = {}
    for ratio in (4, 10):
        name, counts = f"rate at 400 K: variance/mean {ratio}, 200/60/15", (200, 60, 15)
        rows[name] = partial(_joint, ratio=ratio, counts=counts, single=False)
        rows[f"{name}, single events"] = partial(_joint, ratio=ratio, counts=counts, single=True)
        name, counts = f"rate at 400 K: variance/mean {ratio}, 30/8/2", (30, 8, 2)
        rows[name] = partial(_joint, ratio=ratio, counts=counts, single=False)
    return rows


def _crowds(model: Model, experiments: int, seed: np.random.SeedSequence) -> Crowds:
    return model(np.random.default_rng(seed), max(experiments // SHARE, FEWEST))


def _rate(name: str, experiments: int, seed: np.random.SeedSequence, *, model: Model, limits: Limits) -> Row:
    held = [
        low <= one.expected <= high
        for one in Counted.of(_crowds(model, experiments, seed))
        for low, high in [poisson_interval(one.entries, LEVEL, dispersion=one.per_exposure)]
    ]
    return coverage_row(name, held, nominal=LEVEL, low=limits[0], high=limits[1])


def _rate_per_time(name: str, experiments: int, seed: np.random.SeedSequence, *, model: Model) -> Row:
    """Compare entries per time with their mean, of which the mean exposure is known better than the entries."""
    counted = Counted.of(_crowds(model, experiments, seed))
    truth = float(np.mean([one.expected for one in counted]))
    held = [
        low <= truth <= high
        for one in counted
        for low, high in [poisson_interval(one.entries, LEVEL, dispersion=one.per_time)]
    ]
    return coverage_row(name, held, nominal=LEVEL, low=0.9)


def _single(name: str, experiments: int, seed: np.random.SeedSequence, *, model: Model) -> Row:
    held = [
        low <= one.expected <= high
        for one in Counted.of(_crowds(model, experiments, seed))
        for low, high in [poisson_interval(one.entries, LEVEL)]
    ]
    return coverage_row(name, held, nominal=LEVEL, low=0.0)


def _total(name: str, experiments: int, seed: np.random.SeedSequence, *, model: Model) -> Row:
    crowds = _crowds(model, experiments, seed)
    truth = 2 * crowds.rate * float(crowds.ion_outside.sum(axis=1).mean())
    held = []
    for data in _exchanges(crowds):
        low, high = exchange_interval(data.entries, data.exits, LEVEL, burst_index=data.burst_index)
        held.append(low <= truth <= high)
    return coverage_row(name, held, nominal=LEVEL, low=0.9)


def _bound(name: str, experiments: int, seed: np.random.SeedSequence, *, model: Model) -> Row:
    crowds = _crowds(model, experiments, seed)
    entries = crowds.rate * float(crowds.ion_outside.sum(axis=1).mean())
    truth = 2 * entries / (2 * entries + CRITERIA.lam)
    held = [data.lower_bound(CRITERIA) <= truth for data in _exchanges(crowds)]
    return coverage_row(name, held, nominal=CRITERIA.bound_level, low=CRITERIA.bound_level)


def _bound_on_the_way(
    name: str, experiments: int, seed: np.random.SeedSequence, *, openings: int, single: bool
) -> Row:
    """Let 60 ions fill an empty region through the gate, so that entries and exits are off balance."""
    crowds = gated(
        np.random.default_rng(seed),
        experiments=max(experiments // SHARE, FEWEST),
        ions=60,
        openings=openings,
        entries=4 * openings,
        empty=True,
    )
    entries, exits = crowds.ion_events.sum(axis=1).mean(axis=0).tolist()
    truth = 2 * min(entries, exits) / (entries + exits + CRITERIA.lam)
    exchanges = _exchanges(crowds)
    if single:
        exchanges = [ExchangeData(data.entries, data.exits) for data in exchanges]
    held = [data.lower_bound(CRITERIA) <= truth for data in exchanges]
    return coverage_row(name, held, nominal=CRITERIA.bound_level, low=0.0 if single else CRITERIA.bound_level)


def _exchanges(crowds: Crowds) -> list[ExchangeData]:
    return [
        ExchangeData(int(ions[:, 0].sum()), int(ions[:, 1].sum()), ion_counts=ions, block_counts=frames)
        for ions, frames in zip(crowds.ion_events, crowds.frame_events, strict=True)
    ]


def _kappa(name: str, experiments: int, seed: np.random.SeedSequence, *, model: Model) -> Row:
    """Compare κ with 0.1, where the rate of theory has a log-normal error of 0.2."""
    rng = np.random.default_rng(seed.spawn(1)[0])
    held = []
    for one in Counted.of(_crowds(model, experiments // FIT_SHARE, seed)):
        expected = 10 * one.expected * float(np.exp(0.2 * rng.normal()))
        kappa = transmission_coefficient(one.entries, expected, LEVEL, log_error=0.2, dispersion=one.per_exposure)
        held.append(kappa.low <= 0.1 <= kappa.high)
    return coverage_row(name, held, nominal=LEVEL, low=0.9)


def _ratio(name: str, experiments: int, seed: np.random.SeedSequence, *, openings: tuple[int, int]) -> Row:
    children = seed.spawn(2)
    runs = [
        Counted.of(_crowds(gate(number), experiments, child))
        for number, child in zip(openings, children, strict=True)
    ]
    held = []
    for hot, cold in zip(*runs, strict=True):
        # in units of the true rates the ratio is 1
        low, high = rate_ratio_interval(
            hot.entries,
            hot.expected,
            cold.entries,
            cold.expected,
            LEVEL,
            dispersion1=hot.per_exposure,
            dispersion2=cold.per_exposure,
        )
        held.append(low <= 1 <= high)
    return coverage_row(name, held, nominal=LEVEL, low=0.9)


def _without_event(name: str, experiments: int, seed: np.random.SeedSequence, *, known: bool) -> Row:
    """Take the runs without an event, about one of eleven; the bound is one-sided."""
    counted = Counted.of(_crowds(gate(3), 2 * SHARE * max(experiments, SHARE * FEWEST), seed))
    held = [
        one.expected <= poisson_upper(0, LEVEL, dispersion=one.per_exposure if known else 1.0)
        for one in counted
        if not one.entries
    ]
    return coverage_row(name, held, nominal=LEVEL, low=0.9 if known else 0.0)


# -- joint fit -----------------------------------------------------------------------------------------------

TEMPERATURES: Final = (700.0, 600.0, 500.0)
ENERGY, PREFACTOR = 5000.0, 1e10


def _joint(
    name: str,
    experiments: int,
    seed: np.random.SeedSequence,
    *,
    ratio: float,
    counts: tuple[int, ...],
    single: bool,
) -> Row:
    """Compare the rate at 400 K under Arrhenius' law with the law of three gated runs.

    An opening of exponential length causes a geometric number of entries of mean m, whose total has 1 + 2 m as its
    ratio of variance to mean.
    """
    per_opening = (ratio - 1) / 2
    runs = [
        Counted.of(_crowds(gate(count / per_opening, per_opening), experiments // FIT_SHARE, child))
        for count, child in zip(counts, seed.spawn(len(counts)), strict=True)
    ]
    truth = _law(400.0)
    held = []
    for seen in zip(*runs, strict=True):
        observations = [
            Observation(
                temperature=temperature,
                events=one.entries,
                exposure=one.expected / _law(temperature),
                conditioned=True,
                # of a run without an entry nothing is known
                dispersion=1.0 if single or not one.entries else one.per_exposure,
                label=f"{temperature:g} K",
            )
            for temperature, one in zip(TEMPERATURES, seen, strict=True)
        ]
        rate = joint_kinetics(observations, [400.0], laws=["arrhenius"], level=LEVEL, samples=4000).rates[0].rate
        held.append(bool(rate.low <= truth <= rate.high))
    return coverage_row(name, held, nominal=LEVEL, low=0.0 if single else 0.9)


def _law(temperature: float) -> float:
    return PREFACTOR * float(np.exp(-ENERGY / temperature))


# -- widths --------------------------------------------------------------------------------------------------


def widths(crowds: Crowds) -> tuple[float, float]:
    """Return the ratio of variance to mean of the entries, and the median width over that of an oracle.

    Widths are those of the logarithm of the rate. The oracle divides the mean number of entries by the ratio, and
    takes Garwood's interval.
    """
    counted = [one for one in Counted.of(crowds) if one.entries]
    residuals: NDArray[np.float64] = np.array([one.entries - one.expected for one in counted])
    mean = float(np.mean([one.entries for one in counted]))
    ratio = float((residuals**2).mean()) / mean
    known = np.log(np.divide(*visits_interval(mean / max(ratio, 1.0), LEVEL)[::-1]))
    found = [
        np.log(np.divide(*poisson_interval(one.entries, LEVEL, dispersion=one.per_exposure)[::-1]))
        for one in counted
    ]
    return ratio, float(np.median(found) / known)


def main() -> None:
    """Print the widths of the intervals of rates."""
    print(f"{'model':<40} {'variance/mean':>14} {'width / oracle':>15}")
    for number, (what, (model, _)) in enumerate(MODELS.items()):
        ratio, width = widths(model(np.random.default_rng(number), 500))
        print(f"{what:<40} {ratio:>14.2f} {width:>15.2f}", flush=True)


if __name__ == "__main__":
    main()
