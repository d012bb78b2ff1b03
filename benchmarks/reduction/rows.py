"""Rows of the table of the reduction: speed compared with peers, memory and cost against length, threads."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_plan, reduce_segments
from aiida_cse.reduction.segments import Segment, SegmentPlan
from benchmarks.reduction.checks import GROUPS, full, z_only
from benchmarks.reduction.peers import maicos_profiles, mdanalysis_loop, warm_read
from benchmarks.reduction.trajectories import Generated

__all__ = ["HEADER", "Row", "memory_rows", "speed_rows", "thread_rows"]

_NAME = 62
HEADER = f"{'row':<{_NAME}} {'measured':>18} {'required':>14} {'margin':>7}"
#: the fastest of this many passes counts in each round
_REPEATS = 3
_LOOPED_BYTES = 20e9
#: over the file, for wall times
_PASSES = 5
_MEMORY_MB = 500


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes
    ----------
    name, value, unit
        The quantity.
    required
        The target, a lower limit unless ``at_most``; None without a target.
    """

    name: str
    value: float
    unit: str = ""
    required: float | None = None
    at_most: bool = False

    @property
    def margin(self) -> float:
        """Factor by which the target is exceeded; below one if it is missed."""
        if self.required is None:
            return float("inf")
        return self.required / self.value if self.at_most else self.value / self.required

    @property
    def holds(self) -> bool:
        """Whether there is no target or it is reached."""
        return self.margin >= 1

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        limit = "" if self.required is None else f"{'≤' if self.at_most else '≥'} {self.required:g}{unit}"
        margin = "" if self.required is None else f"{self.margin:.2f}"
        verdict = "" if self.holds else "  FAILS"
        return f"{self.name:<{_NAME}} {f'{self.value:,.4g}{unit}':>18} {limit:>14} {margin:>7}{verdict}"


# -- speed ---------------------------------------------------------------------------------------------------


def _rate(frames: int, run: Callable[[], object], repeats: int = 1) -> float:
    """Return frames per second of processor time, the best of several repeats."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return frames / best


def _read(one: Generated) -> float:
    return _rate(one.frames, lambda: warm_read(one.path), _REPEATS)


def _reduce(one: Generated, config: ReductionConfig) -> float:
    return _rate(one.frames, lambda: reduce_segments([one.path], config), _REPEATS)


def _loop(one: Generated, config: ReductionConfig, frames: int) -> float:
    return _rate(frames, lambda: mdanalysis_loop(one.path, config, frames))


def speed_rows(whole: Generated, ions: Generated, *, rounds: int, quick: bool) -> Iterator[Row]:
    """Measure all programs in turn and return rates and their ratios, medians over the rounds."""
    z, everything, ion_z = z_only(whole), full(whole), z_only(ions)
    # the lag is 500 frames, and the loop has to get beyond it
    frames, maicos_frames = (800, 40) if quick else (whole.frames, 200)
    runs: dict[str, Callable[[], float]] = {
        "read": lambda: _read(whole),
        "z": lambda: _reduce(whole, z),
        "loop z": lambda: _loop(whole, z, frames),
        "full": lambda: _reduce(whole, everything),
        "loop full": lambda: _loop(whole, everything, frames),
        "maicos": lambda: _rate(maicos_frames, lambda: maicos_profiles(whole.path, z, GROUPS, maicos_frames)),
        "ions read": lambda: _read(ions),
        "ions z": lambda: _reduce(ions, ion_z),
        "ions loop": lambda: _loop(ions, ion_z, frames),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(run())

    def median(name: str) -> float:
        return statistics.median(rates[name])

    def ratio(name: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(rates[name], rates[other], strict=True))

    per_second = "frames/s"
    yield Row("whole system: warm read", median("read"), per_second)
    yield Row("whole system, z only: reduction", median("z"), per_second)
    yield Row("whole system, z only: loop over MDAnalysis", median("loop z"), per_second)
    yield Row("whole system, profiles of five groups: MAICoS", median("maicos"), per_second)
    yield Row("whole system, full: reduction", median("full"), per_second)
    yield Row("whole system, full: loop over MDAnalysis", median("loop full"), per_second)
    yield Row("ions: warm read", median("ions read"), per_second)
    yield Row("ions, z only: reduction", median("ions z"), per_second)
    yield Row("ions, z only: loop over MDAnalysis", median("ions loop"), per_second)
    yield Row("whole system, z only: of the loop over MDAnalysis", ratio("z", "loop z"), "×", 60)
    yield Row("whole system, z only: of MAICoS, five groups", ratio("z", "maicos"), "×", 900)
    yield Row("whole system, z only: of the warm read", ratio("z", "read"), "×", 0.4)
    yield Row("whole system, full: of the loop over MDAnalysis", ratio("full", "loop full"), "×", 30)
    yield Row("whole system, full: of the warm read", ratio("full", "read"), "×")
    yield Row("ions, z only: of the loop over MDAnalysis", ratio("ions z", "ions loop"), "×")
    yield Row("ions, z only: of the warm read", ratio("ions z", "ions read"), "×", 0.2)


# -- length --------------------------------------------------------------------------------------------------

_LOOPED = """\
import json, sys, time
from pathlib import Path
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_plan
from aiida_cse.reduction.segments import Segment, SegmentPlan
path, frames, loops = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
config = ReductionConfig.model_validate_json(Path(sys.argv[4]).read_text())
plan = SegmentPlan(tuple(Segment(path, 0, frames, number * frames, 0) for number in range(loops)), ())
reduce_plan(SegmentPlan(plan.segments[:1], ()), config)
start = time.process_time()
state = reduce_plan(plan, config)
seconds = time.process_time() - start
state.save(Path(sys.argv[4]).with_suffix(".npz"))
# not ru_maxrss, which a process inherits from the one that started it
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak = int(status["VmHWM"].split()[0])
print(json.dumps({"seconds": seconds, "peak_mb": peak / 1024, "frames": state.frames}))
"""


def _looped(one: Generated, config: ReductionConfig, loops: int) -> dict[str, float]:
    """Reduce a file several times in a separate process."""
    settings = one.path.with_suffix(".json")
    settings.write_text(config.model_dump_json())
    command = [sys.executable, "-c", _LOOPED, str(one.path), str(one.frames), str(loops), str(settings)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def memory_rows(whole: Generated, ions: Generated, *, quick: bool) -> Iterator[Row]:
    """Reduce a long trajectory and a quarter of it, and return memory and cost per frame."""
    cases = [("whole system, z only", whole, z_only(whole)), ("whole system, full", whole, full(whole))]
    if not quick:
        cases.append(("ions, z only", ions, z_only(ions)))
    for name, one, config in cases:
        loops = round(_LOOPED_BYTES / one.path.stat().st_size)
        short, long = _looped(one, config, max(loops // 4, 1)), _looped(one, config, loops)
        gigabytes = loops * one.path.stat().st_size / 1e9
        cost = (long["seconds"] / long["frames"]) / (short["seconds"] / short["frames"])
        yield Row(f"{name}: peak memory, {gigabytes:.0f} GB", long["peak_mb"], "MB", _MEMORY_MB, at_most=True)
        yield Row(f"{name}: cost per frame, {gigabytes:.0f} GB to a quarter of it", cost, "×", 1.15, at_most=True)


# -- threads -------------------------------------------------------------------------------------------------


def thread_rows(*trajectories: Generated) -> Iterator[Row]:
    """Return the gain of two threads in wall time, after checking that they give the same bits."""
    for one in trajectories:
        for name, config in (("z only", z_only(one)), ("full", full(one))):
            alone, two = reduce_segments([one.path], config), reduce_segments([one.path], config, threads=2)
            if not alone.equals(two):
                raise AssertionError(f"{one.path.name}: two threads give another state than one")
            (wall, cpu), (wall_of_two, cpu_of_two) = _times(one, config, 1), _times(one, config, 2)
            label = f"{one.path.name}, {name}: two threads, same bits"
            yield Row(f"{label}, gain in wall time", wall / wall_of_two, "×")
            yield Row(f"{label}, cost in processor time", cpu_of_two / cpu, "×")


def _times(one: Generated, config: ReductionConfig, threads: int) -> tuple[float, float]:
    """Return wall and processor time (s) of several passes over a file, each the best of several repeats."""
    passes = tuple(Segment(one.path, 0, one.frames, number * one.frames, 0) for number in range(_PASSES))
    wall, cpu = [], []
    for _ in range(_REPEATS):
        start, cpu_start = time.perf_counter(), time.process_time()
        reduce_plan(SegmentPlan(passes, ()), config, threads=threads)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    return min(wall), min(cpu)
