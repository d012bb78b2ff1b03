"""All analyses of one production at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiida_cse.analysis.barriers import barriers
from aiida_cse.analysis.equilibration import equilibration
from aiida_cse.analysis.mobility import displacement_variances
from aiida_cse.analysis.populations import populations
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.profiles import charge_integrals, density_profiles, free_energy_profiles
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.transitions import transitions
from aiida_cse.reduction.state import State

__all__ = ["ANALYSES", "analyse"]

#: what can be asked of the state of one production, by the name of the result
ANALYSES: dict[str, Callable[[ReducedProduction], dict[str, Any]]] = {
    "populations": populations,
    "transitions": transitions,
    "equilibration": equilibration,
    "density_profiles": density_profiles,
    "free_energy_profiles": free_energy_profiles,
    "charge_integral": charge_integrals,
    "barrier": barriers,
    "displacement_variance": displacement_variances,
}


def analyse(
    state: State, temperature: float, settings: AnalysisSettings | None = None
) -> dict[str, dict[str, Any]]:
    """Return the results of every analysis by name.

    Parameters
    ----------
    state
        The reduced production.
    temperature
        K.
    settings
        What to leave out, and the criteria of the verdict.

    Raises
    ------
    ValueError
        The temperature is not above zero, ``start_ns`` leaves nothing to analyse, or an analysis is not possible;
        says why.
    """
    production = ReducedProduction(state, temperature, settings or AnalysisSettings())
    return {
        name: analysis(production)
        for name, analysis in ANALYSES.items()
        if analysis is not displacement_variances or state.config.lags
    }
