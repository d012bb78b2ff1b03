"""Speed of the reduction, compared with a bare read, a loop over MDAnalysis and MAICoS.

``python -m benchmarks.reduction`` writes two seeded trajectories with scheduled transitions (13,284 atoms × 2,000
frames, and their 1,692 ions with a hundred framework atoms × 50,000 frames), checks that all outputs agree, and
measures the programs in turn: frames per second of processor time, on one core, from the page cache. A reduction
takes the frames of a look, 20,000, by several passes over the file. A ratio is the median over the rounds, each of
which measures both sides; of repeats within a round the fastest counts. The last line is the summary, and the exit
code is 0 only if all targets hold. MAICoS is in the extra ``peers``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reduction.checks import check_loop, check_maicos, check_schedule
from benchmarks.reduction.rows import HEADER, Row, memory_rows, speed_rows, thread_rows
from benchmarks.reduction.trajectories import Generated, interface, ions_only, write_trajectory

__all__ = ["main"]

SEED = 20250718
FRAMES, ION_FRAMES, QUICK_ION_FRAMES = 2_000, 50_000, 10_000
ROUNDS, QUICK_ROUNDS = 7, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reduction", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer frames, fewer rounds, shorter loops")
    parser.add_argument("--folder", type=Path, help="where to write the trajectories; a temporary one without")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("maicos") is None:
        parser.error("MAICoS is not installed; install the extra `peers`: pip install -e '.[peers]'")
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        whole, ions = _generate(Path(folder), quick=options.quick)
        os.sched_setaffinity(0, {min(cores)})
        for line in (*check_schedule(whole, ions), *check_loop(whole, ions), *check_maicos(whole)):
            print(line, flush=True)
        print(HEADER)
        rows: list[Row] = []
        for row in speed_rows(whole, ions, rounds=QUICK_ROUNDS if options.quick else ROUNDS, quick=options.quick):
            rows.append(row)
            print(row, flush=True)
        os.sched_setaffinity(0, cores)
        for row in (*memory_rows(whole, ions, quick=options.quick), *thread_rows(whole, ions)):
            rows.append(row)
            print(row, flush=True)
    return _conclude(rows)


def _generate(folder: Path, *, quick: bool) -> tuple[Generated, Generated]:
    whole = write_trajectory(folder / "whole.dcd", interface(), FRAMES, SEED)
    ions = write_trajectory(folder / "ions.dcd", ions_only(), QUICK_ION_FRAMES if quick else ION_FRAMES, SEED + 1)
    for one in (whole, ions):
        size = one.path.stat().st_size / 1e6
        print(f"{one.path.name}: {len(one.composition.labels):,} atoms × {one.frames:,} frames, {size:,.0f} MB")
    return whole, ions


def _conclude(rows: Sequence[Row]) -> int:
    promised = [row for row in rows if row.required is not None]
    failed = [row for row in promised if not row.holds]
    worst = min(promised, key=lambda row: row.margin)
    print(f"{len(promised)} targets, {len(failed)} missed; worst {worst.margin:.2f} × its target ({worst.name})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
