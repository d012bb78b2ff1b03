"""Export of findings to folders that others can read without this program: tables, JSON, netCDF, RO-Crate."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from aiida_cse.report.export.crate import write_crate
from aiida_cse.report.export.datasets import write_datasets
from aiida_cse.report.export.files import (
    ExportedFile,
    Publication,
    write_json_files,
    write_readme,
    write_table_files,
)
from aiida_cse.report.findings import Findings
from aiida_cse.report.whole_files import whole_folder

__all__ = ["FORMATS", "Publication", "export_findings"]

Writer = Callable[[Findings, Path, Publication], list[ExportedFile]]

#: by name of the format the function that writes its files into a folder
FORMATS: Mapping[str, Writer] = {
    "csv": lambda findings, folder, _: write_table_files(findings, folder),
    "json": lambda findings, folder, _: write_json_files(findings, folder),
    "xarray": lambda findings, folder, _: write_datasets(findings, folder),
    "ro-crate": write_crate,
}


def export_findings(
    findings: Findings, form: str, folder: str | os.PathLike[str], publication: Publication | None = None
) -> list[Path]:
    """Write findings and a README into a new or empty folder; return the files.

    The folder has all files, or none after an error or an interrupt.

    Parameters
    ----------
    form
        One of :data:`FORMATS`.
    publication
        Authors and licence of the data, for the README and the metadata.

    Raises
    ------
    ValueError
        There is no such format, the folder has files, or a package that the format needs is not installed.
    """
    if form not in FORMATS:
        raise ValueError(f"format = {form!r}: no format of exports; must be one of {', '.join(FORMATS)}")
    out = Path(folder)
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"out = {out}: has files already; give a new or an empty folder")
    publication = publication or Publication()
    with whole_folder(out) as partial:
        files = FORMATS[form](findings, partial, publication)
        readme = write_readme(findings, partial, files, publication)
    return [out / name for name in (readme.name, *(one.name for one in files))]
