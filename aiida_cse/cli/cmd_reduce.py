"""``aiida-cse reduce``: one streaming pass over trajectory segments, without AiiDA."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiida_cse.cli.errors import input_errors

if TYPE_CHECKING:
    from aiida_cse.trajectory.reduction import Progress

__all__ = ["reduce"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument(
    "segments", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="SEGMENT..."
)
@click.option("--config", required=True, type=_FILE, help="JSON file: system, regions and sampling.")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="State (npz) to write."
)
@click.option("--previous", type=_FILE, help="State (npz) that the segments continue.")
@click.option("--until-step", type=click.IntRange(min=0), help="Leave out the frames at or after this step.")
@click.option(
    "--skip-missing",
    is_flag=True,
    help="Leave out segments that do not exist: those of jobs that ended before their first frame.",
)
def reduce(
    segments: tuple[Path, ...],
    config: Path,
    out: Path,
    previous: Path | None,
    until_step: int | None,
    skip_missing: bool,
) -> None:
    """Reduce the SEGMENTs (DCD files, in the order of time) to a state that every analysis reads."""
    with input_errors(), ExitStack() as stack:
        from aiida_cse.trajectory.command import load_config, run_reduction

        found = _existing(segments, skip_missing=skip_missing)
        summary = run_reduction(found, load_config(config), out, previous, _progress(stack), until_step=until_step)
    for note in summary.notes:
        click.echo(f"note: {note}")
    click.echo(
        f"{summary.frames_read} frames read; the state holds {summary.frames} frames "
        f"from step {summary.first_step} to {summary.last_step}"
    )


def _existing(segments: tuple[Path, ...], *, skip_missing: bool) -> list[Path]:
    """Return the segments that exist, at least one; refuse or say which do not."""
    found = [segment for segment in segments if segment.is_file()]
    for segment in segments:
        if segment in found:
            continue
        if not skip_missing or not found:
            msg = f"{segment}: there is no such file"
            raise ValueError(msg)
        click.echo(f"note: {segment}: there is no such file, it was left out")
    return found


def _progress(stack: ExitStack) -> Progress | None:
    """Return what shows a bar on a terminal, None elsewhere."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.progress import Progress as Bar

    bar = stack.enter_context(Bar(console=Console(stderr=True), transient=True))
    task = bar.add_task("frames", total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)
