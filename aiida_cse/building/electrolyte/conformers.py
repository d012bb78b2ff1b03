"""Seeded three-dimensional shapes of a molecule (RDKit's ETKDG distance geometry)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdDistGeom

__all__ = ["conformer"]

#: attempts of the embedding before it starts anew from random coordinates
_ATTEMPTS = 20


def conformer(name: str, graph: Any, seed: int) -> NDArray[np.float64]:
    """Return (n, 3) coordinates in Å of an RDKit molecule, centred at the origin.

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
    msg = f"{name}: no three-dimensional shape found with seed {seed}; change seeds.electrolyte"
    raise ValueError(msg)
