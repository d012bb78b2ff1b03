"""Extrapolation of rates from several productions to other temperatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.kinetics import KineticsSettings
from aiida_cse.analysis.kinetics import kinetics as extrapolate

__all__ = ["kinetics"]

CANNOT_EXTRAPOLATE = 337
#: AiiDA keys its cache with the source of this file: raise when results change their meaning. 2: union over laws,
#: and no run off equilibrium by its condition alone. 3: measured rates are averaged over the faces
CACHE_VERSION = 3


@calcfunction
def kinetics(settings: orm.Dict, shifts: orm.Dict | None = None, **runs: Any) -> orm.Dict | ExitCode:
    """Fit Arrhenius' and other laws to the entries of all runs.

    :param settings: temperatures of the wanted rates, and their extrapolation, see KineticsSettings.
    :param shifts: Δz from the profiles of the runs (``cse.shifts``), used if the settings give none.
    :param runs: per run, under a label of your own, its ``transitions``, ``equilibration`` and ``barrier``, or
        ``crossing`` alone, a rate that was measured without counting. The ``populations`` of runs are the weights
        of the faces in the mean of measured rates.
    """
    contents = {
        label: {name: node.get_dict() for name, node in results.items()} if isinstance(results, Mapping) else {}
        for label, results in runs.items()
    }
    try:
        asked = KineticsSettings.model_validate(settings.get_dict())
        return orm.Dict(extrapolate(contents, asked, None if shifts is None else shifts.get_dict()))
    except ValueError as error:
        return ExitCode(CANNOT_EXTRAPOLATE, f"the rates cannot be extrapolated: {error}")
