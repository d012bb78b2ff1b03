"""Polymer chains: repeat units joined into one molecule with its end groups."""

from __future__ import annotations

from typing import Any

from rdkit import Chem

from aiida_cse.building.recipe import PolymerRecipe
from aiida_cse.building.smiles import open_ends, parse_smiles

__all__ = ["chain_molecule"]


def chain_molecule(polymer: PolymerRecipe) -> Any:
    """Return the RDKit molecule of one chain, with hydrogens: end group, ``length`` repeat units, end group.

    The first ``*`` of the repeat unit is joined to what comes before it, the second to what comes after.
    """
    unit = parse_smiles(polymer.repeat_unit, "polymer.repeat_unit", open_ends=2, charge=0)
    first, last = (
        parse_smiles(smiles, f"polymer.end_groups.{number}", open_ends=1, charge=0)
        for number, smiles in enumerate(polymer.end_groups)
    )
    pieces = [first, *[unit] * polymer.length, last]
    chain = Chem.RWMol()
    tails: list[int] = []
    dummies: list[int] = []
    for piece in pieces:
        offset = chain.GetNumAtoms()
        chain.InsertMol(piece)
        ends = [offset + index for index in open_ends(piece)]
        joints = [chain.GetAtomWithIdx(end).GetNeighbors()[0].GetIdx() for end in ends]
        if tails:
            chain.AddBond(tails.pop(), joints[0], Chem.BondType.SINGLE)
        tails = [joints[-1]]
        dummies += ends
    chain.BeginBatchEdit()
    for dummy in dummies:
        chain.RemoveAtom(dummy)
    chain.CommitBatchEdit()
    molecule = chain.GetMol()
    Chem.SanitizeMol(molecule)
    return Chem.AddHs(molecule)
