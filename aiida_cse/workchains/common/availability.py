"""Availability of a stored run in this profile: codes that can run, remote folders that are here, other codes."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida import orm

from aiida_cse.engine.hints import verdi
from aiida_cse.lammps.job.script import FINAL_DATA
from aiida_cse.workchains.common.builders import PLUGINS, job_options, one_process, refuse_other_roles
from aiida_cse.workchains.restart.lineage import Folder, path_of, stash_of

__all__ = [
    "Job",
    "code_error",
    "folder_error",
    "jobs_of",
    "local_work_folder",
    "refuse_unusable_codes",
    "use_codes",
]

#: role of a code by the name of its port and that of the namespace around it
_ROLES = {
    ("lammps", "code"): "lammps",
    ("build", "code"): "cse",
    ("reduce", "code"): "cse",
    ("moltemplate", "code"): "moltemplate",
    ("emc", "code"): "emc",
    ("emc", "setup_code"): "emc_setup",
}
#: options that hold on every computer; the others name queues, accounts, resources or paths of one
_ON_EVERY_COMPUTER = ("max_wallclock_seconds",)
_LOCAL = "core.local"


def code_error(code: orm.AbstractCode) -> str | None:
    """Return why a code cannot run in this profile, None if nothing speaks against it.

    The executable is looked up on this machine only; no connection is opened.
    """
    computer = code.computer
    if computer is None:
        return None
    if not computer.is_configured:
        return f"its computer '{computer.label}' is not configured in this profile"
    if type(code) is orm.InstalledCode and computer.transport_type == _LOCAL:
        path = Path(code.get_executable())
        if path.is_absolute() and not os.access(path, os.X_OK):
            return f"{path} is no executable file of this machine"
    return None


def local_work_folder(computer: Any) -> Path | None:
    """Return the folder in which the jobs of a computer run, None if it is not this machine."""
    if computer is None or computer.transport_type != _LOCAL:
        return None
    # as the local transport of AiiDA fills it in
    return Path(computer.get_workdir().format(username=getpass.getuser()))


def folder_error(folder: orm.RemoteData, code: orm.AbstractCode) -> str | None:
    """Return why a run with this code cannot continue from a remote folder, and what would help; None if it may.

    A stash of the folder counts as the folder. Files are looked up on this machine only.
    """
    computer: Any = folder.computer
    if not computer.is_configured:
        configure = verdi("computer", "configure", computer.transport_type, computer.label)
        return (
            f"its computer '{computer.label}' is not configured in this profile; continue the run in the profile "
            f"that ran it, or restore the folder at this path, configure the computer ({configure}) and give "
            "codes on it"
        )
    if code.computer is None or code.computer.uuid != computer.uuid:
        where = "without a computer" if code.computer is None else f"on {code.computer.label}"
        return f"it is on {computer.label}, the code {code.full_label} {where}; give codes on {computer.label}"
    stash = stash_of(folder)
    if stash is None and folder.is_cleaned:
        return f"its files on {computer.label} were freed (aiida-cse clean, or verdi calcjob cleanworkdir)"
    places: list[Folder] = [folder] if stash is None else [folder, stash]
    if computer.transport_type != _LOCAL or any(_has_checkpoint(Path(path_of(place))) for place in places):
        return None
    return f"it has no checkpoint on {computer.label}; restore its files restart.* or {FINAL_DATA}"


def _has_checkpoint(folder: Path) -> bool:
    """Return whether a folder on this machine, or that of a job before it, has a checkpoint."""
    seen: set[Path] = set()
    while folder.is_dir() and folder.resolve() not in seen:
        if (folder / FINAL_DATA).exists() or any(folder.glob("restart.*")):
            return True
        seen.add(folder.resolve())
        folder = folder / "parent"
    return False


def refuse_unusable_codes(builder: Any, finished: tuple[str, ...] = ()) -> None:
    """Refuse the inputs of a stored process if jobs that will run have codes that cannot.

    Parameters
    ----------
    builder
        The builder of the process.
    finished
        Namespaces of parts that do not run again.

    Raises
    ------
    ValueError
        Names each code, what is wrong with it, and codes of this profile in its place.
    """
    unusable: dict[str, str] = {}
    for job in jobs_of(builder):
        error = None if job.part in finished else code_error(job.code)
        if error is not None:
            unusable.setdefault(job.role, f"codes.{job.role} = {job.code.full_label}: {error}")
    if unusable:
        flags = " ".join(f"--{role.replace('_', '-')} {_usable_code(role)}" for role in unusable)
        raise ValueError(f"{'; '.join(unusable.values())}; give codes of this profile: {flags}")


def use_codes(builder: Any, codes: Mapping[str, Any], options: dict[str, Any] | None = None) -> None:
    """Let the jobs of a stored process run with other codes or options.

    A job that changes its computer leaves its scheduler options behind, except the wall time.

    Parameters
    ----------
    builder
        The builder of the process, changed in place.
    codes
        Codes by role; roles without an entry keep theirs.
    options
        Scheduler options of the LAMMPS jobs, over those of the process.

    Raises
    ------
    ValueError
        A code is none of its role; an option is wrong, or is none of the scheduler of its code.
    """
    refuse_other_roles(codes)
    for job in jobs_of(builder):
        code = codes.get(job.role, job.code)
        if code.uuid == job.code.uuid and not options:
            continue
        stored = _plain(job.namespace.metadata.options)
        own = {key: stored[key] for key in ("resources",) if key in stored}
        there, here = job.code.computer, code.computer
        moved = (there and there.uuid) != (here and here.uuid)
        if moved:
            stored = {key: stored[key] for key in _ON_EVERY_COMPUTER if key in stored}
        if code.uuid != job.code.uuid:
            stored.pop("withmpi", None)
        if "resources" in (options or {}):
            stored.pop("resources", None)  # keys of two schedulers do not mix
        elif moved:
            stored["resources"] = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
        merged = job_options(code, stored, options)
        if not job.is_run:
            # the resources among the options are those of the runs
            merged = one_process(merged) if moved else {**one_process(merged), **own}
        if job.role == "cse":
            merged["withmpi"] = False
        job.namespace[job.port] = code
        job.namespace.metadata.options = merged


@dataclass(frozen=True)
class Job:
    """A job among the inputs of a process: its namespace, and the port and role of one of its codes."""

    path: tuple[str, ...]
    namespace: Any
    port: str
    role: str

    @property
    def code(self) -> Any:
        """The code."""
        return self.namespace[self.port]

    @property
    def part(self) -> str:
        """The phase of a study that it belongs to, or the first namespace of another process."""
        return self.path[0]

    @property
    def is_run(self) -> bool:
        """True for LAMMPS, which may run in several processes; the other programs run in one."""
        return self.role == "lammps" and "base" in self.path


def jobs_of(namespace: Any, path: tuple[str, ...] = ()) -> Iterator[Job]:
    """Yield the codes of all jobs in the namespace of a builder."""
    for key, value in list(namespace.items()):
        if isinstance(value, Mapping):
            yield from jobs_of(namespace[key], (*path, key))
        elif path and (path[-1], key) in _ROLES and isinstance(value, orm.AbstractCode):
            yield Job(path, namespace, key, _ROLES[path[-1], key])


def _usable_code(role: str) -> str:
    """Return the label of a code of this profile that can run in this role, or a placeholder."""
    filters = {"attributes.input_plugin": {"in": list(PLUGINS[role])}}
    query = orm.QueryBuilder().append(orm.AbstractCode, filters=filters, tag="code").order_by({"code": "id"})
    found = (code.full_label for code in query.all(flat=True) if not code.is_hidden and code_error(code) is None)
    return next(found, "CODE")


def _plain(options: Any) -> dict[str, Any]:
    """Return the options of a builder without its empty namespaces."""
    found = {key: _plain(value) if isinstance(value, Mapping) else value for key, value in options.items()}
    return {key: value for key, value in found.items() if value != {}}
