"""The mutation benchmark: faults planted in a validation, and the checks of ``aiida-cse validate`` that see them.

``python -m benchmarks.mutations`` makes one validation, plants every fault of ``kinds`` and ``blind`` in turn, in
the code of the analysis, the states, the results, the kinetics or the physics of its hottest run, and prints how
many of each kind at least one check sees. Then the checks are made for further seeds without a fault. The runs are
those of the landscape, by an integrator of the benchmark's own instead of LAMMPS, so that twenty seeds take
minutes; all that follows a trajectory is the package. The seeds without a fault are those of smaller and shorter
worlds. The last line is the figure, and the exit code is 0 only if 95 % of the faults are caught and all seeds
without a fault pass.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.mutations.faults import FAULTS, KINDS, Fault, FaultError
from benchmarks.mutations.world import StoredValidation, outcome

__all__ = ["main"]

#: modules with faults; those of the second are by a person who has not read the checks
MODULES = ("kinds", "blind")
#: share of the faults that must be caught, and seeds that must pass without one
CAUGHT, SEEDS = 0.95, 20
#: faults per kind in a quick run, and its seeds
QUICK_FAULTS, QUICK_SEEDS = 2, 1
WIDTH = 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    options = _parse(arguments)
    for module in MODULES:
        importlib.import_module(f"benchmarks.mutations.{module}")
    chosen = _chosen(options)
    began = time.monotonic()
    validation = StoredValidation.made(options.seed, options.protocol, options.folder)
    checks = validation.checks()
    failed = [f"{check['quantity']} of {check['run']}" for check in checks if not check["holds"]]
    print(
        f"seed {options.seed}: {len(checks)} checks, {len(failed)} fail without a fault {failed or ''}", flush=True
    )
    caught = _plant(validation, chosen, set(failed), verbose=options.verbose)
    passed = _unplanted(options)
    return _conclude(chosen, caught, passed, len(failed), time.monotonic() - began)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_FAULTS} faults of each kind and one seed")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="faults of this kind, module or name alone"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the validation with the faults (%(default)s)")
    parser.add_argument("--seeds", type=int, help=f"number of seeds without a fault ({SEEDS})")
    parser.add_argument("--protocol", choices=("quick", "full"), default="quick", help="size (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where states are kept, so that they are made once")
    parser.add_argument("--verbose", action="store_true", help="a line for every fault")
    return parser.parse_args(arguments)


def _chosen(options: argparse.Namespace) -> list[Fault]:
    names = options.only
    chosen = [one for one in FAULTS if not names or {one.kind, one.module, one.name} & set(names)]
    if options.quick and not names:
        of_kind = {kind: [one for one in chosen if one.kind == kind and one.where != "physics"] for kind in KINDS}
        chosen = [one for faults in of_kind.values() for one in faults[:QUICK_FAULTS]]
    return chosen


def _plant(
    validation: StoredValidation, chosen: Sequence[Fault], known: set[str], *, verbose: bool
) -> dict[str, list[str]]:
    """Return the checks that see each fault, by its name, except those that fail without one (``known``)."""
    caught = {}
    for one in chosen:
        try:
            caught[one.name] = [name for name in outcome(validation, one) if name not in known]
        except FaultError as error:
            caught[one.name] = []
            print(f"  {error}", flush=True)
        if verbose or not caught[one.name]:
            seen = "; ".join(caught[one.name][:3]) or "NOT SEEN"
            print(f"  {one.kind:<{WIDTH}} {one.name} ({one.where}, {one.module}): {seen}", flush=True)
    return caught


def _unplanted(options: argparse.Namespace) -> list[bool]:
    number = options.seeds if options.seeds is not None else QUICK_SEEDS if options.quick else SEEDS
    passed = []
    for seed in range(options.seed + 1, options.seed + 1 + number):
        failed = outcome(StoredValidation.made(seed, "short", options.folder), None)
        passed.append(not failed)
        print(f"  seed {seed} without a fault: {'; '.join(failed) or 'all checks hold'}", flush=True)
    return passed


def _conclude(
    chosen: Sequence[Fault], caught: dict[str, list[str]], passed: list[bool], failed: int, seconds: float
) -> int:
    """Print the table and the figure, and return the exit code."""
    print(f"{'kind':<{WIDTH}} {'planted':>8} {'caught':>7}   by others: planted, caught")
    for kind in KINDS:
        own = [one for one in chosen if one.kind == kind]
        blind = [one for one in own if one.module == "blind"]
        seen, found = (sum(bool(caught[one.name]) for one in group) for group in (own, blind))
        print(f"{kind:<{WIDTH}} {len(own):>8} {seen:>7}   {len(blind):>20}, {found}")
    total, seen = len(chosen), sum(bool(found) for found in caught.values())
    share = seen / total if total else 1.0
    print(
        f"{seen} of {total} faults caught ({100 * share:.1f} %, {100 * CAUGHT:.0f} % needed); "
        f"{sum(passed)} of {len(passed)} seeds without a fault pass, {seconds:.0f} s"
    )
    return int(share < CAUGHT or not all(passed) or failed > 0)


if __name__ == "__main__":
    sys.exit(main())
