"""From a reduction to populations, transitions, the verdict and the profiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.data.reduction import CseReductionData
from aiida_cse.trajectory.analyse import AnalysisSettings
from aiida_cse.trajectory.analyse import analyse as analyse_state

__all__ = ["analyse"]

CANNOT_ANALYSE = 336


@calcfunction
def analyse(
    reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict
) -> dict[str, orm.Data] | ExitCode:
    """Analyse a reduction; every key says its unit, scalars lie at the top level.

    :param reduction: the reduced production.
    :param temperature: its temperature in K.
    :param settings: what to leave out and the criteria of the verdict, see AnalysisSettings.
    """
    try:
        results = analyse_state(
            reduction.get_state(), temperature.value, AnalysisSettings.model_validate(settings.get_dict())
        )
    except ValueError as error:
        return ExitCode(CANNOT_ANALYSE, f"the reduction cannot be analysed: {error}")
    return {name: _node(content | {"temperature_K": temperature.value}) for name, content in results.items()}


def _node(content: dict[str, Any]) -> orm.Data:
    """Return an ArrayData where there are arrays, else a Dict; scalars become attributes of either."""
    arrays = {key: value for key, value in content.items() if isinstance(value, np.ndarray)}
    if not arrays:
        return orm.Dict(content)
    node = orm.ArrayData(arrays)
    node.base.attributes.set_many({key: value for key, value in content.items() if key not in arrays})
    return node
