"""Comparison of a hot and a cold production of one system."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.comparison import ComparisonSettings
from aiida_cse.analysis.comparison import compare as compare_runs
from aiida_cse.data.reduction import CseReductionData, production_of

__all__ = ["compare"]

CANNOT_COMPARE = 338


@calcfunction
def compare(
    hot: CseReductionData,
    hot_temperature: orm.Float,
    hot_settings: orm.Dict,
    cold: CseReductionData,
    cold_temperature: orm.Float,
    cold_settings: orm.Dict,
    settings: orm.Dict,
) -> orm.Dict | ExitCode:
    """Compare a cold run with the hot one: ions per region, peaks, and charge integrals shifted by Δz.

    :param hot: the reduced hot production.
    :param hot_temperature: its temperature in K.
    :param hot_settings: settings of its analysis, see AnalysisSettings.
    :param cold: the reduced cold production.
    :param cold_temperature: its temperature in K.
    :param cold_settings: settings of its analysis.
    :param settings: settings of the comparison, see ComparisonSettings.
    """
    try:
        first, second = (
            production_of(node, kelvin.value, own.get_dict())
            for node, kelvin, own in (
                (hot, hot_temperature, hot_settings),
                (cold, cold_temperature, cold_settings),
            )
        )
        return orm.Dict(compare_runs(first, second, ComparisonSettings.model_validate(settings.get_dict())))
    except ValueError as error:
        return ExitCode(CANNOT_COMPARE, f"the runs cannot be compared: {error}")
