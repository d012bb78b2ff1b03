"""Small trajectories of the synthetic system in the formats that the readers take."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Callable
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


def write_with_mdanalysis(
    path: Path,
    positions: NDArray[np.float32],
    times: NDArray[np.float64] | None = None,
    steps: list[int] | None = None,
    box: tuple[float, ...] = (20.0, 20.0, LENGTH, 90.0, 90.0, 90.0),
    **options: object,
) -> Path:
    """Write a trajectory in the format of the suffix; without ``steps``, MDAnalysis counts frames."""
    frames, natoms, _ = positions.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe.empty(
            natoms, n_residues=natoms, atom_resindex=np.arange(natoms), trajectory=True
        )
        universe.add_TopologyAttr("name", ["LI"] * natoms)
        timestep = universe.trajectory.ts
        with MDAnalysis.Writer(str(path), natoms, **options) as writer:
            for number in range(frames):
                timestep.dimensions = box
                universe.atoms.positions = positions[number]
                timestep.frame = number
                if times is not None:
                    timestep.time = times[number]
                if steps is not None:
                    timestep.data["step"] = steps[number]
                writer.write(universe.atoms)
    return path


def trr_frame(positions: NDArray[np.float64], step: int, time: float, double: bool, bare: bool = False) -> bytes:
    """Return a frame of a TRR file with positions in nm, velocities and forces, or velocities alone."""
    real, width = ("d", 8) if double else ("f", 4)
    natoms, size = len(positions), 3 * width * len(positions)
    own = 0 if bare else size
    sizes = (0, 0, 9 * width, 9 * width, 0, 0, 0, own, size, 0 if bare else size, natoms, step, 0)
    content = struct.pack(">iii12s13i", 1993, 13, 12, b"GMX_trn_file", *sizes) + struct.pack(f">2{real}", time, 0)
    content += struct.pack(f">9{real}", 2, 0, 0, 0, 2, 0, 0, 0, LENGTH / 10) + bytes(9 * width)
    block = positions.astype(f">f{width}").tobytes()
    return content + (b"" if bare else block) + bytes(size) + (b"" if bare else bytes(size))


#: numbers that a header should not promise
NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), 2**30, 5_000_000)


def mutated(content: bytes, seed: int) -> bytes:
    """Return a file with one fault of a kind and at a place that follow from the seed."""
    rng = np.random.default_rng(seed)
    data = bytearray(content)
    # every other fault is near the beginning, where headers are
    place = int(rng.integers(min(len(data), 400) if seed % 2 else len(data)))
    size = int(rng.integers(1, 40))
    other = int(rng.integers(len(data)))
    kinds: list[Callable[[], None]] = [
        lambda: data.__setitem__(place, data[place] ^ (1 << int(rng.integers(8)))),
        lambda: data.__delitem__(slice(place, place + size)),
        lambda: data.__setitem__(slice(place, place), rng.bytes(size)),
        lambda: data.__setitem__(slice(place, place), data[other : other + size]),
        lambda: data.__delitem__(slice(place, None)),
        lambda: data.__setitem__(slice(place, place + size), bytes(len(data[place : place + size]))),
        lambda: data.__setitem__(
            slice(place, place + 4), int(rng.choice(NUMBERS)).to_bytes(4, "big", signed=True)
        ),
        lambda: data.__setitem__(
            slice(place // 4 * 4, place // 4 * 4 + 4), int(rng.choice(NUMBERS)).to_bytes(4, "little", signed=True)
        ),
        lambda: data.__setitem__(slice(place, place + size), b"\xff" * len(data[place : place + size])),
        lambda: data.extend(rng.bytes(size)),
        lambda: replace_number(data, place, rng),
    ]
    kinds[seed % len(kinds)]()
    return bytes(data)


def replace_number(data: bytearray, place: int, rng: np.random.Generator) -> None:
    """Replace the next number of a text by one that it must not be."""
    found = re.compile(rb"[-\d.]+").search(data, place)
    if found:
        data[found.start() : found.end()] = bytes(
            rng.choice([b"2147483648", b"-1", b"nan", b"1e400", b"", b"0", b"9" * 30, b"x"])
        )
