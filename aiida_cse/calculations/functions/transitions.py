"""How often ions cross between the phases."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.transitions import transitions as analyse_transitions
from aiida_cse.calculations.functions.analysis import analysed
from aiida_cse.data.reduction import CseReductionData

__all__ = ["transitions"]


@calcfunction
def transitions(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
    """Count entries and exits by the identity of the ion, with their rates and how they change with the rule.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, the rule, and the condition of the count, see AnalysisSettings.
    """
    return analysed(analyse_transitions, reduction, temperature, settings)
