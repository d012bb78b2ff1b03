"""Text dumps of LAMMPS: all styles of coordinates, orders, headers and compressions, and refusals by line."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard
from numpy.typing import NDArray

from aiida_cse.reduction.readers import dump
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.dump import DumpFile
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.reduction.readers.text import parse_rows
from aiida_cse.reduction.reduce import reduce_segments
from tests.reduction import synthetic
from tests.reduction.readers.files import frame_text, write_dump
from tests.reduction.synthetic import FRAME_STEPS, NATOMS, config, make

LOW, EDGES = np.array([-3.0, 2.0, -40.0]), np.array([10.0, 12.5, 80.0])


@pytest.fixture(scope="module")
def trajectory() -> synthetic.Synthetic:
    return make(11, 5)


def styled(columns: str, positions: NDArray[np.float64], rng: np.random.Generator) -> str:
    """Return a dump of unwrapped positions (F, N, 3) in the given columns, in the box of ``LOW`` and ``EDGES``."""
    lines = []
    for number, frame in enumerate(positions):
        fraction = (frame - LOW) / EDGES
        image = np.floor(fraction)
        values = {
            "id": np.arange(1, len(frame) + 1),
            "type": np.arange(len(frame)) % 3 + 1,
            "element": ["Li"] * 99,
        }
        for axis, name in enumerate("xyz"):
            values |= {f"{name}u": frame[:, axis], f"{name}su": fraction[:, axis]}
            values |= {name: (frame - image * EDGES)[:, axis], f"{name}s": (fraction - image)[:, axis]}
            values |= {f"i{name}": image[:, axis].astype(int)}
        lines += ["ITEM: TIMESTEP", str(10 * number), "ITEM: NUMBER OF ATOMS", str(len(frame))]
        lines += ["ITEM: BOX BOUNDS pp pp pp", *(f"{a} {b}" for a, b in zip(LOW, LOW + EDGES, strict=True))]
        lines += [f"ITEM: ATOMS {columns}"]
        lines += [
            " ".join(str(values[name][atom]) for name in columns.split()) for atom in rng.permutation(len(frame))
        ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("columns", "unwrapped"),
    [
        ("id type xu yu zu", True),
        ("zsu element xsu id ysu type", True),
        ("id x y z ix iy iz", True),
        ("id type iz iy ix zs ys xs", True),
        ("id x y z xu yu zu", True),
        ("id type x y z", False),
        ("id type xs ys zs", False),
        ("id xu yu z", False),
    ],
)
def test_every_style_of_coordinates_is_read(tmp_path: Path, columns: str, unwrapped: bool) -> None:
    rng = np.random.default_rng(3)
    positions = rng.normal(scale=30, size=(3, 7, 3))
    path = tmp_path / "a.lammpsdump"
    path.write_text(styled(columns, positions, rng))
    expected = positions if unwrapped else LOW + np.mod(positions - LOW, EDGES)
    if columns == "id xu yu z":
        expected[..., :2] = positions[..., :2]
    with open_trajectory(path) as file:
        assert (file.frames, file.natoms, file.unwrapped, file.units) == (3, 7, unwrapped, None)
        assert file.ids is not None
        assert file.ids.tolist() == [1, 2, 3, 4, 5, 6, 7]
        assert file.atom_types is None or file.atom_types.tolist() == [1, 2, 3, 1, 2, 3, 1]
        frames = file.read_xyz(0, 3)
        for axis in range(3):
            np.testing.assert_allclose(frames.along(axis), expected[..., axis], atol=2e-5)
        assert frames.boxes == pytest.approx(np.tile(EDGES, (3, 1)))


def with_times(text: str, behind: bool) -> str:
    """Return a dump with the items of units and times, as LAMMPS writes them or at another place of the header."""
    frames = text.split("ITEM: TIMESTEP\n")[1:]
    for number, frame in enumerate(frames):
        times, rest = f"ITEM: TIME\n{number * FRAME_STEPS * 2.0}\n", f"ITEM: TIMESTEP\n{frame}"
        if behind:
            frames[number] = rest.replace("ITEM: NUMBER", f"{times}ITEM: NUMBER", 1)
        else:
            frames[number] = times + rest
    return "ITEM: UNITS\nreal\n" + "".join(frames)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: with_times(text, behind=False).encode(),
        lambda text: with_times(text, behind=True).encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("pp pp pp", "xy xz yz pp pp pp").replace("e+01\n", "e+01 0.0\n").encode(),
        lambda text: gzip.compress(text.encode()),
        lambda text: b"".join(gzip.compress(part.encode()) for part in (text[:700], text[700:])),
    ],
    ids=["times first", "times inside", "line ends of Windows", "untilted", "gzip", "two members of gzip"],
)
def test_another_writing_gives_the_same_state(
    trajectory: synthetic.Synthetic, tmp_path: Path, change: Callable[[str], bytes]
) -> None:
    path = write_dump(tmp_path / "a.dump", trajectory.positions)
    expected = reduce_segments([path], config())
    content = change(path.read_text())
    for name in ("b.dump", "b.custom.gz", "b.lammpstrj.zst"):
        (tmp_path / name).write_bytes(content)
    for name in ("b.dump", "b.custom.gz"):
        assert reduce_segments([tmp_path / name], config()).equals(expected)


def test_times_come_from_the_items_of_units_and_times(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    path = write_dump(tmp_path / "a.dump", trajectory.positions)
    text = with_times(path.read_text(), behind=False)
    found = []
    for units in ("real\n", "metal\n", "lj\n", ""):
        path.write_text(text.replace("ITEM: UNITS\nreal\n", f"ITEM: UNITS\n{units}" if units else ""))
        if units == "lj\n":
            with pytest.raises(TrajectoryError, match="its units are lj; they must be real or metal"):
                DumpFile(path)
        else:
            with DumpFile(path) as file:
                found.append((file.units, file.frame_ps, file.first_ps, file.timestep_fs, len(file.notes)))
    assert found == [("real", 0.02, 0.0, 2.0, 0), ("metal", 20.0, 0.0, 2000.0, 0), (None, None, None, None, 1)]
    path.write_text(text.replace("ITEM: TIME\n40.0\n", "ITEM: TIME\n41.0\n"))
    with pytest.raises(TrajectoryError, match="frame 2: its time is 41; frames must be equally spaced in time"):
        DumpFile(path)


def test_ids_may_have_gaps_but_not_change(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    text = styled("id type xu yu zu", rng.normal(size=(2, 5, 3)), rng)
    path = tmp_path / "a.dump"
    path.write_text(text.replace("\n4 1 ", "\n40000000001 1 "))
    with DumpFile(path) as file:
        assert file.ids is not None
        assert file.ids.tolist() == [1, 2, 3, 5, 40000000001]
        assert file.atom_types is not None
        assert file.atom_types.tolist() == [1, 2, 3, 2, 1]
        assert file.read(0, 2).table.shape == (2, 15)
    path.write_text(text.replace("\n4 1 ", "\n9 1 ", 1))
    with (
        DumpFile(path) as file,
        pytest.raises(TrajectoryError, match=r"frame 1: its atom IDs are not those .*: 4 is new"),
    ):
        file.read(0, 2)


LINES = NATOMS + 9


def word(number: int, text: str) -> Callable[[str], str]:
    """Return a change of one word of a line."""

    def change(line: str) -> str:
        words = line.split()
        words[number] = text
        return " ".join(words) + "\n"

    return change


@pytest.mark.parametrize(
    ("number", "change", "why"),
    [
        (-1, word(0, "5"), r"frame 1: has the atom ID 5 twice"),
        (-1, word(2, "1x3"), rf"frame 1, line {2 * LINES}: xu = '1x3': must be a finite number"),
        (-1, word(4, "nan"), rf"frame 1, line {2 * LINES}: zu = 'nan': must be a finite number"),
        (-1, word(4, ""), rf"frame 1, line {2 * LINES}: has 4 words, it must have 5, one per column"),
        (9, word(1, "Li"), rf"frame 1, line {LINES + 10}: type = 'Li': is no atom type; .* typelabel"),
        (9, word(1, "1.5"), rf"frame 1, line {LINES + 10}: type = '1.5': is no atom type"),
        (9, word(0, "0"), rf"frame 1, line {LINES + 10}: id = '0': must be a whole number from 1"),
        (9, word(1, "9"), r"frame 1: atom \d+ is of type 9, in the first frame of type \d"),
        (
            -1,
            lambda line: line + line,
            rf"frame 1, line {2 * LINES + 1}: has more lines of atoms than its {NATOMS}",
        ),
        (3, lambda _: f"{NATOMS - 1}\n", f"frame 1: has {NATOMS - 1} atoms, the first frame has {NATOMS}"),
        (
            3,
            lambda _: f"{2**31}\n",
            rf"frame 1, line {2 * LINES + 1}: has {NATOMS} lines of atoms, it must have {2**31}",
        ),
        (5, lambda line: line.strip() + " 1.5\n", f"frame 1, line {LINES + 6}: its box is tilted"),
        (
            5,
            lambda _: "3.0 3.0\n",
            f"frame 1, line {LINES + 6}: is '3.0 3.0'; the upper bound must be above the lower one",
        ),
        (
            5,
            lambda _: "0 20.01\n",
            r"frame 1 \(step 10\) has a box of 20.010000 Å along x, the system file says 20.000000 Å",
        ),
        (-1, lambda _: "", rf"frame 1, line {2 * LINES}: has {NATOMS - 1} lines of atoms, it must have {NATOMS}"),
        (1, lambda _: "ten\n", rf"frame 1, line {LINES + 2}: is 'ten', it must be a whole number \(TIMESTEP\)"),
        (
            2,
            lambda _: "ITEM: TIMESTEP\n",
            rf"frame 1, line {LINES + 3}: the item TIMESTEP is here twice; the frame before it was cut",
        ),
        (2, lambda _: "ITEM: NUMBER\n", rf"frame 1, line {LINES + 3}: is 'ITEM: NUMBER', it must be an item of"),
        (8, lambda _: "1 1 1 1 1\n", rf"frame 1, line {LINES + 9}: is '1 1 1 1 1', it must be an item of"),
    ],
)
def test_damage_names_the_frame_and_the_line(
    trajectory: synthetic.Synthetic, tmp_path: Path, number: int, change: Callable[[str], str], why: str
) -> None:
    path = tmp_path / "a.dump"
    frames = [frame_text(trajectory.positions[one], one * FRAME_STEPS) for one in range(4)]
    lines = frames[1].splitlines(keepends=True)
    lines[number] = change(lines[number])
    path.write_text("".join([frames[0], *lines, *frames[2:]]))
    with pytest.raises(TrajectoryError, match=f"a.dump: {why}"):
        reduce_segments([path], config())


def test_frames_must_be_equally_spaced(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    path.write_text("".join(frame_text(trajectory.positions[0], step) for step in (0, 10, 30)))
    with pytest.raises(
        TrajectoryError, match=r"a.dump: frame 2: is of step 30, it must be of step 20: .* 10 steps"
    ):
        DumpFile(path)


def test_wrapped_coordinates_and_other_types_are_refused(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    path = write_dump(tmp_path / "a.dump", trajectory.positions[:2])
    path.write_text(path.read_text().replace("xu yu zu", "x y z"))
    with pytest.raises(TrajectoryError, match="wrapped"):
        reduce_segments([path], config())
    text = frame_text(trajectory.positions[0], 0)
    path.write_text(text.replace("\n17 3 ", "\n17 4 "))
    with pytest.raises(TrajectoryError, match=r"a.dump: atom 17 is of type 4, in the system it is of type 3"):
        reduce_segments([path], config())


def test_missing_columns_are_named(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    text = frame_text(trajectory.positions[0], 0)
    for columns, why in (
        ("mol type xu yu zu", "has no column id, only mol type xu yu zu; use dump custom with id"),
        ("id type vx yu zu", "has no coordinates along x, only id type vx yu zu"),
        ("id id xu yu zu", "the column id is here twice"),
    ):
        path.write_text(text.replace("id type xu yu zu", columns))
        with pytest.raises(TrajectoryError, match=f"a.dump: frame 0, line 9: {why}"):
            DumpFile(path)


@pytest.mark.parametrize("block", [64, 700, 2**22])
def test_any_cut_leaves_the_complete_frames(
    trajectory: synthetic.Synthetic, tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiida_cse.reduction.readers.text._BLOCK_BYTES", block)
    path = write_dump(tmp_path / "a.dump", trajectory.positions[:3])
    content = path.read_bytes()
    ends = [content.find(b"ITEM: TIMESTEP", 10), content.rfind(b"ITEM: TIMESTEP"), len(content)]
    for size in (0, 3, 20, 100, ends[0] - 1, *ends, ends[0] + 5, ends[0] + 100, ends[2] - 1, ends[2] - 40):
        path.write_bytes(content[:size])
        with DumpFile(path) as file:
            assert file.frames == sum(end <= size for end in ends)
            assert file.leftover_bytes == size - max([0, *(end for end in ends if end <= size)])
            assert not file.frames or len(file.read(0, file.frames).table) == file.frames


def test_a_cut_or_damaged_gzip_file_ends_or_is_refused(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    path = write_dump(tmp_path / "a.dump", trajectory.positions)
    packed = gzip.compress(path.read_bytes())
    path.write_bytes(packed[: 2 * len(packed) // 3])
    with DumpFile(path) as file:
        assert 0 < file.frames < 5
        assert file.leftover_bytes > 0
        assert file.read(0, file.frames).table.shape == (file.frames, 3 * NATOMS)
    path.write_bytes(packed[:900] + b"damage" + packed[906:])
    with pytest.raises(TrajectoryError, match=r"a.dump: cannot be decompressed from byte \d+ of its text on"):
        DumpFile(path)


def test_zstandard_is_read_or_refused_by_name(
    trajectory: synthetic.Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = write_dump(tmp_path / "a.dump", trajectory.positions)
    path = tmp_path / "a.dump.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(TrajectoryError, match=r"a.dump.zst: is compressed by Zstandard, which this Python cannot"):
        open_trajectory(path)
    monkeypatch.undo()
    path.write_bytes(zstandard.compress(plain.read_bytes()))
    assert reduce_segments([path], config()).equals(reduce_segments([plain], config()))


def test_a_file_is_searched_once_until_it_changes(
    trajectory: synthetic.Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_dump(tmp_path / "a.dump", trajectory.positions)
    searches: list[str] = []
    search = dump._headers
    monkeypatch.setattr(dump, "_headers", lambda *given: (searches.append(""), search(*given))[1])
    reduce_segments([path], config())
    assert len(searches) == 1
    write_dump(path, trajectory.positions[:4])
    assert reduce_segments([path], config()).frames == 4
    assert len(searches) == 2


def test_a_dump_that_shrinks_while_it_is_read_is_refused(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    path = write_dump(tmp_path / "a.dump", trajectory.positions[:5])
    with DumpFile(path) as file:
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(TrajectoryError, match=r"a.dump: ends within or after frame 2; it shrank"):
            file.read(0, 5)


def test_numbers_are_parsed_as_python_does() -> None:
    rng = np.random.default_rng(2)
    words = [f"{value:{form}}" for value in rng.normal(scale=1e3, size=50) for form in (".6g", ".15g", "e", "f")]
    words += ["1", "-1", "+1", ".5", "5.", "-.5", "1e5", "1E-5", "1e+22", "0", "-0.0", "00012", "1e-30", "5e-324"]
    table = np.zeros((len(words), 1))
    text = np.frombuffer("\n".join([*words, ""]).encode(), np.uint8)
    assert parse_rows(text, 0, np.array([0]), table) == (len(words), 0, len(text), 0)
    np.testing.assert_allclose(table[:, 0], [float(word) for word in words], rtol=2.3e-16, atol=1e-300)
    for word in ("", "-", ".", "1e", "1e+", "nan", "inf", "1e999", "0x1", "1,5", "1.2.3", "1d5", "--1"):
        text = np.frombuffer(f"{word}\n".encode(), np.uint8)
        assert parse_rows(text, 0, np.array([0]), np.zeros((1, 1)))[3] != 0
