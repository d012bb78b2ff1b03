"""``aiida-cse reduce``: reduce trajectory segments in one streaming pass, without AiiDA."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiida_cse.cli.inputs import OutPath, input_errors

if TYPE_CHECKING:
    from aiida_cse.reduction.config import ReductionConfig
    from aiida_cse.reduction.reduce import Progress

__all__ = ["reduce"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
#: seconds between two lines of progress if there is no terminal
_PROGRESS_S = 10.0


@click.command()
@click.argument(
    "segments", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="SEGMENT..."
)
@click.option(
    "--config",
    required=True,
    type=_FILE,
    help="With --system, YAML file of the sampling, and of the regions of a system that was built elsewhere. "
    "Without it, JSON file of system, regions and sampling.",
)
@click.option("--system", type=_FILE, help="LAMMPS data file of the system.")
@click.option("--out", required=True, type=OutPath(dir_okay=False, path_type=Path), help="State (npz) to write.")
@click.option("--previous", type=_FILE, help="State (npz) that the segments continue.")
@click.option("--until-step", type=click.IntRange(min=0), help="Leave out the frames at or after this step.")
@click.option(
    "--checksums",
    type=_FILE,
    help="Output of sha256sum with the expected checksums of segments, by their paths as given here.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of parts that are reduced at the same time, limited to the number of cores.",
)
@click.option(
    "--skip-missing",
    is_flag=True,
    help="Leave out segments that do not exist, as of jobs that ended before their first frame.",
)
def reduce(
    segments: tuple[Path, ...],
    config: Path,
    system: Path | None,
    out: Path,
    previous: Path | None,
    until_step: int | None,
    checksums: Path | None,
    threads: int,
    skip_missing: bool,
) -> None:
    """Reduce the SEGMENTs, in the order of time, to a state from which every analysis is made.

    A SEGMENT is a trajectory of unwrapped coordinates: .dcd (sorted by ID, many times faster than the others),
    .xtc, or a text dump of LAMMPS, .lammpstrj or .dump, with id xu yu zu.
    """
    with input_errors(), ExitStack() as stack:
        from aiida_cse.reduction.reduce import run_reduction
        from aiida_cse.reduction.segments import load_checksums

        found = _existing(segments, skip_missing=skip_missing)
        sums = {} if checksums is None else load_checksums(checksums)
        summary = run_reduction(
            found,
            _load(config, system),
            out,
            previous,
            _progress(stack),
            until_step=until_step,
            threads=threads,
            checksums={path: one for path, one in sums.items() if Path(path) not in set(segments) - set(found)},
        )
    for note in summary.notes:
        click.echo(f"note: {note}")
    click.echo(
        f"{summary.frames_read} frames read; the state holds {summary.frames} frames "
        f"from step {summary.first_step} to {summary.last_step}"
    )


def _load(config: Path, system: Path | None) -> ReductionConfig:
    if system is None:
        from aiida_cse.reduction.config import load_config

        return load_config(config)
    from aiida_cse.building.imported.reduction import load_interface

    return load_interface(system, config)


def _existing(segments: tuple[Path, ...], *, skip_missing: bool) -> list[Path]:
    """Return the segments that exist, at least one; refuse or report the others."""
    found = [segment for segment in segments if segment.is_file()]
    for segment in segments:
        if segment in found:
            continue
        if not skip_missing or not found:
            raise ValueError(f"{segment}: there is no such file")
        click.echo(f"note: {segment}: there is no such file, it was left out")
    return found


def _progress(stack: ExitStack) -> Progress:
    """Return a function that shows a bar on a terminal, and otherwise prints a line every ten seconds."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress as Bar

        bar = stack.enter_context(Bar(console=Console(stderr=True), transient=True))
        task = bar.add_task("frames", total=None)
        return lambda done, total: bar.update(task, completed=done, total=total)
    last = time.monotonic()

    def print_line(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_S:
            last = now
            click.echo(f"{done} of {total} frames ({100 * done / total:.0f} %)")

    return print_line
