"""Small trajectories of the synthetic system in the formats that the readers take."""

from __future__ import annotations

import warnings
from pathlib import Path

import MDAnalysis
import numpy as np
from numpy.typing import NDArray

from tests.reduction.synthetic import FRAME_STEPS, LENGTH, config


def frame_text(
    positions: NDArray[np.float32],
    step: int,
    order: NDArray[np.int64] | None = None,
    columns: str = "id type xu yu zu",
    lengths: tuple[float, float, float] = (20.0, 20.0, LENGTH),
) -> str:
    natoms = len(positions)
    bounds = "\n".join(f"{-length / 2:.16e} {length / 2:.16e}" for length in lengths)
    types = config().atom_types
    rows = {"id": lambda i: i + 1, "type": lambda i: types[i], "element": lambda i: "X"}
    rows |= {
        name: lambda i, axis=axis: f"{positions[i, axis]:.9g}" for axis, name in enumerate(("xu", "yu", "zu"))
    }
    lines = [
        " ".join(str(rows[name](i)) for name in columns.split())
        for i in (np.arange(natoms) if order is None else order)
    ]
    return (
        f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{natoms}\nITEM: BOX BOUNDS pp pp pp\n{bounds}\n"
        f"ITEM: ATOMS {columns} \n" + "\n".join(lines) + "\n"
    )


def write_dump(
    path: Path, positions: NDArray[np.float32], first_step: int = 0, columns: str = "id type xu yu zu"
) -> Path:
    rng = np.random.default_rng(1)
    frames = [
        frame_text(one, first_step + number * FRAME_STEPS, rng.permutation(len(one)), columns)
        for number, one in enumerate(positions)
    ]
    path.write_text("".join(frames))
    return path


def write_xtc(path: Path, positions: NDArray[np.float32], first_step: int = 0, stride: int = FRAME_STEPS) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe.empty(positions.shape[1], trajectory=True)
        universe.dimensions = [20, 20, LENGTH, 90, 90, 90]
        with MDAnalysis.Writer(str(path), positions.shape[1]) as writer:
            for number, one in enumerate(positions):
                universe.atoms.positions = one
                universe.trajectory.ts.data["step"] = first_step + number * stride
                writer.write(universe.atoms)
    return path
