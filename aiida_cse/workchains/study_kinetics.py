"""What a study concludes from all of its runs together: Δz, and the kinetics that it enters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import WorkChain

from aiida_cse.analysis.kinetics import PARTS, conclusions
from aiida_cse.analysis.shifts import ContractionSettings, shift_sentences
from aiida_cse.calculations.functions.kinetics import kinetics
from aiida_cse.calculations.functions.shifts import shifts

__all__ = ["attach_kinetics"]

Runs = Mapping[str, Mapping[str, Any]]


def attach_kinetics(process: WorkChain, runs: Runs, settings: orm.Dict, analysis: orm.Dict) -> None:
    """Attach ``shifts`` and ``kinetics`` of the runs of a study that were analysed, and say what was found."""
    analysed = {label: run for label, run in runs.items() if all(name in run for name in PARTS)}
    if not analysed:
        return
    parts: dict[str, Any] = {label: {name: run[name] for name in PARTS} for label, run in analysed.items()}
    contraction = _shifts(process, analysed, analysis)
    if contraction is not None and settings.get_dict().get("shifts") is None:
        parts["shifts"] = contraction
    found: Any
    found, node = kinetics.run_get_node(settings=settings, **parts)
    if not node.is_finished_ok:
        process.report(f"no kinetics: {node.exit_message}")
        return
    process.out("kinetics", found)
    for sentence in conclusions(found.get_dict()):
        process.report(sentence)


def _shifts(process: WorkChain, runs: Runs, analysis: orm.Dict) -> orm.Dict | None:
    """Attach Δz of the runs, if they have two temperatures and can be superposed, and return it."""
    reduced = {label: run for label, run in runs.items() if "reduction" in run}
    if len({run["transitions"]["temperature_K"] for run in reduced.values()}) < 2:
        return None
    inputs: dict[str, Any] = {
        label: {name: run[name] for name in ("reduction", "transitions")} for label, run in reduced.items()
    }
    found: Any
    found, node = shifts.run_get_node(
        settings=orm.Dict(ContractionSettings().model_dump(mode="json")), analysis=analysis, **inputs
    )
    if not node.is_finished_ok:
        process.report(f"no Δz: {node.exit_message}")
        return None
    process.out("shifts", found)
    for sentence in shift_sentences(found.get_dict()):
        process.report(sentence)
    return found if isinstance(found, orm.Dict) else None
