"""The command as a whole: quick to start, without AiiDA where it is not needed, errors of one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from aiida_cse.cli import _fold, main

SUBCOMMANDS = (
    "setup",
    "doctor",
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
        ["recipe", "check", RECIPE],
        ["protocol", "diff", "moderate", "fast"],
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


def test_help_imports_neither_aiida_nor_numpy() -> None:
    script = "import sys; from aiida_cse.cli import main; main(['-h'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"aiida", "numpy", "pydantic", "rich"} & {name.split(".")[0] for name in done.stdout.split()}


def test_help_lists_every_subcommand() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    for name in SUBCOMMANDS:
        assert f"\n  {name} " in output


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_has_help_and_its_listed_name(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name


def test_an_unexpected_error_is_one_line_unless_debug_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("aiida_cse.cli.profile.load", fail)
    monkeypatch.setattr(sys, "argv", ["aiida-cse", "status", "5"])
    result = CliRunner().invoke(main, ["status", "5"])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("Error: unexpected RuntimeError: the disk is gone; show the traceback with: ")
    assert line.endswith("aiida-cse --debug status 5")
    assert isinstance(CliRunner().invoke(main, ["--debug", "status", "5"]).exception, RuntimeError)


def test_an_unknown_subcommand_names_the_nearest() -> None:
    result = CliRunner().invoke(main, ["extnd"])
    assert result.exit_code == 2
    assert "No such command 'extnd'. Did you mean extend?" in result.output


def test_errors_on_a_terminal_break_between_words_and_keep_commands_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    command = "aiida-cse setup --profile " + "p" * 80
    message = f"there is no AiiDA profile in {'/folder' * 8} of this machine yet; create one with: {command}"
    monkeypatch.setenv("COLUMNS", "80")
    lines = f"Error: {_fold(message)}".splitlines()
    assert lines[-2:] == ["create one with:", f"  {command}"]
    assert max(map(len, lines[:-1])) <= 80
    assert _fold("short\n  " + "a line of a log " * 9) == "short\n  " + "a line of a log " * 9


def test_a_full_disk_is_named_and_a_terminal_without_a_width_shows_the_table() -> None:
    command = [sys.executable, "-c", "from aiida_cse.cli import main; main()", "recipe", "list"]
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert found.returncode == 1
    assert found.stderr.startswith("Error: output: No space left on device; show the traceback with: ")
    narrow = subprocess.run(
        command, env={**os.environ, "COLUMNS": "0"}, capture_output=True, text=True, check=True
    )
    assert RECIPE in narrow.stdout


def test_an_output_without_unicode_escapes_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import click; from aiida_cse.cli import main; "
        "main.get_command = lambda *_: click.Command('show', callback=lambda: print('\\u2713')); main(['show'])"
    )
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "\\u2713\n"), done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_subcommands_and_names_of_recipes_and_protocols(tmp_path: Path) -> None:
    script = """
        eval "$(_AIIDA_CSE_COMPLETE=bash_source aiida-cse)"
        complete() {
            COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
            _aiida_cse_completion aiida-cse; echo "${COMPREPLY[*]}"
        }
        complete aiida-cse prot
        complete aiida-cse build slab --recipe llzo-peo-litfsi-
        complete aiida-cse protocol show mod
    """
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.stdout.split() == ["protocol", "llzo-peo-litfsi-demo", "moderate"], done.stderr
