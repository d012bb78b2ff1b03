"""From the state of a reduction to populations, transitions, a verdict and profiles.

The results are plain dictionaries of numbers, strings, lists and arrays, with the unit in the key; a number that
is not known is None. Names of ions appear in lower case. ``left`` and ``right`` are the two sides of the slab; a
name without a side is both together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aiida_cse.physics.counting import poisson_interval, poisson_upper
from aiida_cse.physics.equilibration import EquilibrationVerdict, equilibration_verdict
from aiida_cse.physics.populations import Population, detect_equilibration, populations
from aiida_cse.physics.regions import REGION_NAMES
from aiida_cse.physics.transitions import RULES, Exchange, Rule, exchange, transition_matrix
from aiida_cse.trajectory.profiles import density_profiles, free_energy_profiles
from aiida_cse.trajectory.reduction import Selection
from aiida_cse.trajectory.state import State
from aiida_cse.trajectory.window import Window
from aiida_cse.validation import StrictModel

__all__ = ["AnalysisSettings", "analyse"]

Fraction = Annotated[float, Field(gt=0, lt=1)]

#: points of a series that the search for its equilibration time looks at
_POINTS = 1000


class AnalysisSettings(StrictModel):
    """How a state is analysed.

    Attributes
    ----------
    start_ns
        Time from the first frame of the state that is left out, rounded up to a whole block.
    rule
        The rule whose transitions the verdict is about.
    lam
        λ of the equilibration coefficient.
    minimum_coefficient, minimum_lower_bound, bound_level, significance
        The criteria of the verdict; see :func:`~aiida_cse.physics.equilibration.equilibration_verdict`.
    level
        Level of the bounds of rates and free energies.
    """

    start_ns: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    rule: Rule = "snapshot"
    lam: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    minimum_coefficient: float = Field(default=0.5, ge=0, lt=1)
    minimum_lower_bound: float = Field(default=0.25, ge=0, lt=1)
    bound_level: Fraction = 0.975
    significance: Fraction = 0.05
    level: Fraction = 0.95


@dataclass(frozen=True)
class _Counted:
    """The transitions of one ion species under one rule, in the window."""

    events: NDArray[np.int64]
    matrix: NDArray[np.int64]
    sides: dict[str, Exchange]
    time_ns: float

    @property
    def both(self) -> Exchange:
        return self.sides["left"] + self.sides["right"]


def analyse(
    state: State, temperature: float, settings: AnalysisSettings | None = None
) -> dict[str, dict[str, Any]]:
    """Analyse the state of a production.

    Parameters
    ----------
    state
        The reduced production.
    temperature
        K.
    settings
        What to leave out, and the criteria of the verdict.

    Returns
    -------
    dict
        ``populations``, ``transitions``, ``equilibration``: numbers and lists at the top level, and tables below.
        ``density_profiles``, ``free_energy_profiles``: arrays of one value per bin, and numbers.

    Raises
    ------
    ValueError
        The temperature is not above zero, or ``start_ns`` leaves nothing to analyse.
    """
    chosen = settings or AnalysisSettings()
    window = Window.of(state, chosen.start_ns)
    counted = {rule: _count(state, window, rule) for rule in RULES}
    return {
        "populations": window.facts | _populations(state, window),
        "transitions": window.facts | _transitions(state, counted, chosen),
        "equilibration": window.facts | _equilibration(state, window, counted[chosen.rule], chosen),
        "density_profiles": window.facts | density_profiles(state, window),
        "free_energy_profiles": window.facts | free_energy_profiles(state, window, temperature, chosen.level),
    }


# -- populations ---------------------------------------------------------------------------------------------


def _populations(state: State, window: Window) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for index, (name, species) in enumerate(state.config.ions.items()):
        counts = _columns(state.region_counts[window.rows, index])
        if species.initial_ceramic is not None:
            counts["excess"] = counts["ceramic"] - species.initial_ceramic
        averages = populations(np.column_stack(list(counts.values())), tuple(counts))
        for region, population in averages.items():
            results |= _population_entries(f"n_{name.lower()}_{region}", population, window)
        series = counts[species.exchange][:: max(1, len(window.numbers) // _POINTS)]
        start = detect_equilibration(series).start * max(1, len(window.numbers) // _POINTS)
        results[f"n_{name.lower()}_{species.exchange}_stationary_after_ns"] = start * window.frame_ns
    return results


def _columns(counts: NDArray[np.int32]) -> dict[str, NDArray[np.int64]]:
    """Return the series (frames,) of each region, and of both layers and both bulks together."""
    columns = {name: counts[:, label].astype(np.int64) for label, name in enumerate(REGION_NAMES)}
    for name in ("layer", "bulk"):
        columns[name] = columns[f"{name}_left"] + columns[f"{name}_right"]
    return columns


def _population_entries(key: str, population: Population, window: Window) -> dict[str, Any]:
    return {
        key: population.mean,
        f"{key}_error": _number(population.standard_error),
        f"{key}_inefficiency_ps": population.inefficiency * window.frame_ns * 1000,
        f"{key}_samples": population.samples,
        f"{key}_blocks": list(population.block_means),
    }


# -- transitions ---------------------------------------------------------------------------------------------


def _count(state: State, window: Window, rule: Rule) -> dict[str, _Counted]:
    events = window.events(state.tracks[rule].events, rule)
    species_of_ion = Selection.from_config(state.config).ion_species
    counted = {}
    for index, (name, species) in enumerate(state.config.ions.items()):
        own = events[species_of_ion[events[:, 1]] == index]
        matrix = transition_matrix(own)
        counted[name] = _Counted(
            events=own,
            matrix=matrix,
            sides=exchange(matrix, species.exchange),
            time_ns=window.observed_ns(rule),
        )
    return counted


def _transitions(
    state: State, counted: dict[Rule, dict[str, _Counted]], settings: AnalysisSettings
) -> dict[str, Any]:
    results: dict[str, Any] = {
        "rule": settings.rule,
        "stride_ps": state.config.frame_ps * state.config.snapshot_frames,
        "regions": list(REGION_NAMES),
        "by_rule": {},
    }
    for rule, species in counted.items():
        entries: dict[str, Any] = {}
        for name, ion in species.items():
            key = f"{name.lower()}_{state.config.ions[name].exchange}"
            for side, found in {"": ion.both, "_left": ion.sides["left"], "_right": ion.sides["right"]}.items():
                entries[f"s_in_{key}{side}"] = found.entries
                entries[f"s_out_{key}{side}"] = found.exits
            entries[f"matrix_{name.lower()}"] = ion.matrix.tolist()
            entries["observed_ns"] = ion.time_ns
        results["by_rule"][rule] = entries
        if rule == settings.rule:
            results |= entries
    return results


# -- equilibration -------------------------------------------------------------------------------------------


def _equilibration(
    state: State, window: Window, counted: dict[str, _Counted], settings: AnalysisSettings
) -> dict[str, Any]:
    verdicts = {name: _verdict(state, window, name, ion, settings) for name, ion in counted.items()}
    deciding = _deciding(state)
    results: dict[str, Any] = {
        "equilibrated": all(verdicts[name].equilibrated for name in deciding),
        "decided_by": deciding,
        "reasons": [f"{name}: {reason}" for name in deciding for reason in verdicts[name].reasons],
        "rule": settings.rule,
        "criteria": settings.model_dump(),
        "ec": min(verdicts[name].coefficient for name in deciding),
        "ec_lower_bound": min(verdicts[name].lower_bound for name in deciding),
        "rate_upper_bound_per_s": _upper_rate(counted[deciding[0]], settings.level),
    }
    for index, (name, ion) in enumerate(counted.items()):
        key = f"{name.lower()}_{state.config.ions[name].exchange}"
        low, high = poisson_interval(ion.both.total, settings.level)
        results |= {
            f"ec_{key}": verdicts[name].coefficient,
            f"ec_{key}_lower_bound": verdicts[name].lower_bound,
            f"s_total_{key}": ion.both.total,
            f"s_total_{key}_interval": [low, high],
            f"rate_in_{key}_upper_bound_per_s": _upper_rate(ion, settings.level),
            f"rate_in_{key}_per_ion_upper_bound_per_s": _upper_rate(
                ion, settings.level, _donors(state, window, index)
            ),
            f"reasons_{key}": list(verdicts[name].reasons),
        }
    return results


def _deciding(state: State) -> list[str]:
    """Return the ions whose exchange with the ceramic decides; all of them where none has one."""
    crossing = [name for name, species in state.config.ions.items() if species.exchange == "ceramic"]
    return crossing or list(state.config.ions)


def _verdict(
    state: State, window: Window, name: str, ion: _Counted, settings: AnalysisSettings
) -> EquilibrationVerdict:
    region = state.config.ions[name].exchange
    index = list(state.config.ions).index(name)
    return equilibration_verdict(
        ion.both.entries,
        ion.both.exits,
        net_fluxes=window.net_fluxes(ion.events, _labels(region)),
        population=_columns(state.region_counts[window.rows, index])[region],
        minimum_coefficient=settings.minimum_coefficient,
        minimum_lower_bound=settings.minimum_lower_bound,
        bound_level=settings.bound_level,
        significance=settings.significance,
        lam=settings.lam,
    )


def _labels(region: str) -> tuple[int, ...]:
    return tuple(label for label, name in enumerate(REGION_NAMES) if name.startswith(region))


def _donors(state: State, window: Window, index: int) -> float:
    """Return the mean number of ions next to the region that they may enter: in the layers, or in the bulk."""
    species = list(state.config.ions.values())[index]
    columns = _columns(state.region_counts[window.rows, index])
    return float(columns["layer" if species.exchange == "ceramic" else "bulk"].mean())


def _upper_rate(ion: _Counted, level: float, ions: float = 1.0) -> float | None:
    """Return the one-sided upper bound of the rate of entries (per ion), s⁻¹."""
    exposure_s = ion.time_ns * 1e-9 * ions
    return poisson_upper(ion.both.entries, level) / exposure_s if exposure_s > 0 else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
