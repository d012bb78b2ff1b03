"""Runs that a release left unfinished: they continue, or are refused by name if their outline is another one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.golden.interrupted import fates, mark, storage, unpack
from tests.golden.outlines import outlines

REPOSITORY = Path(__file__).parents[2]
#: the interrupted runs, and how many processes of each are unfinished
RUNS = {
    "study-in-production": 4,
    "study-in-ceramic": 4,
    "study-in-interface": 4,
    "quench-in-cooling": 4,
    "validation-in-production": 16,
}

pytestmark = pytest.mark.integration


class Profile:
    """The stored profile, used by commands in a Python of their own."""

    def __init__(self, folder: Path) -> None:
        unpack(folder)
        self._folder = folder
        self._environment = os.environ | {"AIIDA_PATH": str(folder)}
        self.before = self.fates()

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, command)],
            env=self._environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )

    def resume(self, pk: int) -> subprocess.CompletedProcess[str]:
        return self.run(Path(sys.executable).parent / "aiida-cse", "resume", pk)

    def load(self, *pks: int) -> list[dict[str, Any]]:
        """Load unfinished processes, or all, as a daemon worker does."""
        done = self.run("-m", "tests.golden.interrupted", *pks)
        assert done.returncode == 0, done.stderr
        loaded: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return loaded

    def fates(self) -> list[dict[str, Any]]:
        with storage(self._folder) as backend:
            return fates(backend)

    def mark(self, pk: int, version: int) -> None:
        with storage(self._folder) as backend:
            mark(backend, pk, version)

    def root(self, label: str) -> int:
        """Return the PK of an interrupted run."""
        return next(fate["pk"] for fate in self.before if fate["label"] == label)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return Profile(tmp_path_factory.mktemp("interrupted"))


def test_every_checkpoint_is_read(profile: Profile) -> None:
    assert {fate["label"] for fate in profile.before if fate["root"]} == set(RUNS)
    loaded = profile.load()
    assert len(loaded) == sum(RUNS.values())
    assert [one for one in loaded if one["paused"] or not one["plays"] or one["state"] != "waiting"] == []
    chains = [one for one in loaded if one["label"] != "LammpsStageCalculation"]
    assert [one["label"] for one in chains if not one["context"]] == []


def test_a_study_is_resumed_to_its_end(profile: Profile) -> None:
    """From the second of three segments: what LAMMPS has done since is found, the rest is run."""
    pk = profile.root("study-in-production")
    before = {fate["pk"] for fate in profile.before}

    done = profile.resume(pk)

    assert done.returncode == 0, done.stderr
    assert f"StudyWorkChain <{pk}> finished" in done.stdout
    after = profile.fates()
    (root,) = [fate for fate in after if fate["pk"] == pk]
    assert (root["state"], root["exit_status"]) == ("finished", 0)
    made = [fate for fate in after if fate["pk"] not in before]
    assert {(fate["state"], fate["exit_status"]) for fate in made} == {("finished", 0)}
    jobs = [fate["label"] for fate in made if "Calculation" in fate["label"]]
    assert jobs == ["LammpsStageCalculation", "ReduceCalculation"]
    chains = {fate["label"]: fate["outline"] for fate in made if "WorkChain" in fate["label"]}
    stored = outlines()
    assert chains == {
        "LammpsBaseWorkChain": stored["cse.base"]["version"],
        "AnalysisWorkChain": stored["cse.analysis"]["version"],
    }


def test_a_process_of_another_outline_is_refused_by_name(profile: Profile) -> None:
    """Before anything is started; also where it is one that the run has called."""
    pk = profile.root("study-in-ceramic")
    child = next(fate["pk"] for fate in profile.before if fate["label"] == "CeramicWorkChain" and fate["pk"] > pk)
    profile.mark(child, 7)
    before = profile.fates()

    done = profile.resume(pk)

    assert done.returncode == 1
    said = re.sub(r"\s+", " ", done.stderr)
    assert f"process {child} (CeramicWorkChain): it was started with outline version 7, this aiida-cse has" in said
    assert "launch it again" in said
    assert "resume it with the aiida-cse that started it (0.1" in said
    assert profile.fates() == before


def test_a_daemon_pauses_a_process_of_another_outline(profile: Profile) -> None:
    """It keeps its checkpoint, so that the version which started it can continue it."""
    pk = profile.root("quench-in-cooling")
    profile.mark(pk, 7)
    (loaded,) = [one for one in profile.load(pk) if one["pk"] == pk]
    assert (loaded["paused"], loaded["plays"], loaded["kept"]) == (True, False, True)
    assert f"process {pk} (QuenchWorkChain): it was started with outline version 7" in loaded["status"]
