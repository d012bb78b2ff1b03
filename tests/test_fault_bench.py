"""The conclusion of the fault bench: what fails it besides a run that was lost."""

from __future__ import annotations

import pytest

from benchmarks.faults import __main__ as faults
from benchmarks.faults.bench import Verdict
from benchmarks.faults.kinds import KINDS, Kind

GOOD = Verdict(hits=100, ended=True, identical=True)


def conclude(**others: list[Verdict]) -> int:
    """Return the exit code of a bench whose kinds all hold, except for those of other verdicts."""
    rows: dict[Kind, list[Verdict]] = {kind: others.get(kind.name, [GOOD]) for kind in KINDS}
    return faults._conclude(rows, least=faults.LEAST, seconds=1.0)


def test_kinds_that_were_not_run_fail_the_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude() == 0
    assert "not run" not in capsys.readouterr().out
    assert conclude(clock=[]) == 1
    assert capsys.readouterr().out.endswith("; not run: clock\n")


def test_too_few_faults_and_lost_frames_fail_the_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude(clock=[Verdict(hits=1, ended=True, identical=True)]) == 1
    assert capsys.readouterr().out.endswith("; too few faults of clock\n")
    assert conclude(kills=[Verdict(hits=10, ended=True, identical=True, lost=1)]) == 1


def test_kinds_that_the_command_line_leaves_out_are_not_asked_for() -> None:
    chosen = faults._kinds(faults._parse(["--only", "kills"]))
    assert [kind.name for kind in chosen] == ["kills"]
    assert faults._conclude({kind: [GOOD] for kind in chosen}, least=1, seconds=1.0) == 0
