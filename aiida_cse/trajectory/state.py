"""The mergeable result of a reduction.

Merging the states of two halves gives the state of the whole, bit for bit, wherever the cut lies: histograms and
counts are integers, what belongs to one frame depends on that frame alone, and the seam knows the first and the
last label of each ion.
"""

from __future__ import annotations

import zipfile
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.regions import REGION_NAMES
from aiida_cse.physics.transitions import RULES, Rule
from aiida_cse.trajectory.config import ReductionConfig
from aiida_cse.trajectory.kernels import scan_labels

__all__ = ["FORMAT", "State", "Track"]

#: version of the layout of the file; a reader refuses others
FORMAT = 1

#: what numpy and zipfile raise for a file that is no whole archive of arrays
_DAMAGED = (OSError, EOFError, AttributeError, KeyError, IndexError, TypeError, ValueError, zipfile.BadZipFile)

_TRACK_FIELDS = ("first_labels", "first_frames", "last_labels", "events")


@dataclass
class Track:
    """The ions' way through the labels of one rule.

    Attributes
    ----------
    first_labels, first_frames, last_labels
        (ions,) the first label of each ion, the frame where it had it, and its last label; −1 for none yet.
    events
        (E, 4) int64, sorted by frame and ion: frame, ion, from, to.
    """

    first_labels: NDArray[np.int8]
    first_frames: NDArray[np.int64]
    last_labels: NDArray[np.int8]
    events: NDArray[np.int64]

    @classmethod
    def empty(cls, ions: int) -> Track:
        """Return the track of ions of which nothing is known."""
        unknown = np.full(ions, -1, dtype=np.int8)
        return cls(unknown, np.full(ions, -1, dtype=np.int64), unknown.copy(), np.zeros((0, 4), np.int64))

    def follow(self, labels: NDArray[np.int8], frames: NDArray[np.int64]) -> None:
        """Go on with ``labels`` (F, ions) of the frames numbered ``frames`` (F,)."""
        memory = (self.first_labels, self.first_frames, self.last_labels)
        none = np.zeros((0, 4), dtype=np.int64)
        found = scan_labels(labels, frames, *(array.copy() for array in memory), none)
        events = np.zeros((found, 4), dtype=np.int64)
        scan_labels(labels, frames, *memory, events)
        self.events = np.concatenate([self.events, events])

    def merge(self, later: Track) -> Track:
        """Return this track followed by ``later``."""
        labelled = later.first_labels >= 0
        new = (self.last_labels < 0) & labelled
        crossed = np.flatnonzero((self.last_labels >= 0) & labelled & (self.last_labels != later.first_labels))
        seam = np.column_stack(
            [
                later.first_frames[crossed],
                crossed,
                self.last_labels[crossed],
                later.first_labels[crossed],
            ]
        ).astype(np.int64)
        events = np.concatenate([self.events, seam, later.events])
        return Track(
            first_labels=np.where(new, later.first_labels, self.first_labels),
            first_frames=np.where(new, later.first_frames, self.first_frames),
            last_labels=np.where(labelled, later.last_labels, self.last_labels),
            events=events[np.lexsort((events[:, 1], events[:, 0]))],
        )


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
    tracks
        Per rule, the events and what a seam needs.
    """

    config: ReductionConfig
    start: int
    stop: int
    histograms: NDArray[np.int64]
    point_histograms: NDArray[np.int64]
    region_counts: NDArray[np.int32]
    centres: NDArray[np.float64]
    lengths: NDArray[np.float64]
    tracks: dict[Rule, Track]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.stop - self.start

    @property
    def first_block(self) -> int:
        """Number of the first block."""
        return self.start // self.config.block_frames

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
        """Return the state of frames that are still to be counted."""
        blocks = -(-stop // config.block_frames) - start // config.block_frames
        return cls(
            config=config,
            start=start,
            stop=stop,
            histograms=np.zeros((blocks, len(config.labels), config.bins), np.int64),
            point_histograms=np.zeros((blocks, len(config.ions), config.bins), np.int64),
            region_counts=np.zeros((stop - start, len(config.ions), len(REGION_NAMES)), np.int32),
            centres=np.zeros(stop - start),
            lengths=np.zeros(stop - start),
            tracks={rule: Track.empty(ions) for rule in RULES},
        )

    def merge(self, later: State) -> State:
        """Return the state of the frames of this one and of ``later``, which must follow it.

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
            histograms=_join_blocks(self.histograms, later.histograms, shift),
            point_histograms=_join_blocks(self.point_histograms, later.point_histograms, shift),
            region_counts=np.concatenate([self.region_counts, later.region_counts]),
            centres=np.concatenate([self.centres, later.centres]),
            lengths=np.concatenate([self.lengths, later.lengths]),
            tracks={rule: self.tracks[rule].merge(later.tracks[rule]) for rule in RULES},
        )

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
        arrays: dict[str, Any] = {"config": np.frombuffer(self.config.model_dump_json().encode(), dtype=np.uint8)}
        arrays |= self._arrays()
        target = Path(path)
        partial = target.with_name(target.name + ".part")
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
        partial.replace(target)

    @classmethod
    def load(cls, path: str | Path | BinaryIO) -> State:
        """Read a state that :meth:`save` wrote, from a path or an open binary file.

        Raises
        ------
        ValueError
            The file is missing, damaged, or of another format.
        """
        if isinstance(path, str | Path):
            try:
                with Path(path).open("rb") as file:
                    return cls.load(file)
            except (OSError, ValueError) as error:
                raise ValueError(f"{path}: {error}") from error
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            config = ReductionConfig.model_validate_json(arrays.pop("config").tobytes())
            return cls._from_arrays(config, arrays)
        except _DAMAGED as error:
            raise ValueError(f"is no state of a reduction: {error}") from error

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        arrays: dict[str, NDArray[np.generic]] = {
            "range": np.array([FORMAT, self.start, self.stop], dtype=np.int64)
        }
        arrays |= {field.name: getattr(self, field.name) for field in _array_fields()}
        for rule, track in self.tracks.items():
            arrays |= {f"{rule}_{name}": getattr(track, name) for name in _TRACK_FIELDS}
        return arrays

    @classmethod
    def _from_arrays(cls, config: ReductionConfig, arrays: dict[str, NDArray[np.generic]]) -> State:
        version, start, stop = (int(number) for number in arrays["range"].tolist())
        if version != FORMAT:
            raise ValueError(f"format {version}, this program reads {FORMAT}")
        if not len(arrays["centres"]) == len(arrays["lengths"]) == len(arrays["region_counts"]) == stop - start:
            raise ValueError(f"the arrays do not have the {stop - start} frames that it says")
        tracks = {
            rule: Track(**{name: arrays[f"{rule}_{name}"] for name in _TRACK_FIELDS})  # type: ignore[arg-type]
            for rule in RULES
        }
        values = {field.name: arrays[field.name] for field in _array_fields()}
        return cls(config=config, start=start, stop=stop, tracks=tracks, **values)  # type: ignore[arg-type]


def _array_fields() -> list[Field[object]]:
    return [field for field in fields(State) if field.name not in ("config", "start", "stop", "tracks")]


def _join_blocks(earlier: NDArray[np.int64], later: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """Add two stacks of blocks, the second of which starts ``shift`` blocks after the first."""
    whole = np.zeros((shift + len(later), *earlier.shape[1:]), dtype=np.int64)
    whole[: len(earlier)] += earlier
    whole[shift:] += later
    return whole
