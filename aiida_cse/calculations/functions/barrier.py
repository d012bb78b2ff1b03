"""The barrier of the ions that cross, and how fast they cross by transition-state theory."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.barriers import barriers
from aiida_cse.calculations.functions.analysis import analysed
from aiida_cse.data.reduction import CseReductionData

__all__ = ["barrier"]


@calcfunction
def barrier(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
    """Find the barrier on each side, join both, and compare the entries with those that theory expects.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out, the rule of the entries, and the level, see AnalysisSettings.
    """
    return analysed(barriers, reduction, temperature, settings)
