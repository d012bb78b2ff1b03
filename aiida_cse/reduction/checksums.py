"""Checksums of segments, as the programs that wrote or copied them recorded them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiida_cse.reduction.readers.base import TrajectoryError

__all__ = ["check_checksums", "load_checksums", "sha256"]

_READ_BYTES = 2**20
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, hexadecimal.

    Raises
    ------
    TrajectoryError
        The file cannot be read.
    """
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_READ_BYTES))
    try:
        with Path(path).open("rb", buffering=0) as file:
            while got := file.readinto(buffer):
                digest.update(buffer[:got])
    except OSError as error:
        raise TrajectoryError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def check_checksums(paths: Sequence[str | Path], checksums: Mapping[str, str]) -> None:
    """Refuse a file whose SHA-256 is not that of ``checksums``, by its path as given.

    Raises
    ------
    TrajectoryError
        A file cannot be read or has another checksum.
    ValueError
        A checksum is of none of the files.
    """
    unknown = sorted(set(checksums) - {str(path) for path in paths})
    if unknown:
        raise ValueError(f"checksums: {unknown[0]} is none of the segments {', '.join(map(str, paths))}")
    for path in paths:
        expected = checksums.get(str(path))
        if expected is None:
            continue
        found = sha256(path)
        if found != expected.lower():
            raise TrajectoryError(
                f"{path}: its SHA-256 is {found}, it must be {expected.lower()}; "
                "the file was changed or is another one"
            )


def load_checksums(path: str | Path) -> dict[str, str]:
    """Read a file of ``sha256sum``: in each line the checksum, two spaces and the path.

    Raises
    ------
    ValueError
        The file cannot be read or a line of it is not of this form; names the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    found = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{path}: line {number} is {line!r}, it must be a SHA-256, two spaces and a path")
        found[match[2]] = match[1]
    return found
