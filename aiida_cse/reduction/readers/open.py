"""Choice of the reader of a trajectory by the suffix of the file."""

from __future__ import annotations

from pathlib import Path

from aiida_cse.reduction.readers.base import TrajectoryError, TrajectoryReader
from aiida_cse.reduction.readers.dcd import DcdFile
from aiida_cse.reduction.readers.dump import DumpFile
from aiida_cse.reduction.readers.xtc import XtcFile

__all__ = ["open_trajectory"]

_READERS: dict[str, type[TrajectoryReader]] = {
    ".dcd": DcdFile,
    ".xtc": XtcFile,
    ".lammpstrj": DumpFile,
    ".dump": DumpFile,
}


def open_trajectory(path: str | Path) -> TrajectoryReader:
    """Open a trajectory, whose suffix determines its format.

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
