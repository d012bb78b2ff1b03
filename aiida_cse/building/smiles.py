"""SMILES strings of a recipe, checked: one molecule with its open ends and its charge."""

from __future__ import annotations

from typing import Any

from rdkit import Chem, rdBase

__all__ = ["open_ends_of", "parse_smiles"]


def parse_smiles(smiles: str, field: str, *, open_ends: int, charge: int) -> Any:
    """Return the RDKit molecule of one connected SMILES.

    Parameters
    ----------
    smiles
        The string; an open end is written ``*``.
    field
        The field that holds the string, for messages.
    open_ends, charge
        Required number of open ends and required formal charge in e.

    Raises
    ------
    ValueError
        The string is not such a molecule; names the field.
    """
    place = f"{field} = {smiles!r}"
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise ValueError(f"{place}: is not a valid SMILES string")
    if len(Chem.GetMolFrags(molecule)) != 1:
        raise ValueError(f"{place}: is more than one molecule; give a single one")
    ends = [molecule.GetAtomWithIdx(index) for index in open_ends_of(molecule)]
    if len(ends) != open_ends or any(end.GetDegree() != 1 for end in ends):
        needed = f"needs {open_ends} with one single bond each"
        raise ValueError(f"{place}: has {len(ends)} open ends '*'; {needed}")
    if any(end.GetBonds()[0].GetBondType() != Chem.BondType.SINGLE for end in ends):
        raise ValueError(f"{place}: an open end '*' has a double or triple bond; give it a single bond")
    if Chem.GetFormalCharge(molecule) != charge:
        raise ValueError(f"{place}: has the charge {Chem.GetFormalCharge(molecule)}; must be {charge}")
    return molecule


def open_ends_of(molecule: Any) -> list[int]:
    """Return the indices of the open ends of a molecule, its atoms ``*``."""
    return [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetAtomicNum() == 0]
