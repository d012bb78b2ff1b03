"""The commands, from their help texts."""

from __future__ import annotations

from collections.abc import Iterator

import click

from aiida_cse.cli import main
from aiida_cse.cli.data_system import cse_system
from reference_pages.markdown import section

__all__ = ["page"]


def page() -> str:
    """Return the page on ``aiida-cse`` and ``verdi data cse-system``."""
    parts = [section("Commands", "The help of each command.", level=1)]
    for name, command in (("aiida-cse", main), ("verdi data cse-system", cse_system)):
        parts += list(_helps(command, click.Context(command, info_name=name)))
    return "\n".join(parts)


def _helps(command: click.Command, context: click.Context) -> Iterator[str]:
    context.help_option_names = ["-h", "--help"]
    yield section(context.command_path, f"```text\n{command.get_help(context)}\n```")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _helps(child, click.Context(child, info_name=name, parent=context))
