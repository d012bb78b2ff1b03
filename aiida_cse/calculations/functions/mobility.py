"""How far the ions move, by the layer where they are."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.mobility import displacement_variances
from aiida_cse.calculations.functions.analysis import analysed
from aiida_cse.data.reduction import CseReductionData

__all__ = ["displacement_variance"]


@calcfunction
def displacement_variance(
    reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict
) -> orm.Data | ExitCode:
    """Return the variance of the displacements of each ion per layer, lag and axis.

    :param reduction: the reduced production, with displacements.
    :param temperature: its temperature in K.
    :param settings: what to leave out, see AnalysisSettings.
    """
    return analysed(displacement_variances, reduction, temperature, settings)
