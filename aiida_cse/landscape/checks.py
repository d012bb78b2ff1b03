"""Comparison of the results of a validation with the known ones: one check with an interval per quantity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aiida_cse.landscape.model import ANION, CATION, Curve, Landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.physics.statistics.poisson import poisson_interval

__all__ = ["Check", "compare"]

Floats = NDArray[np.float64]
Run = Mapping[str, Mapping[str, Any]]

#: degrees of freedom: one less than the blocks in the bootstrap of a barrier
_FREEDOM = 19
#: visits of a bin above which the error of its F is normal
_FEWEST_VISITS = 30
_KEY = CATION.lower()


@dataclass(frozen=True)
class Check:
    """Comparison of one quantity: its known value, the result and the interval of the result.

    ``run`` is the label of the run; ``holds`` is true if the interval covers the known value.
    """

    run: str
    quantity: str
    unit: str
    expected: float
    found: float | None
    low: float | None
    high: float | None
    holds: bool


def compare(
    landscape: Landscape,
    settings: ValidationSettings,
    expected: Mapping[str, Mapping[str, Any]],
    runs: Mapping[str, Run],
    kinetics: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Return every check as a dictionary, see :class:`Check`.

    Parameters
    ----------
    landscape, settings
        Landscape without planted errors, and settings of the validation.
    expected, runs
        For each run, the hottest first: the :class:`~aiida_cse.landscape.expected.ExpectedRun` as a dictionary,
        and the results of the analysis by name. Only the exchange is checked in runs off equilibrium.
    kinetics
        Joint result of the runs.
    """
    labels = list(expected)
    hottest, coldest = labels[0], labels[-1]
    equilibrated = float(runs[hottest]["equilibration"]["equilibrated"])
    checks = [_check(hottest, "equilibrated", "", 1.0, equilibrated, (equilibrated, equilibrated))]
    for label in labels:
        checks += _exchange(label, expected[label], runs[label], settings.ions.cations, settings.level)
        checks.append(_inside(label, expected[label], runs[label], settings.level))
        if label != coldest and runs[label]["equilibration"]["equilibrated"]:
            checks += _theory(label, expected[label], runs[label], landscape, settings.level)
    checks += _distribution(hottest, expected[hottest], runs[hottest], landscape, settings)
    checks.append(_extrapolated(coldest, expected[coldest], kinetics, settings.level))
    return [asdict(check) for check in checks]


def _check(run: str, quantity: str, unit: str, expected: float, found: Any, interval: Any) -> Check:
    """Return the check of an interval against the known value; it fails without a finite result."""
    if found is None or interval is None or not all(math.isfinite(end) for end in interval):
        return Check(run, quantity, unit, expected, None, None, None, False)
    low, high = (float(end) for end in interval)
    return Check(run, quantity, unit, expected, float(found), low, high, bool(low <= expected <= high))


def _interval(
    value: float | None, error: float | None, level: float, *, logarithmic: bool = False
) -> tuple[float, float] | None:
    """Return the interval of a value from its error or, if ``logarithmic``, from the error of its logarithm."""
    if value is None or error is None:
        return None
    reach = float(stats.t.ppf((1 + level) / 2, _FREEDOM)) * error
    if logarithmic:
        return value * math.exp(-reach), value * math.exp(reach)
    return value - reach, value + reach


# -- exchange ------------------------------------------------------------------------------------------------


def _exchange(label: str, expected: Mapping[str, Any], run: Run, cations: int, level: float) -> Iterator[Check]:
    """Check the number of transitions, EC and, if entries are expected, their rate."""
    transitions, equilibration = run["transitions"], run["equilibration"]
    entries, exits = (transitions[f"s_{way}_{_KEY}_ceramic"] for way in ("in", "out"))
    # Alternating entries and exits of an ion with exponential mean times τ₁ inside and τ₀ outside: over a long
    # time, the number of rounds has the variance (τ₀² + τ₁²) / (τ₀ + τ₁)² of its mean (Cox, Renewal Theory, 1962),
    # and each round is an entry and an exit. The share is τ₁ / (τ₀ + τ₁).
    share = expected["equilibrium"] / cations
    dispersion = 2 * (share**2 + (1 - share) ** 2)
    worth = max(1.0, equilibration[f"burst_index_{_KEY}_ceramic"] or 1.0, dispersion)
    mean = expected["entries"] + expected["exits"]
    total = _interval_of_counts(entries + exits, worth, level)
    yield _check(label, "S_t", "", mean, entries + exits, total)
    lam = equilibration["criteria"]["lam"]
    known = _coefficient(expected["entries"], expected["exits"], lam)
    yield _check(label, "EC", "", known, equilibration["ec"], _coefficients(entries, exits, worth, lam, level))
    exposure = transitions[f"exposure_{_KEY}_ceramic_ion_ns"] * 1e-9
    if expected["entries"] >= 1:
        counted = _interval_of_counts(entries, worth, level)
        # the reference has a statistical error as well
        reach = float(stats.norm.ppf((1 + level) / 2)) * expected["rate_error"]
        rates = (counted[0] / exposure - reach, counted[1] / exposure + reach)
        yield _check(label, "Γ", "1/s", expected["rate"], entries / exposure, rates)


def _interval_of_counts(events: int, worth: float, level: float) -> tuple[float, float]:
    """Return the interval of the mean number of events that occur in bursts of ``worth``."""
    low, high = poisson_interval(round(events / worth), level)
    return low * worth, high * worth


def _coefficients(entries: int, exits: int, worth: float, lam: float, level: float) -> tuple[float, float]:
    """Return the smallest and the largest EC for means within the intervals of both counts."""
    one, other = (_interval_of_counts(events, worth, (1 + level) / 2) for events in (entries, exits))
    lowest = min(_coefficient(one[0], other[1], lam), _coefficient(one[1], other[0], lam))
    # EC is largest for equal and large means, or for the closest possible ones
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return lowest, _coefficient(high, max(low, high), lam)


def _coefficient(one: float, other: float, lam: float) -> float:
    return 2 * min(one, other) / (one + other + lam)


# -- theory --------------------------------------------------------------------------------------------------


def _theory(
    label: str, expected: Mapping[str, Any], run: Run, landscape: Landscape, level: float
) -> Iterator[Check]:
    """Check barrier, curvature, frequency and transmission coefficient."""
    found = run["barrier"]
    value, error = found[f"barrier_{_KEY}_K"], found[f"barrier_{_KEY}_error_K"]
    if error is None:
        # with too few visits the analysis gives a bound instead of a value
        bound = found[f"barrier_{_KEY}_lower_bound_K"]
        if bound is not None:
            yield _check(label, "ΔF, bound", "K", expected["barrier"], bound, (bound, 1e9))
    else:
        yield _check(label, "ΔF", "K", expected["barrier"], value, _interval(value, error, level))
    log_error = found[f"frequency_{_KEY}_log_error"]
    curvature, frequency = found[f"curvature_{_KEY}_K_per_A2"], found[f"frequency_{_KEY}_per_s"]
    doubled = None if log_error is None else 2 * log_error
    ends = _interval(curvature, doubled, level, logarithmic=True)
    yield _check(label, "k", "K/Å²", landscape.curvature, curvature, ends)
    ends = _interval(frequency, log_error, level, logarithmic=True)
    yield _check(label, "ν", "1/s", landscape.frequency, frequency, ends)
    if found[f"kappa_{_KEY}"] is not None:
        yield _check(label, "κ", "", expected["kappa"], found[f"kappa_{_KEY}"], found[f"kappa_{_KEY}_interval"])


# -- distribution of the ions ----------------------------------------------------------------------------------


def _inside(label: str, expected: Mapping[str, Any], run: Run, level: float) -> Check:
    """Check the number of cations in the slab against its statistical scatter, also off equilibrium."""
    found = run["populations"][f"n_{_KEY}_ceramic"]
    # a single unexpected crossing changes the mean by less than one
    reach = max(1.0, float(stats.norm.ppf((1 + level) / 2)) * expected["inside_error"])
    return _check(label, f"N({CATION}, slab)", "", expected["inside"], found, (found - reach, found + reach))


def _distribution(
    label: str, expected: Mapping[str, Any], run: Run, landscape: Landscape, settings: ValidationSettings
) -> Iterator[Check]:
    """Check the number of anions in their layers, and F of both ions in the bin with the largest deviation."""
    temperature, populations, found = expected["temperature"], run["populations"], run["free_energy_profiles"]
    shares = landscape.shares(ANION, temperature)
    layer = settings.ions.anions * (shares["layer_left"] + shares["layer_right"])
    key = f"n_{ANION.lower()}_layer"
    yield _check(label, f"N({ANION}, layer)", "", layer, populations[key], populations[f"{key}_interval"])
    inside = expected["equilibrium"]
    # exchange across the barrier is slower than the time blocks from which the error is estimated
    scatter = expected["inside_error"] * (1 / inside + 1 / (settings.ions.cations - inside))
    slow = float(stats.norm.ppf((1 + settings.level) / 2)) * temperature * scatter
    z = np.asarray(found["z_A"])
    outside = np.abs(z) > landscape.top - 2.0
    for ion, curve, exchange in (
        (CATION, landscape.cation, slow * outside),
        (ANION, landscape.anion, np.zeros(len(z))),
    ):
        known = _known(ion, curve, z, temperature, landscape)
        value, error = (np.asarray(found[f"{ion.lower()}_{what}"]) for what in ("K", "error_K"))
        # with fewer visits the logarithm of their number is skewed
        places = np.flatnonzero(error < temperature / np.sqrt(_FEWEST_VISITS))
        quantile = float(stats.norm.isf((1 - settings.level) / 2 / max(len(places), 1)))
        reach = quantile * error[places] + exchange[places]
        if not len(places):
            yield _check(label, f"F({ion})", "K", 0.0, None, None)
            continue
        worst = int(np.argmax(np.abs(value - known)[places] / reach))
        at = places[worst]
        ends = (value[at] - reach[worst], value[at] + reach[worst])
        yield _check(label, f"F({ion}) at {z[at]:.1f} Å", "K", float(known[at]), value[at], ends)


def _known(ion: str, curve: Curve, z: Floats, temperature: float, landscape: Landscape) -> Floats:
    """Return F (K) per bin, with the zero of the analysis."""
    width = float(z[1] - z[0])
    weights = curve.weight(np.append(z - width / 2, z[-1] + width / 2), temperature, points=16) / width
    if ion == CATION:
        return np.asarray(-temperature * np.log(weights) + landscape.depth)
    edges = landscape.regions(ion).edges
    bulk = (z < edges[1]) | (z >= edges[-2])
    return np.asarray(-temperature * np.log(weights / weights[bulk].mean()))


# -- extrapolation ------------------------------------------------------------------------------------------------


def _extrapolated(label: str, expected: Mapping[str, Any], kinetics: Mapping[str, Any], level: float) -> Check:
    """Check the rate of the coldest run, in which no ion crosses, predicted from the hotter runs."""
    key = f"rate_{round(expected['temperature']):04d}K"
    rate, interval = kinetics.get(f"{key}_per_s"), kinetics.get(f"{key}_interval_per_s")
    if rate is None or interval is None or None in interval:
        return _check(label, "Γ, predicted", "1/s", expected["rate"], None, None)
    # the interval at another level, with ln Γ nearly normal
    wider = float(stats.norm.ppf((1 + level) / 2) / stats.norm.ppf((1 + kinetics["level"]) / 2))
    ends = (rate * (interval[0] / rate) ** wider, rate * (interval[1] / rate) ** wider)
    return _check(label, "Γ, predicted", "1/s", expected["rate"], rate, ends)
