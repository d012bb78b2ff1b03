"""Proposal of the regions of an interface that nothing describes, from its data file and the density along z.

The framework, the cation and the anion are guessed from elements, charges and mobility; surface planes and layers
from density profiles. A proposal is a description that the user has to confirm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from aiida_cse.lammps.files.data import DataFile, DataFileContents
from aiida_cse.reduction.layers import SURFACE_OFFSETS
from aiida_cse.reduction.readers.open import open_trajectory

__all__ = ["Proposal", "propose_interface"]

Floats = NDArray[np.float64]

#: frames that are read, evenly spaced over the run
_FRAMES = 200
#: Å; width of a bin, and standard deviations of the smoothing of the framework's and the ions' densities
_BIN, _SMOOTH_FRAMEWORK, _SMOOTH_IONS = 0.25, 1.0, 0.75
#: Å; largest scatter of the displacements of atoms that do not diffuse
_IMMOBILE = 2.0
#: g/mol; a heavier atom belongs to the framework if there is any
_HEAVY = 30.0
#: lowest prominence of a maximum, relative to the highest one
_PROMINENCE = 0.1
#: Å from the surface plane; range in which the first maximum of an ion is looked for
_NEAREST, _FARTHEST = -2.0, 15.0
#: fraction of its first maximum below which an anion is absent
_ABSENT = 0.05
#: elements of common anions by number of atoms
_ANIONS = {
    "TFSI": {"C": 2, "F": 6, "N": 1, "O": 4, "S": 2},
    "FSI": {"F": 2, "N": 1, "O": 4, "S": 2},
    "PF6": {"F": 6, "P": 1},
    "BF4": {"B": 1, "F": 4},
    "ClO4": {"Cl": 1, "O": 4},
}
_ALKALI = ("Li", "Na", "K", "Rb", "Cs")


@dataclass(frozen=True)
class Proposal:
    """A proposed description.

    Attributes
    ----------
    description
        The fields of :class:`~aiida_cse.building.imported.reduction.InterfaceDescription`.
    sentence
        What was found, and how.
    """

    description: dict[str, Any]
    sentence: str


def propose_interface(contents: DataFileContents, paths: Sequence[Path]) -> Proposal:
    """Propose the description of an interface.

    Parameters
    ----------
    contents
        The data file.
    paths
        Trajectories of its atoms, in the order of time.

    Raises
    ------
    ValueError
        No framework, cation, anion or surface can be told; the message says what to give.
    TrajectoryError
        A file cannot be read.
    """
    data = contents.data
    frames, boxes = _sample_frames(paths, data.natoms)
    framework = _framework(data, frames, boxes)
    cation, cation_types = _cation(data, framework)
    anion, anion_types = _anion(data, cation_types)
    heights = _from_framework(data, frames[:, 2], boxes[:, 2], framework)
    length = float(boxes[:, 2].mean())
    lower, upper = _surfaces(heights[:, np.isin(data.types, framework)], length)
    half, offset = (upper - lower) / 2, (upper + lower) / 2
    distances = np.abs((heights - offset + length / 2) % length - length / 2) - half
    offsets, found = {}, []
    for name, types, is_cation in ((cation, cation_types, True), (anion, anion_types, False)):
        own = distances[:, np.isin(data.types, types)]
        layer = _layer(own, length / 2 - half, is_cation=is_cation)
        if layer is None:
            if name not in SURFACE_OFFSETS:
                raise ValueError(
                    f"--propose-regions: the density of {name} has no first layer with a minimum behind it; give "
                    f"sampling.offsets.{name} in --config"
                )
            found.append(f"{name} as published, because its density has no minimum behind a first maximum")
            continue
        inner, outer = layer
        margin = round(min(1.0, (outer - inner) / 4), 2)
        offsets[name] = {"inner": inner, "outer": outer, "margins": [margin] * 4}
        found.append(f"{name} from {inner:+g} to {outer:+g} Å, the minima around its first maximum")
    elements = {number: _element(data.masses[number - 1]) for number in framework}
    labels = [contents.labels.get(number, f"type {number} ({elements[number]})") for number in framework]
    description: dict[str, Any] = {
        "framework": framework,
        "cation": {"name": cation, "types": cation_types},
        "anion": {"name": anion, "types": anion_types},
        "thickness": round(2 * half, 2),
        "midplane_offset": round(offset, 2),
    }
    neutral = ""
    lattice = [number for number in _unbonded(data) if number not in (*cation_types, *anion_types)]
    charge = float(data.charges[np.isin(data.types, lattice)].sum())
    number = -charge / float(data.charges[np.isin(data.types, cation_types)].mean())
    if number > 0.5 and abs(number - round(number)) < 0.01:
        description["initial_cations"] = round(number)
        neutral = f"{round(number)} {cation} make the ceramic neutral; "
    if offsets:
        description["sampling"] = {"offsets": offsets}
    sentence = (
        f"slab of {2 * half:.1f} Å between the half maxima of the density of {', '.join(labels)}; first layer "
        f"from the surface: {', and '.join(found)}; {neutral}from {len(frames)} frames"
    )
    return Proposal(description, sentence)


def _sample_frames(paths: Sequence[Path], natoms: int) -> tuple[Floats, Floats]:
    """Return coordinates (F, 3, N) and edges (F, 3), Å, of frames that are evenly spaced over the files."""
    counts = []
    for path in paths:
        with open_trajectory(path) as file:
            if file.frames and file.natoms != natoms:
                raise ValueError(f"{path}: has {file.natoms} atoms, the system has {natoms}")
            counts.append(file.frames)
    chosen = np.unique(np.linspace(0, sum(counts) - 1, _FRAMES).astype(int))
    frames, boxes, before = [], [], 0
    for path, count in zip(paths, counts, strict=True):
        with open_trajectory(path) as file:
            for number in chosen[(chosen >= before) & (chosen < before + count)].tolist():
                read = file.read_xyz(number - before, 1)
                frames.append(np.array([read.along(axis)[0] for axis in range(3)], dtype=np.float64))
                boxes.append(read.boxes[0].copy())
        before += count
    return np.array(frames), np.array(boxes)


# -- types ---------------------------------------------------------------------------------------------------


def _element(mass: float) -> str:
    """Return the symbol of the element with the nearest mass."""
    elements = [gemmi.Element(number) for number in range(1, 95)]
    return str(min(elements, key=lambda element: abs(element.weight - mass)).name)


def _unbonded(data: DataFile) -> list[int]:
    """Return the types of which no atom has a bond."""
    bonded = set(data.types[data.topology["bonds"][:, 1:].ravel() - 1].tolist())
    return [number for number in range(1, len(data.masses) + 1) if number not in bonded and number in data.types]


def _framework(data: DataFile, frames: Floats, boxes: Floats) -> list[int]:
    """Return the types without bonds that do not diffuse, the heavy ones if there are any."""
    moved = frames[-1] - frames[0]
    moved -= np.round(moved / boxes[0][:, None]) * boxes[0][:, None]
    immobile = []
    for number in _unbonded(data):
        own = moved[:, data.types == number]
        scatter = float(np.sqrt(own.var(axis=1).sum()))
        if scatter < _IMMOBILE and _element(data.masses[number - 1]) not in _ALKALI:
            immobile.append(number)
    heavy = [number for number in immobile if data.masses[number - 1] > _HEAVY]
    if not immobile:
        raise ValueError(
            "--propose-regions: no atom type without bonds stays in place, so that there is no slab to measure "
            "from; give framework in --config"
        )
    return heavy or immobile


def _cation(data: DataFile, framework: list[int]) -> tuple[str, list[int]]:
    """Return name and types of the positive alkali ions without bonds.

    They are of one element and none of them belongs to the framework.
    """
    found: dict[str, list[int]] = {}
    for number in _unbonded(data):
        element = _element(data.masses[number - 1])
        if element in _ALKALI and number not in framework and data.charges[data.types == number].mean() > 0:
            found.setdefault(element, []).append(number)
    if len(found) != 1:
        listed = ", ".join(found) or "none"
        raise ValueError(f"--propose-regions: alkali ions without bonds are {listed}; give cation in --config")
    return next(iter(found.items()))


def _anion(data: DataFile, cation_types: list[int]) -> tuple[str, list[int]]:
    """Return name and types of the negative molecules."""
    bonded = np.zeros(data.natoms, dtype=bool)
    bonded[data.topology["bonds"][:, 1:].ravel() - 1] = True
    charges: dict[tuple[tuple[int, int], ...], float] = {}
    for molecule in np.unique(data.molecules[bonded]).tolist():
        own = (data.molecules == molecule) & ~np.isin(data.types, cation_types)
        kinds = tuple(sorted(Counter(data.types[own].tolist()).items()))
        charges[kinds] = float(data.charges[own].sum())
    negative = [kinds for kinds, charge in charges.items() if charge < -0.1]
    if len(negative) != 1:
        count = len(negative) or "no"
        raise ValueError(
            f"--propose-regions: {count} kinds of bonded molecules are negative; give anion in --config"
        )
    elements: Counter[str] = Counter()
    for number, count in negative[0]:
        elements[_element(data.masses[number - 1])] += count
    name = next((name for name, known in _ANIONS.items() if known == elements), "anion")
    return name, [number for number, _ in negative[0]]


# -- profiles ------------------------------------------------------------------------------------------------


def _from_framework(data: DataFile, z: Floats, lengths: Floats, framework: list[int]) -> Floats:
    """Return heights (F, N) above the centre of mass of the framework, through the periodic boundary, Å."""
    own = np.isin(data.types, framework)
    weights = data.masses[data.types[own] - 1]
    turns = np.exp(2j * np.pi * z[:, own] / lengths[:, None])
    middle = np.angle((turns * weights).sum(axis=1)) / (2 * np.pi) * lengths
    near = z - middle[:, None]
    near -= np.round(near / lengths[:, None]) * lengths[:, None]
    centre = near[:, own] @ weights / weights.sum()
    heights: Floats = near - centre[:, None]
    heights -= np.round(heights / lengths[:, None]) * lengths[:, None]
    return heights


def _surfaces(heights: Floats, length: float) -> tuple[float, float]:
    """Return where the density of the framework falls to half of its outermost maximum on both sides, Å."""
    edges = np.arange(-length / 2, length / 2 + _BIN, _BIN)
    middles = (edges[1:] + edges[:-1]) / 2
    density = gaussian_filter1d(np.histogram(heights, edges)[0].astype(float), _SMOOTH_FRAMEWORK / _BIN)
    peaks, _ = find_peaks(density, height=0.3 * density.max())
    if not len(peaks):
        raise ValueError("--propose-regions: the framework has no density maximum; give thickness in --config")
    first, last = int(peaks[0]), int(peaks[-1])
    below = np.flatnonzero(density[:first] < density[first] / 2)
    above = last + np.flatnonzero(density[last:] < density[last] / 2)
    if not len(below) or not len(above):
        raise ValueError(
            "--propose-regions: the framework reaches around the box, so that there is no electrolyte beside it"
        )
    return float(middles[below[-1]]), float(middles[above[0]])


def _layer(distances: Floats, end: float, *, is_cation: bool) -> tuple[float, float] | None:
    """Return the bounds of the first layer from the surface plane, Å; None without a maximum and a minimum."""
    edges = np.arange(_NEAREST, min(end, 2 * _FARTHEST), _BIN)
    middles = (edges[1:] + edges[:-1]) / 2
    counts = np.histogram(distances, edges)[0].astype(float)
    density = gaussian_filter1d(counts, _SMOOTH_IONS / _BIN)
    peaks, _ = find_peaks(density, prominence=_PROMINENCE * density.max())
    if len(peaks) < 2 or middles[peaks[0]] > _FARTHEST:
        return None
    first, second = int(peaks[0]), int(peaks[1])
    outer = first + int(np.argmin(density[first:second]))
    if is_cation:
        inner = int(np.argmin(density[: first + 1]))
    else:
        absent = np.flatnonzero(density[:first] < _ABSENT * density[first])
        inner = int(absent[-1]) if len(absent) else 0
    return round(float(middles[inner]), 1), round(float(middles[outer]), 1)
