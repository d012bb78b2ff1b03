"""Files of an export in CSV and JSON, and the README of every export."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from aiida_cse.report.findings import Findings
from aiida_cse.report.kinetics import KINETICS_FILENAME, KineticsResults
from aiida_cse.report.published import published
from aiida_cse.report.results import FILENAME, ObservableResult, save_json
from aiida_cse.report.tables import Column, tables_of
from aiida_cse.version import __version__

__all__ = ["CITATIONS", "ExportedFile", "Publication", "write_json_files", "write_readme", "write_table_files"]

README = "README.md"

#: sources to cite, besides those of the force fields
CITATIONS = (
    f"{published().citation}, doi {published().doi} (the study whose protocol was automated)",
    "Thompson et al., Comput. Phys. Commun. 2022, 271, 108171, doi 10.1016/j.cpc.2021.108171 (LAMMPS)",
    "Huber et al., Sci. Data 2020, 7, 300, doi 10.1038/s41597-020-00638-4 (AiiDA)",
)


@dataclass(frozen=True)
class ExportedFile:
    """A file of an export.

    Attributes
    ----------
    name
        Its path within the folder.
    title
        Its content in one sentence.
    media_type
        Its media type, as ``text/csv``.
    columns
        Columns of a table, or variables of a dataset.
    """

    name: str
    title: str
    media_type: str
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Publication:
    """Facts that a data repository requires and that no result contains.

    Attributes
    ----------
    authors
        Names, each followed by an ORCID if there is one.
    license
        SPDX identifier or address of the licence; empty if it is still to be chosen.
    """

    authors: tuple[str, ...] = ()
    license: str = ""
    day: date = field(default_factory=date.today)


# -- tables and JSON -----------------------------------------------------------------------------------------


def write_table_files(findings: Findings, folder: Path, under: str = "") -> list[ExportedFile]:
    """Write the tables over all runs as CSV, below the folder ``under`` of the export."""
    (folder / under).mkdir(exist_ok=True)
    written = []
    for table in tables_of(findings):
        path = table.write(folder / under)
        written.append(ExportedFile(str(path.relative_to(folder)), f"{table.title}.", "text/csv", table.columns))
    return written


def write_json_files(findings: Findings, folder: Path, under: str = "") -> list[ExportedFile]:
    """Write the results of each run, the joint kinetics, and what is known of their origin.

    The results of a run are a file of results as ``aiida-cse analyse`` writes it, in a folder of the run's name.
    Every command that takes an analysed folder reads it.
    """
    base = folder / under
    base.mkdir(exist_ok=True)
    files = []
    for label, run in findings.runs.items():
        target = base / label.replace(" ", "_")
        target.mkdir()
        run.results.save(target / FILENAME)
        title = f"All results of {label}, {run.temperature:g} K, each with unit and meaning."
        files.append(ExportedFile(str((target / FILENAME).relative_to(folder)), title, "application/json"))
    if findings.kinetics is not None:
        save_json(
            KineticsResults(
                program_version=findings.origin.version or __version__,
                runs={label: run.temperature for label, run in findings.runs.items()},
                settings=dict(findings.provenance.settings.get("kinetics", {})),
                kinetics=findings.kinetics,
                shifts=findings.shifts,
                notes=(),
            ),
            base / KINETICS_FILENAME,
        )
        name = str((base / KINETICS_FILENAME).relative_to(folder))
        files.append(ExportedFile(name, "The rates of all runs together, and the shifts Δz.", "application/json"))
    path = base / "origin.json"
    path.write_text(json.dumps(_origin_of(findings), ensure_ascii=False, indent=1, default=str) + "\n", "utf-8")
    title = "What was run: process, versions, recipe, settings, jobs, stages, and results of several runs."
    return [*files, ExportedFile(str(path.relative_to(folder)), title, "application/json")]


def _origin_of(findings: Findings) -> dict[str, Any]:
    """Return everything besides the results of the runs and the kinetics."""

    def entries(one: ObservableResult | None) -> Any:
        return None if one is None else one.model_dump(mode="json")

    provenance = findings.provenance
    return {
        "process": asdict(findings.origin),
        "exported_by": f"aiida-cse {__version__}",
        "runs": {
            label: {
                "temperature_K": run.temperature,
                "equilibrated": run.equilibrated,
                "not_known": dict(run.missing),
                "nodes": dict(run.uuids),
                "looks": list(run.looks),
            }
            for label, run in findings.runs.items()
        },
        "recipe": findings.recipe,
        "settings": provenance.settings,
        "stages": findings.stages,
        "starts": {label: entries(one) for label, one in findings.starts.items()},
        "comparison": entries(findings.comparison),
        "validation": findings.validation,
        "jobs": [asdict(job) for job in provenance.jobs],
        "recoveries": [asdict(change) for change in provenance.changes],
        "inputs": [asdict(node) for node in provenance.inputs],
        "outputs": [asdict(node) for node in provenance.outputs],
        "citations": [*provenance.citations, *CITATIONS],
    }


# -- README --------------------------------------------------------------------------------------------------


def write_readme(
    findings: Findings, folder: Path, files: Sequence[ExportedFile], publication: Publication
) -> Path:
    """Write the README: what, who, how, with which versions, files with their columns, licence and citations."""
    chosen = publication.license or "to be chosen before the data are published, for example CC-BY-4.0"
    sections: dict[str, Iterable[str]] = {
        "Content": _content(findings),
        "Authors and licence": [
            f"Authors: {'; '.join(publication.authors) or 'to be filled in before the data are published'}",
            "",
            f"Licence: {chosen}",
            "",
            f"Date: {publication.day.isoformat()}",
        ],
        "How it was made": _origin(findings),
        "Files": _files(files),
        "Cite": [f"* {one}" for one in (*findings.provenance.citations, *CITATIONS)],
    }
    lines = [f"# {findings.origin.label}"]
    for title, content in sections.items():
        lines += ["", f"## {title}", "", *content]
    path = folder / README
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def description_of(findings: Findings) -> str:
    """Return in one or two sentences what the findings are of."""
    recipe = findings.recipe.get("description") or findings.recipe.get("name") or ""
    temperatures = ", ".join(f"{one:g}" for one in findings.temperatures)
    what = f"Molecular dynamics of the ions between the phases of an interface: {findings.origin.kind}"
    number = len(findings.runs)
    runs = f", {number} {'run' if number == 1 else 'runs'} at {temperatures} K" if number else ""
    return f"{what}{runs}. {recipe}".strip()


def _content(findings: Findings) -> Iterator[str]:
    yield description_of(findings)
    if findings.origin.description:
        yield ""
        yield findings.origin.description
    yield ""
    yield "| run | T (K) | analysed (ns) | atoms | equilibrated | without a result |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for label, run in findings.runs.items():
        window: Mapping[str, Any] = next(iter(run.scalars.values()), {})
        verdict = {True: "yes", False: "no", None: "no verdict"}[run.equilibrated]
        ends = (window.get(key) for key in ("start_ns", "end_ns"))
        time = " to ".join(
            f"{end:g}" if isinstance(end, int | float) and math.isfinite(end) else "–" for end in ends
        )
        atoms, missing = run.results.system.natoms, ", ".join(run.missing) or "–"
        yield f"| {label} | {run.temperature:g} | {time} | {atoms} | {verdict} | {missing} |"
    yield ""
    yield (
        "z = 0 is the mid-plane of the ceramic slab; LEFT is z < 0. Intervals have the level of the settings, "
        "95 % unless they say otherwise; bounds are one-sided. What is not known is empty or null. Reasons are in "
        "the columns, keys and attributes `not_known`, `missing`, `reason` and `reasons`."
    )


def _origin(findings: Findings) -> Iterator[str]:
    origin, provenance = findings.origin, findings.provenance
    yield f"Exported by aiida-cse {__version__}."
    if origin.uuid is not None:
        state = f", {origin.state}" + (f": {origin.message}" if origin.message else "")
        yield f"Process: {origin.kind} {origin.label}, UUID {origin.uuid}{state}."
    if origin.began is not None and origin.ended is not None:
        yield f"Begun {origin.began:%Y-%m-%d %H:%M %Z}, ended {origin.ended:%Y-%m-%d %H:%M %Z}."
    versions = [f"{name} {version}" for name, version in provenance.versions.items()]
    programs = dict.fromkeys(job.program for job in provenance.jobs if job.program)
    if versions or programs or origin.version:
        yield f"Versions: {', '.join([*versions, *programs]) or f'aiida-cse {origin.version}'}."
    if provenance.jobs:
        computers = ", ".join(dict.fromkeys(job.computer for job in provenance.jobs if job.computer))
        yield f"{len(provenance.jobs)} jobs on {computers or 'an unknown computer'}."
    if origin.pk is None:
        return
    yield ""
    yield (
        "The complete provenance, every input and output of every step, is an AiiDA archive. It is made in the "
        "profile of the process and belongs beside these files:"
    )
    yield from ("", "```console", f"verdi archive create --nodes {origin.uuid} -- provenance.aiida", "```")


def _files(files: Sequence[ExportedFile]) -> Iterator[str]:
    for one in files:
        yield f"* `{one.name}`: {one.title}"
    described: dict[tuple[Column, ...], list[ExportedFile]] = {}
    for one in files:
        if one.columns:
            described.setdefault(one.columns, []).append(one)
    for columns, same in described.items():
        yield from ("", "### " + ", ".join(f"`{one.name}`" for one in same), "", "| name | unit | meaning |")
        yield "| --- | --- | --- |"
        for column in columns:
            # a bar would end the cell
            meaning = column.meaning.replace("|", "\\|")
            yield f"| `{column.name}` | {column.unit or '–'} | {meaning} |"
