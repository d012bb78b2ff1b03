"""The electrolyte alone, without a wall: its density after the 21 steps, and the first shell around lithium."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.chemistry import chemistry_of
from aiida_cse.building.electrolyte import build_electrolyte
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.building.wall import remove_wall
from aiida_cse.forcefields.pairs import LENNARD_JONES, Mixing, PairRow
from aiida_cse.lammps.datafile import DataFile
from aiida_cse.lammps.system import System
from benchmarks.physics.lab import Lab, protocol_stages
from benchmarks.physics.rows import Estimate, Row, block_average, time_average
from benchmarks.physics.runs import Run
from benchmarks.physics.structure import first_shell

__all__ = [
    "BOLTZMANN",
    "GEOMETRIC",
    "GRAMS",
    "box_density",
    "density",
    "density_of_all",
    "electrolyte_recipe",
    "neat",
    "volumes",
    "without_wall",
]

#: K
TEMPERATURE = 400.0
#: g/cm³ at 400 K: PEO melt (Tait) and LiTFSI of 140 to 143 cm³/mol, mixed ideally, have 1.27 to 1.31; the rest is
#: room for a model with scaled charges
DENSITY = (1.22, 1.33)
#: Å, diffraction and full-charge simulations
LI_ETHER = (2.0, 2.15)
#: Å; reach of the first shell around lithium
_REACH = 2.8
#: g/mol/Å³ in g/cm³
GRAMS = 1.66053906660
#: g/mol; the model's hydrogen is as heavy as deuterium, the table's is not
_HYDROGEN = 1.008
#: kcal/mol/K
BOLTZMANN = 0.0019872067
#: the rule that the publication names for all unlike pairs
LORENTZ_BERTHELOT: Mixing = "lorentz-berthelot"
#: the rule of OPLS-AA, for pairs of atoms of polymer and salt
GEOMETRIC: Mixing = "geometric-inside-polymer"
#: the stage that is looked at, the last of the 21 steps
LAST = "larsen_21"
#: ps in it after 20 steps at full length; the first quarter is left out, more than 200 ps are averaged
FULL_LAST = 300.0


def density(
    lab: Lab, seed: int, mixing: Mixing = LORENTZ_BERTHELOT, last_ps: float | None = FULL_LAST
) -> Iterator[Row]:
    """Give the rows of the neat electrolyte at 400 K and 1 atm, mixed as the publication says or as OPLS does.

    After the 21 steps at full length with ``last_ps`` in the last of them, or without it those of ``fast``.
    """
    run = neat(lab, TEMPERATURE, seed, mixing, last_ps=last_ps)
    system = run.system
    times, volume = volumes(run)
    used = round(times[-1] - times[0])

    def row(quantity: str, estimate: Estimate, target: tuple[float, float] | None, unit: str) -> Row:
        return Row(f"{_name(mixing)}, {quantity}", system.info.natoms, used, seed, estimate, target, unit)

    found = time_average(_ordinary_mass(system) * GRAMS / volume)
    yield row("density", found, DENSITY, "g/cm³")
    cutoff = run.plan.settings.cutoff
    pairs = chemistry_of(_neat_recipe(lab, seed, mixing)).pairs
    change = -_tail_pressure(system, pairs, float(volume.mean()), cutoff) * _compressibility(volume)
    yield row(f"density with LJ beyond {cutoff:g} Å", found.scaled(1 + change), DENSITY, "g/cm³")
    track = run.track().after(float(times[0]))
    lithium, ether, oxide = (_mask(system, label) for label in ("Li", "OS", "OBT"))
    shell = first_shell(track, lithium, ether, _REACH)
    yield row("Li–O(ether) first maximum", shell.distance, LI_ETHER, "Å")
    yield row(f"O(ether) within {_REACH} Å of Li", shell.neighbours, None, "")
    anions = first_shell(track, lithium, oxide, _REACH)
    yield row(f"O(TFSI) within {_REACH} Å of Li", anions.neighbours, None, "")


def density_of_all(lab: Lab, seeds: Sequence[int], mixing: Mixing = LORENTZ_BERTHELOT) -> Iterator[Row]:
    """Give the mean densities of several electrolytes, which differ in their seed: as run, and with the tail."""
    for rows in islice(zip(*(density(lab, seed, mixing) for seed in seeds), strict=True), 2):
        mean = block_average([row.estimate.value for row in rows])
        length = sum(row.length_ps for row in rows)
        name = rows[0].quantity.replace(", density", f", {len(rows)} seeds, density")
        yield Row(name, rows[0].atoms, length, None, mean, DENSITY, "g/cm³")


def _name(mixing: Mixing) -> str:
    return "PEO:LiTFSI 400 K" + ("" if mixing == LORENTZ_BERTHELOT else ", geometric")


def neat(
    lab: Lab,
    temperature: float,
    seed: int,
    mixing: Mixing = LORENTZ_BERTHELOT,
    pairs: int | None = None,
    last_ps: float | None = None,
) -> Run:
    """Return the run of a periodic box of electrolyte, made by the protocol ``fast`` for electrolytes.

    It has as much salt as the publication's, or ``pairs`` of ions. With ``last_ps``, the 21 steps have their full
    length, those of ``moderate``, but for the last one, which has so much.
    """
    recipe = _neat_recipe(lab, seed, mixing, pairs)
    protocol = "fast" if last_ps is None else "moderate"
    stages = protocol_stages("electrolyte", lab.pick(protocol, "demo"), temperature, barostat="iso")
    stages[-1] |= {"trajectory_ps": lab.pick(0.5, 0.1), "thermo_ps": 0.1}
    if last_ps is not None:
        stages[-1]["duration_ps"] = lab.pick(last_ps, stages[-1]["duration_ps"])
    name = f"electrolyte-{temperature:g}K-{recipe.polymer.chains}x{recipe.polymer.length}"
    if mixing != LORENTZ_BERTHELOT:
        name += f"-{mixing}"
    if pairs is not None:
        name += f"-{pairs}pairs"
    if last_ps is not None:
        name += f"-full-{last_ps:g}ps"
    least = stages[-1]["duration_ps"] / 4
    return lab.run(name, stages, seed, lambda: without_wall(recipe), least_ps=2 * least)


def _neat_recipe(lab: Lab, seed: int, mixing: Mixing, pairs: int | None = None) -> Recipe:
    chains, length, published = lab.sized((8, 20, 16), (2, 20, 4))
    return electrolyte_recipe(chains, length, published if pairs is None else pairs, seed, mixing)


def volumes(run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times (F,) in ps and volumes (F,) in Å³ of the last stage, its first quarter left out."""
    times, found = run.series(LAST, "vol").T
    used = times >= times[-1] / 4
    return times[used], found[used]


def box_density(data: DataFile, volume: Any) -> Any:
    """Return the density in g/cm³ with the masses of the model."""
    return data.masses[data.types - 1].sum() * GRAMS / volume


def electrolyte_recipe(
    chains: int, length: int, pairs: int, seed: int, mixing: Mixing = LORENTZ_BERTHELOT
) -> Recipe:
    """Return the paper's recipe with another electrolyte."""
    content = load_recipe("llzo-peo-litfsi").model_dump()
    content["polymer"] |= {"chains": chains, "length": length}
    content["salt"]["pairs"] = pairs
    content["forcefield"]["mixing"] = mixing
    content["seeds"] = dict.fromkeys(content["seeds"], seed)
    return Recipe.model_validate(content)


def without_wall(recipe: Recipe) -> System:
    """Return the electrolyte as built in a cube, without its wall."""
    edge = _edge(recipe)
    system = build_electrolyte(recipe, edge, edge)
    return system.evolved(remove_wall(system.data))


def _edge(recipe: Recipe) -> float:
    """Return the edge of the cube that the electrolyte fills at its first density, Å."""
    chemistry, pairs = chemistry_of(recipe), recipe.salt.pairs
    parts = ((chemistry.chain, recipe.polymer.chains), (chemistry.cation, pairs), (chemistry.anion, pairs))
    mass = sum(number * float(chemistry.masses[part.types - 1].sum()) for part, number in parts)
    return float(np.cbrt(mass * GRAMS / recipe.electrolyte.density))


def _ordinary_mass(system: System) -> float:
    """Return the mass with ordinary hydrogen, g/mol."""
    masses = np.array([_HYDROGEN if entry.element == "H" else entry.mass for entry in system.info.types])
    return float(masses[system.data.types - 1].sum())


def _tail_pressure(system: System, pairs: Sequence[PairRow], volume: float, cutoff: float) -> float:
    """Return the pressure (kcal/mol/Å³) that Lennard-Jones pairs beyond the cutoff (Å) would add.

    The tail correction of a homogeneous liquid (Allen and Tildesley, Computer Simulation of Liquids, section 2.8),
    summed over pairs of types. A layer between surfaces has no such correction, so the runs do without.
    """
    numbers = np.bincount(system.data.types, minlength=len(system.info.types) + 1) / volume
    total = 0.0
    for pair in pairs:
        if pair.style == LENNARD_JONES:
            epsilon, sigma = pair.coefficients
            x = (sigma / cutoff) ** 3
            both = (1 if pair.i == pair.j else 2) * float(numbers[pair.i] * numbers[pair.j])
            total += both * 16 / 3 * np.pi * epsilon * sigma**3 * (2 / 3 * x**3 - x)
    return float(total)


def _compressibility(volume: NDArray[np.float64]) -> float:
    """Return the isothermal compressibility, Å³/(kcal/mol), from the fluctuations of the volume."""
    return float(volume.var() / (volume.mean() * BOLTZMANN * TEMPERATURE))


def _mask(system: System, label: str) -> Any:
    return np.isin(system.data.types, system.info.type_numbers(labels=(label,)))
