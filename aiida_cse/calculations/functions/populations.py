"""How many ions are where."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.populations import populations as analyse_populations
from aiida_cse.calculations.functions.analysis import analysed
from aiida_cse.data.reduction import CseReductionData

__all__ = ["populations"]


@calcfunction
def populations(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
    """Average the number of ions in each region, with the error of the mean.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, see AnalysisSettings.
    """
    return analysed(analyse_populations, reduction, temperature, settings)
