"""Comparison of the results of a validation with the known ones: one check with an interval per quantity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aiida_cse.landscape.consistency import STATE_CHECKS, inconsistency
from aiida_cse.landscape.identities import RECOUNTS, WindowedState, agree, disagreement
from aiida_cse.landscape.microscopic import (
    charge_known,
    displacements_known,
    places_known,
    shifts_known,
    temperature_known,
)
from aiida_cse.landscape.model import ANION, CATION, Landscape
from aiida_cse.landscape.refit import kinetics_again
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.physics.exchange.starts import BOTH_SIDES

__all__ = ["NEW_CHECKS", "Check", "check", "compare", "not_checked", "start_errors"]

Floats = NDArray[np.float64]
#: results by name, and the state as ``reduction``
Run = Mapping[str, Any]

#: degrees of freedom: one less than the blocks in the bootstrap of a barrier
_FREEDOM = 19
#: an ion that alternates between entries and exits makes at most this many times the variance of independent
# events
_RETURNS = 2.0
#: by how much ln Γ may differ from a straight line over 1/T among the hotter runs
_BEND = 0.1
#: visits of a bin above which the error of its F is normal
_FEWEST_VISITS = 30
_KEY = CATION.lower()
#: what is checked only where a validation has the reductions of its runs and the plan, as those of version 0.1
# have not
NEW_CHECKS = (
    *(f"state, {name}" for name in STATE_CHECKS),
    *(f"{name}, counted again" for name in RECOUNTS),
    "kinetics, fitted again",
    "Γ on each side",
    "ΔF on each side",
    "N(TFSI, layer), scatter",
    "predicted Γ at every temperature",
    "wells and tops",
    "Var(Δr)",
    "E_eff",
    "Δz",
    "T of the thermostat",
)


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
    plan: Mapping[str, Any] | None = None,
    starts: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return every check as a dictionary, see :class:`Check`.

    Without a plan, or without the reductions of the runs, only some are made (:func:`not_checked`).

    Parameters
    ----------
    landscape, settings
        Landscape without planted errors, and settings of the validation.
    expected, runs
        For each run, the hottest first: the :class:`~aiida_cse.landscape.expected.ExpectedRun` as a dictionary,
        and the results of the analysis by name. Only the exchange is checked in runs off equilibrium.
    kinetics
        Joint result of the runs.
    plan
        Plan of the productions.
    starts
        Judgement of both starts at the highest temperature; None without a second start.
    """
    labels = list(expected)
    hottest, coldest = labels[0], labels[-1]
    equilibrated = float(runs[hottest]["equilibration"]["equilibrated"])
    checks = [check(hottest, "equilibrated", "", 1.0, equilibrated, (equilibrated, equilibrated))]
    for label in labels:
        checks += _exchange(label, expected[label], runs[label], settings.ions.cations, settings.level)
        found = runs[label]["populations"][f"n_{_KEY}_ceramic"]
        # a single unexpected crossing changes the mean by less than one
        reach = max(1.0, float(stats.norm.ppf((1 + settings.level) / 2)) * expected[label]["inside_error"])
        limits = (found - reach, found + reach)
        checks.append(check(label, f"N({CATION}, slab)", "", expected[label]["inside"], found, limits))
        if label != coldest and runs[label]["equilibration"]["equilibrated"]:
            checks += _theory(label, expected[label], runs[label], landscape, settings.level)
    checks += _distribution(hottest, expected[hottest], runs[hottest], landscape, settings)
    checks.append(_extrapolated(coldest, expected[coldest], kinetics, settings.level))
    if plan is not None and not not_checked(runs, plan):
        for label in labels:
            checks += _recounted(label, expected[label], runs[label], landscape, settings, plan)
            checks += _of_sides(label, expected[label], runs[label], landscape, settings)
        checks += _known_at_hottest(hottest, expected[hottest], runs[hottest], landscape, settings)
        checks += _joined(expected, runs, kinetics, settings.level)
    if starts is not None:
        checks += _both_starts(hottest, starts, settings)
    return [asdict(check) for check in checks]


def not_checked(runs: Mapping[str, Run], plan: Mapping[str, Any] | None) -> list[str]:
    """Return what :func:`compare` cannot check with these runs: empty if they have their reductions."""
    complete = plan is not None and all("reduction" in run and "stages" in run for run in runs.values())
    return [] if complete else list(NEW_CHECKS)


def check(run: str, quantity: str, unit: str, expected: float, found: Any, interval: Any) -> Check:
    """Return the check of an interval against the known value; it fails without a finite result."""
    if found is None or interval is None or not all(math.isfinite(end) for end in interval):
        return Check(run, quantity, unit, expected, None, None, None, False)
    low, high = (float(end) for end in interval)
    return Check(run, quantity, unit, expected, float(found), low, high, bool(low <= expected <= high))


def start_errors(level: float) -> float:
    """Return the standard errors within which two starts meet: at the level in the slab and in both its layers."""
    return float(stats.norm.isf((1 - level) / 6))


def _both_starts(label: str, starts: Mapping[str, Any], settings: ValidationSettings) -> Iterator[Check]:
    """Yield the checks of two starts: their known gap, layer by layer that it has closed, and the outcome."""
    assert settings.second_start is not None
    slab, *layers = starts["layers"]
    inside = [round(settings.ions.cations * share) for share in (settings.second_start, settings.ions.inside)]
    yield check(label, "gap of two starts", "ions", abs(inside[0] - inside[1]), slab["gap"], [slab["gap"]] * 2)
    gaps = sum(layer["gap"] for layer in layers)
    yield check(label, "gap of two starts, sum of layers", "ions", slab["gap"], gaps, [gaps] * 2)
    for place, layer in enumerate(starts["layers"]):
        half = start_errors(settings.level) * layer["difference_error"]
        name = "slab" if place == 0 else f"layer {place}"
        found = layer["difference"]
        yield check(label, f"D of two starts, {name}", "ions", 0.0, found, (found - half, found + half))
    met = float(starts["kind"] == BOTH_SIDES)
    yield check(label, "equilibrated from both sides", "", 1.0, met, (met, met))


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
    yield check(label, "S_t", "", mean, entries + exits, total)
    lam = equilibration["criteria"]["lam"]
    known = _coefficient(expected["entries"], expected["exits"], lam)
    # the smallest and the largest EC for means within the intervals of both counts
    one, other = (_interval_of_counts(events, worth, (1 + level) / 2) for events in (entries, exits))
    lowest = min(_coefficient(one[0], other[1], lam), _coefficient(one[1], other[0], lam))
    # EC is largest for equal and large means, or for the closest possible ones
    low, high = max(one[0], other[0]), min(one[1], other[1])
    limits = (lowest, _coefficient(high, max(low, high), lam))
    yield check(label, "EC", "", known, equilibration["ec"], limits)
    exposure = transitions[f"exposure_{_KEY}_ceramic_ion_ns"] * 1e-9
    if expected["entries"] >= 1:
        counted = _interval_of_counts(entries, worth, level)
        # the reference has a statistical error as well
        reach = float(stats.norm.ppf((1 + level) / 2)) * expected["rate_error"]
        rates = (counted[0] / exposure - reach, counted[1] / exposure + reach)
        yield check(label, "Γ", "1/s", expected["rate"], entries / exposure, rates)


def _interval_of_counts(events: int, worth: float, level: float) -> tuple[float, float]:
    """Return Garwood's interval of a mean number of events of which ``worth`` carry the information of one.

    That of :func:`~aiida_cse.physics.statistics.poisson.poisson_interval` is wider because the dispersion is
    estimated there. Here it is known, or an estimate that exceeds the known one.
    """
    lower, upper = (1 - level) / 2, (1 + level) / 2
    low = float(stats.chi2.ppf(lower, 2 * events / worth)) if events else 0.0
    return worth * low / 2, worth * float(stats.chi2.ppf(upper, 2 * events / worth + 2)) / 2


def _coefficient(one: float, other: float, lam: float) -> float:
    return 2 * min(one, other) / (one + other + lam)


# -- theory --------------------------------------------------------------------------------------------------


def _of_sides(
    label: str, expected: Mapping[str, Any], run: Run, landscape: Landscape, settings: ValidationSettings
) -> Iterator[Check]:
    """Check rates and barriers of each side, and where wells and tops are."""
    transitions, level = run["transitions"], settings.level
    exposure = transitions[f"exposure_{_KEY}_ceramic_ion_ns"] * 1e-9
    worth = max(1.0, run["equilibration"][f"burst_index_{_KEY}_ceramic"] or 1.0, _RETURNS)
    for side, (rate, error) in zip(("left", "right"), expected["sides"], strict=True):
        if rate * exposure < 1:
            continue
        entries = transitions[f"s_in_{_KEY}_ceramic_{side}"]
        low, high = _interval_of_counts(entries, worth, level)
        reach = float(stats.norm.ppf((1 + level) / 2)) * error
        ends = (low / exposure - reach, high / exposure + reach)
        yield check(label, f"Γ, {side}", "1/s", rate, entries / exposure, ends)
    if not run["equilibration"]["equilibrated"]:
        return
    sides = {"left": landscape.barrier_left, "right": landscape.barrier_right}
    tst = dict(zip(sides, expected["tst"], strict=True))
    for name, start, barriers in (("ΔF", "barrier", sides), ("ΔF of TST", "tst_barrier", tst)):
        for side, known in barriers.items():
            value, error = (run["barrier"].get(f"{start}_{_KEY}_{side}_{what}") for what in ("K", "error_K"))
            if error is not None:
                yield check(label, f"{name}, {side}", "K", known, value, _interval(value, error, level))
    for found in places_known(run["barrier"], landscape):
        yield check(label, *found)


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
            yield check(label, "ΔF, bound", "K", expected["barrier"], bound, (bound, 1e9))
    else:
        yield check(label, "ΔF", "K", expected["barrier"], value, _interval(value, error, level))
    log_error = found[f"frequency_{_KEY}_log_error"]
    curvature, frequency = found[f"curvature_{_KEY}_K_per_A2"], found[f"frequency_{_KEY}_per_s"]
    doubled = None if log_error is None else 2 * log_error
    ends = _interval(curvature, doubled, level, logarithmic=True)
    yield check(label, "k", "K/Å²", landscape.curvature, curvature, ends)
    ends = _interval(frequency, log_error, level, logarithmic=True)
    yield check(label, "ν", "1/s", landscape.frequency, frequency, ends)
    if found[f"kappa_{_KEY}"] is not None:
        # results of earlier versions are relative to the harmonic rate
        kappa = expected["kappa_tst" if f"tst_barrier_{_KEY}_K" in found else "kappa"]
        yield check(label, "κ", "", kappa, found[f"kappa_{_KEY}"], found[f"kappa_{_KEY}_interval"])


# -- distribution of the ions ----------------------------------------------------------------------------------


def _distribution(
    label: str, expected: Mapping[str, Any], run: Run, landscape: Landscape, settings: ValidationSettings
) -> Iterator[Check]:
    """Check the number of anions in their layers, and F of both ions in the bin with the largest deviation."""
    temperature, populations, found = expected["temperature"], run["populations"], run["free_energy_profiles"]
    shares = landscape.shares(ANION, temperature)
    layer = settings.ions.anions * (shares["layer_left"] + shares["layer_right"])
    key = f"n_{ANION.lower()}_layer"
    yield check(label, f"N({ANION}, layer)", "", layer, populations[key], populations[f"{key}_interval"])
    inside = expected["equilibrium"]
    # exchange across the barrier is slower than the time blocks from which the error is estimated
    scatter = expected["inside_error"] * (1 / inside + 1 / (settings.ions.cations - inside))
    slow = float(stats.norm.ppf((1 + settings.level) / 2)) * temperature * scatter
    z = np.asarray(found["z_A"])
    outside = np.abs(z) > landscape.top - 2.0
    width = float(z[1] - z[0])
    edges = np.append(z - width / 2, z[-1] + width / 2)
    anions = 0.0
    if landscape.molecular:
        # few anions, so that their number in a layer varies more slowly than what is seen in one bin
        averaged = _averaged_scatter(run, settings.ions.anions, shares)
        anions = float(stats.norm.ppf((1 + settings.level) / 2)) * temperature
        anions *= math.sqrt(averaged / (settings.ions.anions * shares["layer_left"]))
    for ion, exchange in ((CATION, slow * outside), (ANION, np.full(len(z), anions))):
        # F per bin, with the zero of the analysis
        weights = landscape.weight(ion, edges, temperature, points=16) / width
        if ion == CATION:
            known = np.asarray(-temperature * np.log(weights) + landscape.depth)
        else:
            regions = landscape.regions(ion).edges
            bulk = (z < regions[1]) | (z >= regions[-2])
            known = np.asarray(-temperature * np.log(weights / weights[bulk].mean()))
        value, error = (np.asarray(found[f"{ion.lower()}_{what}"]) for what in ("K", "error_K"))
        # with fewer visits the logarithm of their number is skewed
        places = np.flatnonzero(error < temperature / np.sqrt(_FEWEST_VISITS))
        quantile = float(stats.norm.isf((1 - settings.level) / 2 / max(len(places), 1)))
        reach = quantile * error[places] + exchange[places]
        if not len(places):
            yield check(label, f"F({ion})", "K", 0.0, None, None)
            continue
        worst = int(np.argmax(np.abs(value - known)[places] / reach))
        at = places[worst]
        ends = (value[at] - reach[worst], value[at] + reach[worst])
        yield check(label, f"F({ion}) at {z[at]:.1f} Å", "K", float(known[at]), value[at], ends)


def _known_at_hottest(
    label: str, expected: Mapping[str, Any], run: Run, landscape: Landscape, settings: ValidationSettings
) -> Iterator[Check]:
    """Check charge integral, layers of both sides, and the shift of layers that are moved."""
    temperature, ions, level = expected["temperature"], settings.ions, settings.level
    criteria = run["equilibration"]["criteria"]
    # the scatter is that of independent anions that cross at the observed rates
    shares, mean = landscape.shares(ANION, temperature), run["populations"][f"n_{ANION.lower()}_layer"]
    share = shares["layer_left"] + shares["layer_right"]
    averaged = _averaged_scatter(run, ions.anions, shares)
    reach = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt(ions.anions * share * (1 - share) * averaged)
    limits = (mean - reach, mean + reach)
    yield check(label, f"N({ANION}, layer), scatter", "", ions.anions * share, mean, limits)
    known = [*shifts_known(run["reduction"], criteria)]
    if "charge_integral" in run:
        scatter = expected["inside_error"]
        known += charge_known(run["charge_integral"], temperature, landscape, ions, scatter, level)
    for found in known:
        yield check(label, *found)


def _averaged_scatter(run: Run, anions: int, shares: Mapping[str, float]) -> float:
    """Return the variance of a mean number of anions in the layers over that of the number.

    For independent anions in two states; their relaxation time follows from the observed crossings.
    """
    share, transitions = shares["layer_left"] + shares["layer_right"], run["transitions"]
    crossings: int = sum(transitions[f"s_{way}_{ANION.lower()}_layer"] for way in ("in", "out"))
    # The crossings per ion and time are twice the product of both shares over the relaxation time. About every
    # second one is followed by a return.
    return min(1.0, 8 * share * (1 - share) * anions / max(crossings, 1))


# -- the same numbers again ------------------------------------------------------------------------------------


def _recounted(
    label: str,
    expected: Mapping[str, Any],
    run: Run,
    landscape: Landscape,
    settings: ValidationSettings,
    plan: Mapping[str, Any],
) -> Iterator[Check]:
    """Check the state, all results that follow from it, its displacements, and the temperature of its atoms."""
    state, temperature = run["reduction"], expected["temperature"]
    asked = {**plan, "temperature": temperature}
    for name in STATE_CHECKS:
        yield _same(label, f"state, {name}", *inconsistency(name, state, landscape, settings.ions, asked))
    windowed = WindowedState(state, run["equilibration"]["criteria"])
    for name in RECOUNTS:
        outcome = disagreement(windowed, name, run[name]) if name in run else ("is missing", 1)
        yield _same(label, f"{name}, counted again", *outcome)
    local = expected["variances"] if run["equilibration"]["equilibrated"] else []
    known = [*temperature_known(run["stages"], temperature, settings.ions, landscape, plan, settings.level)]
    if "displacement_variance" in run:
        known += displacements_known(run["displacement_variance"], temperature, landscape, local, settings.level)
    for found in known:
        yield check(label, *found)


def _same(label: str, quantity: str, first: str, number: int) -> Check:
    """Return the check that all of a number of values agree; ``first`` is the first one that does not."""
    holds = not first
    found = float(number if holds else 0)
    return Check(
        label, quantity if holds else f"{quantity}: {first}", "", float(number), found, found, found, holds
    )


# -- extrapolation ------------------------------------------------------------------------------------------------


def _extrapolated(
    label: str, expected: Mapping[str, Any], kinetics: Mapping[str, Any], level: float, *, bend: float = 0.0
) -> Check:
    """Check a rate predicted from the runs: of the coldest one, in which no ion crosses, or of another one.

    ``bend`` is a tolerance of ln Γ, which is not quite linear in 1/T.
    """
    key = f"rate_{round(expected['temperature']):04d}K"
    rate, interval = kinetics.get(f"{key}_per_s"), kinetics.get(f"{key}_interval_per_s")
    if rate is None or interval is None or None in interval:
        return check(label, "Γ, predicted", "1/s", expected["rate"], None, None)
    # the interval at another level, with ln Γ nearly normal
    wider = float(stats.norm.ppf((1 + level) / 2) / stats.norm.ppf((1 + kinetics["level"]) / 2))
    bent = math.exp(bend)
    ends = (rate * (interval[0] / rate) ** wider / bent, rate * (interval[1] / rate) ** wider * bent)
    return check(label, "Γ, predicted", "1/s", expected["rate"], rate, ends)


def _joined(
    expected: Mapping[str, Mapping[str, Any]], runs: Mapping[str, Run], kinetics: Mapping[str, Any], level: float
) -> Iterator[Check]:
    """Check the rates that the kinetics gives at all other temperatures, and its numbers by a second fit."""
    labels = list(expected)
    for label in labels[:-1]:
        known = expected[label]
        found = _extrapolated(label, known, kinetics, level, bend=_BEND)
        yield found
    if not kinetics:
        yield _same(labels[-1], "kinetics, fitted again", "there is none", 1)
        return
    triples = list(kinetics_again(kinetics, runs))
    first = next((key for key, value, again in triples if not agree(value, again)), "")
    yield _same(labels[-1], "kinetics, fitted again", first, len(triples))
