"""Adapter for the formats that only MDAnalysis reads: NetCDF of AMBER, H5MD, TNG, and PDB of several models.

MDAnalysis converts lengths to Å and times to ps. Its readers have their own rules for damaged files; whatever they
raise becomes a :class:`TrajectoryError`.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.readers.base import FrameByFrame, TrajectoryError, time_between

__all__ = ["FORMATS", "MDAnalysisFile", "box_edges", "first_reason"]

#: suffix -> format of MDAnalysis; formats without a periodic box, or that need more than the file, are not here
FORMATS = {
    ".nc": "NCDF",
    ".ncdf": "NCDF",
    ".h5md": "H5MD",
    ".tng": "TNG",
    ".pdb": "PDB",
    ".ent": "PDB",
    ".trc": "TRC",
    ".history": "HISTORY",
}
#: upper bound on the length of a line that is looked at
_LINE_BYTES = 1000
#: largest deviation of an angle from 90 degrees that is a rounding error
_RIGHT_ANGLE = 1e-3


class MDAnalysisFile(FrameByFrame):
    """An open file of a format of MDAnalysis.

    Frames are counted in place of steps unless the format has steps. ``frame_ps`` is None if it has no times.
    """

    _reader: Any = None
    _constant_box: NDArray[np.float64] | None = None
    _stepped = False
    _fits: Callable[[int, float], bool] | None = None

    def _open(self) -> None:
        self._size = self.path.stat().st_size
        with self.path.open("rb"):
            pass

    def close(self) -> None:
        """Close the file."""
        if self._reader is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._reader.close()

    def read_frame(self, frame: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return (N, 3) positions and (3,) edges of the box, Å."""
        step, time = self._seek(frame)
        if self._stepped:
            self.check_step(frame, -1 if step is None else step)
        if self._fits is not None and (time is None or not self._fits(frame, time)):
            raise self._error(frame, f"its time is {time} ps; frames must be equally spaced in time")
        timestep = self._reader.ts
        positions: NDArray[np.float32] = timestep.positions
        if positions.shape != (self.natoms, 3):
            raise self._error(frame, f"has {len(positions)} atoms, the first frame has {self.natoms}")
        dimensions = self._constant_box if timestep.dimensions is None else timestep.dimensions
        if dimensions is None:
            raise self._error(frame, "has no box")
        try:
            return positions, box_edges(dimensions)
        except ValueError as error:
            raise self._error(frame, str(error)) from None

    def _error(self, frame: int, why: str) -> TrajectoryError:
        return TrajectoryError(f"{self.path}: frame {frame}: {why}")

    def _seek(self, frame: int) -> tuple[int | None, float | None]:
        """Go to a frame; return its step and time (ps), None where the format has none."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                data = self._reader[frame].data
        except Exception as error:
            raise self._error(frame, f"cannot be read by MDAnalysis: {error}") from error
        step, time = data.get("step"), data.get("time")
        return None if step is None else int(step), None if time is None else float(time)

    def _read_header(self) -> None:
        """Open the file, leave out a last frame that cannot be read, and determine the spacing of the frames."""
        from MDAnalysis.coordinates.core import reader

        if not self._size:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._reader = reader(str(self.path), format=FORMATS[self.path.suffix.lower()])
                self.natoms, self.frames = int(self._reader.n_atoms), int(self._reader.n_frames)
        except Exception as error:
            why = str(first_reason(error))
            if self.path.suffix.lower() in (".nc", ".ncdf"):
                why += "; a NetCDF file that was cut cannot be read, copy it again"
            raise TrajectoryError(f"{self.path}: cannot be read by MDAnalysis: {why}") from None
        self._constant_box = self._first_box()
        try:
            step, time = self._seek(self.frames - 1)
        except TrajectoryError:
            if self.frames < 2:
                raise
            self.frames -= 1
            # where its bytes begin, MDAnalysis does not say
            self.leftover_bytes = self._size // (self.frames + 1)
            step, time = self._seek(self.frames - 1)
        last_time = time
        first_step, self.first_ps = self._seek(0)
        self._stepped = first_step is not None
        self.first_step = first_step or 0
        if self.frames < 2:
            return
        self.frame_steps = 1
        if first_step is not None and step is not None:
            self.frame_steps = max((step - first_step) // (self.frames - 1), 1)
        if self.first_ps is not None and last_time is not None and last_time > self.first_ps:
            self.frame_ps, self._fits = time_between(self.first_ps, last_time, self.frames)
            if not self._stepped:
                self.first_step = round(self.first_ps / self.frame_ps)

    def _first_box(self) -> NDArray[np.float64] | None:
        """Return the box (6,) of a PDB file that stands before its first model, which MDAnalysis does not see.

        MDAnalysis takes models whose first record is damaged for parts of others; they are refused.
        """
        if FORMATS[self.path.suffix.lower()] != "PDB":
            return None
        found, began, models, ends = None, False, 0, 0
        with self.path.open("rb") as file:
            while line := file.readline(_LINE_BYTES):
                began = began or line.startswith((b"ATOM", b"HETATM"))
                models += line.startswith(b"MODEL ")
                ends += line.startswith(b"ENDMDL")
                if line.startswith(b"CRYST1") and not began:
                    found = line
        if models != ends and models != ends + 1 and (models or ends > 1):
            raise TrajectoryError(
                f"{self.path}: has {models} records MODEL and {ends} records ENDMDL; it is damaged"
            )
        try:
            ends_of_words = (6, 15, 24, 33, 40, 47, 54)
            return None if found is None else np.array([float(found[a:b]) for a, b in pairwise(ends_of_words)])
        except ValueError:
            raise TrajectoryError(
                f"{self.path}: its record CRYST1 is {found!r}, it must have six numbers"
            ) from None


def box_edges(dimensions: Any) -> NDArray[np.float64]:
    """Return the edges (3,) of a box from its edges (Å) and angles (degrees), (6,).

    Raises
    ------
    ValueError
        The box has no length or is tilted.
    """
    box = np.array(dimensions, np.float64)
    if not np.isfinite(box).all() or (box[:3] <= 0).any():
        raise ValueError("its box has no length")
    if (np.abs(box[3:] - 90) > _RIGHT_ANGLE).any():
        raise ValueError("its box is tilted; only boxes with right angles can be reduced")
    return box[:3]


def first_reason(error: BaseException) -> BaseException:
    """Return the first of the exceptions behind one, and drop what they hold.

    A reader of MDAnalysis that could not open its file raises another exception when it is collected. Python would
    print it.
    """
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traceback.clear_frames(error.__traceback__)
            while error.__context__ is not None:
                error = error.__context__
                traceback.clear_frames(error.__traceback__)
    finally:
        sys.unraisablehook = hook
    return error
