"""Forecast of the interface of a recipe without building it: atoms, charges, box, and layers that do not fit.

The volume of the electrolyte follows from van der Waals volumes. For rubbery polymers V = V_vdw (1.60 + 1.0e-3 (T
in K - 298)) (van Krevelen, Properties of Polymers, 4th ed. (2009), chapter 4); V_vdw is that of the atoms minus
5.92 Å³ per bond (Zhao et al., J. Org. Chem. 68, 7368 (2003)). The same factor is used for anions; the cation has
no volume. Densities of PEO with LiTFSI that the shipped force field gave at 400 and 600 K (docs/validation.md)
agree within 3 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from aiida_cse.building.ceramic.slab import slab_composition
from aiida_cse.building.electrolyte.build import molecules_of
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import MoleculeTemplate, chemistry_of
from aiida_cse.reduction.layers import SurfaceOffsets, offsets_of

__all__ = ["InterfaceForecast", "LayerFit", "forecast_interface", "layers_fit", "vdw_volume"]

#: Å³ of an atom (Zhao et al. 2003, Table 2), of a bond and of rings, aromatic and others, which are subtracted
_OF_ATOM = {
    "H": 7.24,
    "C": 20.58,
    "N": 15.60,
    "O": 14.71,
    "F": 13.31,
    "Cl": 22.45,
    "Br": 26.52,
    "I": 32.52,
    "P": 24.43,
    "S": 24.43,
    "As": 26.52,
    "B": 40.48,
    "Si": 38.79,
    "Se": 28.73,
    "Te": 36.62,
}
_OF_BOND, _OF_AROMATIC_RING, _OF_RING = 5.92, 14.7, 3.8
#: volume over van der Waals volume at 298 K, and its increase per K
_EXPANSION = (1.60, 1.0e-3, 298.0)
#: relative deviation of the layer's thickness from the forecast: that of a relaxed layer either way, and how much
#: thicker a layer may be that was relaxed for picoseconds only (measured: 13 to 38 %)
_RELAXED, _UNRELAXED = 0.1, 0.5


@dataclass(frozen=True)
class InterfaceForecast:
    """The interface that a recipe gives.

    Attributes
    ----------
    slab, electrolyte, wall
        Number of atoms of the slab, of the electrolyte, and of the wall in the electrolyte's own runs.
    followed
        Number of atoms of the framework and the ions.
    initial_cations
        Number of mobile ions in the slab as built.
    charge
        Charge of slab and electrolyte together, e.
    edges
        Lx and Ly of the cross-section as built, Å; the equilibration changes them by about 1 %.
    thickness
        Distance of the slab's surface planes as built, Å.
    ether_oxygens
        Number of oxygen atoms of the chains per cation of the salt.
    volume
        van der Waals volume of the electrolyte, Å³, None if that of an element is not known.
    cation, anion, polymer
        Names of the ions and of the chains.
    """

    slab: int
    electrolyte: int
    wall: int
    followed: int
    initial_cations: int
    charge: float
    edges: tuple[float, float]
    thickness: float
    ether_oxygens: float
    volume: float | None
    cation: str
    anion: str
    polymer: str

    @property
    def atoms(self) -> int:
        """Number of atoms of the interface."""
        return self.slab + self.electrolyte

    def layer(self, temperature: float) -> float | None:
        """Return the thickness (Å) of the relaxed electrolyte, slab to image, at a temperature (K)."""
        if self.volume is None:
            return None
        at_298, per_kelvin, reference = _EXPANSION
        (lx, ly), ratio = self.edges, at_298 + per_kelvin * (temperature - reference)
        return float(self.volume * ratio / (lx * ly))


@dataclass(frozen=True)
class LayerFit:
    """Room for the layers of an ion, all in Å.

    Attributes
    ----------
    ion
        The ion whose layers need most.
    needed
        Thickness that the electrolyte must exceed.
    thickness, least, most
        Its forecast, and the smallest and largest value that may come out.
    """

    ion: str
    needed: float
    thickness: float
    least: float
    most: float

    @property
    def fits(self) -> bool | None:
        """True if the layers will fit, False if they will not, None if the forecast is too uncertain to say."""
        if self.needed >= self.most:
            return False
        return True if self.needed < self.least else None


def forecast_interface(recipe: Recipe) -> InterfaceForecast:
    """Return what a recipe gives.

    Raises
    ------
    ValueError
        The slab cannot be built or a molecule cannot be typed; names the field.
    """
    chemistry = chemistry_of(recipe)
    slab = slab_composition(recipe)
    molecules = molecules_of(recipe, chemistry)
    charges = {entry.label: entry.charge for entry in chemistry.types}
    in_slab = sum(number * charges[species] for species, number in slab.atoms.items())
    in_molecules = sum(float(chemistry.charges[one.types - 1].sum()) for one in molecules)
    lx, ly, thickness = slab.lengths
    spacing = recipe.electrolyte.wall.spacing
    wall = math.prod(max(round(edge / spacing), 1) for edge in (lx, ly))
    chains, pairs = recipe.polymer.chains, recipe.salt.pairs
    parts = [(vdw_volume(chemistry.chain), chains), (vdw_volume(chemistry.anion), pairs)]
    volume = None if any(one is None for one, _ in parts) else sum((one or 0.0) * count for one, count in parts)
    oxygens = sum(atom.GetSymbol() == "O" for atom in chemistry.chain.graph.GetAtoms())
    return InterfaceForecast(
        slab=sum(slab.atoms.values()),
        electrolyte=sum(one.natoms for one in molecules),
        wall=wall,
        followed=sum(slab.atoms[species] for species in (*recipe.ceramic.framework, recipe.ceramic.mobile))
        + pairs * (1 + len(chemistry.anion.types)),
        initial_cations=slab.atoms[recipe.ceramic.mobile],
        charge=in_slab + in_molecules,
        edges=(lx, ly),
        thickness=thickness,
        ether_oxygens=oxygens * chains / pairs,
        volume=volume,
        cation=recipe.salt.cation,
        anion=recipe.salt.anion.name,
        polymer=recipe.polymer.name,
    )


def vdw_volume(molecule: MoleculeTemplate) -> float | None:
    """Return the van der Waals volume of a molecule, Å³; None if that of one of its elements is not known.

    Σ V(atom) − 5.92 N(bonds) − 14.7 N(aromatic rings) − 3.8 N(other rings), Zhao et al., J. Org. Chem. 68, 7368
    (2003).
    """
    symbols: list[str] = [atom.GetSymbol() for atom in molecule.graph.GetAtoms()]
    if any(symbol not in _OF_ATOM for symbol in symbols):
        return None
    rings = molecule.graph.GetRingInfo().BondRings()
    aromatic = sum(all(molecule.graph.GetBondWithIdx(bond).GetIsAromatic() for bond in ring) for ring in rings)
    bonds: int = molecule.graph.GetNumBonds()
    subtracted = _OF_BOND * bonds
    subtracted += _OF_AROMATIC_RING * aromatic + _OF_RING * (len(rings) - aromatic)
    return sum(_OF_ATOM[symbol] for symbol in symbols) - subtracted


def layers_fit(
    found: InterfaceForecast, temperature: float, offsets: Mapping[str, SurfaceOffsets], *, relaxed: bool
) -> LayerFit | None:
    """Return the room for the layers of both ions at a temperature (K); None if the volume is not known.

    Parameters
    ----------
    found
        The interface.
    temperature
        K.
    offsets
        First layer of each ion by its name; others have the published ones.
    relaxed
        The interface is relaxed for longer than picoseconds.

    Raises
    ------
    ValueError
        The slab is too thin for a core of the ceramic, whatever the electrolyte.
    """
    layer = found.layer(temperature)
    layers = {ion: offsets_of(ion, offsets.get(ion)) for ion in (found.cation, found.anion)}
    for ion, one in layers.items():
        if found.thickness / 2 <= one.slab_depth:
            raise ValueError(
                f"the slab is {found.thickness:.1f} Å thick; the ceramic core of {ion} needs more than "
                f"{2 * one.slab_depth:g} Å"
            )
    if layer is None:
        return None
    ion, needed = max(((ion, 2 * one.reach) for ion, one in layers.items()), key=lambda pair: pair[1])
    most = layer * (1 + (_RELAXED if relaxed else _UNRELAXED))
    return LayerFit(ion, needed, layer, layer * (1 - _RELAXED), most)
