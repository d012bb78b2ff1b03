"""A click group that imports a subcommand's module only when the subcommand is called."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """A group whose subcommands are named, not imported.

    Parameters
    ----------
    subcommands
        For each subcommand its ``module:attribute`` and the line that the group's help shows for it.
    """

    def __init__(self, *args: Any, subcommands: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._subcommands = subcommands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they were given."""
        return list(self._subcommands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the subcommand; suggest the nearest names if there is none of that name."""
        if cmd_name not in self._subcommands:
            if ctx.resilient_parsing:  # shell completion asks for half-typed names
                return None
            near = difflib.get_close_matches(cmd_name, self._subcommands, n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {cmd_name!r}.{hint}")
        module, attribute = self._subcommands[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            msg = f"{self._subcommands[cmd_name][0]} is no click command"
            raise TypeError(msg)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._subcommands.items()])
