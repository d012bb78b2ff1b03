"""How far a running job is."""

from pathlib import Path

import pytest

from aiida_cse.lammps.log.progress import read_progress

LOGS = Path(__file__).parents[1] / "logs"
KILLED = (LOGS / "killed.log").read_text()


def test_before_the_first_stage_there_is_nothing_to_tell() -> None:
    assert read_progress("") is None
    assert read_progress(KILLED[: KILLED.index("CSE begin=")]) is None


def test_the_running_stage_and_its_step() -> None:
    progress = read_progress(KILLED)
    assert progress is not None
    assert (progress.stage, progress.start, progress.target) == ("production", 1, 1_000_001)
    assert progress.step >= 800
    assert progress.ns_per_day is not None, "from the runs between checkpoints"
    assert progress.seconds_left is None, "unknown without a clock"


def test_speed_and_time_left_by_the_clock() -> None:
    progress = read_progress(KILLED, elapsed=10.0, timestep_fs=1.0)
    assert progress is not None
    rate = (progress.step - 1) / 10.0
    assert progress.ns_per_day == pytest.approx(rate * 1e-6 * 86400)
    assert progress.seconds_left == pytest.approx((1_000_001 - progress.step) / rate)


def test_a_minimisation_has_no_speed() -> None:
    progress = read_progress(KILLED[: KILLED.index("CSE restart=restart.1\n")], elapsed=5.0)
    assert progress is not None
    assert (progress.stage, progress.step, progress.ns_per_day) == ("minimize", 0, None)


def test_every_beginning_of_a_log_can_be_read() -> None:
    steps = [found.step for end in range(0, len(KILLED), 97) if (found := read_progress(KILLED[:end])) is not None]
    assert steps == sorted(steps)


@pytest.mark.parametrize("name", ["finished", "timed_out"])
def test_at_the_end_it_is_the_last_stage(name: str) -> None:
    log = (LOGS / f"{name}.log").read_text()
    progress = read_progress(log)
    assert progress is not None
    assert f"CSE end={progress.stage} step={progress.step}\n" in log
