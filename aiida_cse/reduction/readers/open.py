"""Choice of the reader of a trajectory by the suffix of the file."""

from __future__ import annotations

from pathlib import Path

from aiida_cse.reduction.readers.base import TrajectoryError, TrajectoryReader
from aiida_cse.reduction.readers.dcd import DcdFile
from aiida_cse.reduction.readers.dump import DumpFile
from aiida_cse.reduction.readers.mdanalysis import FORMATS, MDAnalysisFile
from aiida_cse.reduction.readers.xdr import TrrFile
from aiida_cse.reduction.readers.xtc import XtcFile

__all__ = ["open_trajectory"]

_READERS: dict[str, type[TrajectoryReader]] = {
    ".dcd": DcdFile,
    ".xtc": XtcFile,
    ".trr": TrrFile,
    ".lammpstrj": DumpFile,
    ".dump": DumpFile,
    ".lammpsdump": DumpFile,
    ".custom": DumpFile,
    **dict.fromkeys(FORMATS, MDAnalysisFile),
}
#: suffixes of compressed text, behind that of the format; whether a file is compressed, it says itself
_COMPRESSED = (".gz", ".zst")


def open_trajectory(path: str | Path) -> TrajectoryReader:
    """Open a trajectory, whose suffix determines its format.

    Raises
    ------
    TrajectoryError
        The suffix is that of no format, the file cannot be opened or is not of its format.
    """
    path = Path(path)
    compressed = path.suffix.lower() in _COMPRESSED
    suffix = (Path(path.stem) if compressed else path).suffix.lower()
    reader = _READERS.get(suffix)
    if reader is None:
        hint = "; of a GRO file only the first frame can be read, convert it by gmx trjconv" * (suffix == ".gro")
        raise TrajectoryError(f"{path}: its suffix is {suffix!r}, it must be one of {', '.join(_READERS)}{hint}")
    if compressed and reader is not DumpFile:
        raise TrajectoryError(
            f"{path}: is a compressed {suffix} file, which must be decompressed before it is read"
        )
    return reader(path)
