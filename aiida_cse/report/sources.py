"""Readers of findings, from a process of a profile or from folders of ``aiida-cse analyse``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiida_cse.report.findings import Findings, Origin, RunFindings, by_temperature
from aiida_cse.report.kinetics import KINETICS_FILENAME, KineticsResults, load_kinetics
from aiida_cse.report.results import FILENAME, Results, load_results

__all__ = ["findings_of_folders", "findings_of_results", "open_findings"]


def open_findings(source: Any) -> Findings:
    """Return findings of a process, of its PK, UUID or label, or of an analysed folder; findings as they are.

    A path, or the name of an existing folder, is read without AiiDA; anything else is looked up in the profile.

    Raises
    ------
    ValueError
        There is no such process or folder, or it has no results.
    """
    if isinstance(source, Findings):
        return source
    if isinstance(source, Path) or (isinstance(source, str) and Path(source).is_dir()):
        return findings_of_folders([Path(source)])
    from aiida_cse.report.processes import findings_of

    return findings_of(source)


def findings_of_folders(folders: Sequence[Path]) -> Findings:
    """Return the findings of analysed folders, and of the ``kinetics.json`` of the last one that has it.

    Parameters
    ----------
    folders
        Folders that ``aiida-cse analyse`` or ``aiida-cse kinetics`` wrote.

    Raises
    ------
    ValueError
        A folder has neither results nor kinetics, or a file of it cannot be read; names the file.
    """
    runs: dict[str, RunFindings] = {}
    joined: KineticsResults | None = None
    for folder in folders:
        if (folder / KINETICS_FILENAME).is_file():
            joined = load_kinetics(folder / KINETICS_FILENAME)
        elif not (folder / FILENAME).is_file():
            raise ValueError(
                f"{folder}: has neither {FILENAME} nor {KINETICS_FILENAME}; make it with: aiida-cse analyse FILES "
                f"--out {folder}"
            )
        if (folder / FILENAME).is_file():
            label = folder.resolve().name
            if label in runs:
                label = str(folder)
            runs[label] = _run_of_folder(label, load_results(folder / FILENAME))
    version = next((run.results.program_version for run in runs.values()), "")
    # those of the analysis, if all folders have the same
    settings = [run.results.settings for run in runs.values()]
    common = settings and all(one == settings[0] for one in settings)
    return Findings(
        origin=Origin("folders", ", ".join(map(str, folders)), version=version),
        runs=by_temperature(runs),
        kinetics=None if joined is None else joined.kinetics,
        shifts=None if joined is None else joined.shifts,
        load_settings=lambda: {"production.analysis.settings": settings[0]} if common else {},
    )


def findings_of_results(results: Results) -> Findings:
    """Return the findings of one analysed run."""
    origin = Origin("folders", results.label, version=results.program_version)
    return Findings(origin, {results.label: _run_of_folder(results.label, results)})


def _run_of_folder(label: str, results: Results) -> RunFindings:
    return RunFindings(
        label,
        results.temperature_K,
        results.scalars(),
        results.missing,
        lambda: results,
        load_trajectory=lambda: frozenset(one.sha256 for one in results.sources if one.sha256),
    )
