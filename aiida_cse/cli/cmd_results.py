"""Commands that show processes and their results: ``status``, ``show`` and ``compare``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.engine.hints import aiida_cse, verdi

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

    from aiida_cse.report.process_tree import Branch

__all__ = ["compare", "show", "status"]

#: rows of the table without a PK
_LISTED = 10
#: s; longest time that other computers have to answer
_PATIENCE_S = 4.0


@click.command()
@inputs.SOURCE
@inputs.ROWS_FORMAT
@click.option(
    "--section",
    "wanted",
    metavar="NAME",
    multiple=True,
    help="Show this section alone, as verdict, kinetics or barriers; the start of its name is enough; repeatable.",
)
@inputs.PROFILE
def show(source: str, form: str, wanted: tuple[str, ...], profile: str | None) -> None:
    """Show the results of a process: verdicts, every number with its interval, and what is not known and why.

    PK, UUID or LABEL is of a study, a production, an analysis, a quench, a validation or a joint kinetics,
    finished or not. FOLDER is one of `aiida-cse analyse` or `aiida-cse kinetics`, and needs no profile.
    ✓ is a criterion that is met, ✗ one that is not, – nothing to test or not known.

    \b
    Examples:
      aiida-cse show 99 --section verdict
      aiida-cse show run-600 --format csv
    """
    findings = inputs.open_source(source, profile)
    from rich.console import Console

    from aiida_cse.cli.display.results import print_view, view_csv, view_json
    from aiida_cse.report.view import view_of

    view = view_of(findings)
    if wanted:
        with inputs.input_errors():
            view = view.restricted(wanted)
    if form == "table":
        print_view(view, Console(highlight=False))
    else:
        click.echo((view_json if form == "json" else view_csv)(view).rstrip())


@click.command()
@click.argument(
    "sources", nargs=-1, required=True, metavar="PK|UUID|LABEL|FOLDER...", shell_complete=inputs.complete_folder
)
@inputs.ROWS_FORMAT
@click.option(
    "--figure",
    "file",
    type=inputs.OutPath(dir_okay=False, path_type=Path),
    help="Also draw F(z) of all sources in one figure, as pdf, png or svg by the suffix.",
)
@inputs.WIDTH
@inputs.PROFILE
def compare(sources: tuple[str, ...], form: str, file: Path | None, width: float, profile: str | None) -> None:
    r"""Compare two or more processes or analysed folders: what differs in recipe and protocol, and the results.

    Runs at the same temperature stand beside each other, those with the same label first. Differences are from
    the first source that has a number, in standard errors; a difference of rates is that of their logarithms. It
    is not known from two bounds, and not judged if both are the same run or trajectory, or if transitions are
    counted in different ways. Sources that come from the same slab or other systems are named, because their
    differences are not independent.

    \b
    Examples:
      aiida-cse compare 834 99
      aiida-cse compare 834 99 1171 --figure F.pdf
      aiida-cse compare hot cold --format csv
    """
    from aiida_cse.report.compared.results import compare_findings

    if len(sources) < 2:
        raise click.UsageError("give at least two processes or folders")
    inputs.check_figure_file(file, "--figure")
    opened = [inputs.open_source(source, profile) for source in sources]
    with inputs.input_errors():
        comparison = compare_findings(opened)
        if form == "table":
            from rich.console import Console

            from aiida_cse.cli.display.comparison import print_comparison_of

            print_comparison_of(comparison, Console(highlight=False))
        else:
            from aiida_cse.cli.display.comparison import comparison_csv, comparison_json

            click.echo((comparison_json if form == "json" else comparison_csv)(comparison).rstrip())
        if file is not None:
            from aiida_cse.report.figures.style import save
            from aiida_cse.report.figures.superposed import draw_free_energies

            click.echo(
                f"wrote {save(draw_free_energies(opened, width), file, name='compared')}", err=form != "table"
            )


@click.command()
@click.argument("pk", type=inputs.Identifier(), metavar="[PK]", required=False)
@inputs.PROFILE
def status(pk: int | str | None, profile: str | None) -> None:
    """Show the progress of the process PK, or its results; without PK, list the newest studies.

    A running study or production is shown as one line per temperature and replica: the present stage, simulated
    ns, speed, entries and exits, EC with its lower bound and the verdict at the last look, and the expected end. A
    finished process is shown as by `aiida-cse show`. `aiida-cse studies` lists all of them.

    \b
    Example:
      aiida-cse status 99
    """
    profiles.load(profile)
    if pk is None:
        from aiida_cse.cli.cmd_find import print_newest

        print_newest(_LISTED)
        return
    from aiida.orm import ProcessNode
    from rich.console import Console

    from aiida_cse.cli.display.results import print_view
    from aiida_cse.cli.display.runs import run_states, run_table
    from aiida_cse.cli.display.tree import JobWatch, render_tree
    from aiida_cse.report.process_tree import ProcessTree
    from aiida_cse.report.processes import findings_of, has_findings
    from aiida_cse.report.view import view_of

    node = inputs.load_typed(pk, ProcessNode, "PK")
    console = Console(highlight=False)
    root, watch = ProcessTree(node).root, JobWatch()
    watch.wait(root, _PATIENCE_S)
    watch.close()
    console.print(render_tree(root, watch))
    if node.is_terminated and has_findings(node):
        console.print()
        with inputs.input_errors():
            findings = findings_of(node)
        print_view(view_of(findings), console)
    elif states := run_states(root, watch):
        console.print()
        console.print(run_table(states, datetime.now().astimezone(), console.width))
    if (hint := _hint(node, root)) is not None:
        click.echo(hint)


def _slots_of(root: ProcessNode) -> str | None:
    """Return how many slots of the workers a run holds at most, with the command that adds those it will lack.

    None without a daemon, or if the number is not known.
    """
    from aiida_cse.engine.daemon import adding_workers, worker_slots
    from aiida_cse.workchains.forecast import slots_of

    if (slots := worker_slots()) is None or (most := slots_of(root)) is None:
        return None
    workers, total = slots
    there = f"{workers} worker{'s' * (workers != 1)}"
    if most <= total:
        return f"it holds at most {most} of the {total} slots of {there}"
    lacking = adding_workers(most - total, slots)
    return (
        f"it will hold up to {most} slots, more than the {total} of {there}, and may then stand still; {lacking}"
    )


def _hint(node: ProcessNode, tree: Branch) -> str | None:
    """Return how to continue a process that failed or that nothing advances; None if there is nothing to say."""
    from aiida_cse.engine.checkpoints import root_of
    from aiida_cse.engine.daemon import daemon_hint, slots_hint
    from aiida_cse.engine.embedded import is_embedded
    from aiida_cse.engine.locks import is_held
    from aiida_cse.engine.pauses import PAUSED_BY_TRANSPORT
    from aiida_cse.engine.stop_marks import stopped_at
    from aiida_cse.engine.waking import forgotten_parents
    from aiida_cse.workchains.common.exit_status import continuation, ended_normally

    root = root_of(node)
    if root.is_terminated:
        command = None if ended_normally(node) else continuation(node)
        # the message of an exit code names the command already
        told = command is None or command in (node.exit_message or "")
        return None if told else f"complete it with: {command}"
    still = next(iter(forgotten_parents(root)), None)
    stands_still = f"it stands still: {still}; wake it with: {aiida_cse('nudge', root.pk)}" if still else None
    if is_embedded(root) and is_held(root):
        return stands_still or "it is running"
    if (moment := stopped_at(root)) is not None:
        when = f"{moment.astimezone():%Y-%m-%d %H:%M}"
        return f"it was stopped on {when}; continue it with: {aiida_cse('resume', root.pk)}"
    if not is_embedded(root):
        paused = [one.pk for one in tree.descendants() if (one.status or "").startswith(PAUSED_BY_TRANSPORT)]
        played = f"paused; once the cause is gone continue with: {verdi('process', 'play', *paused)}"
        return daemon_hint() or slots_hint() or (played if paused else stands_still) or _slots_of(root)
    return f"nothing runs it now; resume with: {aiida_cse('resume', root.pk)}"
