"""Rows of the table of the reduction: speed compared with peers, memory and cost against length, threads."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_plan, reduce_segments
from aiida_cse.reduction.segments import Segment, SegmentPlan
from benchmarks.reduction.checks import GROUPS, full, moderate, z_only
from benchmarks.reduction.peers import maicos_profiles, mdanalysis_loop, warm_read
from benchmarks.reduction.trajectories import CHAIN, Generated

__all__ = ["HEADER", "Row", "memory_rows", "speed_rows", "thread_rows"]

_NAME = 62
HEADER = f"{'row':<{_NAME}} {'measured':>18} {'required':>14} {'margin':>7}"
#: the fastest of this many passes counts in each round
_REPEATS = 3
_LOOPED_BYTES = 20e9
#: frames of a reduction: those of 40 ns, the first look of the protocol ``moderate``, 2 ps apart
_LOOK_FRAMES = 20_000
_THREAD_ROUNDS = 5
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
    plan = _look(one)
    return _rate(plan.frames, lambda: reduce_plan(plan, config), _REPEATS)


def _copied(one: Generated) -> Generated:
    """Return a copy of a file, which the page cache holds in large pieces."""
    path = one.path.with_name(f"copied_{one.path.name}")
    shutil.copyfile(one.path, path)
    return replace(one, path=path)


def _loop(one: Generated, config: ReductionConfig, frames: int) -> float:
    return _rate(frames, lambda: mdanalysis_loop(one.path, config, frames))


def speed_rows(whole: Generated, ions: Generated, *, rounds: int, quick: bool) -> Iterator[Row]:
    """Measure all programs in turn and return rates and their ratios, medians over the rounds.

    The page cache holds the files as LAMMPS leaves them. Peers are compared on a copy, where it counts least.
    """
    z, everything, ion_z, copied = z_only(whole), full(whole), z_only(ions), _copied(whole)
    # the lag is 500 frames, and the loop has to get beyond it
    frames, maicos_frames = (800, 40) if quick else (whole.frames, 200)
    runs: dict[str, Callable[[], float]] = {
        "read": lambda: _read(whole),
        "z": lambda: _reduce(whole, z),
        "moderate": lambda: _reduce(whole, moderate(whole)),
        "full": lambda: _reduce(whole, everything),
        "copied read": lambda: _read(copied),
        "copied z": lambda: _reduce(copied, z),
        "copied full": lambda: _reduce(copied, everything),
        "loop z": lambda: _loop(copied, z, frames),
        "loop full": lambda: _loop(copied, everything, frames),
        "maicos": lambda: _rate(maicos_frames, lambda: maicos_profiles(copied.path, z, GROUPS, maicos_frames)),
        "ions read": lambda: _read(ions),
        "ions z": lambda: _reduce(ions, ion_z),
        "ions loop": lambda: _loop(ions, ion_z, frames),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(run())

    for name, words in (
        ("read", "whole system: warm read"),
        ("z", "whole system, z only: reduction"),
        ("full", "whole system, full: reduction"),
        ("copied read", "copy: warm read"),
        ("copied z", "copy, z only: reduction"),
        ("copied full", "copy, full: reduction"),
        ("loop z", "copy, z only: loop over MDAnalysis"),
        ("loop full", "copy, full: loop over MDAnalysis"),
        ("maicos", "copy, profiles of five groups: MAICoS"),
        ("ions read", "ions: warm read"),
        ("ions z", "ions, z only: reduction"),
        ("ions loop", "ions, z only: loop over MDAnalysis"),
    ):
        yield Row(words, statistics.median(rates[name]), "frames/s")
    for name, other, words, required in (
        ("z", "read", "whole system, z only: of the warm read", 0.4),
        ("moderate", "read", "whole system, moderate: of the warm read", 0.3),
        ("full", "read", "whole system, full: of the warm read", 0.3),
        ("copied z", "copied read", "copy, z only: of the warm read", None),
        ("copied full", "copied read", "copy, full: of the warm read", None),
        ("copied z", "loop z", "copy, z only: of the loop over MDAnalysis", 60),
        ("copied full", "loop full", "copy, full: of the loop over MDAnalysis", 30),
        ("copied z", "maicos", "copy, z only: of MAICoS, five groups", 900),
        ("ions z", "ions read", "ions, z only: of the warm read", 0.2),
        ("ions z", "ions loop", "ions, z only: of the loop over MDAnalysis", None),
    ):
        ratio = statistics.median(a / b for a, b in zip(rates[name], rates[other], strict=True))
        yield Row(words, ratio, "×", required)


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
    """Return the gains of two threads, what limits them, and that two threads give the same bits.

    A gain is the processor time of one thread over that of the slower of two that run at the same time, including
    the merge of their states. On an idle machine it is the gain in wall time, which is printed too; on a busy one
    it leaves out the time in which a thread waits for a core.

    The roofline has two sides: the gains of two threads that only read the file from the page cache, and of two
    that only compute within their cache. From the share of the reading in a pass follows the largest gain that it
    can have. The full pass has to gain 1.7, and so has the pass along z, unless the memory does not allow it: then
    0.9 of what two threads gain that only read.
    """
    path, size = trajectories[0].path, trajectories[0].path.stat().st_size
    numbers, copied = np.ones(2**24), np.ones(2**24)
    limits: dict[str, float] = {}
    for name, half in (
        ("reading", lambda part: _read_part(path, part * size // 2, size // 2)),
        ("copying", lambda part: np.copyto(copied[part::2], numbers[part::2])),
        ("computing", lambda part: [sha256(bytes(2**16)) for _ in range(2000)]),
    ):
        limits[name], wall, _ = _gains(lambda half=half: (half(0), half(1)), half)
        yield Row(f"roofline of two threads: {name}", limits[name], "×")
        yield Row(f"roofline of two threads: {name}, in wall time", wall, "×")
    for one in trajectories:
        for name, config in (("z only", z_only(one)), ("full", full(one))):
            alone, two = reduce_segments([one.path], config), reduce_segments([one.path], config, threads=2)
            if not alone.equals(two):
                raise AssertionError(f"{one.path.name}: two threads give another state than one")
            whole = _look(one)
            parts = whole.split(whole.frames // 2)
            gain, wall, seconds = _gains(
                lambda whole=whole, config=config: reduce_plan(whole, config),
                lambda part, parts=parts, config=config: reduce_plan(parts[part], config),
                lambda states: states[0].merge(states[1]),
            )
            reading = _read_share(one, name) * whole.frames / _read(one) / seconds
            ceiling = 1 / (reading / limits["reading"] + (1 - reading) / limits["computing"])
            required = 1.7 if name == "full" else min(1.7, 0.9 * limits["reading"])
            label = f"{one.path.name}, {name}: two threads, same bits"
            yield Row(f"{label}, gain", gain, "×", round(required, 2))
            yield Row(f"{label}, gain in wall time", wall, "×")
            yield Row(f"{label}, roofline", ceiling, "×")


def _look(one: Generated) -> SegmentPlan:
    """Return the plan of several passes over a file, as many frames as a look has."""
    passes = range(max(round(_LOOK_FRAMES / one.frames), 1))
    return SegmentPlan(tuple(Segment(one.path, 0, one.frames, k * one.frames, 0) for k in passes), ())


def _read_share(one: Generated, name: str) -> float:
    """Return the part of a file that a pass reads: of large frames z, and x and y of the slab and the ions."""
    if one.frame_bytes < 2**16:
        return 1.0
    polymer = one.composition.chains * len(CHAIN) / len(one.composition.labels)
    return 1 / 3 if name == "z only" else 1 - polymer * 2 / 3


def _gains(
    alone: Callable[[], object], half: Callable[[int], Any], join: Callable[[list[Any]], object] | None = None
) -> tuple[float, float, float]:
    """Compare one thread that does everything with two that do a half each and then join their results.

    Returns the gains in processor time (of the slower thread) and in wall time, medians over the rounds, and the
    least processor time of one thread, s.
    """
    gains, walls, least = [], [], float("inf")

    def timed(part: int) -> tuple[float, Any]:
        start = time.thread_time()
        result = half(part)
        return time.thread_time() - start, result

    with ThreadPoolExecutor(2) as pool:
        for _ in range(_THREAD_ROUNDS):
            wall, cpu = time.perf_counter(), time.thread_time()
            alone()
            one, one_wall = time.thread_time() - cpu, time.perf_counter() - wall
            wall = time.perf_counter()
            done = list(pool.map(timed, (0, 1)))
            cpu = time.thread_time()
            if join is not None:
                join([result for _, result in done])
            two = max(seconds for seconds, _ in done) + time.thread_time() - cpu
            gains.append(one / two)
            walls.append(one_wall / (time.perf_counter() - wall))
            least = min(least, one)
    return statistics.median(gains), statistics.median(walls), least


def _read_part(path: Path, offset: int, size: int) -> None:
    """Read ``size`` bytes of a file into one buffer, as the reduction does."""
    buffer, stop = bytearray(2**20), offset + size
    with path.open("rb", buffering=0) as file:
        while offset < stop:
            offset += max(os.preadv(file.fileno(), [buffer], offset), 1)
