"""The command ``aiida-cse``.

The module of a subcommand is imported when that subcommand is called. ``aiida-cse --help`` is therefore quick, and
the plain commands (``build``, ``reduce``) neither import AiiDA nor need a profile.
"""

from __future__ import annotations

import difflib
import importlib
import io
import os
import re
import shutil
import sys
import textwrap
from typing import Any

import click
from click.shell_completion import CompletionItem

from aiida_cse.version import __version__

__all__ = ["LazyGroup", "main"]


class LazyGroup(click.Group):
    """A group whose subcommands are named, and imported only when they are called.

    An error that no subcommand expects is printed as one line, or with its traceback if ``--debug`` is given.

    Parameters
    ----------
    subcommands
        For each subcommand the name of its module in :mod:`aiida_cse.cli`, which holds it under its own name, and
        the line that the help of the group shows for it.
    """

    def __init__(self, *args: Any, subcommands: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._subcommands = subcommands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they were given."""
        return list(self._subcommands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the subcommand; suggest the nearest names if there is none of this name."""
        if cmd_name not in self._subcommands:
            if ctx.resilient_parsing:  # shell completion asks for incomplete names
                return None
            near = difflib.get_close_matches(cmd_name, self._subcommands, n=2)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {cmd_name!r}.{hint}")
        module = importlib.import_module(f"{__name__}.{self._subcommands[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the subcommands and options that begin so, without importing any."""
        found = [
            CompletionItem(name, help=line)
            for name, (_, line) in self._subcommands.items()
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Call the subcommand."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if sys.stderr.isatty():
                folded = _fold(error.format_message())
                error.format_message = lambda: folded  # type: ignore[method-assign]
            raise
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            from aiida_cse.engine.hints import aiida_cse

            if "aiida.storage" in sys.modules:
                from aiida_cse.engine.database import trouble_of

                if (trouble := trouble_of(error)) is not None:
                    told = f"{trouble.words}; {trouble.remedy}"
                    raise click.ClickException(_fold(told) if sys.stderr.isatty() else told) from error
            again = aiida_cse("--debug", *sys.argv[1:])
            what = f"unexpected {type(error).__name__}: {error}"
            if isinstance(error, OSError) and error.strerror:  # a full disk, a file that may not be read, …
                what = f"{error.filename or 'output'}: {error.strerror}"
            msg = f"{what}; show the traceback with: {again}"
            raise click.ClickException(_fold(msg) if sys.stderr.isatty() else msg) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._subcommands.items()])


def _fold(message: str) -> str:
    """Break an error message between words at the width of the terminal; a command that ends it has its own line.

    Lines that begin with a space (quoted logs, commands) stay as they are.
    """
    width, begin = shutil.get_terminal_size().columns, "Error: "
    lines: list[str] = []
    for line in message.splitlines():
        begun = line if lines else begin + line
        if len(begun) <= width or line.startswith(" "):
            lines.append(begun)
            continue
        words, command = begun, None
        if (found := re.fullmatch(r"(.* with:) ([^;]+)", begun)) is not None:
            words, command = found.groups()
        lines.append(textwrap.fill(words, width, break_long_words=False, break_on_hyphens=False))
        if command is not None:
            lines.append(f"  {command}")
    return "\n".join(lines).removeprefix(begin)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommands={
        "setup": ("cmd_site", "Create a profile, this computer and its codes."),
        "doctor": ("cmd_doctor", "Check profile, daemon, disk and codes."),
        "calibrate": ("cmd_doctor", "Measure the speed of LAMMPS against ranks and threads."),
        "demo": ("cmd_site", "Run a small study from recipe to result."),
        "validate": ("cmd_site", "Run the whole chain on a model system whose results are known."),
        "build": ("cmd_bring", "Build a slab or an electrolyte (needs no profile)."),
        "analyse": ("cmd_analyse", "Analyse a trajectory completely (needs no profile)."),
        "import-run": ("cmd_analyse", "Store the results of an analysis as nodes."),
        "kinetics": ("cmd_analyse", "Fit the rates of several analysed runs (needs no profile)."),
        "reduce": ("cmd_bring", "Reduce trajectory segments to a state (needs no profile)."),
        "discard": ("cmd_bring", "Delete trajectories that a state holds (needs no profile)."),
        "recipe": ("cmd_library", "Show the shipped recipes; start and check one of your own."),
        "protocol": ("cmd_library", "Show the protocols: values with sources, and differences."),
        "forcefield": ("cmd_forcefield", "Show and import force-field sets; print pair tables."),
        "launch": ("cmd_run", "Launch a study, a production, a quench, a crossing, an analysis or a validation."),
        "extend": ("cmd_run", "Extend a study: more temperatures, more replicas, longer runs."),
        "system": ("cmd_bring", "Import systems built by other programs."),
        "studies": ("cmd_find", "List studies and runs with verdict and state; filter and sort them."),
        "status": ("cmd_results", "Show the progress of a process, or its results."),
        "show": ("cmd_results", "Show verdict and numbers of a process, and what is not known."),
        "compare": ("cmd_results", "Compare processes or analysed folders: settings, and results side by side."),
        "plot": ("cmd_figures", "Draw the figures of a process or of an analysed folder."),
        "export": ("cmd_export", "Write results as tables, JSON, netCDF or an RO-Crate."),
        "paper": ("cmd_export", "Lay the results beside those of the published study."),
        "report": ("cmd_figures", "Write the results of a process as one HTML page."),
        "stop": ("cmd_run", "Stop a run and its LAMMPS jobs, so that it can be resumed."),
        "resume": ("cmd_run", "Resume a run that was stopped or interrupted."),
        "nudge": ("cmd_run", "Wake a run that stands still although nothing is wrong."),
        "clean": ("cmd_clean", "Free the disk space of an ended process."),
    },
)
@click.version_option(__version__, prog_name="aiida-cse")
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
def main(debug: bool) -> None:
    """Composite solid electrolyte interfaces: build, equilibrate, run and analyse with LAMMPS."""
    if not os.environ.get("COLUMNS", "1").isdecimal() or not int(os.environ.get("COLUMNS", "1")):
        del os.environ["COLUMNS"]  # a terminal that does not know its width
    for stream in (sys.stdout, sys.stderr):
        # an output that is not Unicode shows the numbers of letters that it lacks
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
