"""Reading of numbers from rows of text, and of text files that may be compressed."""

from __future__ import annotations

import gzip
import importlib
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.kernels.compiled import compiled
from aiida_cse.reduction.readers.base import TrajectoryError

__all__ = ["ENDED", "NO_NUMBER", "WORD_COUNT", "TextStream", "parse_rows"]

_BLOCK_BYTES = 2**22
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

# -- streams -------------------------------------------------------------------------------------------------


class TextStream:
    """A text file, plain or compressed by gzip or Zstandard, which its first bytes tell.

    A compressed file can only be read forwards. Reading from an earlier offset starts at its beginning again.

    Raises
    ------
    TrajectoryError
        No decompressor for Zstandard is installed.
    OSError
        The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            magic = file.read(4)
        self._opener: Callable[[], Any] = partial(path.open, "rb")
        self._errors: tuple[type[Exception], ...] = (OSError,)
        self.compressed = True
        if magic[:2] == _GZIP:
            self._opener, self._errors = partial(gzip.GzipFile, path), (OSError, zlib.error)
        elif magic == _ZSTD:
            self._opener, error = _zstd_opener(path)
            self._errors = (OSError, error)
        else:
            self.compressed = False
        self._file: Any = self._opener()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset`` in the text, fewer at its end.

        A compressed file that was cut ends where it was cut.

        Raises
        ------
        TrajectoryError
            The file cannot be read or decompressed.
        """
        pieces: list[bytes] = []
        try:
            if self.compressed and offset < self._file.tell():
                self._file.close()
                self._file = self._opener()
            if offset != self._file.tell():
                self._file.seek(offset)
            while size > 0 and (piece := self._file.read1(min(size, _BLOCK_BYTES))):
                pieces.append(piece)
                size -= len(piece)
        except EOFError:
            pass
        except self._errors as error:
            done = offset + sum(map(len, pieces))
            what = "decompressed" if self.compressed else "read"
            raise TrajectoryError(
                f"{self.path}: cannot be {what} from byte {done} of its text on: {error}"
            ) from error
        return b"".join(pieces)

    def blocks(self) -> Iterator[bytes]:
        """Read the whole text, block by block."""
        offset = 0
        while block := self.read(offset, _BLOCK_BYTES):
            yield block
            offset += len(block)

    def line(self, offset: int) -> int:
        """Return the number of the line at an offset, from 1."""
        number, done = 1, 0
        while done < offset and (block := self.read(done, min(_BLOCK_BYTES, offset - done))):
            number += block.count(b"\n")
            done += len(block)
        return number


def _zstd_opener(path: Path) -> tuple[Callable[[], Any], type[Exception]]:
    """Return a function that opens a Zstandard file, and the exception of a damaged one."""
    try:
        standard: Any = importlib.import_module("compression.zstd")
    except ImportError:
        pass
    else:
        return partial(standard.open, path, "rb"), standard.ZstdError
    try:
        package: Any = importlib.import_module("zstandard")
    except ImportError:
        raise TrajectoryError(
            f"{path}: is compressed by Zstandard, which this Python cannot read; decompress it by `zstd -d`, or "
            "install the package zstandard"
        ) from None

    def opened() -> Any:
        return package.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True)

    return opened, package.ZstdError


# -- compiled ------------------------------------------------------------------------------------------------

#: why :func:`parse_rows` stops before the last row: a word is no number, a row has another number of words than
#: there are columns, or the text ends
NO_NUMBER, WORD_COUNT, ENDED = 1, 2, 3

_SPACE, _TAB, _RETURN, _NEWLINE = 32, 9, 13, 10
_PLUS, _MINUS, _POINT, _ZERO, _NINE = 43, 45, 46, 48, 57
#: E without the bit of lower case
_EXPONENT, _UPPER = 69, 0xDF
#: whole numbers of so many digits fit in 64 bits
_DIGITS = 18
#: powers of ten that a double holds exactly
_POWERS = np.array([10.0**power for power in range(23)])


@compiled
def _is_end(character: int) -> Any:
    return character in (_SPACE, _TAB, _RETURN, _NEWLINE)


@compiled
def _behind(text: NDArray[np.uint8], place: int, blank: bool) -> Any:
    """Return the place behind the blanks, or behind the word, that begins at a place of a row."""
    while place < text.shape[0] and text[place] != _NEWLINE and _is_end(text[place]) == blank:
        place += 1
    return place


@compiled
def _digits(text: NDArray[np.uint8], place: int, value: int, used: int) -> Any:
    """Append decimal digits to ``value``; return it, its digits, the digits left out, and the place behind."""
    dropped = 0
    while place < text.shape[0] and _ZERO <= text[place] <= _NINE:
        if used < _DIGITS:
            value = value * 10 + (np.int64(text[place]) - _ZERO)
            used += value > 0
        else:
            dropped += 1
        place += 1
    return value, used, dropped, place


@compiled
def _signed(text: NDArray[np.uint8], place: int) -> Any:
    """Return the exponent at a place, and the place behind it; −1 if there is none below 1000."""
    size = text.shape[0]
    below = place < size and text[place] == _MINUS
    if place < size and (below or text[place] == _PLUS):
        place += 1
    start = place
    exponent, _, dropped, place = _digits(text, place, np.int64(0), 0)
    if place == start or dropped > 0 or exponent > 999:
        return 0, -1
    return (-exponent if below else exponent), place


@compiled
def _number(text: NDArray[np.uint8], place: int) -> Any:
    """Return the decimal number at a place, to one unit in the last place, and the place behind it; −1 if none."""
    size, negative = text.shape[0], text[place] == _MINUS
    if negative or text[place] == _PLUS:
        place += 1
    start = place
    value, used, dropped, place = _digits(text, place, np.int64(0), 0)
    digits, power = place - start, dropped
    if place < size and text[place] == _POINT:
        start = place + 1
        value, used, dropped, place = _digits(text, start, value, used)
        digits += place - start
        power -= place - start - dropped
    if digits == 0:
        return 0.0, -1
    if place < size and text[place] & _UPPER == _EXPONENT:
        exponent, place = _signed(text, place + 1)
        power += exponent
    if place < 0 or (place < size and not _is_end(text[place])):
        return 0.0, -1
    number = np.float64(value)
    if 0 <= power < len(_POWERS):
        number *= _POWERS[power]
    elif -len(_POWERS) < power < 0:
        number /= _POWERS[-power]
    elif value != 0:
        number *= 10.0**power
    return (-number if negative else number), place


@compiled
def parse_rows(text: NDArray[np.uint8], place: int, targets: NDArray[np.int64], table: NDArray[np.float64]) -> Any:
    """Fill ``table`` (rows, values) with numbers of rows of text that begin at ``place``.

    ``targets`` has for each column of the text the column of ``table``, −1 for one that is not read. Numbers are
    finite. Returns the number of complete rows, the column and the place at which reading ended, and why it ended
    before the last row, or 0.
    """
    size, columns = text.shape[0], targets.shape[0]
    for row in range(table.shape[0]):
        column = 0
        while True:
            place = _behind(text, place, True)
            if place == size:
                return row, column, place, ENDED
            if text[place] == _NEWLINE:
                break
            if column == columns:
                return row, column, place, WORD_COUNT
            target = targets[column]
            if target >= 0:
                number, behind = _number(text, place)
                if behind < 0 or not np.isfinite(number):
                    return row, column, place, NO_NUMBER
                table[row, target] = number
                place = behind
            else:
                place = _behind(text, place, False)
            column += 1
        if column < columns:
            return row, column, place, WORD_COUNT
        place += 1
    return table.shape[0], 0, place, 0
