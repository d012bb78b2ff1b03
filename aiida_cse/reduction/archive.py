"""Files of arrays by name, as numpy.savez_compressed writes them, written and read piece by piece."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from aiida_cse.reduction.scratch import Scratch, pieces

__all__ = ["read_arrays", "write_arrays"]

_SUFFIX = ".npy"


def write_arrays(file: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to an npz file; the same arrays give the same bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            contiguous = np.ascontiguousarray(array)
            with archive.open(zipfile.ZipInfo(name + _SUFFIX), "w", force_zip64=True) as member:
                member.write(_header(contiguous))
                for piece in pieces(contiguous):
                    member.write(piece.tobytes())


def read_arrays(file: BinaryIO, scratch: Scratch) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npz file into ``scratch``.

    Raises
    ------
    OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError
        The file cannot be read, is damaged, or holds other things than arrays of numbers.
    """
    found = {}
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                found[name.removesuffix(_SUFFIX)] = _read_array(member, scratch)
    return found


def _header(array: NDArray[Any]) -> bytes:
    header = io.BytesIO()
    npy.write_array_header_1_0(header, npy.header_data_from_array_1_0(array))
    return header.getvalue()


def _read_array(member: Any, scratch: Scratch) -> NDArray[Any]:
    version = npy.read_magic(member)
    if version != (1, 0):
        raise ValueError(f"has an array in version {version} of the npy format")
    shape, fortran, dtype = npy.read_array_header_1_0(member)
    if dtype.hasobject:
        raise ValueError("holds objects, not numbers")
    array = scratch.zeros(shape[::-1] if fortran else shape, dtype)
    for piece in pieces(array):
        data = member.read(piece.nbytes)
        if len(data) != piece.nbytes:
            raise EOFError("an array is not whole")
        piece[:] = np.frombuffer(data, dtype)
    return array.T if fortran else array
