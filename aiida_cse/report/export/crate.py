"""An RO-Crate: tables, results, figures and structures with metadata in JSON-LD, for a data repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida_cse.building.export import lammps_files, write_structure
from aiida_cse.report.export.datasets import needed_package
from aiida_cse.report.export.files import (
    CITATIONS,
    README,
    ExportedFile,
    Publication,
    description_of,
    write_json_files,
    write_table_files,
)
from aiida_cse.report.figures.registry import attempt, figures
from aiida_cse.report.figures.style import save
from aiida_cse.report.findings import Findings
from aiida_cse.version import __version__
from aiida_cse.yaml_io import dump_mapping

__all__ = ["write_crate"]

#: version of the specification that repositories accept
_SPECIFICATION = "1.1"
#: width of the figures, mm
_WIDTH = 180.0
_MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
_KEYWORDS = "molecular dynamics, solid electrolyte, polymer/ceramic interface, LAMMPS, AiiDA"


def write_crate(findings: Findings, folder: Path, publication: Publication) -> list[ExportedFile]:
    """Write all files of a crate and its ``ro-crate-metadata.json``.

    Raises
    ------
    ValueError
        The package rocrate is not installed.
    """
    crate = needed_package("rocrate.rocrate", "ro-crate").ROCrate(version=_SPECIFICATION)
    files = [
        *write_table_files(findings, folder, "tables"),
        *write_json_files(findings, folder, "results"),
        *_write_figures(findings, folder),
        *_write_structures(findings, folder),
    ]
    if findings.recipe:
        (folder / "recipe.yaml").write_text(dump_mapping(findings.recipe), encoding="utf-8")
        files.append(ExportedFile("recipe.yaml", "Recipe of the system.", "application/yaml"))
    _describe(crate, findings, files, publication)
    crate.metadata.write(folder)
    title = "Metadata of this folder in JSON-LD (RO-Crate)."
    return [*files, ExportedFile(crate.metadata.id, title, "application/ld+json")]


def _write_figures(findings: Findings, folder: Path) -> list[ExportedFile]:
    """Draw every figure that the findings allow."""
    (folder / "figures").mkdir()
    written = []
    for kind in figures().values():
        drawn = attempt(kind, findings, _WIDTH)
        if drawn.figure is None:
            continue
        name = f"figures/{kind.name}.{kind.suffix}"
        save(drawn.figure, folder / name, name=kind.name)
        written.append(ExportedFile(name, f"{kind.title}. {drawn.caption}", _MEDIA_TYPES[kind.suffix]))
    return written


def _write_structures(findings: Findings, folder: Path) -> list[ExportedFile]:
    """Write the system of each phase as LAMMPS files and as extended XYZ."""
    written = []
    for phase, system in findings.phases.items():
        name = f"structures/{phase.replace(' ', '_')}"
        (folder / name).mkdir(parents=True)
        for file, text in lammps_files(system).items():
            (folder / name / file).write_text(text, encoding="utf-8")
            written.append(ExportedFile(f"{name}/{file}", f"LAMMPS input of the phase {phase}.", "text/plain"))
        write_structure(system, folder / name / "system.extxyz", "extxyz")
        title = f"Atoms of the phase {phase} with cell, masses, charges and residues."
        written.append(ExportedFile(f"{name}/system.extxyz", title, "chemical/x-xyz"))
    return written


def _describe(crate: Any, findings: Findings, files: list[ExportedFile], publication: Publication) -> None:
    """Describe the folder, its files, authors, programs and the computation that made them."""
    from rocrate.model.contextentity import ContextEntity

    def add(identifier: str, **properties: Any) -> Any:
        given = {name.replace("type_", "@type"): value for name, value in properties.items() if value}
        return crate.add(ContextEntity(crate, identifier, properties=given))

    root, origin = crate.root_dataset, findings.origin
    crate.name, crate.description = origin.label, description_of(findings)
    crate.keywords = _KEYWORDS
    root["datePublished"] = publication.day.isoformat()
    root["license"] = publication.license or "To be chosen by the authors before publication"
    root["author"] = [
        add(f"#author-{number}", type_="Person", name=name) for number, name in enumerate(publication.authors, 1)
    ]
    root["citation"] = [
        add(f"#citation-{number}", type_="CreativeWork", name=text)
        for number, text in enumerate((*findings.provenance.citations, *CITATIONS), 1)
    ]
    entities = [crate.add_file(dest_path=README, properties={"name": "README", "encodingFormat": "text/markdown"})]
    for file in files:
        properties = {"name": Path(file.name).name, "description": file.title, "encodingFormat": file.media_type}
        entity = crate.add_file(dest_path=file.name, properties=properties)
        entity["variableMeasured"] = [
            add(
                f"#{file.name}:{column.name}",
                type_="PropertyValue",
                name=column.name,
                unitText=column.unit,
                description=column.meaning,
            )
            for column in file.columns
        ]
        entities.append(entity)
    programs = {f"aiida-cse {__version__}", *(f"{name} {v}" for name, v in findings.provenance.versions.items())}
    programs |= {job.program for job in findings.provenance.jobs if job.program}
    instruments = [
        add(f"#{text.replace(' ', '-')}", type_="SoftwareApplication", name=text, version=text.split(" ", 1)[-1])
        for text in sorted(programs)
    ]
    action = add(
        f"urn:uuid:{origin.uuid}" if origin.uuid else "#analysis",
        type_="CreateAction",
        name=f"{origin.kind} {origin.label}",
        description=origin.state,
        startTime=origin.began.isoformat() if origin.began else "",
        endTime=origin.ended.isoformat() if origin.ended else "",
    )
    action["instrument"], action["result"] = instruments, entities
    root["mentions"] = [action]
