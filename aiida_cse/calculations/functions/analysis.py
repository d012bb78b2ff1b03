"""Calculation functions of the observables: from the reduction of a production to a result node each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.registry import observables
from aiida_cse.data.reduction import CseReductionData, production_of

__all__ = [
    "CANNOT_ANALYSE",
    "anion_barrier",
    "barrier",
    "charge_integral",
    "density_profiles",
    "depth_populations",
    "displacement_variance",
    "equilibration",
    "free_energy",
    "interfacial_resistance",
    "populations",
    "transitions",
]

CANNOT_ANALYSE = 336
#: AiiDA keys its cache with the source of this file: raise when results change their meaning. 2: dispersion of
#: counts, barriers of rough landscapes and of runs off equilibrium; 3: bounds of R of runs off equilibrium
CACHE_VERSION = 3

_INPUTS = """
:param reduction: the reduced production.
:param temperature: its temperature in K.
:param settings: time range, resolution, counting rule and criteria of the analysis, see AnalysisSettings.
"""


def _calculation(name: str, function_name: str | None = None) -> Any:
    """Return the calculation function of a registered observable, named like it by default.

    Its result is an ArrayData if there are arrays, with the scalars as attributes, else a Dict. If the observable
    has no answer, it ends with exit code :data:`CANNOT_ANALYSE`.
    """
    observable = observables()[name]

    def function(reduction: CseReductionData, temperature: orm.Float, settings: orm.Dict) -> orm.Data | ExitCode:
        try:
            found = observable.compute(production_of(reduction, temperature.value, settings.get_dict()))
        except ValueError as error:
            return ExitCode(CANNOT_ANALYSE, f"the reduction cannot be analysed: {error}")
        arrays = {key: value for key, value in found.items() if isinstance(value, np.ndarray)}
        if not arrays:
            return orm.Dict(found)
        node = orm.ArrayData(arrays)
        node.base.attributes.set_many({key: value for key, value in found.items() if key not in arrays})
        return node

    function.__name__ = function.__qualname__ = function_name or name
    function.__doc__ = f"{observable.summary}\n{_INPUTS}"
    made: Callable[..., Any] = calcfunction(function)
    return made


populations = _calculation("populations")
transitions = _calculation("transitions")
equilibration = _calculation("equilibration")
density_profiles = _calculation("density_profiles")
free_energy = _calculation("free_energy_profiles", "free_energy")
charge_integral = _calculation("charge_integral")
barrier = _calculation("barrier")
anion_barrier = _calculation("anion_barrier")
displacement_variance = _calculation("displacement_variance")
interfacial_resistance = _calculation("interfacial_resistance")
depth_populations = _calculation("depth_populations")
