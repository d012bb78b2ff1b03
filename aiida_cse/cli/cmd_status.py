"""``aiida-cse status``: where a process stands."""

from __future__ import annotations

from datetime import datetime
from itertools import count, takewhile
from typing import TYPE_CHECKING

import click

from aiida_cse.cli import params
from aiida_cse.cli import profile as profiles
from aiida_cse.engine.hints import aiida_cse

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

__all__ = ["status"]

#: processes that are looked at together
_BATCH = 200


@click.command()
@click.argument("pk", type=click.IntRange(min=1), metavar="[PK]", required=False)
@params.PROFILE
def status(pk: int | None, profile: str | None) -> None:
    """Show where the process PK stands; without PK, the processes launched last.

    For a study that runs, or a production, there is a line per temperature and replica: what happens now, how many
    ns are done, how fast, entries and exits, EC with its bound and the verdict at the last look, and when it will
    end. For a finished study there is its table of results.
    """
    profiles.load(profile)
    if pk is None:
        _list_roots()
    else:
        _show(pk)


def _show(pk: int) -> None:
    from aiida.common.exceptions import NotExistent
    from aiida.orm import ProcessNode, load_node
    from rich.console import Console

    from aiida_cse.cli.display.render import JobWatch, render_tree
    from aiida_cse.cli.display.results import has_results, print_results
    from aiida_cse.cli.display.runs import WIDTH, run_states, run_table
    from aiida_cse.cli.display.tree import ProcessTree

    try:
        node = load_node(pk)
    except NotExistent as error:
        raise click.ClickException(f"there is no node {pk} in this profile") from error
    if not isinstance(node, ProcessNode):
        raise click.ClickException(f"node {pk} is a {type(node).__name__}, not a process")
    console = Console(highlight=False)
    root, watch = ProcessTree(node).root, JobWatch()
    console.print(render_tree(root, watch))
    if has_results(node):
        print_results(node, console)
    elif states := run_states(root, watch):
        wide = Console(highlight=False, width=max(console.width, WIDTH))
        wide.print(run_table(states, datetime.now().astimezone()))
    if (hint := _hint(node)) is not None:
        click.echo(hint)


def _hint(node: ProcessNode) -> str | None:
    """Return what can be done about a process that does not go on by itself, None if there is nothing."""
    from aiida_cse.engine.checkpoints import root_of
    from aiida_cse.engine.daemon import daemon_hint
    from aiida_cse.engine.embedded import is_embedded
    from aiida_cse.engine.locks import is_held

    root = root_of(node)
    if root.is_terminated:
        return None
    if not is_embedded(root):
        return daemon_hint()
    return "it is running" if is_held(root) else f"nothing runs it now; go on with: {aiida_cse('resume', root.pk)}"


def _list_roots(number: int = 10) -> None:
    from aiida_cse.cli.display.render import duration

    roots = _newest_roots(number)
    if not roots:
        click.echo(f"no process has been launched in this profile; try: {aiida_cse('demo')}")
    for node in roots:
        state = node.process_state.value if node.process_state else "created"
        ending = f" [{node.exit_status}]" if node.is_finished else ""
        spent = duration(node.mtime - node.ctime)
        click.echo(
            f"{node.pk:>8}  {node.ctime:%Y-%m-%d %H:%M}  {node.process_label:<24} {state}{ending} ({spent})"
        )


def _newest_roots(number: int) -> list[ProcessNode]:
    """Return the newest processes of this plugin that no other one called.

    In batches: an iterator over the whole database that is left before its end keeps a transaction open.
    """
    from aiida.orm import ProcessNode, QueryBuilder

    query = QueryBuilder().append(ProcessNode, filters={"process_type": {"like": "%:cse.%"}})
    query.order_by({ProcessNode: {"id": "desc"}}).limit(_BATCH)
    roots: list[ProcessNode] = []
    batches = (query.offset(offset).all(flat=True) for offset in count(step=_BATCH))
    for batch in takewhile(bool, batches):
        roots += [node for node in batch if node.caller is None]
        if len(roots) >= number:
            break
    return roots[:number]
