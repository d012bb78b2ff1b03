"""The anion of the salt as a molecule. The cation is a single atom of the ceramic's mobile species."""

from __future__ import annotations

from typing import Any

from rdkit import Chem

from aiida_cse.building.recipe import SaltRecipe
from aiida_cse.building.smiles import parse_smiles

__all__ = ["anion_molecule"]


def anion_molecule(salt: SaltRecipe) -> Any:
    """Return the RDKit molecule of one anion, with hydrogens where it has any."""
    return Chem.AddHs(parse_smiles(salt.anion.smiles, "salt.anion.smiles", open_ends=0, charge=-1))
