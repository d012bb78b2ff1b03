"""Files by their format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from aiida_cse.reduction.readers.base import Frames, TrajectoryError
from aiida_cse.reduction.readers.dcd import DcdFile, Source
from aiida_cse.reduction.readers.dump import DumpFile
from aiida_cse.reduction.readers.xtc import XtcFile

__all__ = ["TrajectoryFile", "open_trajectory"]


class TrajectoryFile(Protocol):
    """An open trajectory of equally spaced frames, as :class:`~aiida_cse.reduction.readers.dcd.DcdFile` is one.

    ``frame_steps`` is 0 where the file does not say it. ``atom_types`` (N,) are None where it does not say them.
    """

    path: Path
    natoms: int
    frames: int
    first_step: int
    frame_steps: int
    leftover_bytes: int
    timestep_fs: float | None
    atom_types: NDArray[np.int64] | None

    @property
    def frame_bytes(self) -> int:
        """Size of what :meth:`read_xyz` reads of a frame."""

    @property
    def z_bytes(self) -> int:
        """Size of what :meth:`read` keeps of a frame."""

    def read(self, first: int, count: int) -> Frames:
        """Read z and the box of ``count`` consecutive frames."""

    def read_xyz(self, first: int, count: int, stride: int = 1) -> Frames:
        """Read all of ``count`` frames that are ``stride`` apart."""

    def source(self, size: int) -> Source | None:
        """Return where z lies in the file, for compiled loops; None where it must be read by :meth:`read`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


#: a reader for each suffix
_READERS: dict[str, Callable[[Path], TrajectoryFile]] = {
    ".dcd": DcdFile,
    ".xtc": XtcFile,
    ".lammpstrj": DumpFile,
    ".dump": DumpFile,
}


def open_trajectory(path: str | Path) -> TrajectoryFile:
    """Open a trajectory, of the format that its suffix says.

    Raises
    ------
    TrajectoryError
        The suffix is none of .dcd, .xtc, .lammpstrj and .dump, the file cannot be opened or is not of its format.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise TrajectoryError(f"{path}: its suffix is {path.suffix!r}, it must be one of {', '.join(_READERS)}")
    return reader(path)
