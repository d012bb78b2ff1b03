"""The file of the short trajectories: what a real job wrote, what a killed one leaves, and what nobody wrote."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.lammps.log.reader import read_log
from aiida_cse.lammps.log.shots import missing_shots, read_shots, shot_arrays
from tests.lammps.jobs import plan
from tests.lammps.make_logs import LOGS, SHOOT, WINDOW

PLAN = plan(WINDOW, SHOOT)
TEXT = (LOGS / "shots.txt").read_text()
LINES = TEXT.splitlines(keepends=True)
REPORT = read_log((LOGS / "shots.log").read_text().splitlines(keepends=True))
SHOTS = read_shots(LINES, PLAN)


def test_the_starts_of_a_job_become_arrays() -> None:
    assert missing_shots(PLAN, REPORT, SHOTS) is None
    arrays = shot_arrays(PLAN, SHOTS, {"window": 0, "shoot": 1})
    assert arrays["start"].tolist() == [1, 2, 3, 4, 5, 6]
    assert arrays["followed"].tolist() == [1, 0, 0, 0, 1, 0]
    assert set(arrays["stage"]) == {1}
    assert len(set(arrays["z_start"])) == 1
    assert arrays["time"].tolist() == [50.0 * number for number in range(len(arrays["time"]))]
    for row, shot in zip(arrays["trace"], SHOTS, strict=True):
        assert np.isfinite(row).sum() == (shot.forward_steps // 50 + 1 if shot.followed else 0)


def test_a_start_that_is_cut_short_is_missing_and_counts_once_it_is_repeated() -> None:
    at = next(number for number, line in enumerate(LINES) if " start=5 z=" in line)
    cut = [*LINES[:at], LINES[at][:40]]
    found = read_shots(cut, PLAN)
    assert [shot.start for shot in found] == [1, 2, 3, 4]
    assert missing_shots(PLAN, REPORT, found) == "start 5 of stage 'shoot' is missing (2 of 6)"
    again = next(number for number, line in enumerate(LINES) if line.startswith("trace=shoot start=5"))
    assert read_shots([*cut, "\n", *LINES[again:]], PLAN) == SHOTS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("start=2 ", "start=7 "),
        ("start=2 ", "start=2.5 "),
        ("shot=shoot start=2", "shot=window start=2"),
        ("start=2 z=-", "start=2 z=nan"),
        ("start=2 z=-", "start=2 z=1e300"),
        ("followed=0", "followed=1"),
        ("backward=", "backward=3"),
        ("backward_steps=", "backward_steps=9"),
    ],
)
def test_an_impossible_line_is_left_out(old: str, new: str) -> None:
    changed = [line.replace(old, new) if line.startswith("shot=shoot start=2 ") else line for line in LINES]
    assert changed != LINES
    assert [shot.start for shot in read_shots(changed, PLAN)] == [1, 3, 4, 5, 6]


@given(st.integers(0, len(TEXT)), st.text(max_size=30), st.integers(0, len(TEXT)))
def test_no_content_raises_an_exception(first: int, between: str, second: int) -> None:
    text = TEXT[:first] + between + TEXT[second:]
    found = read_shots(text.splitlines(keepends=True), PLAN)
    assert shot_arrays(PLAN, found, {})["trace"].shape[0] == len(found) <= 6
