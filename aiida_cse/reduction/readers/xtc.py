"""Reader of XTC files, whose coordinates are rounded to whole numbers and compressed.

The first atom of a run is stored relative to the lowest coordinates of the frame, the others of the run relative
to the atom before, each as the three digits of one number whose bases are the ranges. The range of the differences
changes along the frame in steps of a table. The format is that of the library xdrfile of GROMACS.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import compiled
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.xdr import ANGSTROM, XdrFile, XdrFrame

__all__ = ["XtcFile"]

#: widest range of coordinates that is stored as a digit
_WIDEST = 0xFFFFFF
#: ranges of small differences: about three of them for each factor of two
_FIRST, _LAST = 9, 72
_MAGIC_INTS = np.array(
    [0] * _FIRST
    + [8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 101, 128, 161, 203, 256, 322, 406, 512, 645, 812, 1024, 1290]
    + [1625, 2048, 2580, 3250, 4096, 5060, 6501, 8192, 10321, 13003, 16384, 20642, 26007, 32768, 41285, 52015]
    + [65536, 82570, 104031, 131072, 165140, 208063, 262144, 330280, 416127, 524287, 660561, 832255, 1048576]
    + [1321122, 1664510, 2097152, 2642245, 3329021, 4194304, 5284491, 6658042, 8388607, 10568983, 13316085]
    + [16777216]
)


class XtcFile(XdrFile):
    """An open XTC file, whose coordinates are rounded, usually to 0.01 Å."""

    #: header, then of frames with more than 9 atoms that of the compressed coordinates
    _HEAD, _COMPRESSED = struct.Struct(">iiif9fi"), struct.Struct(">f7ii")
    _MAGIC, _MAGIC_LARGE = 1995, 2023
    #: table of sizes in the compression
    _SIZES = range(_FIRST, _LAST + 1)

    def _read_frame_header(self, offset: int) -> XdrFrame | None:
        head = self._bytes(offset, self._HEAD.size + self._COMPRESSED.size)
        magic = struct.unpack(">i", head[:4])[0] if len(head) >= 4 else self._MAGIC
        if magic == self._MAGIC_LARGE:
            raise ValueError("has the layout of GROMACS for very large systems; convert it to TRR by gmx trjconv")
        if magic != self._MAGIC:
            raise ValueError("is no frame of an XTC file")
        if len(head) < self._HEAD.size:
            return None
        _, natoms, step, time, *box, again = self._HEAD.unpack_from(head)
        begin = offset + self._HEAD.size
        if natoms < 1 or again != natoms:
            raise ValueError(f"says {natoms} and {again} atoms")
        if natoms <= 9:
            return XdrFrame(natoms, step, time, tuple(box), begin, 12 * natoms, begin + 12 * natoms)
        if len(head) < self._HEAD.size + self._COMPRESSED.size:
            return None
        precision, *bounds, index, size = self._COMPRESSED.unpack_from(head, self._HEAD.size)
        widths = [high - low + 1 for low, high in zip(bounds[:3], bounds[3:], strict=True)]
        if not 0 < precision < np.inf or index not in self._SIZES or not all(0 < one < 2**31 for one in widths):
            raise ValueError("its compressed coordinates are damaged")
        # an atom takes more than one bit
        if not natoms / 8 <= size < 2**31:
            raise ValueError(f"has {size} bytes of coordinates of {natoms} atoms")
        begin += self._COMPRESSED.size
        if not offset:
            self.notes = (f"its coordinates are rounded to {ANGSTROM / precision:g} Å",)
        return XdrFrame(natoms, step, time, tuple(box), begin, size, begin + (size + 3) // 4 * 4)

    def _positions(self, frame: int) -> NDArray[np.floating]:
        found = self._frames[frame]
        content = self._bytes(found.begin, found.size)
        if len(content) < found.size:
            raise TrajectoryError(f"{self.path}: ends within or after frame {frame}; it shrank while it was read")
        if self.natoms <= 9:
            return np.frombuffer(content, ">f4").reshape(-1, 3).astype(np.float32)
        head = self._bytes(found.begin - self._COMPRESSED.size, self._COMPRESSED.size)
        precision, *bounds, index, _ = self._COMPRESSED.unpack(head)
        low = np.array(bounds[:3])
        widths = np.array(bounds[3:]) - low + 1
        # wide ranges are stored one by one, others as digits of one number
        single = np.array([int(width).bit_length() for width in widths])
        together = 0 if widths.max() > _WIDEST else math.prod(widths.tolist()).bit_length()
        positions = np.empty((self.natoms, 3), np.float32)
        scale = np.float32(1) / np.float32(precision)
        if not _decompress(
            np.frombuffer(content + bytes(1), np.uint8),
            low,
            widths,
            single,
            together,
            index,
            scale,
            _MAGIC_INTS,
            positions,
        ):
            raise self._error(frame, "its compressed coordinates are damaged")
        return positions


# -- compiled ------------------------------------------------------------------------------------------------


@compiled
def _bits(data: NDArray[np.uint8], place: int, number: int) -> Any:
    """Return the ``number`` bits (at most 8) at a place that is counted in bits; one more byte must follow."""
    byte, offset = place >> 3, place & 7
    window = (np.int64(data[byte]) << 8) | np.int64(data[byte + 1])
    return (window >> (16 - offset - number)) & ((1 << number) - 1)


@compiled
def _digits(
    data: NDArray[np.uint8],
    place: int,
    number: int,
    bases: NDArray[np.int64],
    work: NDArray[np.int64],
    digits: NDArray[np.int64],
) -> None:
    """Write the three digits of the number of ``number`` bits (at most 72) at a place, its lowest byte first."""
    size, value = (number + 7) // 8, np.int64(0)
    for byte in range(size):
        work[byte] = _bits(data, place + 8 * byte, min(8, number - 8 * byte))
        value |= work[byte] << (8 * min(byte, 7))
    if number < 64:
        rest = value // bases[2]
        digits[2] = value - rest * bases[2]
        digits[0] = rest // bases[1]
        digits[1] = rest - digits[0] * bases[1]
        return
    for digit in range(2, 0, -1):
        rest = np.int64(0)
        for byte in range(size - 1, -1, -1):
            rest = (rest << 8) | work[byte]
            work[byte] = rest // bases[digit]
            rest -= work[byte] * bases[digit]
        digits[digit] = rest
    digits[0] = 0
    for byte in range(3, -1, -1):
        digits[0] = (digits[0] << 8) | work[byte]


@compiled
def _apart(data: NDArray[np.uint8], place: int, single: NDArray[np.int64], digits: NDArray[np.int64]) -> None:
    """Write the three numbers at a place that are not joined to one, because their ranges are wide."""
    for axis in range(3):
        digits[axis], left = 0, single[axis]
        while left > 0:
            taken = min(left, 8)
            digits[axis] = (digits[axis] << taken) | _bits(data, place, taken)
            place += taken
            left -= taken


@compiled
def _store(positions: NDArray[np.float32], atom: int, place: NDArray[np.int64], scale: np.float32) -> None:
    for axis in range(3):
        positions[atom, axis] = np.float32(place[axis]) * scale


@compiled
def _other_range(index: int, change: int, small: int, smaller: int, magic: NDArray[np.int64]) -> Any:
    """Return half the range at place ``index`` of the table, to which it changed, and half the one below."""
    if change < 0:
        return smaller, (magic[index - 1] // 2 if index > _FIRST else 0)
    if change > 0:
        return magic[index] // 2, small
    return small, smaller


@compiled
def _decompress(
    data: NDArray[np.uint8],
    low: NDArray[np.int64],
    widths: NDArray[np.int64],
    single: NDArray[np.int64],
    together: int,
    index: int,
    scale: np.float32,
    magic: NDArray[np.int64],
    positions: NDArray[np.float32],
) -> Any:
    """Fill ``positions`` (N, 3); return whether the data (bytes,) are whole, the last of which is a spare one.

    ``low`` and ``widths`` (3,) are the ranges, ``single`` (3,) and ``together`` their bits, ``index`` the first
    place in the table ``magic``, and ``scale`` the length of one unit.
    """
    bits, place, atom, run = 8 * (data.shape[0] - 1), 0, 0, 0
    needed = together if together > 0 else single.sum()
    this, before = np.zeros(3, np.int64), np.zeros(3, np.int64)
    bases, work = np.zeros(3, np.int64), np.zeros(9, np.int64)
    small, smaller = magic[index] // 2, magic[max(index - 1, _FIRST)] // 2
    while atom < positions.shape[0]:
        if place + needed + 1 > bits:
            return False
        if together > 0:
            _digits(data, place, together, widths, work, this)
        else:
            _apart(data, place, single, this)
        place += needed + 1
        this += low
        change = 0
        if _bits(data, place - 1, 1) == 1:
            if place + 5 > bits:
                return False
            run = _bits(data, place, 5)
            place += 5
            change = run % 3 - 1
            run //= 3
        if atom + 1 + run > positions.shape[0] or place + run * index > bits:
            return False
        _store(positions, atom, this, scale)
        bases[:] = magic[index]
        before[:] = this
        for number in range(run):
            _digits(data, place, index, bases, work, this)
            place += index
            this += before - small
            if number == 0:
                # the second atom of a run is stored as the first, which is shorter for water
                _store(positions, atom, this, scale)
                _store(positions, atom + 1, before, scale)
            else:
                _store(positions, atom + 1 + number, this, scale)
            before[:] = this
        atom += 1 + run
        index += change
        if index < _FIRST or index > _LAST:
            return False
        small, smaller = _other_range(index, change, small, smaller, magic)
    return True
