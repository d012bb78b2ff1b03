"""Trajectories with known answers: a drifting slab, ions with scheduled transitions, molecules as anions."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.system import IonDescription, SystemDescription

LENGTH = 110.0
HALF = 19.5
OFFSET = 0.35
TIMESTEP = 2.0
FRAME_STEPS = 10
FRAMEWORK, CATIONS, ANIONS, ATOMS_PER_ANION = 16, 12, 8, 3
NATOMS = FRAMEWORK + CATIONS + ANIONS * ATOMS_PER_ANION
#: share of the box by which atoms of the framework and all others move from frame to frame
VIBRATION, MOTION = 0.01, 0.1

#: middles of the cores of the five regions, Å
CORE_MIDDLES = {"Li": (-45.0, -28.5, 0.0, 28.5, 45.0), "TFSI": (-40.0, -22.5, 0.0, 22.5, 40.0)}


@dataclass(frozen=True)
class Synthetic:
    """Positions (frames, N, 3) float32 and the region of each ion (frames, ions) that they were made from."""

    positions: NDArray[np.float32]
    regions: dict[str, NDArray[np.int64]]
    centres: NDArray[np.float64]


def config(**changes: Any) -> ReductionConfig:
    """Return the configuration of the synthetic system; ``changes`` are those of its description or sampling."""
    settings = {
        "block_ps": 0.2,
        "snapshot_ps": 0.06,
        "bins": 110,
        "core_scales": (0.5, 1.5),
        "displacement_ps": 0.06,
        "lags_ps": (0.12, 0.3),
        "timestep_fs": TIMESTEP,
        "frame_steps": FRAME_STEPS,
    } | changes
    settings["frame_ps"] = settings.pop("frame_steps") * settings["timestep_fs"] / 1000
    sampling = {name: settings.pop(name) for name in Sampling.model_fields if name in settings}
    described = describe(**settings)
    if sampling.get("anion_point") == "atom":
        sampling["anion_atom"] = described.labels[described.anion.types[0] - 1]
    return ReductionConfig.build(described, Sampling.model_validate(sampling))


def describe(**changes: Any) -> SystemDescription:
    """Return the description of the synthetic system, with ``changes``."""
    molecules = [1] * FRAMEWORK + [2 + ion for ion in range(CATIONS)]
    molecules += [2 + CATIONS + ion for ion in range(ANIONS) for _ in range(ATOMS_PER_ANION)]
    settings: dict[str, Any] = {
        "types": np.array([1, 2] * (FRAMEWORK // 2) + [3] * CATIONS + [4, 5, 5] * ANIONS),
        "molecules": np.array(molecules),
        "labels": ("La", "Zr", "Li", "N", "F"),
        "masses": (138.9, 91.2, 6.94, 14.0, 19.0),
        "charges": (2.1, 2.8, 0.7, -0.5, -0.1),
        "framework": (1, 2),
        "thickness": 2 * HALF,
        "midplane_offset": OFFSET,
        "box": (20.0, 20.0, LENGTH),
        "cation": IonDescription("Li", (3,)),
        "initial_cations": 4,
        "anion": IonDescription("TFSI", (4, 5)),
    }
    return SystemDescription(**(settings | changes))


def make(seed: int, frames: int, *, drift: float = 2.0, hop: float = 0.02) -> Synthetic:
    """Return a trajectory in which every ion hops between the middles of its cores at known frames.

    Coordinates are unwrapped, and the framework vibrates about its sites.
    """
    rng = np.random.default_rng(seed)
    centres = np.cumsum(rng.normal(scale=drift, size=frames))
    z = np.empty((frames, NATOMS))
    weights = np.array([138.9, 91.2] * (FRAMEWORK // 2))
    sites = np.random.default_rng([seed, 1]).uniform(-1, 1, (3, FRAMEWORK))
    z[:, :FRAMEWORK] = HALF * sites[2] + VIBRATION * rng.uniform(-HALF, HALF, (frames, FRAMEWORK))
    z[:, :FRAMEWORK] -= (z[:, :FRAMEWORK] @ weights / weights.sum() + OFFSET)[:, None]
    walks = {name: _walk(rng, frames, ions, hop) for name, ions in (("Li", CATIONS), ("TFSI", ANIONS))}
    z[:, FRAMEWORK : FRAMEWORK + CATIONS] = _places(rng, walks["Li"], "Li")
    middles = _places(rng, walks["TFSI"], "TFSI")
    masses = np.array([14.0, 19.0, 19.0])
    arms = rng.uniform(-3, 3, (frames, ANIONS, ATOMS_PER_ANION))
    arms -= (arms @ masses / masses.sum())[..., None]
    z[:, FRAMEWORK + CATIONS :] = (middles[..., None] + arms).reshape(frames, -1)
    z += centres[:, None] + LENGTH * _images(rng)
    apart = rng.uniform(-30, 30, (frames, NATOMS, 3))
    # an anion moves as a whole
    leader = np.arange(NATOMS)
    leader[FRAMEWORK + CATIONS :] -= np.tile(np.arange(ATOMS_PER_ANION), ANIONS)
    across = apart[:, leader] + 0.05 * (apart[0] - apart[0, leader])
    share = np.where(np.arange(NATOMS) < FRAMEWORK, VIBRATION, MOTION)[:, None]
    positions = across[0] + share * (across - across[0])
    positions[:, :FRAMEWORK] += 10 * sites.T - across[0, :FRAMEWORK]
    positions[..., 2] = z
    return Synthetic(positions.astype(np.float32), {name: walk % 5 for name, walk in walks.items()}, centres)


def _walk(rng: np.random.Generator, frames: int, ions: int, hop: float) -> NDArray[np.int64]:
    """Return steps to neighbouring regions with probability ``hop``; five of them lead to the next image."""
    steps = rng.choice([-1, 1], (frames, ions)) * (rng.random((frames, ions)) < hop)
    steps[0] = rng.integers(0, 5, ions)
    return np.cumsum(steps, axis=0)


def _places(rng: np.random.Generator, walk: NDArray[np.int64], name: str) -> NDArray[np.float64]:
    return np.array(CORE_MIDDLES[name])[walk % 5] + LENGTH * (walk // 5) + rng.uniform(-1.5, 1.5, walk.shape)


def _images(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return one periodic image per molecule, the same for its atoms; the slab is one molecule."""
    images = np.concatenate([[0], rng.integers(-2, 3, CATIONS + ANIONS)])
    return np.repeat(images, [FRAMEWORK] + [1] * CATIONS + [ATOMS_PER_ANION] * ANIONS)


def write_dcd(
    path: Path,
    positions: NDArray[np.float32],
    *,
    first_step: int = 0,
    frame_steps: int = FRAME_STEPS,
    lengths: tuple[float, float, float] = (20.0, 20.0, LENGTH),
    timestep: float = TIMESTEP,
    frames_in_header: int | None = None,
    **header: int,
) -> Path:
    """Write a file of the layout of LAMMPS; ``header`` overrides integers of its first record, as ``i9=1``."""
    frames, natoms, _ = positions.shape
    numbers = [0] * 20
    numbers[0] = frames if frames_in_header is None else frames_in_header
    numbers[1:4] = first_step, frame_steps, first_step + (frames - 1) * frame_steps
    numbers[9] = struct.unpack("<i", struct.pack("<f", timestep))[0]
    numbers[10], numbers[19] = 1, 24
    for name, value in header.items():
        numbers[int(name[1:])] = value
    title = struct.pack("<i", 2) + b"Written by LAMMPS".ljust(80, b"\0") + b"REMARKS".ljust(80)
    blocks = [_record(b"CORD" + struct.pack("<20i", *numbers)), _record(title), _record(struct.pack("<i", natoms))]
    cell = _record(struct.pack("<6d", lengths[0], 0, lengths[1], 0, 0, lengths[2]))
    for frame in positions:
        blocks += [cell, *(_record(np.ascontiguousarray(axis, dtype="<f4").tobytes()) for axis in frame.T)]
    path.write_bytes(b"".join(blocks))
    return path


def _record(content: bytes) -> bytes:
    marker = struct.pack("<i", len(content))
    return marker + content + marker


def contents(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file as numpy reads them."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
