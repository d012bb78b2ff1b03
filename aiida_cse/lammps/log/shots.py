"""Reader of the file in which a job records its short trajectories, one line for each start.

The file may end anywhere, and nothing in it is trusted: a line that is incomplete or impossible is left out, and
the start that it describes then counts as missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.log.reader import LogReport
from aiida_cse.lammps.protocol.stage import JobPlan, Stage

__all__ = ["Shot", "missing_shots", "read_shots", "shot_arrays"]

Floats = NDArray[np.float64]

_KEYS = ("start", "z", "v", "backward", "backward_steps", "followed", "forward", "forward_steps")
_SHOT = re.compile(r"shot=(\w{1,40}) " + " ".join(rf"{key}=(\S{{1,30}})" for key in _KEYS))
_TRACE = re.compile(r"trace=(\w{1,40}) start=(\d{1,9})")
_POINT = re.compile(r"step=(\d{1,9}) z=(\S{1,30})")
#: Å and Å/fs; an ion at 5000 K is slower by orders of magnitude
_FARTHEST, _FASTEST = 1e5, 1.0


@dataclass(frozen=True)
class Shot:
    """One start.

    Attributes
    ----------
    stage
        Name of its stage.
    start
        Its number, from 1.
    z, velocity
        Place of the ion, Å, and its velocity relative to the framework, Å/fs, as drawn.
    backward
        Followed back in time: 1 if the ion reaches the end on its own side, −1 if it meets its start first, 0 if
        it does neither.
    backward_steps, forward_steps
        Lengths of the two trajectories.
    followed
        Whether it is followed forward in any case.
    forward
        Side at the end: −1 (low), 1 (high), or 0 for neither, also without a trajectory.
    trace
        (T,) z at equal intervals of the forward trajectory, from its start, Å; empty unless ``followed``.
    """

    stage: str
    start: int
    z: float
    velocity: float
    backward: int
    backward_steps: int
    followed: bool
    forward: int
    forward_steps: int
    trace: tuple[float, ...]


def read_shots(lines: Iterable[str], plan: JobPlan) -> list[Shot]:
    """Return the starts in the order of the plan; of a start that was repeated, the last one."""
    stages = {stage.name: (number, stage) for number, stage in enumerate(plan.stages) if stage.shots is not None}
    found: dict[tuple[int, int], Shot] = {}
    traced: tuple[str, int] | None = None
    points: list[tuple[int, float]] = []
    for line in lines:
        if not line.endswith("\n"):
            continue
        text = line.strip()
        if match := _TRACE.fullmatch(text):
            traced, points = (match.group(1), int(match.group(2))), []
        elif match := _POINT.fullmatch(text):
            if traced is not None:
                points.append((int(match.group(1)), _number(match.group(2))))
        elif match := _SHOT.fullmatch(text):
            number, stage = stages.get(match.group(1), (-1, None))
            shot = None if stage is None else _shot(match, stage, traced, points)
            if shot is not None:
                found[number, shot.start] = shot
            traced, points = None, []
    return [found[key] for key in sorted(found)]


def _shot(
    match: re.Match[str], stage: Stage, traced: tuple[str, int] | None, points: list[tuple[int, float]]
) -> Shot | None:
    """Return the start of a line; None if its numbers are not those of its stage."""
    shots = stage.shots
    if shots is None:
        return None
    values = dict(zip(_KEYS, map(_number, match.groups()[1:]), strict=True))
    z, velocity = values.pop("z"), values.pop("v")
    most = stage.interval(shots.most_ps)
    ranges = {"start": (1, shots.number), "backward": (-1, 1), "followed": (0, 1), "forward": (-1, 1)}
    ranges |= {"backward_steps": (1, most), "forward_steps": (0, most)}
    # false for NaN
    possible = all(low <= values[key] <= high for key, (low, high) in ranges.items())
    if not (possible and abs(z) <= _FARTHEST and abs(velocity) <= _FASTEST):
        return None
    if not all(value.is_integer() for value in values.values()):
        return None
    count = {key: int(value) for key, value in values.items()}
    trace: tuple[float, ...] = ()
    if count["followed"]:
        every = stage.interval(shots.trace_fs / 1000)
        steps = list(range(0, count["forward_steps"] + 1, every))
        trace = tuple(place for _, place in points)
        known = traced == (stage.name, count["start"]) and [step for step, _ in points] == steps
        if not known or not all(abs(place) <= _FARTHEST for place in trace):
            return None
    return Shot(
        stage.name,
        count["start"],
        z,
        velocity,
        count["backward"],
        count["backward_steps"],
        bool(count["followed"]),
        count["forward"],
        count["forward_steps"],
        trace,
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def missing_shots(plan: JobPlan, report: LogReport, shots: Iterable[Shot]) -> str | None:
    """Return which starts a job lacks that made them according to its log; None if there are none."""
    there = {(shot.stage, shot.start) for shot in shots}
    names = {stage.name for stage in plan.stages if stage.shots is not None}
    for record in report.stages:
        if record.name not in names:
            continue
        made = range(record.first_step - record.start + 1, record.step - record.start + 1)
        missing = [start for start in made if (record.name, start) not in there]
        if missing:
            return f"start {missing[0]} of stage '{record.name}' is missing ({len(missing)} of {len(made)})"
    return None


def shot_arrays(plan: JobPlan, shots: list[Shot], stages: Mapping[str, int]) -> dict[str, NDArray[np.generic]]:
    """Return the starts as arrays, those of :class:`Shot`; ``stages`` numbers the stages by name.

    ``trace`` (N, T) is padded with NaN, and ``time`` (T,) is its time in fs, which all stages of a job share.
    """
    longest = max((len(shot.trace) for shot in shots), default=0)
    trace = np.full((len(shots), longest), np.nan)
    for row, shot in zip(trace, shots, strict=True):
        row[: len(shot.trace)] = shot.trace
    stage = next(stage for stage in plan.stages if stage.shots is not None)
    every = 0 if stage.shots is None else stage.interval(stage.shots.trace_fs / 1000)
    whole = ("start", "backward", "backward_steps", "followed", "forward", "forward_steps")
    return {
        "stage": np.array([stages.get(shot.stage, -1) for shot in shots], dtype=np.int64),
        **{key: np.array([getattr(shot, key) for shot in shots], dtype=np.int64) for key in whole},
        "z_start": np.array([shot.z for shot in shots]),
        "velocity": np.array([shot.velocity for shot in shots]),
        "trace": trace,
        "time": np.arange(longest) * every * stage.timestep_fs,
    }
