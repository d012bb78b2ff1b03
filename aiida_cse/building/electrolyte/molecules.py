"""RDKit molecules of the electrolyte: polymer chains, anions and their conformers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from aiida_cse.building.recipe import AnionRecipe, PolymerRecipe
from aiida_cse.building.smiles import open_ends_of, parse_smiles

__all__ = ["anion_molecule", "chain_molecule", "conformer"]

#: attempts to embed a molecule from distance geometry before it is tried from random coordinates
_ATTEMPTS = 20


def chain_molecule(polymer: PolymerRecipe) -> Any:
    """Return the RDKit molecule of one chain: end group, ``length`` repeat units, end group, with hydrogens.

    The first ``*`` of the repeat unit is bonded to the preceding piece, the second to the following one.
    """
    unit = parse_smiles(polymer.repeat_unit, "polymer.repeat_unit", open_ends=2, charge=0)
    first, last = (
        parse_smiles(smiles, f"polymer.end_groups.{number}", open_ends=1, charge=0)
        for number, smiles in enumerate(polymer.end_groups)
    )
    chain = Chem.RWMol()
    tail: int | None = None
    dummies: list[int] = []
    for piece in (first, *[unit] * polymer.length, last):
        offset = chain.GetNumAtoms()
        chain.InsertMol(piece)
        ends = [offset + index for index in open_ends_of(piece)]
        joints = [chain.GetAtomWithIdx(end).GetNeighbors()[0].GetIdx() for end in ends]
        if tail is not None:
            chain.AddBond(tail, joints[0], Chem.BondType.SINGLE)
        tail = joints[-1]
        dummies += ends
    chain.BeginBatchEdit()
    for dummy in dummies:
        chain.RemoveAtom(dummy)
    chain.CommitBatchEdit()
    molecule = chain.GetMol()
    Chem.SanitizeMol(molecule)
    return Chem.AddHs(molecule)


def anion_molecule(anion: AnionRecipe) -> Any:
    """Return the RDKit molecule of one anion, with hydrogens if it has any."""
    return Chem.AddHs(parse_smiles(anion.smiles, "salt.anion.smiles", open_ends=0, charge=-1))


def conformer(name: str, graph: Any, seed: int) -> NDArray[np.float64]:
    """Return coordinates (n, 3) in Å of an RDKit molecule, centred at the origin.

    The geometry is that of RDKit's ETKDG (Riniker and Landrum, J. Chem. Inf. Model. 2015, 55, 2562), version 3.

    Raises
    ------
    ValueError
        The molecule cannot be embedded; names it and the seed.
    """
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed
    parameters.maxIterations = _ATTEMPTS
    molecule = type(graph)(graph)
    for from_random in (False, True):
        parameters.useRandomCoords = from_random
        if rdDistGeom.EmbedMolecule(molecule, parameters) == 0:
            positions = np.array(molecule.GetConformer().GetPositions(), dtype=np.float64)
            centred: NDArray[np.float64] = positions - positions.mean(axis=0)
            return centred
    raise ValueError(f"{name}: no conformer found with seed {seed}; change seeds.electrolyte")
