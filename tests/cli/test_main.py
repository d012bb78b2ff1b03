"""The command as a whole: quick to start, and no AiiDA where none is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from aiida_cse.cli import main

SUBCOMMANDS = (
    "setup",
    "demo",
    "validate",
    "build",
    "reduce",
    "forcefield",
    "launch",
    "extend",
    "system",
    "status",
    "resume",
)
RECIPE = "llzo-peo-litfsi-demo"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["build", "--help"],
        ["build", "slab", "--recipe", RECIPE, "--out", "slab"],
        ["forcefield", "table", RECIPE],
    ],
)
def test_plain_commands_never_import_aiida(arguments: list[str], tmp_path: Path) -> None:
    script = (
        "import sys; from aiida_cse.cli import main; "
        f"main({arguments!r}, standalone_mode=False); "
        "sys.exit(', '.join(name for name in sys.modules if name.split('.')[0] in ('aiida', 'plumpy')) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_lists_every_subcommand() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    for name in SUBCOMMANDS:
        assert f"\n  {name} " in output


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_has_help_and_the_name_it_is_listed_under(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name


def test_an_unknown_subcommand_names_the_nearest() -> None:
    result = CliRunner().invoke(main, ["stauts"])
    assert result.exit_code == 2
    assert "No such command 'stauts'. Did you mean status?" in result.output
