"""How a subcommand runs a process in this Python: with a display, and with its end told to the user."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import click
from aiida import engine
from aiida.common.exceptions import InvalidOperation, NotExistent
from aiida.engine import ProcessBuilder
from aiida.orm import ProcessNode

from aiida_cse.cli.display.live import live_display
from aiida_cse.cli.display.render import duration
from aiida_cse.engine.checkpoints import CheckpointError
from aiida_cse.engine.embedded import (
    InterruptedRunError,
    OnTick,
    UnfinishedError,
    resume_embedded,
    run_embedded,
)
from aiida_cse.engine.hints import aiida_cse
from aiida_cse.engine.locks import ProcessBusyError
from aiida_cse.workchains.common.exit_status import ended_normally

__all__ = ["follow_shown", "leave", "resume_shown", "run_shown", "submit"]

_INTERRUPTED = 130


def run_shown(builder: ProcessBuilder, extras: dict[str, Any] | None = None) -> ProcessNode:
    """Run the builder to its end, with a display; an interruption ends the command."""
    return _shown(lambda on_tick: run_embedded(builder, on_tick, extras=extras))


def resume_shown(process: int | ProcessNode) -> ProcessNode:
    """Go on with a run, given as PK or node, with a display."""
    return _shown(lambda on_tick: resume_embedded(process, on_tick))


def submit(builder: ProcessBuilder) -> ProcessNode:
    """Hand the builder to the daemon of the profile."""
    try:
        return engine.submit(builder)
    except (InvalidOperation, ValueError) as error:
        raise click.ClickException(str(error)) from error


def follow_shown(node: ProcessNode) -> ProcessNode:
    """Show a process that the daemon runs until it ends; Ctrl-C ends the showing only."""
    try:
        with live_display() as show:
            while not node.is_terminated:
                show(node)
                time.sleep(1)
    except KeyboardInterrupt:
        click.echo(f"the daemon goes on with it; see: {aiida_cse('status', node.pk)}", err=True)
        sys.exit(_INTERRUPTED)
    return node


def _shown(run: Callable[[OnTick], ProcessNode]) -> ProcessNode:
    try:
        with live_display() as show:
            return run(show)
    except InterruptedRunError as error:
        click.echo(str(error), err=True)
        click.echo("LAMMPS jobs that are running go on by themselves and are found again", err=True)
        sys.exit(_INTERRUPTED)
    except (UnfinishedError, ProcessBusyError, CheckpointError, NotExistent, ValueError) as error:
        raise click.ClickException(str(error)) from error


def leave(node: ProcessNode) -> NoReturn:
    """Say how the process ended and end the command: 0, or 1 if it failed."""
    name = f"{node.process_label} <{node.pk}>"
    spent = duration(node.mtime - node.ctime)
    if node.is_finished_ok:
        click.echo(f"{name} finished after {spent}")
        sys.exit(0)
    if node.is_finished:
        click.echo(f"{name} ended after {spent} with [{node.exit_status}] {node.exit_message}")
        sys.exit(0 if ended_normally(node) else 1)
    state = node.process_state.value if node.process_state else "unknown"
    click.echo(f"{name} is {state} after {spent}: {node.exception or node.process_status}")
    sys.exit(1)
