"""Running a process from a command: here with a live display, or on the daemon, and its outcome as exit code."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import click
from aiida import engine
from aiida.common import InvalidOperation, NotExistent
from aiida.manage import get_manager
from aiida.orm import AbstractCode, Dict, Group, ProcessNode
from rich.console import Console

from aiida_cse.cli.display.forecast import print_forecast
from aiida_cse.cli.display.live import live_display
from aiida_cse.cli.inputs import InputError, StartOptions, input_errors
from aiida_cse.data.lookup import find_node
from aiida_cse.engine.checkpoints import CheckpointError
from aiida_cse.engine.embedded import InterruptedRunError, StoppedRunError, UnfinishedError, run_embedded
from aiida_cse.engine.hints import aiida_cse
from aiida_cse.engine.locks import ProcessBusyError
from aiida_cse.engine.outline import OutlineError
from aiida_cse.engine.stopping import running_jobs
from aiida_cse.lammps.log.outcome import last_words
from aiida_cse.report.words import duration
from aiida_cse.workchains.common.availability import jobs_of
from aiida_cse.workchains.common.builders import refuse_invalid
from aiida_cse.workchains.common.capability import capabilities_of, is_local, launch_findings
from aiida_cse.workchains.common.exit_status import continuation, ended_normally
from aiida_cse.workchains.examine import ExamineWorkChain
from aiida_cse.workchains.forecast import Forecast, forecast

__all__ = ["examine", "leave", "refuse_incapable", "run_shown", "start"]

_INTERRUPTED = 130
#: time after an interruption in which another Ctrl-C ends LAMMPS, s
_OFFER_S = 3


def start(builder: Any, how: StartOptions) -> None:
    """Show the forecast of a builder and run it: on the daemon if the profile has a broker, else here.

    The command ends with the process, or with the forecast.

    Parameters
    ----------
    builder
        The process with its inputs.
    how
        The options of the command.

    Raises
    ------
    InputError
        The inputs are invalid.
    """
    with input_errors():
        if how.label is not None:
            builder.metadata.label = how.label
        refuse_invalid(builder)
        found = _forecast(builder, how)
    _settle(found, how)
    groups = () if how.group is None else (Group.collection.get_or_create(how.group)[0],)
    profile = get_manager().get_profile()
    assert profile is not None
    if profile.process_control_backend is None:
        leave(run_shown(run_embedded, builder, groups=groups))
    try:
        node = engine.submit(builder)
    except (InvalidOperation, ValueError) as error:
        raise click.ClickException(str(error)) from error
    for group in groups:
        group.add_nodes(node)
    click.echo(f"submitted {node.process_label} <{node.pk}>; follow it with: {aiida_cse('status', node.pk)}")
    if not how.wait:
        return
    try:
        with live_display() as show:
            while not node.is_terminated:
                show(node)
                time.sleep(1)
    except KeyboardInterrupt:
        click.echo(f"the daemon continues the run; follow it with: {aiida_cse('status', node.pk)}", err=True)
        sys.exit(_INTERRUPTED)
    leave(node)


def _forecast(builder: Any, how: StartOptions) -> Forecast | None:
    """Return the forecast of a builder with what speaks against its codes; None, and why on stderr, without one.

    Valid inputs are started even where their costs cannot be foreseen. LAMMPS on this machine is examined first if
    necessary.
    """
    try:
        found = forecast(builder)
    except Exception as error:
        click.echo(f"no forecast: {type(error).__name__}: {' '.join(str(error).split())}", err=True)
        refuse_incapable(builder)
        return None
    failed = [] if found.refusals or how.dry_run else _examine_unknown(builder)
    refusals, unknown = launch_findings(builder)
    warnings = [] if failed else unknown
    return replace(found, refusals=(*found.refusals, *failed, *refusals), warnings=(*found.warnings, *warnings))


def refuse_incapable(builder: Any) -> None:
    """Refuse a process that runs here if its codes cannot run it; LAMMPS is examined first if necessary.

    Raises
    ------
    InputError
        Names each code, what it lacks and what to do.
    """
    refusals = [*_examine_unknown(builder), *launch_findings(builder)[0]]
    if refusals:
        raise InputError("; ".join(refusals))


def _examine_unknown(builder: Any) -> list[str]:
    """Examine the LAMMPS codes of this machine that have not been; return why an examination failed.

    Those of other computers are examined by ``aiida-cse doctor`` alone.
    """
    codes = {job.code.pk: job.code for job in jobs_of(builder) if job.role == "lammps"}
    errors = []
    for code in codes.values():
        if is_local(code) and capabilities_of(code) is None:
            click.echo(f"examining {code.full_label}, which takes some seconds", err=True)
            _, error = examine(code)
            if error is not None:
                errors.append(f"codes.lammps = {code.full_label}: {error}; see: {aiida_cse('doctor')}")
    return errors


def examine(code: AbstractCode, options: dict[str, Any] | None = None) -> tuple[Dict | None, str | None]:
    """Run the examination of a LAMMPS code here; return its capabilities, or why there are none."""
    process = run_shown(run_embedded, ExamineWorkChain.get_builder_for(code, options))
    if process.is_finished_ok:
        return process.outputs.capabilities, None
    return None, process.exit_message or str(process.exception or process.process_status)


def _settle(found: Forecast | None, how: StartOptions) -> None:
    """Show a forecast; end the command if it refuses, if only it is wanted, or if the user does not agree.

    The user is asked on a terminal only, and only where there is reason to.
    """
    if found is not None and (found.phases or how.dry_run):
        print_forecast(found, Console(highlight=False))
    if found is not None and found.refusals:
        raise InputError("nothing was started, for the reasons marked ✗")
    if how.dry_run:
        click.echo("dry run: nothing was started")
        sys.exit(0 if found is not None else 1)
    asked = found is None or found.needs_consent
    if asked and not how.yes and sys.stdin.isatty() and sys.stdout.isatty():
        # without this, Ctrl-C reaches the question only after the next line is entered
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if not click.confirm("Start it?"):
            click.echo("nothing was started")
            sys.exit(1)


def run_shown(run: Callable[..., ProcessNode], subject: Any, **kwargs: Any) -> ProcessNode:
    """Run or resume a process in this Python, with a live display; an interruption ends the command.

    Parameters
    ----------
    run
        :func:`~aiida_cse.engine.embedded.run_embedded` or :func:`~aiida_cse.engine.embedded.resume_embedded`.
    subject, **kwargs
        Its arguments, besides the display.
    """
    seen: list[ProcessNode] = []

    def watch(node: ProcessNode) -> None:
        seen[:] = [node]
        show(node)

    try:
        with live_display() as show:
            return run(subject, watch, on_second_interrupt=lambda: _offer_stop(*seen), **kwargs)
    except InterruptedRunError as error:
        click.echo(str(error), err=True)
        _tell_jobs(error.pk)
        sys.exit(_INTERRUPTED)
    except StoppedRunError as error:
        click.echo(str(error), err=True)
        sys.exit(_INTERRUPTED)
    except (UnfinishedError, ProcessBusyError, CheckpointError, OutlineError, NotExistent, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _tell_jobs(pk: int) -> None:
    """Tell that LAMMPS jobs of an interrupted run continue; on a terminal, offer to end them."""
    jobs = running_jobs(find_node(pk, ProcessNode))
    if not jobs:
        return
    numbers = ", ".join(f"<{job.pk}>" for job in jobs)
    click.echo(f"LAMMPS continues and is found again on resume, in the jobs {numbers}", err=True)
    if not _can_ask():
        click.echo(f"end it as well with: {aiida_cse('stop', pk)}", err=True)
        return
    click.echo(f"press Ctrl-C again within {_OFFER_S} s to end it as well", err=True)
    try:
        time.sleep(_OFFER_S)
    except KeyboardInterrupt:
        _offer_stop(jobs[0])


def _offer_stop(*processes: ProcessNode) -> None:
    """Ask whether the LAMMPS jobs of a run shall end, and let `aiida-cse stop` take the place of this command.

    It may be called from the handler of a signal, within any step of the run.
    """
    if not processes or not _can_ask():
        return
    pk, profile = processes[0].pk, get_manager().get_profile()
    os.write(sys.stderr.fileno(), b"end LAMMPS as well? The run can be resumed. [y/N] ")
    if os.read(sys.stdin.fileno(), 80).strip().lower() not in (b"y", b"yes"):
        return
    words = ["stop", str(pk), *([] if profile is None else ["--profile", profile.name])]
    program = "from aiida_cse.cli import main; main(prog_name='aiida-cse')"
    os.execv(sys.executable, [sys.executable, "-c", program, *words])


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def leave(node: ProcessNode) -> NoReturn:
    """Print how the process ended and exit: 0, or 1 if it failed."""
    name, spent = f"{node.process_label} <{node.pk}>", duration(node.mtime - node.ctime)
    if node.is_finished_ok:
        click.echo(f"{name} finished after {spent}")
        sys.exit(0)
    if node.is_finished:
        click.echo(f"{name} ended after {spent} with [{node.exit_status}] {node.exit_message}")
        sys.exit(0 if ended_normally(node) else 1)
    state = node.process_state.value if node.process_state else "unknown"
    why = last_words(str(node.exception or node.process_status or "").splitlines())
    click.echo(f"{name} is {state} after {spent}{f': {why}' if why else ''}")
    if (command := continuation(node)) is not None:
        click.echo(f"complete it with: {command}")
    sys.exit(1)
