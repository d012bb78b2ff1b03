"""SMILES strings turned into RDKit molecules, with errors that say which field is wrong."""

from __future__ import annotations

from typing import Any

from rdkit import Chem, rdBase

__all__ = ["open_ends", "parse_smiles"]


def open_ends(molecule: Any) -> list[int]:
    """Return the indices of the ``*`` atoms of an RDKit molecule."""
    return [atom.GetIdx() for atom in molecule.GetAtoms() if atom.GetAtomicNum() == 0]


def parse_smiles(smiles: str, field: str, *, open_ends: int, charge: int) -> Any:
    """Return the RDKit molecule of one connected SMILES with that many ``*`` ends and that formal charge.

    Raises
    ------
    ValueError
        The string is no such molecule; starts with ``field``.
    """
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        msg = f"{field}: {smiles!r} is not a valid SMILES string"
        raise ValueError(msg)
    if len(Chem.GetMolFrags(molecule)) != 1:
        msg = f"{field}: {smiles!r} is more than one molecule"
        raise ValueError(msg)
    ends = [atom for atom in molecule.GetAtoms() if atom.GetAtomicNum() == 0]
    if len(ends) != open_ends or any(end.GetDegree() != 1 for end in ends):
        msg = f"{field}: {smiles!r} has {len(ends)} open ends '*', needs {open_ends} with one single bond each"
        raise ValueError(msg)
    if any(end.GetBonds()[0].GetBondType() != Chem.BondType.SINGLE for end in ends):
        msg = f"{field}: {smiles!r}: an open end '*' has a single bond"
        raise ValueError(msg)
    if Chem.GetFormalCharge(molecule) != charge:
        msg = f"{field}: {smiles!r} has the charge {Chem.GetFormalCharge(molecule)}, must be {charge}"
        raise ValueError(msg)
    return molecule
