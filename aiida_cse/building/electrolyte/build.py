"""Construction of the electrolyte: chains and ion pairs at low density above a wall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.ceramic.surface import MOST_ATOMS
from aiida_cse.building.electrolyte.molecules import conformer
from aiida_cse.building.electrolyte.packing import PackingRegion, wall_positions
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import Chemistry, MoleculeTemplate, chemistry_of
from aiida_cse.lammps.files.data import TOPOLOGY, DataFile
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, WALL_MOLECULE, System

__all__ = ["build_electrolyte", "check_electrolyte", "electrolyte_system", "layer_height", "molecules_of"]

Floats = NDArray[np.float64]

#: g/mol/Å³ in g/cm³
_DENSITY_UNIT = 1.66053906660
#: Å; shortest and longest edge of the cross-section
_SHORTEST_EDGE, _LONGEST_EDGE = 5.0, 10_000.0
#: largest chain, in atoms, whose placement a check tries; that takes one to two seconds, and 5 to 10 at 500 atoms
_QUICK = 250
_FIRST_MOLECULE = max(CERAMIC_MOLECULE, WALL_MOLECULE) + 1


def build_electrolyte(recipe: Recipe, lx: float, ly: float) -> System:
    """Build chains, cations and anions at random in the box [0, lx] × [0, ly] × [0, Lz], and a wall at z = 0.

    Lz follows from the initial density of the recipe, plus its padding below and above. Every molecule is whole
    along z (image flags 0) and periodic along x and y. Molecule IDs start at 2, in the order chains, cations,
    anions; the atoms of the wall come last. Close contacts are possible: the layout needs a soft push-off first.

    Parameters
    ----------
    recipe
        The recipe.
    lx, ly
        The cross-section in Å, that of the equilibrated ceramic.

    Raises
    ------
    ValueError
        The cross-section is too small or too large, or a molecule does not fit into the layer; names the field.
    """
    chemistry = chemistry_of(recipe)
    templates, box = molecules_of(recipe, chemistry), _box(recipe, chemistry, lx, ly)
    placed = dict(_placed(recipe, templates, box))
    return electrolyte_system(recipe, chemistry, [placed[index] for index in range(len(templates))], box)


def check_electrolyte(recipe: Recipe, lx: float, ly: float) -> None:
    """Refuse an electrolyte that has too many atoms or whose first chain does not fit into the layer.

    A chain of more than 250 atoms is not placed, because that takes too long for a check.

    Raises
    ------
    ValueError
        As :func:`build_electrolyte`, or there are too many atoms.
    """
    chemistry = chemistry_of(recipe)
    chains, pairs = recipe.polymer.chains, recipe.salt.pairs
    atoms = chains * chemistry.chain.natoms + pairs * (1 + chemistry.anion.natoms)
    if atoms > MOST_ATOMS:
        raise ValueError(
            f"polymer.chains = {chains}: with {pairs} ion pairs these are {atoms} atoms; at most {MOST_ATOMS} are"
            " possible"
        )
    box = _box(recipe, chemistry, lx, ly)
    if chemistry.chain.natoms <= _QUICK:
        next(_placed(recipe, molecules_of(recipe, chemistry), box))


def molecules_of(recipe: Recipe, chemistry: Chemistry) -> list[MoleculeTemplate]:
    """Return the molecules in the order of their IDs: chains, cations, anions."""
    pairs = recipe.salt.pairs
    return [chemistry.chain] * recipe.polymer.chains + [chemistry.cation] * pairs + [chemistry.anion] * pairs


def layer_height(recipe: Recipe, chemistry: Chemistry, lx: float, ly: float) -> float:
    """Return the height in Å of the layer at the recipe's initial density, without padding; lx, ly in Å."""
    templates = molecules_of(recipe, chemistry)
    mass = sum(float(chemistry.masses[template.types - 1].sum()) for template in templates)
    return mass * _DENSITY_UNIT / (recipe.electrolyte.density * lx * ly)


def electrolyte_system(recipe: Recipe, chemistry: Chemistry, molecules: Sequence[Floats], box: Floats) -> System:
    """Return the electrolyte whose molecules have these positions, with its wall at z = 0.

    Parameters
    ----------
    recipe, chemistry
        The recipe and its chemistry.
    molecules
        Unwrapped positions (n, 3) in Å of each molecule, in the order of :func:`molecules_of` and of its atoms.
    box
        (3, 2) lower and upper bounds in Å, the lower ones 0; every molecule is inside along z.
    """
    templates = molecules_of(recipe, chemistry)
    wall = wall_positions(box[0, 1], box[1, 1], recipe.electrolyte.wall.spacing)
    sizes = [template.natoms for template in templates]
    numbers = np.arange(_FIRST_MOLECULE, _FIRST_MOLECULE + len(templates))
    wall_type = len(chemistry.types)
    types = np.concatenate([*(template.types for template in templates), np.full(len(wall), wall_type)])
    first_atoms = np.cumsum([1, *sizes[:-1]])
    topology = {
        kind: np.concatenate(
            [
                template.topology[kind] + np.array([0] + [first] * atoms)
                for template, first in zip(templates, first_atoms, strict=True)
            ]
        )
        for kind, atoms in TOPOLOGY.items()
    }
    data = DataFile(
        box=box,
        masses=chemistry.masses,
        molecules=np.concatenate([np.repeat(numbers, sizes), np.full(len(wall), WALL_MOLECULE)]),
        types=types,
        charges=chemistry.charges[types - 1],
        positions=np.zeros((len(types), 3)),
        images=np.zeros((len(types), 3), dtype=np.int64),
        topology=topology,
        topology_types=dict(chemistry.topology_types),
    )
    data.set_unwrapped(np.concatenate([*molecules, wall]))
    return System.create(
        data,
        chemistry.forcefield,
        phase="electrolyte",
        types=chemistry.types,
        seeds=recipe.seeds.model_dump(),
        forcefield_names=chemistry.sources,
        forcefield_md5=chemistry.checksums,
        citations=chemistry.citations,
    )


def _box(recipe: Recipe, chemistry: Chemistry, lx: float, ly: float) -> Floats:
    if not all(_SHORTEST_EDGE <= edge <= _LONGEST_EDGE for edge in (lx, ly)):
        raise ValueError(
            f"lx, ly = {lx}, {ly}: edges of the cross-section must be {_SHORTEST_EDGE:g} to {_LONGEST_EDGE:g} Å"
        )
    height = layer_height(recipe, chemistry, lx, ly) + 2 * recipe.electrolyte.padding
    return np.array([(0.0, lx), (0.0, ly), (0.0, height)])


def _placed(recipe: Recipe, templates: Sequence[MoleculeTemplate], box: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield the index and the unwrapped positions of each molecule as it is placed, the largest first."""
    rng = np.random.default_rng(recipe.seeds.electrolyte)
    seeds = rng.integers(1, 2**31 - 1, size=len(templates))
    (lx, ly, height), padding = box[:, 1], recipe.electrolyte.padding
    layer = PackingRegion(lx, ly, bottom=padding, top=height - padding)
    for index in sorted(range(len(templates)), key=lambda index: -templates[index].natoms):
        template = templates[index]
        single = template.graph is None
        shape = np.zeros((1, 3)) if single else conformer(template.name, template.graph, int(seeds[index]))
        placed = layer.place(shape, rng)
        if placed is None:
            raise ValueError(
                f"electrolyte.density = {recipe.electrolyte.density}: over {lx:.1f} × {ly:.1f} Å² the layer is"
                f" {layer.top - layer.bottom:.1f} Å high and {template.name} does not fit; lower the density or"
                " have more molecules"
            )
        yield index, placed
