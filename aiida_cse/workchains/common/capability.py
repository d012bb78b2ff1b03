"""Capabilities of LAMMPS codes as examined, and what speaks against a launch with them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida import orm

from aiida_cse.engine.hints import aiida_cse
from aiida_cse.lammps.probe.runs import fingerprint
from aiida_cse.version import __version__
from aiida_cse.workchains.common.availability import jobs_of
from aiida_cse.workchains.examine import ExamineWorkChain, probe_plans

__all__ = [
    "VERSION_EXTRA",
    "Finding",
    "capabilities_of",
    "findings_of",
    "has_mpirun",
    "is_local",
    "launch_findings",
    "version_error",
]

#: extra of a code of ``aiida-cse``: the version that it said it is
VERSION_EXTRA = "cse_version"
_LOCAL = "core.local"
_COLVARS = "COLVARS"


@dataclass(frozen=True)
class Finding:
    """Something that a program lacks: what is wrong, what to do, and what needs it.

    ``uses`` are ``study``, ``validation``, ``ranks``, ``colvars`` (the ``bias`` of a crossing), or the name of an
    accelerator.
    """

    wrong: str
    remedy: str
    uses: tuple[str, ...]


def is_local(code: orm.AbstractCode) -> bool:
    """Return whether a code runs on this machine without a scheduler."""
    computer = code.computer
    return computer is not None and (computer.transport_type, computer.scheduler_type) == (_LOCAL, "core.direct")


def capabilities_of(code: orm.AbstractCode) -> orm.Dict | None:
    """Return the capabilities of a LAMMPS code by its newest examination; None if there is none that counts.

    An examination counts if it ran what this version would run, and if the program on this machine is not newer.
    """
    query = orm.QueryBuilder().append(orm.AbstractCode, filters={"id": code.pk}, tag="code")
    query.append(ExamineWorkChain, with_incoming="code", tag="process")
    query.append(orm.Dict, with_incoming="process", edge_filters={"label": "capabilities"})
    node: orm.Dict | None = query.order_by({"process": {"ctime": "desc"}}).first(flat=True)
    if node is None or node.base.attributes.get("examination", None) != fingerprint(probe_plans()):
        return None
    if is_local(code) and isinstance(code, orm.InstalledCode):
        program = Path(code.filepath_executable)
        if program.exists() and program.stat().st_mtime > node.ctime.timestamp():
            return None
    return node


def has_mpirun(code: orm.AbstractCode) -> bool:
    """Return whether a code can be started in several processes."""
    return code.with_mpi is not False and code.computer is not None and bool(code.computer.get_mpirun_command())


def findings_of(code: orm.AbstractCode, capabilities: Mapping[str, Any]) -> list[Finding]:
    """Return everything that a LAMMPS code lacks, from the content of the node of its capabilities."""
    found = list(_missing(capabilities.get("missing")))
    for run in _dicts(capabilities.get("failed")):
        wrong = f"the run '{run.get('run')}' of a few steps fails: {run.get('error')}"
        remedy = "this release of LAMMPS does not know the command; use a newer one"
        found.append(Finding(wrong, remedy, (str(run.get("uses")),)))
    if error := capabilities.get("ranks_error"):
        if not has_mpirun(code):
            error = "code or computer are set up without mpirun"
        remedy = "correct the mpirun command of the computer, or use one rank per job"
        found.append(Finding(f"2 MPI ranks: {error}", remedy, ("ranks",)))
    errors = capabilities.get("accelerator_errors")
    for name, error in (errors if isinstance(errors, Mapping) else {}).items():
        found.append(Finding(f"accelerator {name}: {error}", "take another accelerator", (str(name),)))
    packages = capabilities.get("packages")
    if isinstance(packages, list) and packages and _COLVARS not in packages:
        remedy = f"take plan.bias: spring, or build LAMMPS with -D PKG_{_COLVARS}=yes"
        found.append(Finding(f"the package {_COLVARS} is missing", remedy, ("colvars",)))
    return found


def _missing(entries: Any) -> Iterator[Finding]:
    """Yield a finding for each package with missing styles, and for each missing style of no known package."""
    packages: dict[str, tuple[list[str], set[str]]] = {}
    for entry in _dicts(entries):
        style, uses = f"{entry.get('command')} {entry.get('style')}", entry.get("uses")
        package = entry.get("package")
        needs = {str(use) for use in uses} if isinstance(uses, list) else {"study"}
        if isinstance(package, str):
            styles, both = packages.setdefault(package, ([], set()))
            styles.append(style)
            both |= needs
        else:
            yield Finding(f"{style} is missing", "use a newer release of LAMMPS", tuple(sorted(needs)))
    for package, (styles, both) in packages.items():
        wrong = f"{', '.join(styles)} {'is' if len(styles) == 1 else 'are'} missing"
        yield Finding(wrong, f"build LAMMPS with the package {package}: -D PKG_{package}=yes", tuple(sorted(both)))


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (entry for entry in (value if isinstance(value, list) else ()) if isinstance(entry, Mapping))


def version_error(code: orm.AbstractCode) -> str | None:
    """Return why a code of ``aiida-cse`` is of another version, as far as it has been asked; None if it is not."""
    version = code.base.extras.get(VERSION_EXTRA, None)
    own = Path(sys.executable).parent / "aiida-cse"
    if (
        version is None
        or version == __version__
        or (is_local(code) and isinstance(code, orm.InstalledCode) and Path(code.filepath_executable) == own)
    ):
        return None
    return f"{code.full_label} is aiida-cse {version}, this is {__version__}; install this version there"


def launch_findings(builder: Any) -> tuple[list[str], list[str]]:
    """Return why a process must not start with the codes of its builder, and what is not known of them.

    Codes that have not been examined are no reason against it.

    Returns
    -------
    refusals, warnings
        Sentences, each with the code.
    """
    kind = "validation" if builder.process_class.__name__.endswith("ValidationWorkChain") else "study"
    needed: dict[str, tuple[orm.AbstractCode, set[str]]] = {}
    refusals, warnings = [], []
    for job in jobs_of(builder):
        if job.role == "lammps":
            uses = needed.setdefault(str(job.code.uuid), (job.code, {kind, *_uses_of(builder)}))[1]
            resources = job.namespace.metadata.options.get("resources") or {}
            counts = [resources.get(key) or 1 for key in ("num_machines", "num_mpiprocs_per_machine")]
            total = max(math.prod(counts), resources.get("tot_num_mpiprocs") or 1)
            uses |= {"ranks"} if total > 1 and job.code.with_mpi is not False else set()
        elif job.role == "cse" and (error := version_error(job.code)):
            refusals.append(f"codes.cse = {error}, then: {aiida_cse('doctor')}")
    for code, uses in needed.values():
        label, node = code.full_label, capabilities_of(code)
        if node is None:
            warnings.append(f"codes.lammps = {label}: not examined; do so with: {aiida_cse('doctor', label)}")
            continue
        speaking = (finding for finding in findings_of(code, node.get_dict()) if uses & set(finding.uses))
        refusals += [f"codes.lammps = {label}: {finding.wrong}; {finding.remedy}" for finding in speaking]
    return list(dict.fromkeys(refusals)), warnings


def _uses_of(namespace: Any) -> set[str]:
    """Return the accelerators of all plans and schedules in a builder, and ``colvars`` if one has this bias."""
    found: set[str] = set()
    for key, value in namespace.items():
        if isinstance(value, Mapping):
            found |= _uses_of(value)
        elif isinstance(value, orm.Dict) and key in ("plan", "schedule"):
            plan = value.get_dict()
            settings = plan.get("settings")
            if isinstance(settings, Mapping) and settings.get("accelerator", "none") != "none":
                found.add(str(settings["accelerator"]))
            if plan.get("bias") == "colvars":
                found.add("colvars")
    return found
