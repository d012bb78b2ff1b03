"""Whether the distribution of the ions has equilibrated."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.equilibration import equilibration as analyse_equilibration
from aiida_cse.calculations.functions.analysis import analysed
from aiida_cse.data.reduction import CseReductionData

__all__ = ["equilibration"]


@calcfunction
def equilibration(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
    """Judge the exchange: EC with its bound, and the verdict with its reasons.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, the rule, and the criteria, see AnalysisSettings.
    """
    return analysed(analyse_equilibration, reduction, temperature, settings)
