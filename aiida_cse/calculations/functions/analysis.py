"""The observables of a production: one calculation function each, from its reduction to a result node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.barriers import barriers as find_barriers
from aiida_cse.analysis.equilibration import equilibration as judge_equilibration
from aiida_cse.analysis.mobility import displacement_variances
from aiida_cse.analysis.populations import populations as mean_populations
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.profiles import charge_integrals, free_energy_profiles
from aiida_cse.analysis.profiles import density_profiles as mean_densities
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.transitions import transitions as count_transitions
from aiida_cse.data.reduction import CseReductionData

__all__ = [
    "CANNOT_ANALYSE",
    "barrier",
    "charge_integral",
    "density_profiles",
    "displacement_variance",
    "equilibration",
    "free_energy",
    "populations",
    "transitions",
]

CANNOT_ANALYSE = 336


@calcfunction
def populations(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
    """Average the number of ions in each region, with the error of the mean.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, see AnalysisSettings.
    """
    return _analysed(mean_populations, reduction, temperature, settings)


@calcfunction
def transitions(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
    """Count entries and exits by the identity of the ion, with their rates and how they change with the rule.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, the rule, and the condition of the count, see AnalysisSettings.
    """
    return _analysed(count_transitions, reduction, temperature, settings)


@calcfunction
def equilibration(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
    """Judge the exchange: EC with its bound, and the verdict with its reasons.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, the rule, and the criteria, see AnalysisSettings.
    """
    return _analysed(judge_equilibration, reduction, temperature, settings)


@calcfunction
def density_profiles(
    reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict
) -> orm.Data | ExitCode:
    """Return the densities of atoms, ions and charge.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, see AnalysisSettings.
    """
    return _analysed(mean_densities, reduction, temperature, settings)


@calcfunction
def free_energy(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
    """Return the free energy of each ion, with its error, and bounds where no ion was seen.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, and the level of the bounds, see AnalysisSettings.
    """
    return _analysed(free_energy_profiles, reduction, temperature, settings)


@calcfunction
def charge_integral(
    reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict
) -> orm.Data | ExitCode:
    """Integrate the charge from each end of the box to the mid-plane of the slab.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, see AnalysisSettings.
    """
    return _analysed(charge_integrals, reduction, temperature, settings)


@calcfunction
def barrier(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
    """Find the barrier on each side, join both, and compare the entries with those that theory expects.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, the rule of the entries, and the level, see AnalysisSettings.
    """
    return _analysed(find_barriers, reduction, temperature, settings)


@calcfunction
def displacement_variance(
    reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict
) -> orm.Data | ExitCode:
    """Return the variance of the displacements of each ion per layer, lag and axis.

    :param reduction: the reduced production, with displacements.
    :param temperature: its temperature in K.
    :param settings: what to leave out, see AnalysisSettings.
    """
    return _analysed(displacement_variances, reduction, temperature, settings)


def _analysed(
    analysis: Callable[[ReducedProduction], dict[str, Any]],
    reduction: CseReductionData,
    temperature: orm.Float,
    settings: orm.Dict,
) -> orm.Data | ExitCode:
    """Return the result of an analysis as a node, or the exit code that says why there is none.

    Parameters
    ----------
    analysis
        A function of the plain library, see :mod:`aiida_cse.analysis`.
    reduction, temperature, settings
        The inputs that all these functions have: the reduced production, its temperature in K, and what to leave
        out with the criteria, see AnalysisSettings.
    """
    try:
        chosen = AnalysisSettings.model_validate(settings.get_dict())
        return _node(analysis(ReducedProduction(reduction.get_state(), temperature.value, chosen)))
    except ValueError as error:
        return ExitCode(CANNOT_ANALYSE, f"the reduction cannot be analysed: {error}")


def _node(content: dict[str, Any]) -> orm.Data:
    """Return an ArrayData where there are arrays, else a Dict; scalars become attributes of either."""
    arrays = {key: value for key, value in content.items() if isinstance(value, np.ndarray)}
    if not arrays:
        return orm.Dict(content)
    node = orm.ArrayData(arrays)
    node.base.attributes.set_many({key: value for key, value in content.items() if key not in arrays})
    return node
