"""Free-energy barriers of the ions, and the rates that transition-state theory expects from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import constants
from typing_extensions import Self

from aiida_cse.analysis.equilibration import equilibration
from aiida_cse.analysis.production import FACT_KEYS, REGION_KEYS, Ion, ReducedProduction
from aiida_cse.analysis.profiles import Counts
from aiida_cse.analysis.registry import (
    Need,
    Quantity,
    finite_or_none,
    finite_range_or_none,
    ion_name,
    ions_in,
    observable,
)
from aiida_cse.analysis.transitions import exposure_of
from aiida_cse.physics.kinetics.transition_state import (
    expected_transitions,
    joule_from_kelvin,
    thermal_flux,
    transition_rate,
    transmission_coefficient,
    vibrational_frequency,
)
from aiida_cse.physics.profiles.barriers import (
    FEWEST_BLOCKS,
    FEWEST_VISITS,
    Barrier,
    ExchangeStatistics,
    JoinedBarrier,
    average_sides,
    find_barrier,
)

__all__ = ["anion_barriers", "barriers", "mass_of"]

Floats = NDArray[np.float64]
Range = tuple[float, float]
#: unit and meaning of an entry, and the function that takes it from a barrier
Entry = tuple[str, str, Callable[[Any], Any]]

SIDES = ("left", "right")
#: reach (Å) around a boundary in which F has its maximum, at most half the thickness of the layer
_TOP_REACH = 2.5
#: fewest relaxation times of a run whose barriers have intervals
_FEWEST_RELAXATIONS = 1.0
#: least number of ions on a side of the boundary, so that the relaxation time is finite
_FEWEST_IONS = 0.5
_KJ_PER_MOL = constants.R / 1000


def _height_entries(key: str, attribute: str, meaning: str) -> dict[str, Entry]:
    """Return the entries of one of the heights of a barrier; {} is the ion, or the ion and the side."""

    def of(found: Any, name: str) -> Any:
        height = getattr(found, attribute)
        return None if height is None else getattr(height, name)

    return {
        f"{key}_{{}}_K": ("K", meaning, lambda found: finite_or_none(of(found, "value"))),
        f"{key}_{{}}_interval_K": (
            "K",
            "Its two-sided interval; null below 30 independent visits of the top, and off equilibrium",
            lambda found: finite_range_or_none(of(found, "interval")),
        ),
        f"{key}_{{}}_error_K": (
            "K",
            "Its standard error; null where the interval is",
            lambda found: finite_or_none(of(found, "standard_error")),
        ),
        f"{key}_{{}}_lower_bound_K": (
            "K",
            "Its one-sided lower bound, which is all that few visits or a run off equilibrium allow",
            lambda found: finite_or_none(of(found, "lower_bound")),
        ),
    }


_HEIGHT: dict[str, Entry] = {
    **_height_entries(
        "barrier", "maximum", "ΔF / k_B: F at its maximum minus F at its minimum, at the resolution of the bins"
    ),
    "barrier_{}_kJ_per_mol": ("kJ/mol", "ΔF", lambda found: finite_or_none(found.maximum.value * _KJ_PER_MOL)),
    "barrier_{}_parabola_K": (
        "K",
        "ΔF of the local fits, a parabola on the top; too low where the top is rough",
        lambda found: finite_or_none(found.parabola),
    ),
    "barrier_{}_parabola_p_value": (
        "",
        "p-value of χ² of the parabola; for both sides together, that of the side with the smaller one",
        lambda found: finite_or_none(found.parabola_p_value),
    ),
    "visits_{}": (
        "",
        "Independent visits of the top; for both sides together, those of the side with fewer",
        lambda found: found.visits,
    ),
}
_RATE_BARRIERS: dict[str, Entry] = {
    **_height_entries(
        "tst_barrier",
        "tst",
        "TST barrier F(top) + T ln ∫ exp(−F/T) dz/Å over the first layer, which determines `rate_tst_<ion>_per_s`",
    ),
    **_height_entries(
        "resistance_barrier",
        "resistance",
        "Resistance barrier T ln(∫ exp(F/T) dz ∫ exp(−F/T) dz / Å²) over the top and the first layer",
    ),
}
_SHAPE: dict[str, Entry] = {
    "curvature_{}_K_per_A2": (
        "K Å⁻²",
        "k in F = k (z − z₀)², without a factor ½, around the minimum of the first layer",
        lambda found: finite_or_none(found.well_curvature),
    ),
    "curvature_{}_interval_K_per_A2": (
        "K Å⁻²",
        "Its interval",
        lambda found: finite_range_or_none(found.well_curvature_interval),
    ),
    "slope_{}_K_per_A": ("K Å⁻¹", "Slope of F between minimum and top", lambda found: finite_or_none(found.slope)),
    "slope_{}_interval_K_per_A": (
        "K Å⁻¹",
        "Its interval",
        lambda found: finite_range_or_none(found.slope_interval),
    ),
}
_PLACES: dict[str, Entry] = {
    "barrier_{}_raw_K": (
        "K",
        "Highest bin minus lowest bin, which is biased upward; null if a bin of the top is empty",
        lambda found: finite_or_none(found.raw),
    ),
    "top_{}_z_A": ("Å", "Position of the top in the local fit", lambda found: found.top_z),
    "well_{}_z_A": (
        "Å",
        "Position of the minimum of the first layer in the local fit",
        lambda found: found.well_z,
    ),
}
_THEORY_KEYS = {
    "curvature_<ion>_J_per_A2": ("J Å⁻²", "k in other units"),
    "frequency_<ion>_per_s": (
        "s⁻¹",
        "ν of the minimum (equation 8), for the published rate with `barrier_<ion>_K`",
    ),
    "frequency_<ion>_log_error": ("", "Standard error of ln ν"),
    "attempts_<ion>_per_s": ("s⁻¹", "√(k_B T / (2 π m)) per Å, the prefactor that belongs to the TST barrier"),
    "rate_tst_<ion>_per_s": (
        "s⁻¹",
        "Rate of entries per ion in a first layer by transition-state theory with κ = 1, from the TST barrier",
    ),
    "rate_tst_<ion>_log_error": ("", "Standard error of its natural logarithm"),
    "expected_in_<ion>_ceramic": ("events", "Entries expected at this rate of the ions in the first layers"),
    "kappa_<ion>": ("", "κ, entries counted over entries expected"),
    "kappa_<ion>_interval": ("", "Its interval, with the errors of both"),
}
_JUDGEMENT_KEYS = {
    "equilibrated": ("", "Verdict of the run, see `equilibration`"),
    "reasons": ("", "One sentence for each side without a barrier, and why there are no intervals"),
}


def _documented(entries: Mapping[str, Entry], name: str) -> dict[str, tuple[str, str]]:
    return {key.format(name): (unit, meaning) for key, (unit, meaning, _) in entries.items()}


def _entries(entries: Mapping[str, Entry], name: str, found: Barrier | JoinedBarrier | None) -> dict[str, Any]:
    return {key.format(name): None if found is None else read(found) for key, (_, _, read) in entries.items()}


# -- cations -------------------------------------------------------------------------------------------------


def _rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    for ion in ions_in(found, "barrier_<ion>_K"):
        name = ion_name(ion)
        yield from _barrier_rows(found, ion, f"barrier of {name}", reasons=found.get("reasons") or ())
        without = ("the barrier is not known",)
        yield from _barrier_rows(found, ion, f"TST barrier of {name}", "tst_barrier", without)
        yield from _barrier_rows(found, ion, f"resistance barrier of {name}", "resistance_barrier", without)
        reason = "it needs a barrier with an interval, and time in which an entry would have counted"
        yield Quantity.of(found, f"κ of {name}", f"kappa_{ion}{{}}", reason=reason)


def _barrier_rows(
    found: Mapping[str, Any], ion: str, title: str, name: str = "barrier", reasons: Sequence[str] = ()
) -> Iterator[Quantity]:
    """Yield a barrier of both sides together, or of each side that has one; with the reasons if there is none."""
    visits = found.get(f"visits_{ion}")
    objection = "" if found.get("equilibrated", True) else "the run is off equilibrium"
    if not objection and visits is not None and visits < FEWEST_VISITS:
        objection = f"{visits:.2g} independent visits of the top; {FEWEST_VISITS} are needed"
    joined, *sides = (
        Quantity.of(found, f"{title}{side}", f"{name}_{ion}{suffix}{{}}_K", "K", reason=objection)
        for suffix, side in {"": "", "_left": ", left", "_right": ", right"}.items()
    )
    if joined.value is None and joined.lower is None and joined.key in found:
        if any(one.value is not None or one.lower is not None for one in sides):
            for side, one in zip(SIDES, sides, strict=True):
                known = one.value is not None or one.lower is not None
                why = [reason for reason in reasons if f", {side}: " in reason] or reasons
                yield one if known else replace(one, reason="; ".join(why) or one.reason)
            return
        joined = replace(joined, reason="; ".join(reasons) or objection)
    kilojoules = found.get(f"{name}_{ion}_kJ_per_mol")
    yield joined if kilojoules is None else replace(joined, note=f"{kilojoules:.3g} kJ/mol")


@observable(
    "barrier",
    kind="Dict",
    summary="Barriers per side and together, ν, Γ of theory, and κ.",
    description=(
        "The free-energy barrier of each ion that crosses, from its first layer into the ceramic, on each side "
        "and of both sides together (their Boltzmann average), and the rate that transition-state theory expects "
        "from it. If the run has not equilibrated, or is shorter than one relaxation time, there are lower bounds "
        "but no intervals and no rates; see [barriers](../science/barriers.md). `null`: not known. Results of "
        "earlier versions have no `tst_barrier_…` keys; their barrier is that of the local fits, with intervals "
        "also off equilibrium, and their rate and κ follow from it and ν."
    ),
    rows=_rows,
    section="Barriers",
    keys={
        **FACT_KEYS,
        **REGION_KEYS,
        **_documented(_HEIGHT | _RATE_BARRIERS | _SHAPE, "<ion>"),
        **_documented(_HEIGHT | _RATE_BARRIERS | _SHAPE | _PLACES, "<ion>_<side>"),
        **_THEORY_KEYS,
        **_JUDGEMENT_KEYS,
    },
)
def barriers(production: ReducedProduction) -> dict[str, Any]:
    """Return the barrier of each ion that crosses, per side and joined, and the rates that theory expects."""
    judgement = _Judgement.of(production)
    results = production.facts | production.region_facts("ceramic") | {"equilibrated": judgement.equilibrated}
    reasons: list[str] = []
    for ion in production.ions.values():
        if ion.species.exchange != "ceramic":
            continue
        (_, outer_left, inner_left, inner_right, outer_right, _), (left, right) = ion.species.edges, _reaches(ion)
        windows: dict[str, tuple[Range, Range]] = {
            "left": ((inner_left - left, inner_left + left), (outer_left, inner_left - left)),
            "right": ((inner_right - right, inner_right + right), (inner_right + right, outer_right)),
        }
        layers = {"left": (outer_left, inner_left), "right": (inner_right, outer_right)}
        outside = ion.counts["layer"] + ion.counts["bulk"]
        found, joined, missing = _by_side(
            production, ion, (outside, ion.counts["ceramic"]), windows, judgement.objection(ion), layers=layers
        )
        reasons += missing
        for side in SIDES:
            results |= _entries(_HEIGHT | _RATE_BARRIERS | _SHAPE | _PLACES, f"{ion.key}_{side}", found.get(side))
        results |= _entries(_HEIGHT | _RATE_BARRIERS | _SHAPE, ion.key, joined) | _theory(production, ion, joined)
    return results | {"reasons": reasons}


def _reaches(ion: Ion) -> Range:
    """Return the reach of the search for a top on both sides, Å."""
    _, outer_left, inner_left, inner_right, outer_right, _ = ion.species.edges
    return min(_TOP_REACH, (inner_left - outer_left) / 2), min(_TOP_REACH, (outer_right - inner_right) / 2)


# -- anions --------------------------------------------------------------------------------------------------

_ANION_PLACES: dict[str, Entry] = {
    "barrier_{}_raw_K": (
        "K",
        "Highest bin minus mean of the bulk, which is biased upward; null if a bin of the top is empty",
        lambda found: finite_or_none(found.raw),
    ),
    "top_{}_z_A": _PLACES["top_{}_z_A"],
}


def _anion_rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    for ion in ions_in(found, "barrier_<ion>_K"):
        title = f"barrier of {ion_name(ion)} into the 1st layer"
        yield from _barrier_rows(found, ion, title, reasons=found.get("reasons") or ())


@observable(
    "anion_barrier",
    kind="Dict",
    summary="Barriers of the anions from the bulk electrolyte into the first layer, per side and together.",
    description=(
        "The free-energy barrier of each anion from the bulk electrolyte into its first layer, on each side and "
        "of both sides together (their Boltzmann average): F at its maximum around the outer boundary of the "
        "layer minus F of the mean density of the bulk on this side (figure 10 of Kozdra et al.: 2,500 to 3,000 K "
        "for TFSI−). If the run has not equilibrated, there are lower bounds but no intervals; see "
        "[barriers](../science/barriers.md). `null` for a number that is not known."
    ),
    need=Need(
        "an ion that is exchanged between its first layer and the bulk",
        lambda config: any(species.exchange == "layer" for species in config.ions.values()),
    ),
    rows=_anion_rows,
    section="Barriers of anions",
    keys={
        **FACT_KEYS,
        **REGION_KEYS,
        **_documented(_HEIGHT, "<ion>"),
        **_documented(_HEIGHT | _ANION_PLACES, "<ion>_<side>"),
        **_JUDGEMENT_KEYS,
    },
)
def anion_barriers(production: ReducedProduction) -> dict[str, Any]:
    """Return the barrier of each anion from the bulk into its first layer, per side and joined.

    The bulk is flat, so that its mean density counts and not its fullest bin.
    """
    first, *_, last = production.state.config.grid.centres
    judgement = _Judgement.of(production)
    results = production.facts | production.region_facts("layer") | {"equilibrated": judgement.equilibrated}
    reasons: list[str] = []
    for ion in production.ions.values():
        if ion.species.exchange != "layer":
            continue
        (_, outer_left, _, _, outer_right, _), (left, right) = ion.species.edges, _reaches(ion)
        windows: dict[str, tuple[Range, Range]] = {
            "left": ((outer_left - left, outer_left + left), (first, outer_left - left)),
            "right": ((outer_right - right, outer_right + right), (outer_right + right, last)),
        }
        numbers = (ion.counts["bulk"], ion.counts["layer"])
        found, joined, missing = _by_side(
            production, ion, numbers, windows, judgement.objection(ion), plateau=True
        )
        reasons += missing
        entries = _entries(_HEIGHT, ion.key, joined)
        for side in SIDES:
            entries |= _entries(_HEIGHT | _ANION_PLACES, f"{ion.key}_{side}", found.get(side))
        results |= entries
    return results | {"reasons": reasons}


# -- one barrier ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Judgement:
    """Verdict of a run, the EC of the ions that decide, and by ion the length of the run in relaxation times."""

    equilibrated: bool
    coefficient: float
    relaxation_times: Mapping[str, float | None]

    @classmethod
    def of(cls, production: ReducedProduction) -> Self:
        """Judge a run by its `equilibration`."""
        found = equilibration(production)
        times = {ion.name: found[f"relaxation_times_{ion.exchange_key}"] for ion in production.ions.values()}
        return cls(bool(found["equilibrated"]), float(found["ec"]), times)

    def objection(self, ion: Ion) -> str | None:
        """Return why the barriers of an ion have lower bounds only, None if they have intervals.

        Density on the top is fed from both sides. It is that of equilibrium only once both are.
        """
        length = self.relaxation_times[ion.name]
        known = "" if length is None else f", {length:.2g} relaxation times of {ion.name}"
        if not self.equilibrated:
            judged = f"EC {self.coefficient:.2f}{known}"
            return f"the run has not equilibrated ({judged}): the barriers have lower bounds only"
        if length is not None and length < _FEWEST_RELAXATIONS:
            return (
                f"the run has {length:.2g} relaxation times of {ion.name} (needs ≥ {_FEWEST_RELAXATIONS:g}): its "
                f"barriers have lower bounds only"
            )
        return None


def _by_side(
    production: ReducedProduction,
    ion: Ion,
    numbers: tuple[NDArray[np.int64], NDArray[np.int64]],
    windows: Mapping[str, tuple[Range, Range]],
    objection: str | None,
    *,
    layers: Mapping[str, Range] | None = None,
    plateau: bool = False,
) -> tuple[dict[str, Barrier], JoinedBarrier | None, list[str]]:
    """Return the barriers by side, that of both sides together, and sentences on what is missing.

    Parameters
    ----------
    production, ion
        The production and one of its ions.
    numbers
        (F,) number of ions from which the barrier starts, and beyond it.
    windows
        By side the ranges (Å) of the top and of the well.
    objection
        Why there are lower bounds only; None if there are intervals.
    layers
        By side the range (Å) of the first layer.
    plateau
        Whether the well is flat.
    """
    index = list(production.ions).index(ion.name)
    points = Counts.of_points(production)
    # a bin that the end of the box cuts off has fewer counts at the same density
    complete = points.complete()
    z, counts = points.grid.centres[complete], points.total[index, complete]
    exchange = ExchangeStatistics(
        production.transitions(production.settings.rule)[ion.name].both.total,
        *(max(float(number.mean()), _FEWEST_IONS) for number in numbers),
    )
    whole = points.equal_blocks()[:, index, complete]
    if len(whole) < FEWEST_BLOCKS:
        few = f"{len(whole)} whole block(s) of time, it takes {FEWEST_BLOCKS} to tell how many counts are a visit"
        return {}, None, [f"{ion.name}, {side}: {few}" for side in SIDES]
    temperature, level = production.temperature, production.settings.level
    found: dict[str, Barrier] = {}
    missing = [objection] if objection else []
    for side in SIDES:
        top, (well_low, well_high) = windows[side]
        well = max(well_low, float(z[0])), min(well_high, float(z[-1]))
        try:
            found[side] = find_barrier(
                z,
                counts,
                temperature,
                top=top,
                well=well,
                layer=None if layers is None else layers[side],
                block_counts=whole,
                exchange=exchange,
                plateau=plateau,
                equilibrated=objection is None,
                level=level,
            )
        except ValueError as error:
            missing.append(f"{ion.name}, {side}: {error}")
    joined = average_sides(list(found.values()), temperature, level) if len(found) == len(SIDES) else None
    return found, joined, missing


# -- transition-state theory ---------------------------------------------------------------------------------


def _theory(production: ReducedProduction, ion: Ion, joined: JoinedBarrier | None) -> dict[str, Any]:
    """Return the frequency of the well (eq 8), the rate of the TST barrier with κ = 1, and κ; None if unknown."""
    results: dict[str, Any] = dict.fromkeys(key.replace("<ion>", ion.key) for key in _THEORY_KEYS)
    mass, temperature = mass_of(production, ion), production.temperature
    attempts = float(thermal_flux(temperature, mass))
    results[f"attempts_{ion.key}_per_s"] = attempts
    if joined is None:
        return results
    if joined.well_curvature > 0:
        curvature, curvatures = float(joule_from_kelvin(joined.well_curvature)), joined.well_curvatures
        logarithms: Floats = np.log(np.where(curvatures > 0, curvatures, np.nan))
        results |= {
            f"curvature_{ion.key}_J_per_A2": curvature,
            f"frequency_{ion.key}_per_s": float(vibrational_frequency(curvature, mass)),
            f"frequency_{ion.key}_log_error": float(np.nanstd(logarithms, ddof=1)) / 2,
        }
    if joined.tst is None or not math.isfinite(joined.tst.standard_error):
        return results
    rate, log_error = (
        float(transition_rate(joined.tst.value, attempts, temperature)),
        joined.tst.standard_error / temperature,
    )
    results |= {f"rate_tst_{ion.key}_per_s": rate, f"rate_tst_{ion.key}_log_error": log_error}
    rule, level = production.settings.rule, production.settings.level
    exposure = exposure_of(ion, production.transitions(rule)[ion.name], rule, production)
    if exposure.ion_time > 0:
        expected = float(expected_transitions(rate, 1.0, exposure.ion_time * 1e-9))
        kappa = transmission_coefficient(
            exposure.events, expected, level, log_error=log_error, dispersion=exposure.dispersion
        )
        results |= {
            f"expected_in_{ion.key}_ceramic": expected,
            f"kappa_{ion.key}": kappa.value,
            f"kappa_{ion.key}_interval": [kappa.low, kappa.high],
        }
    return results


def mass_of(production: ReducedProduction, ion: Ion) -> float:
    """Return the mass of one ion, all its atoms together, kg."""
    config = production.state.config
    atoms = np.array(config.atom_types)
    masses = np.array(config.masses)[atoms[np.isin(atoms, ion.species.types)] - 1]
    return float(masses.sum() / len(ion.numbers) * constants.atomic_mass)
