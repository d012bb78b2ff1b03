"""What the functions that analyse a production share: each asks one question of its reduction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode

from aiida_cse.analysis.production import Subject
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.data.reduction import CseReductionData

__all__ = ["CANNOT_ANALYSE", "analysed"]

CANNOT_ANALYSE = 336


def analysed(
    analysis: Callable[[Subject], dict[str, Any]],
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
        return _node(analysis(Subject(reduction.get_state(), temperature.value, chosen)))
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
