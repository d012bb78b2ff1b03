"""The mergeable result of a reduction.

Merging the states of two halves gives the state of the whole, bit for bit, wherever the cut lies: histograms and
counts are integers, what belongs to one frame depends on that frame alone, and the seam knows the first and the
last label of each ion and where the ions were within the longest lag of either end.
"""

from __future__ import annotations

import errno
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.transitions import RULES, Rule
from aiida_cse.reduction.archive import read_arrays, write_arrays
from aiida_cse.reduction.blocks import join_blocks
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.displacements import DisplacementMoments, Displacements
from aiida_cse.reduction.scratch import Scratch, release
from aiida_cse.reduction.tracks import Track

__all__ = ["FORMAT", "State", "Track"]

#: version of the layout of the file; a reader refuses others
FORMAT = 3

#: where arrays are by default
IN_MEMORY = Scratch()

#: what numpy and zipfile raise for a file that is no whole archive of arrays
_DAMAGED = (
    OSError,
    EOFError,
    AttributeError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)

#: the scratch folder has no space, which is no fault of the file
_FULL = (errno.ENOSPC, errno.EDQUOT)

_ARRAYS = ("histograms", "point_histograms", "region_counts", "centres", "lengths", "snapshot_bins")


@dataclass
class State:
    """What a reduction keeps of the frames ``start`` to ``stop`` − 1, numbered by step / frame_steps.

    Attributes
    ----------
    config
        How it was made.
    histograms
        (blocks, types, bins) int64, counts per block of ``config.block_frames`` frames; the first block is
        number ``start // block_frames``.
    point_histograms
        (blocks, species, bins) int64, the same for the points of the ions.
    region_counts
        (frames, species, 5) int32.
    centres, lengths
        (frames,) z of the slab's mid-plane in the trajectory, and length of the box, Å.
    snapshot_bins
        (snapshots, ions) int32, the bin of each ion in the frames whose numbers are multiples of
        ``config.snapshot_frames``.
    tracks
        Per rule, the events and what a seam needs.
    core_tracks
        The same for the core rule with buffers that are ``config.core_scales`` × as wide, by scale.
    displacements
        Sums over the displacements and what a seam needs; see :meth:`displacement_moments`.
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
        """Size of all arrays."""
        return sum(array.nbytes for array in self._arrays().values())

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
    def empty(
        cls, config: ReductionConfig, start: int, stop: int, ions: int, scratch: Scratch = IN_MEMORY
    ) -> State:
        """Return the state of frames that are still to be counted."""
        blocks = -(-stop // config.block_frames) - start // config.block_frames
        zeros = scratch.zeros
        return cls(
            config=config,
            start=start,
            stop=stop,
            histograms=zeros((blocks, len(config.labels), config.bins), np.int64),
            point_histograms=zeros((blocks, len(config.ions), config.bins), np.int64),
            region_counts=zeros((stop - start, len(config.ions), len(REGION_NAMES)), np.int32),
            centres=zeros((stop - start,), np.float64),
            lengths=zeros((stop - start,), np.float64),
            snapshot_bins=zeros((len(_snapshots(config, start, stop)), ions), np.int32),
            tracks={rule: Track.empty(ions) for rule in RULES},
            core_tracks={scale: Track.empty(ions) for scale in config.core_scales},
            displacements=Displacements.empty(config, blocks, ions),
        )

    def merge(self, later: State, scratch: Scratch = IN_MEMORY) -> State:
        """Return the state of the frames of this one and of ``later``, which must follow it; made in ``scratch``.

        Raises
        ------
        ValueError
            The two were made with other settings, or ``later`` does not start where this one stops.
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
            histograms=join_blocks(self.histograms, later.histograms, shift, scratch),
            point_histograms=join_blocks(self.point_histograms, later.point_histograms, shift, scratch),
            region_counts=scratch.join(self.region_counts, later.region_counts),
            centres=scratch.join(self.centres, later.centres),
            lengths=scratch.join(self.lengths, later.lengths),
            snapshot_bins=scratch.join(self.snapshot_bins, later.snapshot_bins),
            tracks={rule: track.merge(later.tracks[rule], scratch) for rule, track in self.tracks.items()},
            core_tracks={
                scale: track.merge(later.core_tracks[scale], scratch) for scale, track in self.core_tracks.items()
            },
            displacements=self.displacements.merge(
                later.displacements, self.config, self.first_block, shift, scratch
            ),
        )

    def release(self) -> None:
        """Drop from memory what lies in a scratch folder; nothing is lost."""
        release(*self._arrays().values())

    def displacement_moments(self, name: str) -> DisplacementMoments:
        """Return the moments of the displacements of the ions ``name`` per block, layer and lag.

        Raises
        ------
        ValueError
            There is no such species.
        """
        if name not in self.config.ions:
            raise ValueError(f"name is {name!r}, it must be one of {', '.join(self.config.ions)}")
        return self.displacements.moments(self.config, name)

    def check_config(self, config: ReductionConfig) -> None:
        """Raise ValueError, naming the first field that differs, where ``config`` is not that of this state."""
        for name in ReductionConfig.model_fields:
            mine, other = getattr(self.config, name), getattr(config, name)
            if mine != other:
                detail = f": {mine!r} and {other!r}" if len(repr((mine, other))) < 200 else ""
                raise ValueError(f"{name} differs between the state and the new configuration{detail}")

    def equals(self, other: State) -> bool:
        """Whether both hold the same settings and numbers, bit for bit."""
        mine, others = self._arrays(), other._arrays()
        return self.config == other.config and all(
            mine[name].dtype == others[name].dtype and np.array_equal(mine[name], others[name]) for name in mine
        )

    # -- file ------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the state to an npz file without pickled objects."""
        config = np.frombuffer(self.config.model_dump_json().encode(), dtype=np.uint8)
        arrays = {"config": config, **self._arrays()}
        target = Path(path)
        partial = target.with_name(target.name + ".part")
        with partial.open("wb") as file:
            write_arrays(file, arrays)
        partial.replace(target)

    @classmethod
    def load(cls, path: str | Path | BinaryIO, scratch: Scratch = IN_MEMORY) -> State:
        """Read a state that :meth:`save` wrote, from a path or an open binary file, into arrays of ``scratch``.

        Raises
        ------
        ValueError
            The file is missing, damaged, or of another format.
        """
        if isinstance(path, str | Path):
            try:
                with Path(path).open("rb") as file:
                    return cls.load(file, scratch)
            except (OSError, ValueError) as error:
                raise ValueError(f"{path}: {error}") from error
        with _refuse_damaged():
            arrays = read_arrays(path, scratch)
            version = int(arrays["range"][0])
        if version != FORMAT:
            raise ValueError(
                f"is a state of format {version}, this program reads format {FORMAT}; reduce the trajectory again"
            )
        with _refuse_damaged():
            return cls._from_arrays(arrays)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        arrays: dict[str, NDArray[np.generic]] = {
            "range": np.array([FORMAT, self.start, self.stop], dtype=np.int64)
        }
        arrays |= {name: getattr(self, name) for name in _ARRAYS}
        for prefix, track in self._all_tracks().items():
            arrays |= track.arrays(prefix)
        return arrays | self.displacements.arrays()

    def _all_tracks(self) -> dict[str, Track]:
        return dict(self.tracks) | {f"core_{scale}": track for scale, track in self.core_tracks.items()}

    @classmethod
    def _from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> State:
        _, start, stop = (int(number) for number in arrays["range"].tolist())
        config = ReductionConfig.model_validate_json(arrays["config"].tobytes())
        if not len(arrays["centres"]) == len(arrays["lengths"]) == len(arrays["region_counts"]) == stop - start:
            raise ValueError(f"the arrays do not have the {stop - start} frames that it says")
        if len(arrays["snapshot_bins"]) != len(_snapshots(config, start, stop)):
            raise ValueError("snapshot_bins does not have the snapshots that it says")
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


@contextmanager
def _refuse_damaged() -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise
        raise ValueError(f"is no state of a reduction: {error}") from error
