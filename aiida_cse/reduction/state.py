"""Mergeable state of a reduced trajectory, and its file.

Merging the states of two halves gives the state of the whole, bit for bit, wherever the cut lies. Histograms and
counts are integers, quantities per frame depend on that frame alone, and each state keeps what a merge needs at
its ends: the first and last label of each ion, and the ions' positions within the longest lag of either end.

Files of format 3 are read as well. They hold one histogram of the atom types, in the bins of the ions at every
frame, and the length of the box along z only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.exchange.transitions import RULES, Rule
from aiida_cse.reduction.archives import DAMAGED, read_arrays, write_arrays
from aiida_cse.reduction.config import ALL_ATOMS, GRID, MOST_BYTES, ReductionConfig
from aiida_cse.reduction.displacements import DisplacementMoments, Displacements, join_blocks
from aiida_cse.reduction.state_arrays import (
    check_layout,
    check_sums,
    check_values,
    from_format_3,
    sized_arrays,
    snapshot_frames,
)
from aiida_cse.schema import parse_json

__all__ = ["FORMAT", "State", "Track", "TrajectorySource"]

#: version of the file layout, and those that can be read
FORMAT = 4
_READABLE = (3, FORMAT)

_ARRAYS = ("point_histograms", "region_counts", "centres", "edges", "snapshot_bins")
#: characters of the reason why a file is no state
_LONGEST = 1000
#: text that a file holds as bytes, and the most bytes of each
_MOST_TEXT = {"config": MOST_BYTES, "sources": 5_000_000}


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


@dataclass(frozen=True)
class TrajectorySource:
    """A file that was reduced: its name, bytes, SHA-256 (None if it was not computed), and frames that counted."""

    name: str
    bytes: int
    sha256: str | None
    first_step: int
    frames: int

    def same_file(self, other: TrajectorySource) -> bool:
        """Return whether both are one file, as far as they say."""
        mine, others = ((one.name, one.bytes, one.first_step) for one in (self, other))
        return mine == others and (self.sha256 == other.sha256 or None in (self.sha256, other.sha256))

    @staticmethod
    def joined(*sources: TrajectorySource) -> tuple[TrajectorySource, ...]:
        """Return sources in order, each file once with all that is known of it."""
        found: list[TrajectorySource] = []
        for source in sources:
            index = next((number for number, one in enumerate(found) if one.same_file(source)), None)
            if index is None:
                found.append(source)
                continue
            known = found[index]
            found[index] = replace(
                known, sha256=known.sha256 or source.sha256, frames=max(known.frames, source.frames)
            )
        return tuple(found)


@dataclass
class State:
    """Reduced frames ``start`` to ``stop`` − 1; the number of a frame is its step / ``config.frame_steps``.

    Attributes
    ----------
    config
        Settings of the reduction.
    streams
        By name of the stream (blocks, types, bins of the stream) int64, atoms per bin summed over the stream's
        frames of each block of ``config.block_frames`` frames; the first block has the number
        ``start // block_frames``.
    point_histograms
        (blocks, species, bins) int64, the same for the points that stand for the ions, at every frame.
    region_counts
        (frames, species, 5) int32, ions in each region.
    centres, edges
        (frames,) float64, z of the slab's mid-plane in the trajectory, and (frames, 3) edges of the box, Å.
    snapshot_bins
        (snapshots, ions) int32, bin of each ion in the frames whose numbers are multiples of
        ``config.snapshot_frames``.
    tracks
        Labels of the ions, by rule.
    core_tracks
        Labels under the core rule with buffers scaled by each of ``config.core_scales``, by scale.
    displacements
        Sums over displacements; :meth:`displacement_moments` gives them in Å and Å².
    sources
        Files that were read, in the order of reading; empty if they are unknown.
    """

    config: ReductionConfig
    start: int
    stop: int
    streams: dict[str, NDArray[np.int64]]
    point_histograms: NDArray[np.int64]
    region_counts: NDArray[np.int32]
    centres: NDArray[np.float64]
    edges: NDArray[np.float64]
    snapshot_bins: NDArray[np.int32]
    tracks: dict[Rule, Track]
    core_tracks: dict[float, Track]
    displacements: Displacements
    sources: tuple[TrajectorySource, ...] = ()

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.stop - self.start

    @property
    def nbytes(self) -> int:
        """Size of all arrays, bytes."""
        return sum(array.nbytes for array in self.arrays().values())

    @property
    def temperature(self) -> float | None:
        """Temperature, K; None if it is unknown."""
        return self.config.temperature

    @property
    def histograms(self) -> NDArray[np.int64]:
        """(blocks, types, bins) the stream of all atoms, or the only stream.

        Raises
        ------
        ValueError
            There are other streams only.
        """
        name = next(iter(self.streams)) if len(self.streams) == 1 else ALL_ATOMS
        if name not in self.streams:
            raise ValueError(f"streams = {', '.join(self.streams) or 'none'}: none is called {ALL_ATOMS}")
        return self.streams[name]

    @property
    def first_block(self) -> int:
        """Number of the first block."""
        return self.start // self.config.block_frames

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.point_histograms)

    @property
    def snapshots(self) -> NDArray[np.int64]:
        """Numbers of the frames that are snapshots."""
        return np.array(snapshot_frames(self.config, self.start, self.stop), dtype=np.int64)

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
            name: np.zeros(shape, dtype)
            for name, (shape, dtype) in sized_arrays(config, start, stop, ions).items()
        }
        arrays["edges"][:] = config.box
        return cls(
            config=config,
            start=start,
            stop=stop,
            streams={name: arrays.pop(f"stream_{name}") for name in config.streams},
            tracks={rule: Track.empty(ions) for rule in RULES},
            core_tracks={scale: Track.empty(ions) for scale in config.core_scales},
            displacements=Displacements.empty(config, len(arrays["point_histograms"]), ions),
            **arrays,
        )

    def merge(self, later: State) -> State:
        """Return the state of the frames of this state and of ``later``, which must follow it without a gap.

        Raises
        ------
        ValueError
            The configurations differ, or ``later`` does not start where this state stops.
        """
        config = self.joined_config(later.config)
        if later.start != self.stop:
            raise ValueError(
                f"states do not join: one stops before step {self.stop * self.config.frame_steps}, "
                f"the other starts at step {later.first_step}"
            )
        shift = later.first_block - self.first_block
        return State(
            config=config,
            start=self.start,
            stop=later.stop,
            streams={name: join_blocks(own, later.streams[name], shift) for name, own in self.streams.items()},
            point_histograms=join_blocks(self.point_histograms, later.point_histograms, shift),
            region_counts=np.concatenate([self.region_counts, later.region_counts]),
            centres=np.concatenate([self.centres, later.centres]),
            edges=np.concatenate([self.edges, later.edges]),
            snapshot_bins=np.concatenate([self.snapshot_bins, later.snapshot_bins]),
            tracks={rule: track.merge(later.tracks[rule]) for rule, track in self.tracks.items()},
            core_tracks={
                scale: track.merge(later.core_tracks[scale]) for scale, track in self.core_tracks.items()
            },
            displacements=self.displacements.merge(later.displacements, self.config, self.first_block, shift),
            sources=TrajectorySource.joined(*self.sources, *later.sources),
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

    def joined_config(self, config: ReductionConfig) -> ReductionConfig:
        """Return the configuration of frames of this state and of frames of ``config``.

        Both must be the same, except that the temperature may be unknown in one of them.

        Raises
        ------
        ValueError
            They differ; names the first field that does.
        """
        for name in ReductionConfig.model_fields:
            mine, other = getattr(self.config, name), getattr(config, name)
            if mine != other and not (name == "temperature" and None in (mine, other)):
                detail = f": {mine!r} and {other!r}" if len(repr((mine, other))) < 200 else ""
                raise ValueError(f"{name} differs between the state and the new configuration{detail}")
        return config if self.temperature is None else self.config

    def equals(self, other: State) -> bool:
        """Return whether both hold the same settings and numbers, bit for bit, wherever they were read from."""
        mine, others = self.arrays(), other.arrays()
        return self.config == other.config and all(
            mine[name].dtype == others[name].dtype and np.array_equal(mine[name], others[name]) for name in mine
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return everything but configuration and sources as arrays, by the names that they have in the file."""
        arrays: dict[str, NDArray[np.generic]] = {
            "range": np.array([FORMAT, self.start, self.stop], dtype=np.int64)
        }
        arrays |= {f"stream_{name}": histograms for name, histograms in self.streams.items()}
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
        sources = json.dumps([asdict(source) for source in self.sources])
        texts = {"config": self.config.model_dump_json(), "sources": sources}
        arrays: dict[str, NDArray[Any]] = {
            name: np.frombuffer(text.encode(), dtype=np.uint8) for name, text in texts.items()
        }
        arrays |= self.arrays()
        target = Path(path)
        partial = target.with_name(target.name + ".part")
        with partial.open("wb") as file:
            write_arrays(file, arrays)
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
            arrays = read_arrays(path, _MOST_TEXT)
            version = int(arrays["range"][0])
        if version not in _READABLE:
            raise ValueError(
                f"is a state of format {version}, this program reads formats {' and '.join(map(str, _READABLE))}; "
                "reduce the trajectory again"
            )
        with _refuse_damaged():
            _, start, stop = (int(number) for number in arrays["range"].tolist())
            config = parse_json(ReductionConfig, arrays["config"].tobytes(), MOST_BYTES)
            if version == 3:
                arrays |= from_format_3(arrays, config)
            check_layout(arrays, config, start, stop)
            check_values(arrays, config, start, stop)
            check_sums(arrays, config, start, stop)
            return cls(
                config=config,
                start=start,
                stop=stop,
                streams={name: arrays[f"stream_{name}"] for name in config.streams},
                sources=_sources(arrays["sources"].tobytes()),
                tracks={rule: Track.from_arrays(arrays, rule) for rule in RULES},
                core_tracks={scale: Track.from_arrays(arrays, f"core_{scale}") for scale in config.core_scales},
                displacements=Displacements.from_arrays(arrays),
                **{name: arrays[name] for name in _ARRAYS},
            )


@contextmanager
def _refuse_damaged() -> Iterator[None]:
    try:
        yield
    except DAMAGED as error:
        # errors of zipfile quote the content of the file
        reason = str(error)
        reason = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"
        raise ValueError(f"is no state of a reduction: {reason}") from error


def _sources(text: bytes) -> tuple[TrajectorySource, ...]:
    """Return the sources that a file holds as text; raises an exception of DAMAGED if they are none."""
    listed = json.loads(text)
    if not isinstance(listed, list):
        raise ValueError("sources is no list")
    found = tuple(TrajectorySource(**one) for one in listed)
    for one in found:
        numbers = (one.bytes, one.first_step, one.frames)
        texts = (one.name, one.sha256 or "")
        if not (all(type(each) is int for each in numbers) and all(type(each) is str for each in texts)):
            raise ValueError(f"sources: {one} is no file")
    return found
