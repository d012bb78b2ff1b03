"""Shift Δz of the first layers between the runs of a study."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, calcfunction

from aiida_cse.analysis.shifts import ShiftSettings
from aiida_cse.analysis.shifts import shifts as find_shifts
from aiida_cse.data.reduction import production_of

__all__ = ["CANNOT_SHIFT", "shifts"]

CANNOT_SHIFT = 339


@calcfunction
def shifts(settings: orm.Dict, analysis: orm.Dict, **runs: Any) -> orm.Dict | ExitCode:
    """Superpose charge integrals and free energies of the runs on those at the highest temperature.

    :param settings: superposition of the curves, see ShiftSettings.
    :param analysis: settings of the analysis of each run, see AnalysisSettings.
    :param runs: per run, under a label of your own, its ``reduction``; its ``transitions`` hold the temperature.
    """
    try:
        productions = {
            label: production_of(run["reduction"], run["transitions"]["temperature_K"], analysis.get_dict())
            for label, run in runs.items()
        }
        return orm.Dict(find_shifts(productions, ShiftSettings.model_validate(settings.get_dict())))
    except ValueError as error:
        return ExitCode(CANNOT_SHIFT, f"the runs cannot be superposed: {error}")
