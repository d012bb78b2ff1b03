"""Two productions of one system side by side."""

from __future__ import annotations

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.comparison import ComparisonSettings
from aiida_cse.analysis.comparison import compare as compare_runs
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.data.reduction import CseReductionData

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
    """Compare a cold run with the hot one: ions per region, peaks, and the charge integral shifted by Δz.

    :param hot: the reduced hot production.
    :param hot_temperature: its temperature in K.
    :param hot_settings: what of it to leave out, see AnalysisSettings.
    :param cold: the reduced cold production.
    :param cold_temperature: its temperature in K.
    :param cold_settings: what of it to leave out.
    :param settings: how to compare them, see ComparisonSettings.
    """
    try:
        first = ReducedProduction(hot.get_state(), hot_temperature.value, _analysis(hot_settings))
        second = ReducedProduction(cold.get_state(), cold_temperature.value, _analysis(cold_settings))
        return orm.Dict(compare_runs(first, second, ComparisonSettings.model_validate(settings.get_dict())))
    except ValueError as error:
        return ExitCode(CANNOT_COMPARE, f"the runs cannot be compared: {error}")


def _analysis(settings: orm.Dict) -> AnalysisSettings:
    return AnalysisSettings.model_validate(settings.get_dict())
