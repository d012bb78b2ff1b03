"""The crystal: lattice constant, first shells and the diffusion of lithium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.lammps.files.system import System
from benchmarks.physics.lab import Lab
from benchmarks.physics.rows import Row, time_average
from benchmarks.physics.runs import Run, Track
from benchmarks.physics.structure import Shell, diffusion, first_shell

__all__ = ["crystal", "crystal_run", "crystal_stages", "lattice"]

#: Å; measured before with 192 atoms, a cutoff of 8.5 Å and Ewald sums (Zr–O set A), at these temperatures (K)
CONSTANTS = {300.0: 12.873, 800.0: 12.997}
#: relative, for the lattice constant
_TOLERANCE = 0.01
#: Å; first maximum of g(r) in those runs, and a tolerance of the width of two of their bins
_DISTANCES = {"La": 2.52, "Zr": 2.12, "Li": 1.96}
_DISTANCE_TOLERANCE = 0.16
#: neighbours within _REACH (Å): 8 and 6 in the garnet, 4 or 6 around lithium, of which nothing is asked
_NEIGHBOURS = {"La": (7.5, 8.5), "Zr": (5.8, 6.2), "Li": None}
_REACH = {"La": 3.2, "Zr": 3.2, "Li": 2.7}
#: cm²/s at 800 K in those runs, within a factor
_DIFFUSION, _FACTOR = 2.1e-5, 2.0
#: ps of a run, those that are left out, and the lags between which the mean squared displacement is fitted
_LENGTH, _SETTLING, _LAGS = 120.0, 20.0, (2.0, 10.0)
#: of a quick one
_QUICK_LENGTH, _QUICK_SETTLING, _QUICK_LAGS = 12.0, 2.0, (0.4, 1.0)


def lattice(lab: Lab, temperature: float, seed: int) -> Iterator[Row]:
    """Return the rows of a periodic crystal at a temperature (K) and 1 atm."""
    run = crystal_run(lab, temperature, seed)
    settling, lags = lab.pick((_SETTLING, _LAGS), (_QUICK_SETTLING, _QUICK_LAGS))
    system, track = run.system, run.track().after(settling)
    atoms, used = system.info.natoms, round(float(np.ptp(track.times)))

    def row(quantity: str, *rest: Any) -> Row:
        return Row(f"LLZO {temperature:g} K, {quantity}", atoms, used, seed, *rest)

    constant = CONSTANTS[temperature]
    near = (constant * (1 - _TOLERANCE), constant * (1 + _TOLERANCE))
    yield row("a = V^(1/3)", time_average(_edges(run, settling) / _cells(lab)), near, "Å")
    for cation, shell in _shells(system, track).items():
        distance = _DISTANCES[cation]
        around = (distance - _DISTANCE_TOLERANCE, distance + _DISTANCE_TOLERANCE)
        yield row(f"{cation}–O first maximum", shell.distance, around, "Å")
        yield row(f"O within {_REACH[cation]} Å of {cation}", shell.neighbours, _NEIGHBOURS[cation], "")
    if temperature == max(CONSTANTS):
        found = diffusion(
            track,
            _mask(system, "Li"),
            _mask(system, "La") | _mask(system, "Zr"),
            system.data.masses[system.data.types - 1],
            lags,
        )
        yield row("D(Li)", found, (_DIFFUSION / _FACTOR, _DIFFUSION * _FACTOR), "cm²/s")


def crystal_run(lab: Lab, temperature: float, seed: int) -> Run:
    """Return the run of a periodic crystal at a temperature (K) and 1 atm."""
    cells = _cells(lab)
    return lab.run(
        f"crystal-{temperature:g}K-{cells}",
        crystal_stages(temperature, lab.pick(_LENGTH, _QUICK_LENGTH)),
        seed,
        lambda: crystal((cells, cells, cells), seed),
        least_ps=2 * lab.pick(_SETTLING, _QUICK_SETTLING),
    )


def _cells(lab: Lab) -> int:
    return lab.sized(2, 1)


def crystal(repeat: tuple[int, int, int], seed: int) -> System:
    """Return a periodic crystal of the published structure with so many cells and lithium drawn with ``seed``."""
    content = load_recipe("llzo-peo-litfsi").model_dump()
    content["ceramic"]["repeat"] = repeat
    content["seeds"]["slab"] = seed
    return build_slab(Recipe.model_validate(content))


def crystal_stages(temperature: float, length_ps: float) -> list[dict[str, Any]]:
    """Return shortened stages of the protocol for a ceramic, with a trajectory in the last one."""
    return [
        {"name": "minimize", "kind": "minimize", "max_iterations": 1000},
        {
            "name": "ramp",
            "kind": "nvt",
            "duration_ps": min(10.0, length_ps),
            "temperature": [100, temperature],
            "velocities": 100,
        },
        {
            "name": "crystal",
            "kind": "npt",
            "duration_ps": length_ps,
            "temperature": temperature,
            "pressure": 1,
            "barostat": "xy-z",
            "thermo_ps": 0.1,
            "trajectory_ps": 0.2,
        },
    ]


def _edges(run: Run, settling: float) -> Any:
    """Return the edge of a cube with the volume of the box over time, Å."""
    times, volumes = run.series("crystal", "vol").T
    return np.cbrt(volumes[times >= settling])


def _shells(system: System, track: Track) -> dict[str, Shell]:
    oxygen = _mask(system, "O")
    return {cation: first_shell(track, _mask(system, cation), oxygen, reach) for cation, reach in _REACH.items()}


def _mask(system: System, label: str) -> Any:
    return np.isin(system.data.types, system.info.type_numbers(labels=(label,)))
