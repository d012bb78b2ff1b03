"""Time of the builders for the published interface, and their reproducibility for a seed.

``python -m benchmarks.build`` builds slab, electrolyte and interface of a recipe in two Python processes with
different hash seeds. It prints wall-clock and processor seconds of each part and the checksum of its data file.
The exit code is 0 only if the checksums agree, all parts are neutral and both builds stay within the time limit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import load_recipe
from aiida_cse.lammps.files.system import System

__all__ = ["main"]

RECIPE, QUICK = "llzo-peo-litfsi", "llzo-peo-litfsi-demo"
#: seconds of wall clock that one build may take
LIMIT_S = 120.0
#: e
NEUTRAL = 1e-10
PARTS = ("slab", "electrolyte", "interface")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.build", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"build {QUICK}, not {RECIPE}")
    parser.add_argument("--recipe", help="build this one")
    parser.add_argument("--once", action="store_true", help="build once, in this process, and print JSON")
    options = parser.parse_args(arguments)
    recipe = options.recipe or (QUICK if options.quick else RECIPE)
    if options.once:
        print(json.dumps(build(recipe)))
        return 0
    builds = [_in_another_python(recipe, hash_seed) for hash_seed in (1, 2)]
    return _conclude(recipe, builds)


def build(recipe_name: str) -> list[dict[str, object]]:
    """Build the parts of a recipe; return for each its atoms, charge (e), seconds and checksum."""
    recipe = load_recipe(recipe_name)
    systems: dict[str, System] = {}

    def electrolyte() -> System:
        lx, ly = (float(edge) for edge in systems["slab"].data.lengths[:2])
        return build_electrolyte(recipe, lx, ly)

    def interface() -> System:
        slab = systems["slab"]
        return assemble(cut_slab(slab, slab.data), systems["electrolyte"])

    rows = []
    for part, builder in zip(PARTS, (lambda: build_slab(recipe), electrolyte, interface), strict=True):
        systems[part], wall, cpu = _timed(builder)
        data = systems[part].data
        rows.append(
            {
                "part": part,
                "atoms": data.natoms,
                "charge": math.fsum(data.charges.tolist()),
                "wall_s": wall,
                "cpu_s": cpu,
                "md5": hashlib.md5(data.format().encode(), usedforsecurity=False).hexdigest(),
            }
        )
    return rows


def _timed(builder: Callable[[], System]) -> tuple[System, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    system = builder()
    return system, time.perf_counter() - wall, time.process_time() - cpu


def _in_another_python(recipe: str, hash_seed: int) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.build", "--once", "--recipe", recipe],
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


def _conclude(recipe: str, builds: Sequence[Sequence[dict[str, object]]]) -> int:
    print(f"{'part':<12} {'atoms':>6} {'charge (e)':>10} {'wall (s)':>15} {'processor (s)':>15}  md5")
    for rows in zip(*builds, strict=True):
        wall, cpu = ("/".join(f"{row[key]:.2f}" for row in rows) for key in ("wall_s", "cpu_s"))
        checksums = " ".join(dict.fromkeys(str(row["md5"]) for row in rows))
        part, atoms, charge = rows[0]["part"], rows[0]["atoms"], rows[0]["charge"]
        print(f"{part:<12} {atoms:>6} {charge:>10.1e} {wall:>15} {cpu:>15}  {checksums}")
    first, second = ([row["md5"] for row in rows] for rows in builds)
    slowest = max(sum(float(str(row["wall_s"])) for row in rows) for rows in builds)
    neutral = all(abs(float(str(row["charge"]))) <= NEUTRAL for rows in builds for row in rows)
    failures = [
        words
        for words, wrong in (
            ("the checksums differ", first != second),
            ("a part is not neutral", not neutral),
            (f"slower than {LIMIT_S:g} s", slowest > LIMIT_S),
        )
        if wrong
    ]
    print(f"{recipe}: {slowest:.1f} s of {LIMIT_S:g} s; {'; '.join(failures) or 'same bits, neutral'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
