"""MD of the published interface: the published settings and those of the protocols, speed and force error.

``python -m benchmarks.md`` builds the interface of 13,284 atoms, compresses it to the density of a melt, and runs
each row in turn, several times. A row gives the steps per processor second (median of its runs, with lowest and
highest), the ratio to the published settings (median over the rounds), the root mean square error of the forces
(kcal/mol/Å) and the error of the pressure (atm) relative to an Ewald sum at 1e-6, and milliseconds per step of
pairs, k-space and neighbour lists. Smaller and larger systems follow. The exit code is 0 only if the settings of
the protocols are at least three times as fast as the published ones, with a smaller force error.

Processor seconds are those reported by LAMMPS, which depend only weakly on other work on the machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.protocol.stage import RunSettings
from benchmarks.md.runs import (
    Measurement,
    Variant,
    default_bins,
    in_force_field,
    in_script,
    measure,
    overlay,
    protocol_settings,
)
from benchmarks.md.system import dense_interface

__all__ = ["main"]

PUBLISHED, OURS = "published: overlay, Ewald 1e-4", "moderate, omp"
REFERENCE = Variant("Ewald 1e-6", RunSettings(kspace_style="ewald", kspace_accuracy=1e-6))
#: times the steps per processor second of the published settings; the smaller system of --quick gains less
TARGET, QUICK_TARGET = 3.0, 1.6
QUICK_SIZE = 0.25


_PAPER, _MODERATE = protocol_settings("paper"), protocol_settings("moderate")
_OMP = _MODERATE.model_copy(update={"accelerator": "omp"})

HEADER = (
    f"{'settings':<40} {'steps per processor second':>26} {'gain':>6} {'force':>7} {'press.':>6} "
    f"{'pairs':>6} {'kspace':>6} {'lists':>6}"
)

#: what is compared
ROWS = (
    Variant(PUBLISHED, _PAPER.model_copy(update={"exact": False, "skin": 2.0}), overlay),
    Variant("protocol paper: hybrid, Ewald 1e-4", _PAPER),
    Variant("moderate: hybrid, PPPM 7e-6, order 6", _MODERATE),
    Variant(OURS, _OMP),
    Variant("moderate, opt", _MODERATE.model_copy(update={"accelerator": "opt"})),
)


def _with_mesh(accuracy: float, order: int) -> RunSettings:
    return _OMP.model_copy(update={"kspace_accuracy": accuracy, "kspace_order": order})


#: what else was tried, each a change of ours
TRIED = (
    Variant(f"{OURS}, exact: false", _OMP.model_copy(update={"exact": False})),
    Variant(f"{OURS}, never sorted", _OMP, in_script(r"^atom_modify sort .*$", "atom_modify sort 0 0.0")),
    Variant(f"{OURS}, default bins", _OMP, default_bins),
    Variant(f"{OURS}, skin 2", _OMP.model_copy(update={"skin": 2.0})),
    Variant(f"{OURS}, skin 3.5", _OMP.model_copy(update={"skin": 3.5})),
    Variant(f"{OURS}, order 5 at 1e-5", _with_mesh(1e-5, 5)),
    Variant(f"{OURS}, order 5 at 3e-5", _with_mesh(3e-5, 5)),
    Variant(f"{OURS}, order 6 at 2e-5", _with_mesh(2e-5, 6)),
    Variant(f"{OURS}, order 7", _with_mesh(7e-6, 7)),
    Variant(f"{OURS}, mesh of OPENMP", _OMP, in_script(r"^suffix off$", "")),
    Variant(f"{OURS}, diff ad", _OMP, in_script(r"^(kspace_style .*)$", r"\1\nkspace_modify diff ad")),
    Variant(f"{OURS}, Coulomb to 10 Å", _OMP, in_force_field(r"\$\{cutoff\}", "${cutoff} 10")),
    Variant(f"{OURS}, no tables", _OMP, in_force_field(r"^(special_bonds .*)$", r"\1\npair_modify table 0")),
    Variant(f"{OURS}, overlay", _OMP, overlay),
    Variant(
        f"{OURS}, k-space every 4 fs",
        _OMP,
        in_script(
            r"^timestep 2$",
            "timestep 4\nrun_style respa 2 2 bond 1 angle 1 dihedral 1 improper 1 pair 1 kspace 2",
        ),
        substeps=2,
    ),
)
#: how two cores are used; waiting counts as work, so that it says something on an idle machine only
LAYOUTS = (
    Variant("moderate, omp, 2 threads", _OMP.model_copy(update={"exact": False, "threads": 2})),
    Variant(f"{OURS}, 2 processes", _OMP, processes=2),
)


@dataclass
class Row:
    """A variant with its runs, and its errors of forces in kcal/mol/Å and of pressure in atm."""

    variant: Variant
    error: float = 0.0
    pressure_error: float = 0.0
    runs: list[Measurement] = field(default_factory=list)

    @property
    def speeds(self) -> list[float]:
        """Steps per processor second of each run."""
        return [1 / run.cpu_s for run in self.runs]

    def gain(self, published: Row) -> float:
        """Return the speed relative to ``published``, run by run in the same round."""
        pairs = zip(self.runs, published.runs, strict=True)
        return statistics.median(theirs.cpu_s / ours.cpu_s for ours, theirs in pairs)

    def line(self, published: Row) -> str:
        """Return the line of the table."""
        low, middle, high = min(self.speeds), statistics.median(self.speeds), max(self.speeds)
        parts = (
            f"{1000 * statistics.median(run.parts.get(part, 0.0) for run in self.runs):>6.1f}"
            for part in ("Pair", "Kspace", "Neigh")
        )
        speed = f"{middle:.2f} ({low:.2f} to {high:.2f})"
        return (
            f"{self.variant.name:<40} {speed:>26} {self.gain(published):>6.2f} "
            f"{self.error:>7.4f} {self.pressure_error:>6.0f} {' '.join(parts)}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.md", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_SIZE:g} of the atoms, fewer and shorter runs"
    )
    parser.add_argument("--rounds", type=int, help="how often each row runs")
    parser.add_argument("--steps", type=int, default=60, help="steps of each run")
    parser.add_argument("--tried", action="store_true", help="also what was tried and not taken")
    parser.add_argument("--layouts", action="store_true", help="also threads and processes, on two idle cores")
    options = parser.parse_args(arguments)
    size, target, rounds = (QUICK_SIZE, QUICK_TARGET, 2) if options.quick else (1.0, TARGET, 3)
    system = dense_interface(size)
    variants = ROWS + (TRIED if options.tried else ()) + (LAYOUTS if options.layouts else ())
    rows = _compared(system, variants, options.steps, options.rounds or rounds)
    if not options.quick:
        _sizes(system, options.steps)
    return _conclude(rows, target)


def _compared(system: System, variants: Sequence[Variant], steps: int, rounds: int) -> list[Row]:
    """Run all variants in turn, so that other work on the machine affects them equally, and print the table."""
    reference = measure(REFERENCE, system, 1)
    rows = [Row(variant) for variant in variants]
    for _ in range(rounds):
        for row in rows:
            row.runs.append(measure(row.variant, system, steps))
            row.error = row.runs[-1].error(reference.forces)
            row.pressure_error = row.runs[-1].pressure - reference.pressure
            print(f"{row.variant.name}: {row.speeds[-1]:.2f}", file=sys.stderr, flush=True)
    print(f"{system.info.natoms} atoms, {rounds} runs of {steps} steps of 2 fs at 600 K\n{HEADER}")
    for row in rows:
        print(row.line(rows[0]), flush=True)
    return rows


def _sizes(system: System, steps: int) -> None:
    """Print the cost of the published and the protocols' settings against the number of atoms."""
    names = (PUBLISHED, OURS)
    print(
        f"{'share':>5} {'atoms':>6} " + " ".join(f"{name:>31}" for name in names) + "  steps per processor second"
    )
    for size, natoms, copies, interface in _of_each_size(system):
        shown = [
            f"{1 / measure(variant, interface, steps, copies=copies).cpu_s:>31.2f}"
            for variant in ROWS
            if variant.name in names
        ]
        print(f"{size:>5g} {natoms:>6} " + " ".join(shown), flush=True)


def _of_each_size(system: System) -> Iterator[tuple[float, int, int, System]]:
    """Yield the share of the published size, the atoms, and the system whose copies lie side by side."""
    for size, interface in ((QUICK_SIZE, dense_interface(QUICK_SIZE)), (1.0, system)):
        for copies in (1, 2):
            yield copies * size, copies * interface.info.natoms, copies, interface


def _conclude(rows: Sequence[Row], target: float) -> int:
    published, ours = (next(row for row in rows if row.variant.name == name) for name in (PUBLISHED, OURS))
    gain = ours.gain(published)
    failures = [
        words
        for words, wrong in (
            (f"less than {target:g} times as fast", gain < target),
            ("the forces are not nearer to the reference", ours.error >= published.error),
        )
        if wrong
    ]
    print(
        f"{OURS}: {gain:.2f} times the steps of the published settings (target {target:g}), force error "
        f"{ours.error:.4f} against {published.error:.4f} kcal/mol/Å; {'; '.join(failures) or 'holds'}"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
