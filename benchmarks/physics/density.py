"""The electrolyte without a wall: its density after the 21 steps, and the first shell around lithium."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.forcefields.pairs import Mixing
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import WALL_MOLECULE, System
from benchmarks.physics.lab import Lab, protocol_stages
from benchmarks.physics.rows import Estimate, Row, block_average, time_average
from benchmarks.physics.runs import Run
from benchmarks.physics.structure import first_shell

__all__ = [
    "GRAMS",
    "Electrolyte",
    "attracted",
    "box_density",
    "density",
    "density_of_all",
    "electrolyte_recipe",
    "neat",
    "volumes",
    "with_tail",
    "without_wall",
]

#: g/cm³ at 400 K: PEO melt (Tait) and LiTFSI of 140 to 143 cm³/mol, mixed ideally, have 1.27 to 1.31; the rest is
#: room for a model with scaled charges. In what a table is of, molecules attract each other at any distance
DENSITY = (1.22, 1.33)
#: Å, diffraction and full-charge simulations
LI_ETHER = (2.0, 2.15)
#: Å; reach of the first shell around lithium
_REACH = 2.8
#: g/mol/Å³ in g/cm³
GRAMS = 1.66053906660
#: g/mol; the model's hydrogen is as heavy as deuterium, the table's is not
_HYDROGEN = 1.008
#: the rule that the publication names for all unlike pairs
LORENTZ_BERTHELOT: Mixing = "lorentz-berthelot"
#: the stage that is looked at, the last of the 21 steps
LAST = "larsen_21"
#: ps in it after 20 steps of full length, and once more with the attraction beyond the cutoff; of both, the first
#: quarter is left out
FULL_LAST, ATTRACTED = 300.0, 270.0


@dataclass(frozen=True)
class Electrolyte:
    """A periodic box of electrolyte at a temperature (K), made by a protocol for electrolytes.

    The salt content is the published one, or ``pairs`` of ions. The last of the 21 steps has its length in the
    protocol, or ``last_ps``.
    """

    temperature: float
    seed: int
    mixing: Mixing = LORENTZ_BERTHELOT
    pairs: int | None = None
    protocol: Literal["fast", "moderate"] = "fast"
    last_ps: float | None = None

    @property
    def tags(self) -> str:
        """Parts of the name of its run besides temperature and size."""
        said = (
            (self.mixing, self.mixing != LORENTZ_BERTHELOT),
            (f"{self.pairs}pairs", self.pairs is not None),
            ("full", self.protocol == "moderate"),
            (f"{self.last_ps or 0:g}ps", self.last_ps is not None),
        )
        return "".join(f"-{tag}" for tag, there in said if there)


def density(lab: Lab, box: Electrolyte) -> Iterator[Row]:
    """Return the rows of a neat electrolyte at 1 atm: as in the protocols, and for comparison with tables."""
    run = neat(lab, box)
    system = run.system

    def row(quantity: str, of: Run, estimate: Estimate, target: tuple[float, float] | None, unit: str) -> Row:
        return Row(f"{_name(box)}, {quantity}", system.info.natoms, _used(of), box.seed, estimate, target, unit)

    track = run.track().after(float(volumes(run)[0][0]))
    lithium, ether, oxide = (_mask(system, label) for label in ("Li", "OS", "OBT"))
    shell = first_shell(track, lithium, ether, _REACH)
    yield row("density, LJ cut off", run, _ordinary_density(run), None, "g/cm³")
    yield row("Li–O(ether) first maximum", run, shell.distance, LI_ETHER, "Å")
    yield row(f"O(ether) within {_REACH} Å of Li", run, shell.neighbours, None, "")
    anions = first_shell(track, lithium, oxide, _REACH)
    yield row(f"O(TFSI) within {_REACH} Å of Li", run, anions.neighbours, None, "")
    whole = attracted(lab, box)
    yield row("density", whole, _ordinary_density(whole), DENSITY, "g/cm³")


def density_of_all(lab: Lab, boxes: Sequence[Electrolyte]) -> Iterator[Row]:
    """Return the mean densities of several electrolytes that differ in their seed."""
    for made in zip(*(density(lab, box) for box in boxes), strict=True):
        first = made[0]
        if "density" in first.quantity:
            mean = block_average([row.estimate.value for row in made])
            length = sum(row.length_ps for row in made)
            name = first.quantity.replace(", density", f", {len(made)} seeds, density")
            yield Row(name, first.atoms, length, None, mean, first.target, first.unit)


def neat(lab: Lab, box: Electrolyte) -> Run:
    """Return the run that makes a box of electrolyte."""
    recipe = _recipe(lab, box)
    stages = _stages(lab, box)
    return lab.run(_run_name(recipe, box), stages, box.seed, lambda: without_wall(recipe), least_ps=_least(stages))


def attracted(lab: Lab, box: Electrolyte) -> Run:
    """Return the run that continues the last stage with the attraction of pairs beyond the cutoff.

    LAMMPS adds the contribution of these pairs to energy and pressure in a homogeneous liquid. It does not apply
    to a layer between surfaces, so the protocols do not use it.
    """
    before = neat(lab, box)
    (last,) = (stage for stage in _stages(lab, box) if stage["name"] == LAST)
    stages = [last | {"duration_ps": lab.pick(ATTRACTED, last["duration_ps"])}]

    def build() -> System:
        system = before.system.evolved(before.final)
        return replace(system, forcefield=with_tail(system.forcefield))

    name = f"{_run_name(_recipe(lab, box), box)}-attracted-{ATTRACTED:g}ps"
    return lab.run(name, stages, box.seed, build, least_ps=_least(stages))


def with_tail(forcefield: str) -> str:
    """Return the include file with the tail correction after its styles."""
    changed, found = re.subn(r"^(pair_style .*)$", r"\1\npair_modify tail yes", forcefield, flags=re.M)
    if found != 1:
        msg = f"the force field has {found} pair styles instead of 1"
        raise ValueError(msg)
    return changed


def _name(box: Electrolyte) -> str:
    tags = (("short", box.protocol == "fast"), ("geometric", box.mixing != LORENTZ_BERTHELOT))
    return f"PEO:LiTFSI {box.temperature:g} K" + "".join(f", {tag}" for tag, there in tags if there)


def _run_name(recipe: Recipe, box: Electrolyte) -> str:
    return f"electrolyte-{box.temperature:g}K-{recipe.polymer.chains}x{recipe.polymer.length}{box.tags}"


def _stages(lab: Lab, box: Electrolyte) -> list[dict[str, Any]]:
    stages = protocol_stages("electrolyte", lab.pick(box.protocol, "demo"), box.temperature, barostat="iso")
    stages[-1] |= {"trajectory_ps": lab.pick(0.5, 0.1), "thermo_ps": 0.1}
    if box.last_ps is not None:
        stages[-1]["duration_ps"] = lab.pick(box.last_ps, stages[-1]["duration_ps"])
    return stages


def _least(stages: list[dict[str, Any]]) -> float:
    """Return the time of the last stage that suffices for an intermediate result, ps."""
    return float(stages[-1]["duration_ps"]) / 2


def _recipe(lab: Lab, box: Electrolyte) -> Recipe:
    chains, length, published = lab.sized((8, 20, 16), (2, 20, 4))
    pairs = published if box.pairs is None else box.pairs
    return electrolyte_recipe(chains, length, pairs, box.seed, box.mixing)


def _ordinary_density(run: Run) -> Estimate:
    """Return the density with ordinary hydrogen, g/cm³."""
    return time_average(_ordinary_mass(run.system) * GRAMS / volumes(run)[1])


def _used(run: Run) -> int:
    """Return the time that is averaged, ps."""
    times, _ = volumes(run)
    return round(times[-1] - times[0])


def volumes(run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times (F,) in ps and volumes (F,) in Å³ of the last stage without its first quarter."""
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
    return system.evolved(system.data.select(system.data.molecules != WALL_MOLECULE))


def _edge(recipe: Recipe) -> float:
    """Return the edge of the cube that the electrolyte fills at its initial density, Å."""
    chemistry, pairs = chemistry_of(recipe), recipe.salt.pairs
    parts = ((chemistry.chain, recipe.polymer.chains), (chemistry.cation, pairs), (chemistry.anion, pairs))
    mass = sum(number * float(chemistry.masses[part.types - 1].sum()) for part, number in parts)
    return float(np.cbrt(mass * GRAMS / recipe.electrolyte.density))


def _ordinary_mass(system: System) -> float:
    """Return the mass with ordinary hydrogen, g/mol."""
    masses = np.array([_HYDROGEN if entry.element == "H" else entry.mass for entry in system.info.types])
    return float(masses[system.data.types - 1].sum())


def _mask(system: System, label: str) -> Any:
    return np.isin(system.data.types, system.info.type_numbers(labels=(label,)))
