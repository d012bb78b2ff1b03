"""Trajectories of an interface for benchmarks: a drifting slab, and ions with scheduled transitions.

Composition and box are those of Kozdra et al., PCCP 27, 24918 (2025): 3 × 3 × 3 cells of LLZO, 45 chains of 148
atoms, 90 pairs of LiTFSI. Each ion stays near a site of its region until the frame of its next scheduled hop.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.exchange.transitions import count_transitions
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.system import IonDescription, SystemDescription

__all__ = ["Composition", "Generated", "interface", "ions_only", "write_trajectory"]

BOX = (39.0, 39.0, 110.0)
HALF, OFFSET = 19.5, 0.35
TIMESTEP, FRAME_STEPS = 2.0, 1000
#: thermal motion about a place (Å), and the slab's drift per frame
NOISE, DRIFT = 1.0, 0.02
#: places of the hopping ions within the cores of the regions, Å
PLACES = {"Li": (-45.0, -28.5, 0.0, 28.5, 45.0), "TFSI": (-40.0, -22.5, 0.0, 22.5, 40.0)}
#: chance per frame that an ion of the electrolyte hops
HOP = 0.005
TABLE = {
    "La": (138.91, 2.1),
    "Zr": (91.22, 2.8),
    "O": (16.0, -1.4),
    "Li": (6.94, 0.7),
    "C": (12.01, 0.05),
    "H": (1.008, 0.05),
    "Oe": (16.0, -0.4),
    "N": (14.01, -0.46),
    "S": (32.06, 0.71),
    "Os": (16.0, -0.37),
    "Cf": (12.01, 0.25),
    "F": (19.0, -0.11),
}
LABELS = tuple(TABLE)
CHAIN = ("C",) * 42 + ("H",) * 86 + ("Oe",) * 20
ANION = ("N",) + ("S",) * 2 + ("Os",) * 4 + ("Cf",) * 2 + ("F",) * 6
_FRAMES_AT_ONCE = 64


@dataclass(frozen=True)
class Composition:
    """Labels of the atoms in the order of their IDs: the slab, then the lithium, the anions and the chains."""

    slab: tuple[str, ...]
    lithium: int
    mobile: int
    anions: int
    anion: tuple[str, ...]
    chains: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of every atom."""
        return self.slab + ("Li",) * self.lithium + self.anion * self.anions + CHAIN * self.chains

    @property
    def molecules(self) -> list[int]:
        """The molecule of every atom; the slab is the first."""
        sizes = (
            [len(self.slab)] + [1] * self.lithium + [len(self.anion)] * self.anions + [len(CHAIN)] * self.chains
        )
        return np.repeat(np.arange(1, len(sizes) + 1), sizes).tolist()

    def config(
        self, *, molecular: bool = False, midplane_offset: float = OFFSET, **changes: Any
    ) -> ReductionConfig:
        """Return the settings of the reduction: blocks and snapshots of 1 ns, frames of 2 ps."""
        anion = sorted({LABELS.index(label) + 1 for label in self.anion}) if molecular else [LABELS.index("N") + 1]
        sampling: dict[str, Any] = {
            "timestep_fs": TIMESTEP,
            "frame_ps": FRAME_STEPS * TIMESTEP / 1000,
            "lags_ps": (),
            "anion_point": "centre_of_mass" if molecular else "atom",
            "anion_atom": None if molecular else "N",
        }
        system = SystemDescription(
            types=np.array([LABELS.index(label) + 1 for label in self.labels]),
            molecules=np.array(self.molecules),
            labels=LABELS,
            masses=tuple(mass for mass, _ in TABLE.values()),
            charges=tuple(charge for _, charge in TABLE.values()),
            framework=(1, 2),
            thickness=2 * HALF,
            midplane_offset=midplane_offset,
            box=BOX,
            cation=IonDescription("Li", (LABELS.index("Li") + 1,)),
            initial_cations=self.lithium - self.mobile,
            anion=IonDescription("TFSI", tuple(anion)),
        )
        return ReductionConfig.build(system, Sampling.model_validate(sampling | changes))


@dataclass(frozen=True)
class Generated:
    """A file, its composition, and the scheduled transitions (E, 4)."""

    path: Path
    composition: Composition
    frames: int
    events: NDArray[np.int64]

    @property
    def frame_bytes(self) -> int:
        """Size of a frame in the file."""
        return _frame_dtype(len(self.composition.labels)).itemsize


def interface() -> Composition:
    """Return the whole interface, 13,284 atoms."""
    return Composition(("La",) * 648 + ("Zr",) * 432 + ("O",) * 2592, 1602, 90, 90, ANION, 45)


def ions_only() -> Composition:
    """Return its 1,602 Li and 90 N, and as many framework atoms as define the position of the slab."""
    return Composition(("La",) * 60 + ("Zr",) * 40, 1602, 90, 90, ("N",), 0)


def write_trajectory(path: Path, composition: Composition, frames: int, seed: int, first: int = 0) -> Generated:
    """Write ``frames`` frames of unwrapped coordinates, the first of which is frame ``first``, as LAMMPS does.

    The same seed gives the same bytes. Each record is written by itself: as after LAMMPS, the page cache then
    holds the file in smaller pieces than one that was copied, and reading takes longer.
    """
    rng = np.random.default_rng(seed)
    regions = []
    with path.open("wb") as file:
        file.write(_header(len(composition.labels), frames, first))
        for chunk, labels in _chunks(rng, composition, frames):
            for frame in chunk:
                for name in frame.dtype.names:
                    file.write(frame[name].tobytes())
            regions.append(labels)
    return Generated(path, composition, frames, count_transitions(np.concatenate(regions), "snapshot").events)


def _chunks(
    rng: np.random.Generator, composition: Composition, frames: int
) -> Iterator[tuple[NDArray[np.void], NDArray[np.int8]]]:
    """Yield frames in the order of the file, and the region of each ion in them."""
    natoms = len(composition.labels)
    home = rng.uniform(-0.5, 0.5, (3, natoms)) * np.array(BOX)[:, None]
    home[2] = _home_z(rng, composition)
    # the atoms of a molecule are within a few Å of each other
    middles = home[:2, np.unique(composition.molecules, return_index=True)[1]][
        :, np.array(composition.molecules) - 1
    ]
    slab_atoms = np.array(composition.molecules) == 1
    home[:2] = np.where(slab_atoms, home[:2], middles + 0.1 * home[:2])
    images = rng.integers(-2, 3, max(composition.molecules) + 1)
    images[1] = 0
    home[2] += BOX[2] * images[composition.molecules]
    slab = len(composition.slab)
    rows, places = _hoppers(composition)
    now = rng.integers(0, len(places[0]), len(rows))
    region_of = np.full(composition.lithium + composition.anions, 2, dtype=np.int8)
    centre = rng.uniform(-5, 5, 3)
    done = 0
    while done < frames:
        count = min(_FRAMES_AT_ONCE, frames - done)
        drift = centre + np.cumsum(rng.normal(scale=DRIFT, size=(count, 3)), axis=0)
        centre = drift[-1]
        hops = rng.choice([-1, 1], (count, len(rows))) * (rng.random((count, len(rows))) < HOP)
        # beyond the outermost place an ion is in the next image
        states = now + np.cumsum(hops, axis=0)
        now = states[-1]
        images_of, regions_of = np.divmod(states, places.shape[1])
        chunk = _empty_frames(count, natoms)
        for axis, name in enumerate("xyz"):
            moved = rng.random((count, natoms), dtype=np.float32)
            moved *= 2 * NOISE
            moved += (home[axis] - NOISE).astype(np.float32)
            if axis == 2:
                at = np.take_along_axis(places.T, regions_of, 0) + BOX[2] * images_of
                _place_hoppers(moved, composition, rows, at)
                moved[:, :slab] = home[2, :slab]
            moved += drift[:, axis, None].astype(np.float32)
            chunk[name] = moved
        labels = np.broadcast_to(region_of, (count, len(region_of))).copy()
        labels[:, rows] = regions_of
        yield chunk, labels
        done += count


def _home_z(rng: np.random.Generator, composition: Composition) -> NDArray[np.float64]:
    """Return the initial positions: the slab in the middle, with its centre at zero, the rest on both sides."""
    slab = len(composition.slab)
    masses = np.array([TABLE[label][0] for label in composition.slab])
    framework = np.isin(composition.slab, ("La", "Zr"))
    z = np.empty(len(composition.labels))
    z[:slab] = rng.uniform(-HALF, HALF, slab)
    z[:slab] -= np.average(z[:slab][framework], weights=masses[framework]) + OFFSET
    rest = len(z) - slab
    z[slab:] = rng.uniform(HALF + 2, BOX[2] - HALF - 2, rest)
    staying = slab + composition.lithium - composition.mobile
    z[slab:staying] = rng.uniform(-21.5, 21.5, staying - slab)
    first = slab + composition.lithium
    arms = rng.uniform(-2, 2, (composition.anions, len(composition.anion)))
    arms[:, 0] = 0.0
    if len(composition.anion) > 1:
        weights = np.array([TABLE[label][0] for label in composition.anion[1:]])
        arms[:, 1:] -= (arms[:, 1:] @ weights / weights.sum())[:, None]
    z[first : first + arms.size] = arms.ravel()
    z[slab + composition.lithium - composition.mobile : first] = 0.0
    return z


def _hoppers(composition: Composition) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the numbers of the ions that hop, and their sites (ions, regions)."""
    rows = np.arange(composition.lithium - composition.mobile, composition.lithium + composition.anions)
    places = [PLACES["Li"]] * composition.mobile + [PLACES["TFSI"]] * composition.anions
    return rows, np.array(places)


def _place_hoppers(
    z: NDArray[np.float32], composition: Composition, rows: NDArray[np.int64], places: NDArray[np.float64]
) -> None:
    """Add the positions (F, hopping ions) of lithium and anions to their atoms."""
    first = len(composition.slab) + int(rows[0])
    sizes = [1] * composition.mobile + [len(composition.anion)] * composition.anions
    moved = np.repeat(places, sizes, axis=1).astype(np.float32)
    z[:, first : first + moved.shape[1]] += moved


# -- file ----------------------------------------------------------------------------------------------------


def _frame_dtype(natoms: int) -> np.dtype[np.void]:
    parts: list[tuple[Any, ...]] = [("cell0", "<i4"), ("cell", "<f8", 6), ("cell1", "<i4")]
    for axis in "xyz":
        parts += [(f"{axis}0", "<i4"), (axis, "<f4", natoms), (f"{axis}1", "<i4")]
    return np.dtype(parts)


def _empty_frames(count: int, natoms: int) -> NDArray[np.void]:
    frames = np.zeros(count, dtype=_frame_dtype(natoms))
    frames["cell0"] = frames["cell1"] = 48
    frames["cell"] = (BOX[0], 0, BOX[1], 0, 0, BOX[2])
    for axis in "xyz":
        frames[f"{axis}0"] = frames[f"{axis}1"] = 4 * natoms
    return frames


def _header(natoms: int, frames: int, first: int) -> bytes:
    numbers = [0] * 20
    numbers[:4] = frames, first * FRAME_STEPS, FRAME_STEPS, (first + frames - 1) * FRAME_STEPS
    numbers[9] = struct.unpack("<i", struct.pack("<f", TIMESTEP))[0]
    numbers[10], numbers[19] = 1, 24
    title = struct.pack("<i", 2) + b"Written by LAMMPS".ljust(80, b"\0") + b"REMARKS".ljust(80)
    contents = (b"CORD" + struct.pack("<20i", *numbers), title, struct.pack("<i", natoms))
    return b"".join(struct.pack("<i", len(one)) + one + struct.pack("<i", len(one)) for one in contents)
