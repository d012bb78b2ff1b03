"""The command that finds what was run: ``studies``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.engine.hints import aiida_cse, verdi

if TYPE_CHECKING:
    from aiida_cse.query.rows import StudyRow

__all__ = ["print_newest", "studies"]

_STATES = ("running", "waiting", "paused", "stopped", "never started", "finished", "failed", "killed")
_KINDS = ("study", "quench", "validation", "production", "crossing", "reanalysis", "imported")
#: values of ``--sort`` and the column of each; numbers of several runs are sorted by their smallest
_SORT = {
    "created": "created",
    "changed": "changed",
    "pk": "pk",
    "label": "label",
    "recipe": "recipe",
    "state": "state",
    "temperature": "temperatures_K",
    "length": "done_ns",
    "ec": "ec_min",
    "excess": "n_excess_min",
    "barrier": "barrier_min_K",
}
#: rows of a table if there is no limit
_LIMIT = 20
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class _Since(click.ParamType):
    """A date and time, or a time span before now."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time, in the local time zone if none is given."""
        if isinstance(value, datetime):
            return value
        now, word = datetime.now().astimezone(), str(value).strip()
        try:
            if span := re.fullmatch(r"(\d{1,6}) ?(min|h|d|w)", word):
                return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
            return datetime.fromisoformat(word).astimezone()
        except (ValueError, OverflowError):
            self.fail(f"{value}: give a date as 2026-11-30, or a time span as 12h, 7d or 2w", param, ctx)


@click.command()
@click.option(
    "--kind",
    "kinds",
    metavar="KIND",
    type=click.Choice(_KINDS),
    multiple=True,
    help=f"Only this kind: {', '.join(_KINDS)}; repeatable.",
)
@click.option("--label", metavar="TEXT", help="Only labels that contain this text, in any case.")
@click.option("--recipe", metavar="NAME", help="Only recipes whose name contains this text.")
@click.option("--protocol", metavar="NAME", help="Only this protocol.")
@click.option(
    "--temperature", type=inputs.AboveZero(), metavar="K", help="Only those with a run at this temperature."
)
@click.option(
    "--equilibrated/--not-equilibrated", default=None, help="Only those whose runs all have, or have not."
)
@click.option(
    "--state",
    "states",
    metavar="STATE",
    type=click.Choice(_STATES),
    multiple=True,
    help=f"Only this state: {', '.join(_STATES)}; repeatable.",
)
@click.option("--running", is_flag=True, help="The states running and waiting.")
@click.option("--failed", is_flag=True, help="The states failed and killed.")
@click.option(
    "--since", type=_Since(), metavar="TIME", help="Only those that ran after 2026-11-30, or in the last 7d."
)
@click.option(
    "--sort",
    metavar="KEY",
    type=click.Choice(list(_SORT)),
    default="created",
    help=f"Order: {', '.join(_SORT)} [default: created, the newest first].",
)
@click.option("--reverse", is_flag=True, help="The opposite order.")
@click.option("--limit", type=click.IntRange(min=0), help=f"Most rows, 0 for all [default: {_LIMIT} in a table].")
@click.option("--runs", "by_run", is_flag=True, help="One row per run instead of one per study.")
@inputs.ROWS_FORMAT
@inputs.PROFILE
def studies(
    sort: str, reverse: bool, limit: int | None, by_run: bool, form: str, profile: str | None, **wanted: Any
) -> None:
    """List studies, quenches, validations, productions, reanalyses and imported runs, the newest first.

    EC and its lower bound are the lowest of the runs; results of an unfinished study are those of its last looks.
    A finished study need not have equilibrated; a stopped one can be resumed. "Since" is the launch of what is
    running, and the last change of all others. A wide terminal shows more columns; --format json and csv have all.
    In Python: aiida_cse.query.studies() and aiida_cse.query.runs().

    \b
    Examples:
      aiida-cse studies --recipe llzo --temperature 700 --equilibrated
      aiida-cse studies --state stopped --state paused
      aiida-cse studies --runs --sort ec --reverse --limit 0 --format csv
    """
    profiles.load(profile)
    from aiida_cse.cli.display.studies import studies_csv, studies_json
    from aiida_cse.query.frames import record_of_run, record_of_study
    from aiida_cse.query.rows import read_rows

    found = read_rows()
    chosen = _sorted([row for row in found if all(keep(row) for keep in _filters(wanted))], sort, reverse)
    if form == "table":
        _print(found, chosen, _LIMIT if limit is None else limit, by_run)
        return
    chosen = chosen[: limit or None]
    if by_run:
        records = [record_of_run(row, run) for row in chosen for run in row.rows]
    else:
        records = [record_of_study(row) for row in chosen]
    click.echo((studies_json if form == "json" else studies_csv)(records).rstrip())


def print_newest(limit: int) -> None:
    """Print the newest studies of the loaded profile as a table."""
    from aiida_cse.query.rows import read_rows

    found = read_rows()
    _print(found, found, limit, by_run=False)


def _filters(wanted: dict[str, Any]) -> list[Callable[[StudyRow], bool]]:
    """Return one test for each filter that is given."""
    states = set(wanted["states"])
    states |= {"running", "waiting"} if wanted["running"] else set()
    states |= {"failed", "killed"} if wanted["failed"] else set()
    kinds, label, recipe = wanted["kinds"], wanted["label"], wanted["recipe"]
    protocol, kelvin, since = wanted["protocol"], wanted["temperature"], wanted["since"]
    equilibrated = wanted["equilibrated"]
    tests: list[tuple[bool, Callable[[StudyRow], bool]]] = [
        (bool(states), lambda row: row.state in states),
        (bool(kinds), lambda row: row.kind in kinds),
        (label is not None, lambda row: label.lower() in row.label.lower()),
        (recipe is not None, lambda row: recipe.lower() in row.recipe.lower()),
        (protocol is not None, lambda row: row.protocol == protocol),
        (
            kelvin is not None,
            lambda row: any(math.isclose(one, kelvin, abs_tol=0.5) for one in row.temperatures_K),
        ),
        (equilibrated is not None, lambda row: row.equilibrated is equilibrated),
        (since is not None, lambda row: row.state == "running" or row.changed >= since),
    ]
    return [test for given, test in tests if given]


def _sorted(rows: Sequence[StudyRow], sort: str, reverse: bool) -> list[StudyRow]:
    """Return the rows in order; those without a value are the last in both orders.

    Times and PKs descend, so that the newest stand first; with ``reverse`` all orders are turned round.
    """
    from aiida_cse.query.frames import record_of_study

    descending = reverse != (sort in ("created", "changed", "pk"))
    keys = {row.pk: record_of_study(row)[_SORT[sort]] for row in rows}
    known = [row for row in rows if keys[row.pk] not in (None, (), "")]
    unknown = [row for row in rows if keys[row.pk] in (None, (), "")]
    return sorted(known, key=lambda row: keys[row.pk], reverse=descending) + unknown


def _print(found: Sequence[StudyRow], chosen: Sequence[StudyRow], limit: int, by_run: bool) -> None:
    """Print rows as a table, and below it what is left out and which commands continue unfinished processes."""
    from rich.console import Console

    from aiida_cse.cli.display.studies import run_lines, study_lines

    if not found:
        click.echo(f"no process has been launched in this profile; try: {aiida_cse('demo')}")
        return
    if not chosen:
        click.echo(
            f"none of the {len(found):,} rows of this profile matches; show all with: {aiida_cse('studies')}"
        )
        return
    shown = chosen[: limit or None]
    console = Console(highlight=False)
    console.print((run_lines if by_run else study_lines)(shown, console.width))
    if len(shown) < len(chosen):
        console.print(f"{len(shown)} of {len(chosen):,}; all with: {aiida_cse('studies', '--limit', 0)}")
    for line in _hints(shown):
        console.print(line)


def _hints(rows: Sequence[StudyRow]) -> Iterator[str]:
    """Yield how to continue what does not advance, and where the reason of a failure is told."""
    from aiida.orm import load_node

    from aiida_cse.engine.daemon import daemon_hint
    from aiida_cse.engine.locks import EMBEDDED, ENGINE_EXTRA

    asks_daemon = False
    for state in ("stopped", "paused", "never started", "failed"):
        listed = [row.pk for row in rows if row.state == state]
        if not listed:
            continue
        if state == "failed":
            yield f"failed: {_list(listed)}; the reason is in: {aiida_cse('status', listed[0])}"
        elif load_node(listed[0]).base.extras.get(ENGINE_EXTRA, None) == EMBEDDED:
            yield f"{state}: {_list(listed)}; continue with: {aiida_cse('resume', listed[0])}"
        elif state == "paused":
            yield f"paused: {_list(listed)}; continue with: {verdi('process', 'play', listed[0])}"
        else:
            yield f"{state}: {_list(listed)}; nothing runs {'it' if len(listed) == 1 else 'them'} now"
            asks_daemon = True
    if asks_daemon and (hint := daemon_hint()) is not None:
        yield hint


def _list(pks: Sequence[int]) -> str:
    """Return at most three PKs in words."""
    more = f" and {len(pks) - 3} more" if len(pks) > 3 else ""
    return ", ".join(f"<{pk}>" for pk in pks[:3]) + more
