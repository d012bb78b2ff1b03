"""Files by their format."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol

from typing_extensions import Self

from aiida_cse.trajectory.dcd import DcdFile
from aiida_cse.trajectory.frames import Frames

__all__ = ["TrajectoryFile", "open_trajectory"]


class TrajectoryFile(Protocol):
    """An open trajectory of equally spaced frames, as :class:`~aiida_cse.trajectory.dcd.DcdFile` is one."""

    path: Path
    natoms: int
    frames: int
    first_step: int
    frame_steps: int
    leftover_bytes: int
    timestep_fs: float | None

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

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def open_trajectory(path: str | Path) -> TrajectoryFile:
    """Open a trajectory.

    Raises
    ------
    TrajectoryError
        The file cannot be opened or is not of its format.
    """
    return DcdFile(path)
