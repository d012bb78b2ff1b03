"""Checksums of trajectory segments."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.segments import load_checksums
from tests.reduction.synthetic import config, make, write_dcd


@pytest.fixture
def segments(tmp_path: Path) -> list[Path]:
    positions = make(3, 30).positions
    return [
        write_dcd(tmp_path / "1.dcd", positions[:17]),
        write_dcd(tmp_path / "2.dcd", positions[17:], first_step=170),
    ]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_cannot_be_read_has_no_checksum() -> None:
    with pytest.raises(TrajectoryError, match=r"none.dcd: cannot be read: No such file"):
        reduce_segments(["none.dcd"], config(), checksums={"none.dcd": "0" * 64})


def test_unchanged_files_are_reduced(segments: list[Path]) -> None:
    expected = reduce_segments(segments, config())
    sums = {str(path): sha256(path).upper() for path in segments}
    assert reduce_segments(segments, config(), checksums=sums).equals(expected)
    assert reduce_segments(segments, config(), checksums={str(segments[1]): sha256(segments[1])}).equals(expected)


def test_a_changed_file_is_refused_by_name(segments: list[Path]) -> None:
    sums = {str(path): sha256(path) for path in segments}
    content = bytearray(segments[1].read_bytes())
    content[-20] ^= 1
    segments[1].write_bytes(content)
    with pytest.raises(
        TrajectoryError, match=rf"2.dcd: its SHA-256 is \w{{64}}, it must be {sums[str(segments[1])]}"
    ):
        reduce_segments(segments, config(), checksums=sums)


def test_a_checksum_of_no_segment_is_refused(segments: list[Path]) -> None:
    with pytest.raises(ValueError, match=r"checksums: 3.dcd is none of the segments .*1.dcd, .*2.dcd"):
        reduce_segments(segments, config(), checksums={"3.dcd": "0" * 64})


def test_the_output_of_sha256sum_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sums"
    path.write_text(f"{'a' * 64}  1.dcd\n{'B' * 64} *folder/my run.dcd\n")
    assert load_checksums(path) == {"1.dcd": "a" * 64, "folder/my run.dcd": "B" * 64}
    path.write_text(f"{'a' * 64}  1.dcd\n{'b' * 63}  2.dcd\n")
    with pytest.raises(
        ValueError, match=r"sums: line 2 is 'b+  2.dcd', it must be a SHA-256, two spaces and a path"
    ):
        load_checksums(path)
    with pytest.raises(ValueError, match="none: cannot be read"):
        load_checksums(tmp_path / "none")
