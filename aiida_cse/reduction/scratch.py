"""Arrays that grow with the number of frames, outside of the memory of the process where it is asked for.

They lie in files without a name, mapped into memory: what has been written to them can be dropped from memory at
any time and comes back from the file when it is looked at. The space on disk is taken when an array is made, so
that a full disk is an error then and there; the files vanish with their arrays, however the process ends.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Growing", "Scratch", "pieces", "release", "row_pieces"]

#: what is copied, written or read at once
_PIECE_BYTES = 2**20
#: smaller arrays stay in memory
_SMALL_BYTES = 2**16


class Scratch:
    """Makes arrays: in files without a name in ``folder``, or in memory without one.

    Raises
    ------
    OSError
        From each of the methods: the folder cannot be written to, or its disk is full.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._folder = folder

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of zeros."""
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if self._folder is None or size < _SMALL_BYTES:
            return np.zeros(shape, dtype)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            _reserve(file.fileno(), size)
            return _mapped(file.fileno(), dtype).reshape(shape)

    def join(self, *arrays: NDArray[Any]) -> NDArray[Any]:
        """Return arrays one after the other along the first axis."""
        joined = self.zeros((sum(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
        start = 0
        for array in arrays:
            for rows in row_pieces(array):
                joined[start + rows.start : start + rows.stop] = array[rows]
                release(array, joined)
            start += len(array)
        return joined

    def growing(self, columns: int, dtype: DTypeLike) -> Growing:
        """Return rows to which more can be added."""
        return Growing(self._folder, columns, dtype)


class Growing:
    """Rows of an array whose number is not known before; made by :meth:`Scratch.growing`."""

    def __init__(self, folder: str | Path | None, columns: int, dtype: DTypeLike) -> None:
        self._parts: list[NDArray[Any]] = [np.zeros((0, columns), dtype)]
        self._file = None if folder is None else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows (R, columns)."""
        if self._file is None:
            self._parts.append(rows)
        else:
            self._file.write(np.ascontiguousarray(rows, self._parts[0].dtype).data)

    def finish(self) -> NDArray[Any]:
        """Return all rows as an array; none can be added any more."""
        empty = self._parts[0]
        if self._file is None:
            return np.concatenate(self._parts)
        with self._file as file:
            file.flush()
            if not os.fstat(file.fileno()).st_size:
                return empty
            return _mapped(file.fileno(), empty.dtype).reshape(-1, empty.shape[1])


def pieces(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Return a contiguous array piece by piece, flat; each is dropped from memory when the next is asked for."""
    flat = array.reshape(-1)
    size = max(_PIECE_BYTES // flat.itemsize, 1)
    for first in range(0, flat.size, size):
        yield flat[first : first + size]
        release(array)


def row_pieces(array: NDArray[Any]) -> Iterator[slice]:
    """Return slices of the rows of an array, each of which is about as large as a piece."""
    size = max(_PIECE_BYTES // max(array[:1].nbytes, 1), 1)
    for first in range(0, len(array), size):
        yield slice(first, min(first + size, len(array)))


def release(*arrays: NDArray[Any]) -> None:
    """Drop arrays of a scratch folder from memory; what is in them stays, and others are left alone."""
    for array in arrays:
        owner: Any = array
        while isinstance(owner, np.ndarray):
            owner = owner.base
        if isinstance(owner, memoryview):
            owner = owner.obj
        if isinstance(owner, mmap.mmap):
            owner.madvise(mmap.MADV_DONTNEED)


def _reserve(descriptor: int, size: int) -> None:
    """Give a file its size, and the space for it where the system can."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def _mapped(descriptor: int, dtype: DTypeLike) -> NDArray[Any]:
    return np.frombuffer(mmap.mmap(descriptor, 0), dtype=dtype)
