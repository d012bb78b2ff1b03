"""Times of trajectory files, and the sampling that is chosen from the length of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import LENGTH_TOLERANCE
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.reduction.sampling import Sampling

__all__ = ["TrajectoryTimes", "choose_sampling", "read_all_atoms", "read_times"]

#: times between snapshots and of blocks and displacements, ps; the first is the published one
LADDER = (1000.0, 500.0, 200.0, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
#: least number of snapshots, blocks and lags in a run
FEWEST = 40
#: frames per file whose boxes are compared
_BOXES = 5
#: relative change of a box that a barostat may cause; a larger one is a fault, which the reduction names
_LARGEST_CHANGE = 0.2
#: width of the bins in a box that changes, Å
BIN_WIDTH = 0.2
#: longest timestep of a sampling, fs, and the timestep of files that count frames
_LARGEST_TIMESTEP, _USUAL_TIMESTEP = 4.0, 2.0
#: relative difference of times that are equal up to rounding in a file
_ROUNDING = 1e-4


@dataclass(frozen=True)
class TrajectoryTimes:
    """Times of the files of one run.

    Attributes
    ----------
    paths
        The files with frames in the order of time, then those without.
    frame_ps, timestep_fs
        Time between frames, ps, and timestep, fs. For files that count frames, the timestep is a convention.
    first_frame, frames
        Number of the first frame, counted from step or time 0, and number of frames from it to the last one.
    notes
        What differs from the way in which the files were given.
    changing_box
        Whether frames that are spread over the files differ in the edges of their box, by less than a fifth.
    overridden
        Whether the time between frames was given, and is not what the files say.
    """

    paths: tuple[Path, ...]
    frame_ps: float
    timestep_fs: float
    first_frame: int
    frames: int
    notes: tuple[str, ...] = ()
    changing_box: bool = False
    overridden: bool = False

    @property
    def length_ps(self) -> float:
        """Number of frames times the time between them, ps."""
        return self.frames * self.frame_ps

    @property
    def range_ns(self) -> tuple[float, float]:
        """Times of the first and the last frame, ns."""
        first = self.first_frame * self.frame_ps / 1000
        return first, first + (self.frames - 1) * self.frame_ps / 1000


@dataclass(frozen=True)
class _Header:
    path: Path
    frames: int
    first_step: int
    frame_steps: int
    frame_ps: float | None
    first_ps: float | None
    boxes: NDArray[np.float64]

    @classmethod
    def read(cls, path: Path) -> _Header:
        with open_trajectory(path) as file:
            frame_ps = file.frame_ps
            if frame_ps is None and file.timestep_fs is not None and file.frame_steps:
                frame_ps = file.timestep_fs * file.frame_steps / 1000
            chosen = np.unique(np.linspace(0, file.frames - 1, _BOXES).astype(int)) if file.frames else ()
            boxes = [file.read(int(frame), 1).boxes.copy() for frame in chosen]
            return cls(
                path,
                file.frames,
                file.first_step,
                file.frame_steps,
                frame_ps,
                file.first_ps,
                np.concatenate(boxes) if boxes else np.zeros((0, 3)),
            )


def read_times(
    paths: Sequence[str | Path], frame_ps: float | None = None, sampling: Mapping[str, Any] | None = None
) -> TrajectoryTimes:
    """Read the times of the files of a run from their headers.

    Parameters
    ----------
    paths
        The files, in any order.
    frame_ps
        Time between frames, ps, which overrides what the files say; None for that.
    sampling
        Fields of a sampling; its ``frame_ps`` or ``timestep_fs`` (fs) give the time if the files do not say it.

    Raises
    ------
    TrajectoryError
        A file cannot be read, there are fewer than two frames, or two files begin at the same time.
    ValueError
        The time between frames is not known.
    """
    headers = [_Header.read(Path(path)) for path in paths]
    filled = [header for header in headers if header.frames]
    if not filled:
        raise TrajectoryError(f"{', '.join(map(str, paths))}: no frame is complete; an analysis needs two")
    steps = _frame_steps(filled)
    written = next((header.frame_ps for header in filled if header.frame_ps is not None), None)
    overridden = frame_ps is not None and (written is None or abs(written - frame_ps) > _ROUNDING * frame_ps)
    interval = frame_ps if overridden else written
    if interval is None:
        interval = _sampled_interval(sampling or {}, steps, filled[0].path)
    step_fs = interval * 1000 / steps
    counts_frames = step_fs > _LARGEST_TIMESTEP
    starts = {}
    for header in filled:
        by_time = counts_frames and not overridden and header.first_ps is not None
        starts[header.path] = round((header.first_ps or 0) / interval if by_time else header.first_step / steps)
    ordered = sorted(filled, key=lambda header: starts[header.path])
    name, notes = ordered[0].path.name, []
    if ordered != filled:
        notes.append(f"the files were put in the order of time: {', '.join(str(one.path) for one in ordered)}")
    for before, after in pairwise(ordered):
        if starts[before.path] == starts[after.path]:
            raise TrajectoryError(
                f"{after.path}: starts at step {after.first_step}, as {before.path} does; give only one "
                "of them or, if the second continues the first, write its steps so that they continue too"
            )
    if overridden and written is not None:
        notes.append(f"{name}: says {written:g} ps between frames; the given {interval:g} ps are used")
    if counts_frames:
        step_fs = interval * 1000 / math.ceil(interval * 1000 / _USUAL_TIMESTEP)
        notes.append(f"{name}: counts frames; steps are those of a timestep of {step_fs:g} fs")
    first, last = starts[ordered[0].path], starts[ordered[-1].path] + ordered[-1].frames - 1
    return TrajectoryTimes(
        paths=tuple(one.path for one in [*ordered, *(header for header in headers if not header.frames)]),
        frame_ps=interval,
        timestep_fs=step_fs,
        first_frame=first,
        frames=last - first + 1,
        notes=tuple(notes),
        changing_box=_changes(np.concatenate([header.boxes for header in ordered])),
        overridden=overridden,
    )


def _sampled_interval(sampling: Mapping[str, Any], steps: int, path: Path) -> float:
    """Return the time between frames of a file that does not say it, from the fields of a sampling, ps."""
    if "frame_ps" in sampling:
        return float(sampling["frame_ps"])
    if "timestep_fs" in sampling:
        return float(sampling["timestep_fs"]) * steps / 1000
    raise ValueError(f"--frame-ps: {path} does not say how long a step is; give the time between frames in ps")


def _frame_steps(headers: Sequence[_Header]) -> int:
    """Return the number of steps between frames, from one file or from the starts of two."""
    for header in headers:
        if header.frames > 1 and header.frame_steps:
            return header.frame_steps
    starts = sorted({header.first_step for header in headers})
    if len(starts) > 1:
        return starts[1] - starts[0]
    raise TrajectoryError(f"{headers[0].path}: holds one frame; an analysis needs two")


def _changes(boxes: NDArray[np.float64]) -> bool:
    """Return whether the edges (F, 3) change as a barostat changes them."""
    if not (boxes > 0).all():
        return False
    return LENGTH_TOLERANCE < float((np.ptp(boxes, axis=0) / boxes.max(axis=0)).max()) < _LARGEST_CHANGE


def read_all_atoms(paths: Sequence[Path]) -> tuple[tuple[Path, ...], float]:
    """Return the files of all atoms of a run in the order of time, and the time between their frames, ps.

    Raises
    ------
    TrajectoryError
        A file cannot be read, or none of them says the time between its frames.
    """
    headers = sorted((_Header.read(path) for path in paths), key=lambda one: (not one.frames, one.first_step))
    frame_ps = next((one.frame_ps for one in headers if one.frames and one.frame_ps), None)
    if frame_ps is None:
        names = ", ".join(str(one.path) for one in headers)
        raise TrajectoryError(f"{names}: no frame of all atoms is complete, or its time is not known")
    return tuple(one.path for one in headers), frame_ps


def choose_sampling(
    times: TrajectoryTimes, given: Mapping[str, Any], all_atoms_ps: float | None = None
) -> tuple[Sampling, list[str]]:
    """Return the sampling of a run, and a sentence for each setting that was chosen.

    Snapshots, blocks and displacements span the longest time of a fixed ladder of which the run has at least 40;
    for runs of 40 ns and more these are the published 1000 ps. If the box changes, bins have a fixed width, and
    there are no displacements.

    Parameters
    ----------
    times
        Times of the files.
    given
        Fields of :class:`~aiida_cse.reduction.sampling.Sampling` that the user gives; they are kept.
    all_atoms_ps
        Time between frames of all atoms, ps, if these have files of their own.

    Raises
    ------
    ValueError
        A given field is wrong.
    """
    frames = 1 if all_atoms_ps is None else all_atoms_ps / times.frame_ps
    # a frame of all atoms may lie halfway between two others
    whole = round(frames) if abs(frames - round(frames)) < _ROUNDING else round(2 * frames)
    unit = max(1, whole) * times.frame_ps
    # the longest time of the ladder that is a whole number of frames and fits the run often enough
    chosen = max(1, times.frames // (FEWEST * max(1, whole))) * unit
    for step in LADDER:
        count = step / unit
        if round(count) >= 1 and abs(count - round(count)) < _ROUNDING and step * FEWEST <= times.length_ps:
            chosen = round(count) * unit
            break
    names = {"snapshot_ps": "snapshots", "block_ps": "blocks", "lags_ps": "displacements"}
    fields: dict[str, Any] = {"timestep_fs": times.timestep_fs, "frame_ps": times.frame_ps}
    words = []
    if all_atoms_ps is not None:
        fields["all_atoms_ps"] = all_atoms_ps
        words.append(f"all atoms every {all_atoms_ps:g} ps")
    if times.changing_box and not {"bins", "bin_width"} & set(given) and not given.get("lags_ps"):
        fields |= {"bin_width": BIN_WIDTH, "lags_ps": []}
        words.append(f"bins of {BIN_WIDTH:g} Å and no displacements, because the box changes")
    missing = [name for name in names if name not in given and name not in fields]
    fields |= {name: [chosen] if name == "lags_ps" else chosen for name in missing}
    if missing:
        listed = [names[name] for name in missing]
        what = " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
        length = f"{times.length_ps:g} ps" if times.length_ps < 1000 else f"{times.length_ps / 1000:g} ns"
        words.append(f"{chosen:g} ps for {what}, because the run has {length}")
    return Sampling.model_validate(fields | dict(given)), words
