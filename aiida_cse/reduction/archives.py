"""Archives of numeric arrays: npz files without pickled objects, whose size is checked before memory is taken."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from tokenize import TokenError
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import psutil  # type: ignore[import-untyped]
from numpy.lib import format as npy
from numpy.typing import NDArray

__all__ = ["DAMAGED", "read_arrays", "write_arrays"]

#: exceptions that numpy and zipfile raise for a file that is no intact archive of arrays
DAMAGED = (
    TokenError,
    OSError,
    EOFError,
    AttributeError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    NotImplementedError,  # by zipfile, for a method of compression that it does not know
    MemoryError,
    OverflowError,
    RuntimeError,  # also by zipfile, for an encrypted member; RecursionError is one of its kind
    zipfile.BadZipFile,
    zlib.error,
)

_SUFFIX = ".npy"
#: zlib's level of compression of the smaller arrays
_LEVEL = 4
#: bytes from which an array is compressed by bzip2, which leaves two thirds of the bytes that zlib does
_LARGE_BYTES = 2**14
#: bytes that are read at once
_PIECE_BYTES = 2**20
#: a file may unpack to this many bytes whatever its own size, ...
_SMALL_BYTES = 2**28
#: ... and a larger one to this many times its size; states compress by a factor of 7 to 9
_LARGEST_RATIO = 100
#: arrays in a file, and bytes of the header of one of them
_MOST_ARRAYS, _HEADER_BYTES = 1000, 1024


def _largest(file_bytes: int) -> int:
    """Return how many bytes a file of this size may unpack to."""
    return max(_SMALL_BYTES, _LARGEST_RATIO * file_bytes)


def write_arrays(file: BinaryIO, arrays: Mapping[str, NDArray[Any]], *, compressed: bool = True) -> None:
    """Write arrays to an npz file; with one version of zlib and bzip2, equal arrays give equal bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            if compressed:
                large = array.nbytes >= _LARGE_BYTES
                archive.compression = zipfile.ZIP_BZIP2 if large else zipfile.ZIP_DEFLATED
                archive.compresslevel = 9 if large else _LEVEL
            with archive.open(name + _SUFFIX, "w", force_zip64=True) as member:
                npy.write_array(member, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    size, unpacked = file.tell(), sum(array.nbytes for array in arrays.values())
    if compressed and unpacked > _largest(size):
        file.seek(0)
        file.truncate()
        write_arrays(file, arrays, compressed=False)


def read_arrays(file: BinaryIO, most_bytes: Mapping[str, int] = MappingProxyType({})) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npz file; their sizes are checked before memory is allocated.

    Parameters
    ----------
    file
        An open binary file in which one can seek.
    most_bytes
        Largest size of some arrays, by their names.

    Raises
    ------
    OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError
        The file cannot be read, is damaged or too large, or holds anything but arrays of numbers.
    """
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        twice = [name for name, times in Counter(archive.namelist()).items() if times > 1]
        if twice:
            raise ValueError(f"holds {twice[0]} twice")
        members = {info.filename.removesuffix(_SUFFIX): info.file_size for info in archive.infolist()}
        if len(members) > _MOST_ARRAYS:
            raise ValueError(f"holds {len(members)} arrays; must hold at most {_MOST_ARRAYS}")
        for name, most in most_bytes.items():
            if members.get(name, 0) > most + _HEADER_BYTES:
                raise ValueError(f"{name} has {members[name]:,} bytes; must have at most {most:,}")
        unpacked, free = sum(members.values()), psutil.virtual_memory().available
        if unpacked > _largest(size):
            raise ValueError(f"unpacks to {unpacked:,} bytes, a file of {size:,} bytes may to {_largest(size):,}")
        if unpacked > free:
            raise ValueError(f"unpacks to {unpacked:,} bytes; must fit into the {free:,} bytes of free memory")
        return {info.filename.removesuffix(_SUFFIX): _read_array(archive, info) for info in archive.infolist()}


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as opened:
        member: Any = opened
        version = npy.read_magic(member)
        if version != (1, 0):
            raise ValueError(f"{info.filename} is in version {version} of the npy format")
        shape, fortran, dtype = npy.read_array_header_1_0(member)
        if dtype.kind not in "iuf":
            raise ValueError(f"{info.filename} holds {'objects' if dtype.hasobject else dtype}, not numbers")
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != info.file_size - member.tell():
            raise ValueError(f"{info.filename} is an array of shape {shape} in {info.file_size} bytes")
        array: NDArray[Any] = np.empty(shape[::-1] if fortran else shape, dtype)
        flat = array.reshape(-1).view(np.uint8)
        for first in range(0, flat.size, _PIECE_BYTES):
            piece = flat[first : first + _PIECE_BYTES]
            if member.readinto(piece.data) != piece.size:
                raise EOFError(f"{info.filename} is truncated")
    return array.T if fortran else array
