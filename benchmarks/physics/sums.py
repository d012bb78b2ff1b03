"""Errors of the electrostatic sums of two protocols in forces and pressure, phase by phase."""

from __future__ import annotations

from collections.abc import Iterator

from aiida_cse.lammps.protocol.stage import RunSettings
from benchmarks.md.runs import Measurement, Variant, measure, protocol_settings
from benchmarks.physics.conservation import relaxed_interface
from benchmarks.physics.density import Electrolyte, neat
from benchmarks.physics.lab import Lab
from benchmarks.physics.lattice import crystal_run
from benchmarks.physics.rows import Estimate, Row
from benchmarks.physics.runs import Run

__all__ = ["sums"]

_REFERENCE = RunSettings(kspace_style="ewald", kspace_accuracy=1e-6)
#: K
_TEMPERATURE = 300.0


def sums(lab: Lab, box: Electrolyte) -> Iterator[Row]:
    """Return the errors of `paper` and of `moderate`, which must be smaller, relative to Ewald sums at 1e-6."""
    for name, run in (
        (f"LLZO {_TEMPERATURE:g} K", crystal_run(lab, _TEMPERATURE, box.seed)),
        (f"PEO:LiTFSI {box.temperature:g} K", neat(lab, box)),
        # LAMMPS expects too little of what a mesh leaves out in a cell as long as this one
        ("interface of 1 × 1 cells", relaxed_interface(lab, box.seed)),
    ):
        yield from _of_one(name, run)


def _of_one(name: str, run: Run) -> Iterator[Row]:
    """Return the errors at the last configuration of a run."""
    reference, paper, moderate = (
        _at_the_end(run, settings)
        for settings in (_REFERENCE, protocol_settings("paper"), protocol_settings("moderate"))
    )

    def row(quantity: str, value: float, target: tuple[float, float] | None, unit: str) -> Row:
        return Row(f"{name}, {quantity}", run.system.info.natoms, 0, run.plan.seed, Estimate(value), target, unit)

    forces = [made.error(reference.forces) for made in (paper, moderate)]
    pressures = [made.pressure - reference.pressure for made in (paper, moderate)]
    yield row("error of forces, paper", forces[0], None, "kcal/mol/Å")
    yield row("error of forces, moderate", forces[1], (0, forces[0]), "kcal/mol/Å")
    yield row("error of the pressure, paper", pressures[0], None, "atm")
    yield row("error of the pressure, moderate", pressures[1], (-abs(pressures[0]), abs(pressures[0])), "atm")


def _at_the_end(run: Run, settings: RunSettings) -> Measurement:
    return measure(Variant(run.name, settings), run.system.evolved(run.final), 1)
