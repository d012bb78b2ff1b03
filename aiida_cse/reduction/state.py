"""Mergeable state of a reduced trajectory, and its file.

Merging the states of two halves gives the state of the whole, bit for bit, wherever the cut lies. Histograms and
counts are integers, quantities per frame depend on that frame alone, and each state keeps what a merge needs at
its ends: the first and last label of each ion, and the ions' positions within the longest lag of either end.
"""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.transitions import RULES, Rule
from aiida_cse.reduction.config import GRID, ReductionConfig
from aiida_cse.reduction.displacements import DisplacementMoments, Displacements, join_blocks

__all__ = ["FORMAT", "State", "Track"]

#: version of the file layout; a reader refuses all others
FORMAT = 3

#: exceptions that numpy and zipfile raise for a file that is no intact archive of arrays
_DAMAGED = (
    TokenError,
    OSError,
    EOFError,
    AttributeError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    NotImplementedError,
    MemoryError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
)

_ARRAYS = ("histograms", "point_histograms", "region_counts", "centres", "lengths", "snapshot_bins")


@dataclass
class Track:
    """Labels of all ions over time under one rule.

    Attributes
    ----------
    first_labels, first_frames, last_labels
        (ions,) first label of each ion, the frame in which it had it, and its last label; −1 for none yet.
    events
        (E, 4) int64, sorted by frame and ion: frame, ion, from, to.
    """

    first_labels: NDArray[np.int8]
    first_frames: NDArray[np.int64]
    last_labels: NDArray[np.int8]
    events: NDArray[np.int64]

    @classmethod
    def empty(cls, ions: int) -> Track:
        """Return a track of ions without labels."""
        unknown = np.full(ions, -1, dtype=np.int8)
        return cls(unknown, np.full(ions, -1, dtype=np.int64), unknown.copy(), np.zeros((0, 4), np.int64))

    def merge(self, later: Track) -> Track:
        """Return this track followed by ``later``.

        An ion whose label changes across the seam adds an event at the first frame in which ``later`` labels it.
        """
        labelled = later.first_labels >= 0
        new = (self.last_labels < 0) & labelled
        crossed = np.flatnonzero((self.last_labels >= 0) & labelled & (self.last_labels != later.first_labels))
        seam = np.column_stack(
            [later.first_frames[crossed], crossed, self.last_labels[crossed], later.first_labels[crossed]]
        ).astype(np.int64)
        events = np.concatenate([seam, later.events])
        return Track(
            first_labels=np.where(new, later.first_labels, self.first_labels),
            first_frames=np.where(new, later.first_frames, self.first_frames),
            last_labels=np.where(labelled, later.last_labels, self.last_labels),
            events=np.concatenate([self.events, events[np.lexsort((events[:, 1], events[:, 0]))]]),
        )

    def arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Return all arrays by name, with a prefix."""
        return {f"{prefix}_{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str) -> Track:
        """Return the track that :meth:`arrays` was called on; raises KeyError if an array is missing."""
        return cls(**{field.name: arrays[f"{prefix}_{field.name}"] for field in fields(cls)})


@dataclass
class State:
    """Reduced frames ``start`` to ``stop`` − 1; the number of a frame is its step / ``config.frame_steps``.

    Attributes
    ----------
    config
        Settings of the reduction.
    histograms
        (blocks, types, bins) int64, atoms per bin summed over the frames of each block of
        ``config.block_frames`` frames; the first block has the number ``start // block_frames``.
    point_histograms
        (blocks, species, bins) int64, the same for the points that stand for the ions.
    region_counts
        (frames, species, 5) int32, ions in each region.
    centres, lengths
        (frames,) float64, z of the slab's mid-plane in the trajectory and length of the box along z, Å.
    snapshot_bins
        (snapshots, ions) int32, bin of each ion in the frames whose numbers are multiples of
        ``config.snapshot_frames``.
    tracks
        Labels of the ions, by rule.
    core_tracks
        Labels under the core rule with buffers scaled by each of ``config.core_scales``, by scale.
    displacements
        Sums over displacements; :meth:`displacement_moments` gives them in Å and Å².
    """

    config: ReductionConfig
    start: int
    stop: int
    histograms: NDArray[np.int64]
    point_histograms: NDArray[np.int64]
    region_counts: NDArray[np.int32]
    centres: NDArray[np.float64]
    lengths: NDArray[np.float64]
    snapshot_bins: NDArray[np.int32]
    tracks: dict[Rule, Track]
    core_tracks: dict[float, Track]
    displacements: Displacements

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.stop - self.start

    @property
    def nbytes(self) -> int:
        """Size of all arrays, bytes."""
        return sum(array.nbytes for array in self.arrays().values())

    @property
    def first_block(self) -> int:
        """Number of the first block."""
        return self.start // self.config.block_frames

    @property
    def snapshots(self) -> NDArray[np.int64]:
        """Numbers of the frames that are snapshots."""
        return np.array(_snapshots(self.config, self.start, self.stop), dtype=np.int64)

    @property
    def first_step(self) -> int:
        """Step of the first frame."""
        return self.start * self.config.frame_steps

    @property
    def last_step(self) -> int:
        """Step of the last frame."""
        return (self.stop - 1) * self.config.frame_steps

    @classmethod
    def empty(cls, config: ReductionConfig, start: int, stop: int, ions: int) -> State:
        """Return a state of zeros for frames that are still to be counted."""
        arrays: dict[str, Any] = {
            name: np.zeros(shape, dtype) for name, (shape, dtype) in _layout(config, start, stop, ions).items()
        }
        return cls(
            config=config,
            start=start,
            stop=stop,
            tracks={rule: Track.empty(ions) for rule in RULES},
            core_tracks={scale: Track.empty(ions) for scale in config.core_scales},
            displacements=Displacements.empty(config, len(arrays["histograms"]), ions),
            **arrays,
        )

    def merge(self, later: State) -> State:
        """Return the state of the frames of this state and of ``later``, which must follow it without a gap.

        Raises
        ------
        ValueError
            The configurations differ, or ``later`` does not start where this state stops.
        """
        self.check_config(later.config)
        if later.start != self.stop:
            raise ValueError(
                f"states do not join: one stops before step {self.stop * self.config.frame_steps}, "
                f"the other starts at step {later.first_step}"
            )
        shift = later.first_block - self.first_block
        return State(
            config=self.config,
            start=self.start,
            stop=later.stop,
            histograms=join_blocks(self.histograms, later.histograms, shift),
            point_histograms=join_blocks(self.point_histograms, later.point_histograms, shift),
            region_counts=np.concatenate([self.region_counts, later.region_counts]),
            centres=np.concatenate([self.centres, later.centres]),
            lengths=np.concatenate([self.lengths, later.lengths]),
            snapshot_bins=np.concatenate([self.snapshot_bins, later.snapshot_bins]),
            tracks={rule: track.merge(later.tracks[rule]) for rule, track in self.tracks.items()},
            core_tracks={
                scale: track.merge(later.core_tracks[scale]) for scale, track in self.core_tracks.items()
            },
            displacements=self.displacements.merge(later.displacements, self.config, self.first_block, shift),
        )

    def displacement_moments(self, name: str) -> DisplacementMoments:
        """Return the moments of the displacements of the ions ``name`` per block, layer and lag, in Å and Å².

        Raises
        ------
        ValueError
            There is no such species.
        """
        if name not in self.config.ions:
            raise ValueError(f"name = {name!r}: must be one of {', '.join(self.config.ions)}")
        species, moved = list(self.config.ions), self.displacements
        starts = np.cumsum([0, *(len(self.config.ions[one].layers) for one in species)])
        index = species.index(name)
        rows = slice(int(starts[index]), int(starts[index + 1]))
        return DisplacementMoments(
            layers=self.config.ions[name].layers,
            lags_ps=self.config.lags_ps,
            counts=moved.counts[:, rows].copy(),
            sums=moved.sums[:, rows] / GRID,
            squares=moved.squares[:, rows] / GRID**2,
        )

    def check_config(self, config: ReductionConfig) -> None:
        """Raise ValueError, naming the first field that differs, unless ``config`` is that of this state."""
        for name in ReductionConfig.model_fields:
            mine, other = getattr(self.config, name), getattr(config, name)
            if mine != other:
                detail = f": {mine!r} and {other!r}" if len(repr((mine, other))) < 200 else ""
                raise ValueError(f"{name} differs between the state and the new configuration{detail}")

    def equals(self, other: State) -> bool:
        """Return whether both hold the same settings and numbers, bit for bit."""
        mine, others = self.arrays(), other.arrays()
        return self.config == other.config and all(
            mine[name].dtype == others[name].dtype and np.array_equal(mine[name], others[name]) for name in mine
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return everything but the configuration as arrays, by the names that they have in the file."""
        arrays: dict[str, NDArray[np.generic]] = {
            "range": np.array([FORMAT, self.start, self.stop], dtype=np.int64)
        }
        arrays |= {name: getattr(self, name) for name in _ARRAYS}
        for rule, track in self.tracks.items():
            arrays |= track.arrays(rule)
        for scale, track in self.core_tracks.items():
            arrays |= track.arrays(f"core_{scale}")
        return arrays | self.displacements.arrays()

    # -- file ------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the state to a compressed npz file without pickled objects.

        The file appears under its name only when it is complete.
        """
        config = np.frombuffer(self.config.model_dump_json().encode(), dtype=np.uint8)
        arrays = {"config": config, **self.arrays()}
        target = Path(path)
        partial = target.with_name(target.name + ".part")
        with partial.open("wb") as file:
            _write_arrays(file, arrays)
        partial.replace(target)

    @classmethod
    def load(cls, path: str | Path | BinaryIO) -> State:
        """Read a state from a path or an open binary file, compressed or not.

        Raises
        ------
        ValueError
            The file is missing, damaged, unreasonably large when unpacked, or of another format.
        """
        if isinstance(path, str | Path):
            try:
                with Path(path).open("rb") as file:
                    return cls.load(file)
            except (OSError, ValueError) as error:
                raise ValueError(f"{path}: {error}") from error
        with _refuse_damaged():
            arrays = _read_arrays(path)
            version = int(arrays["range"][0])
        if version != FORMAT:
            raise ValueError(
                f"is a state of format {version}, this program reads format {FORMAT}; reduce the trajectory again"
            )
        with _refuse_damaged():
            _, start, stop = (int(number) for number in arrays["range"].tolist())
            config = ReductionConfig.model_validate_json(arrays["config"].tobytes())
            _check_arrays(arrays, config, start, stop)
            return cls(
                config=config,
                start=start,
                stop=stop,
                tracks={rule: Track.from_arrays(arrays, rule) for rule in RULES},
                core_tracks={scale: Track.from_arrays(arrays, f"core_{scale}") for scale in config.core_scales},
                displacements=Displacements.from_arrays(arrays),
                **{name: arrays[name] for name in _ARRAYS},
            )


def _snapshots(config: ReductionConfig, start: int, stop: int) -> range:
    """Return the numbers of the snapshots among the frames."""
    stride = config.snapshot_frames
    return range(-(-start // stride) * stride, stop, stride)


def _layout(config: ReductionConfig, start: int, stop: int, ions: int) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and type of the arrays whose size follows from the configuration and the range of frames."""
    blocks = -(-stop // config.block_frames) - start // config.block_frames
    frames, species = stop - start, len(config.ions)
    return {
        "histograms": ((blocks, len(config.labels), config.bins), "int64"),
        "point_histograms": ((blocks, species, config.bins), "int64"),
        "region_counts": ((frames, species, len(REGION_NAMES)), "int32"),
        "centres": ((frames,), "float64"),
        "lengths": ((frames,), "float64"),
        "snapshot_bins": ((len(_snapshots(config, start, stop)), ions), "int32"),
    }


def _check_arrays(arrays: Mapping[str, NDArray[Any]], config: ReductionConfig, start: int, stop: int) -> None:
    """Refuse arrays of a file that do not fit its configuration and range of frames.

    The compiled loops use layers and blocks of the last samples as indices without checking them.
    """
    ions = len(arrays["snapshot_first_labels"])
    layout = _layout(config, start, stop, ions)
    for prefix in (*RULES, *(f"core_{scale}" for scale in config.core_scales)):
        layout |= {f"{prefix}_{name}": ((ions,), "int8") for name in ("first_labels", "last_labels")}
        layout[f"{prefix}_first_frames"] = ((ions,), "int64")
        layout[f"{prefix}_events"] = ((len(arrays[f"{prefix}_events"]), 4), "int64")
    layers = sum(len(species.layers) for species in config.ions.values())
    sums = (layout["histograms"][0][0], layers, len(config.lags))
    frames, tail_layers = arrays["displacement_tail_frames"], arrays["displacement_tail_layers"]
    head, tail = len(arrays["displacement_head"]), len(frames)
    layout |= {
        "displacement_counts": (sums, "int64"),
        "displacement_sums": ((*sums, 3), "int64"),
        "displacement_squares": ((*sums, 3), "int64"),
        "displacement_head": ((head, 3, ions), "int32"),
        "displacement_tail_frames": ((tail,), "int64"),
        "displacement_tail_positions": ((tail, 3, ions), "int32"),
        "displacement_tail_layers": ((tail, ions), "int16"),
    }
    for name, (shape, dtype) in layout.items():
        found = arrays[name]
        if found.shape != shape or found.dtype != dtype:
            raise ValueError(
                f"{name} is {found.dtype} of shape {found.shape}, but {ions} ions in {stop - start} frames "
                f"need {dtype} of shape {shape}"
            )
    if max(head, tail) > max(config.lag_samples, default=0):
        raise ValueError(f"has {max(head, tail)} samples of displacements, more than the longest lag spans")
    if not (((start <= frames) & (frames < stop)).all() and ((tail_layers >= 0) & (tail_layers < layers)).all()):
        raise ValueError("the samples of displacements are not within its frames and layers")


@contextmanager
def _refuse_damaged() -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise ValueError(f"is no state of a reduction: {error}") from error


# -- archives of arrays --------------------------------------------------------------------------------------

_SUFFIX = ".npy"
#: zlib's level of compression
_LEVEL = 4
#: bytes that are read at once
_PIECE_BYTES = 2**20
#: a file may unpack to this many bytes whatever its own size, ...
_SMALL_BYTES = 2**28
#: ... and a larger one to this many times its size; states compress by a factor of 7 to 9
_LARGEST_RATIO = 100


def _largest(file_bytes: int) -> int:
    """Return how many bytes a file of this size may unpack to."""
    return max(_SMALL_BYTES, _LARGEST_RATIO * file_bytes)


def _write_arrays(file: BinaryIO, arrays: Mapping[str, NDArray[Any]], method: int = zipfile.ZIP_DEFLATED) -> None:
    """Write arrays to an npz file; with one version of zlib, equal arrays give equal bytes."""
    with zipfile.ZipFile(file, "w", method, compresslevel=_LEVEL) as archive:
        for name, array in arrays.items():
            with archive.open(name + _SUFFIX, "w", force_zip64=True) as member:
                npy.write_array(member, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    size, unpacked = file.tell(), sum(array.nbytes for array in arrays.values())
    if method != zipfile.ZIP_STORED and unpacked > _largest(size):
        file.seek(0)
        file.truncate()
        _write_arrays(file, arrays, zipfile.ZIP_STORED)


def _read_arrays(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npz file; their sizes are checked before memory is allocated.

    Raises
    ------
    OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError
        The file cannot be read, is damaged or too large, or holds anything but arrays of numbers.
    """
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > _largest(size):
            raise ValueError(f"unpacks to {unpacked:,} bytes, a file of {size:,} bytes may to {_largest(size):,}")
        return {info.filename.removesuffix(_SUFFIX): _read_array(archive, info) for info in archive.infolist()}


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as opened:
        member: Any = opened
        version = npy.read_magic(member)
        if version != (1, 0):
            raise ValueError(f"{info.filename} is in version {version} of the npy format")
        shape, fortran, dtype = npy.read_array_header_1_0(member)
        if dtype.kind not in "iuf":
            raise ValueError(f"{info.filename} holds {'objects' if dtype.hasobject else dtype}, not numbers")
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != info.file_size - member.tell():
            raise ValueError(f"{info.filename} is an array of shape {shape} in {info.file_size} bytes")
        array: NDArray[Any] = np.empty(shape[::-1] if fortran else shape, dtype)
        flat = array.reshape(-1).view(np.uint8)
        for first in range(0, flat.size, _PIECE_BYTES):
            piece = flat[first : first + _PIECE_BYTES]
            if member.readinto(piece.data) != piece.size:
                raise EOFError(f"{info.filename} is truncated")
    return array.T if fortran else array
