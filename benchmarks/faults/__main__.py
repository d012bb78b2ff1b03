"""The fault bench: real signals and damaged files in real productions, each compared with an undisturbed one.

``python -m benchmarks.faults`` creates a profile in a temporary folder, imports the relaxed interface of the
archived demo study, runs its production once without a fault, and then repeatedly with up to five faults per
run. A run must end after at most one command, with no frame lost, none counted twice, an identical reduction,
and no incomplete job called finished. Random choices derive from ``--seed``, the kind and the number of the run.
The last line is the summary, and the exit code is 0 only if all runs hold and each kind had its faults. A kind
that this machine cannot run fails the bench as well, unless ``--only`` leaves it out.
"""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from benchmarks.faults.bench import Bench, Verdict
from benchmarks.faults.kinds import KINDS, QUICK_KINDS, SHORT_KINDS, Kind

__all__ = ["main"]

SEED = 20250718
#: runs per fault that is asked for: a strike misses where a run is over, or no restart file is caught half written
MOST_RUNS = 3
#: faults in a run of all kinds
LEAST = 80
#: flags of Linux: a name space of mounts of its own, mounts that others do not see, and one that ends while in use
_NEW_NAMESPACE, _PRIVATE, _DETACH = 0x20000, 0x44000, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    options = _parse(arguments)
    kinds = _kinds(options)
    with _folder(options.folder) as folder, _stopped_by_signals():
        from benchmarks.faults.setup import make_bench

        began = time.monotonic()
        bench = make_bench(folder)
        print(f"system and undisturbed run after {time.monotonic() - began:.0f} s", flush=True)
        print(HEADER)
        rows: dict[Kind, list[Verdict]] = {}
        for place in dict.fromkeys(kind.place for kind in kinds):
            with _bench_at(place, bench) as here:
                rows |= {kind: _row(kind, here, options, began) for kind in kinds if kind.place == place}
    return _conclude(rows, least=LEAST if kinds == list(KINDS) else 1, seconds=time.monotonic() - began)


WIDTH = 40
#: what of the verdicts is summed up
COLUMNS = ("jobs", "ended", "identical", "lost", "twice", "wrong")
HEADER = (
    f"{'fault':<{WIDTH}} {'faults':>7} {'runs':>5} {'commands':>20} "
    + " ".join(f"{name:>9}" for name in COLUMNS)
    + "      s"
)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="several kinds of faults in each run")
    parser.add_argument("--only", action="append", choices=_names(), metavar="KIND", help="this kind alone")
    parser.add_argument("--seed", type=int, default=SEED, help="of all that is drawn (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the profile is made, and kept; a temporary one without")
    parser.add_argument("--verbose", action="store_true", help="a line for every fault")
    return parser.parse_args(arguments)


def _kinds(options: argparse.Namespace) -> list[Kind]:
    if not options.only:
        return list(QUICK_KINDS if options.quick else KINDS)
    known = (*QUICK_KINDS, *SHORT_KINDS) if options.quick else KINDS
    return [kind for kind in known if kind.name in options.only]


def _names() -> list[str]:
    return list(dict.fromkeys(kind.name for kind in (*KINDS, *QUICK_KINDS, *SHORT_KINDS)))


@contextmanager
def _bench_at(place: str, bench: Bench) -> Iterator[Bench | None]:
    """Yield the bench on the profile of a place; None if its servers do not run here."""
    with ExitStack() as stack:
        here: Bench | None = bench
        if place != "embedded":
            from benchmarks.faults.daemon import daemon_bench, services_bench
            from tests.services.programs import UnavailableError

            try:
                here = stack.enter_context((daemon_bench if place == "daemon" else services_bench)(bench))
            except UnavailableError as error:
                print(error, flush=True)
                here = None
        yield here


def _row(kind: Kind, bench: Bench | None, options: argparse.Namespace, began: float) -> list[Verdict]:
    """Run and print one kind."""
    if bench is None or not kind.possible:
        lack = "server of it" if bench is None else kind.needs
        lack = lack or "file system of the profile's own, which needs root and no --folder"
        print(f"{kind.words:<{WIDTH}} not run: there is no {lack} on this machine", flush=True)
        return []
    verdicts: list[Verdict] = []
    while (
        _hits(verdicts) < kind.count
        and len(verdicts) < MOST_RUNS * kind.count
        and all(one.holds for one in verdicts)
    ):
        seed = f"{options.seed}/{kind.name}/{len(verdicts)}"
        try:
            verdict = kind.run(bench, random.Random(seed))
        except Exception as error:  # the other kinds are tried nevertheless
            traceback.print_exc()
            verdict = Verdict(why=repr(error))
        verdicts.append(verdict)
        if options.verbose or not verdict.holds:
            print(f"  {seed}: {verdict.words}{'' if verdict.holds else f'  FAILS {verdict}'}", flush=True)
    print(_line(kind, verdicts), f"{time.monotonic() - began:6.0f}", flush=True)
    return verdicts


def _line(kind: Kind, verdicts: Sequence[Verdict]) -> str:
    commands = sum(one.commands for one in verdicts)
    command = f"{commands} {kind.command}" if commands else "none"
    columns = [sum(getattr(one, name) for one in verdicts) for name in COLUMNS]
    hits = f"{_hits(verdicts)}/{kind.count}"
    return f"{kind.words:<{WIDTH}} {hits:>7} {len(verdicts):>5} {command:>20} " + " ".join(
        f"{column:>9}" for column in columns
    )


def _conclude(rows: Mapping[Kind, Sequence[Verdict]], *, least: int, seconds: float) -> int:
    verdicts = [verdict for row in rows.values() for verdict in row]
    failed = [one for one in verdicts if not one.holds]
    absent = [kind.name for kind, row in rows.items() if not row]
    missed = [kind.name for kind, row in rows.items() if row and _hits(row) < kind.count]
    lost, twice, wrong = (sum(getattr(one, name) for one in verdicts) for name in ("lost", "twice", "wrong"))
    print(
        f"{_hits(verdicts)} faults in {len(verdicts)} runs, {seconds:.0f} s: {len(verdicts) - len(failed)} as if "
        f"nothing had happened, {len(failed)} not; frames lost {lost}, counted twice {twice}; wrongly called "
        f"finished {wrong}, not ended {sum(not one.ended for one in verdicts)}"
        f"{'; too few faults of ' + ', '.join(missed) if missed else ''}"
        f"{'; not run: ' + ', '.join(absent) if absent else ''}"
    )
    return 1 if failed or missed or absent or _hits(verdicts) < least else 0


def _hits(verdicts: Sequence[Verdict]) -> int:
    return sum(one.hits for one in verdicts)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """Return the folder of the profile, before AiiDA is imported."""
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        folder = kept.absolute() if kept else Path(temporary)
        (folder / ".aiida").mkdir(parents=True, exist_ok=True)
        if kept is None and os.geteuid() == 0:
            _mount_disk(folder / ".aiida")
        os.environ |= {"AIIDA_PATH": str(folder), "OMP_NUM_THREADS": "1"}
        try:
            yield folder
        finally:
            ctypes.CDLL(None).umount2(os.fsencode(folder / ".aiida"), _DETACH)  # of no effect without a mount


def _mount_disk(folder: Path) -> None:
    """Mount a small file system in memory, which only the bench and its children see, and which ends with them."""
    libc = ctypes.CDLL(None)
    private = libc.unshare(_NEW_NAMESPACE) == 0 and libc.mount(b"none", b"/", None, _PRIVATE, None) == 0
    if private:
        libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, b"size=256m")


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the bench as Ctrl-C does, so that none of its processes remain."""

    def stop(number: int, _: object) -> NoReturn:
        raise KeyboardInterrupt(signal.Signals(number).name)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
