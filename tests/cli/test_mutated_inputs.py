"""Damaged files through ``aiida-cse analyse``: the sound result, or a message that names file and place.

Mutations damage the structure of a file. Those that only write another valid number into it are left out, because
nobody can tell such a file from the original.
"""

from __future__ import annotations

import re
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from aiida_cse.analysis import registry
from aiida_cse.cli import main
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.reduction.state import State
from tests.reduction import synthetic
from tests.reduction.readers.files import write_with_mdanalysis

SMALL = Path(__file__).parents[1] / "small_interface"
BOX = (14.0, 16.0, 84.0)
FRAMES, STEPS = 12, 500
#: number of damaged files per format, in the ordinary suite and in the long one
FEW, MANY = 12, 300
#: s, after which a command hangs; the first one compiles the loops
PATIENCE = 600

#: a fault is placed if its message has one of these
PLACE = re.compile(
    r"(line|frame|step|byte|atom|type|molecule|position|ID|has) \d|section|title|header|record|column|ends|empty"
    r"|suffix|is missing|not UTF-8|unknown key|must |box|holds|frame is complete|[a-z_.]+ = |units|two frames"
    r"|a frame every"
)
WORDS = (
    "nan",
    "inf",
    "-inf",
    "x",
    "1e400",
    "--",
    "1,5",
    "½",
    "0x1F",
    "1.5.2",
    "ITEM:",
    "99999999999999999999999x",
)

Random = np.random.Generator
#: a format, a folder with sound files, and their state
Case = tuple[str, Path, State]


# -- mutations of text ---------------------------------------------------------------------------------------


def drop_line(lines: list[str], rng: Random) -> list[str]:
    row = int(rng.integers(len(lines)))
    return lines[:row] + lines[row + 1 :]


def repeat_line(lines: list[str], rng: Random) -> list[str]:
    row = int(rng.integers(len(lines)))
    return lines[: row + 1] + lines[row:]


def swap_lines(lines: list[str], rng: Random) -> list[str]:
    row = int(rng.integers(len(lines) - 1))
    return [*lines[:row], lines[row + 1], lines[row], *lines[row + 2 :]]


def cut(lines: list[str], rng: Random) -> list[str]:
    text = "".join(lines)
    # within a line: a whole line less is another file
    return [text[: int(rng.integers(len(text)))].rstrip("0123456789")]


def other_word(lines: list[str], rng: Random) -> list[str]:
    return _words(lines, rng, lambda words, place: [*words[:place], str(rng.choice(WORDS)), *words[place + 1 :]])


def drop_word(lines: list[str], rng: Random) -> list[str]:
    return _words(lines, rng, lambda words, place: words[:place] + words[place + 1 :])


def repeat_word(lines: list[str], rng: Random) -> list[str]:
    return _words(lines, rng, lambda words, place: words[: place + 1] + words[place:])


def insert_bytes(lines: list[str], rng: Random) -> list[str]:
    row = int(rng.integers(len(lines)))
    strange = ("\0", "\0\0\0\0", "\x1b[0m", "é", "\ufeff", "\udce4", "<<<<<<< HEAD\n", "{}\n", "%\n")
    return [*lines[:row], str(rng.choice(np.array(strange, dtype=object))) + lines[row], *lines[row + 1 :]]


def other_line_ends(lines: list[str], rng: Random) -> list[str]:
    end = str(rng.choice(["\r\n", " \n", "\t\n", "\n\n", "\r"]))
    return [line.replace("\n", end) for line in lines]


def other_case(lines: list[str], rng: Random) -> list[str]:
    rows = [row for row, line in enumerate(lines) if re.search("[A-Za-z]{3}", line)]
    row = int(rng.choice(rows))
    return [*lines[:row], lines[row].swapcase(), *lines[row + 1 :]]


def empty(lines: list[str], rng: Random) -> list[str]:
    return [["", "\n", " ", "\0" * 100][int(rng.integers(4))]]


def _words(lines: list[str], rng: Random, change: Callable[[list[str], int], list[str]]) -> list[str]:
    rows = [row for row, line in enumerate(lines) if line.split()]
    row = int(rng.choice(rows))
    words = lines[row].split()
    indent = lines[row][: len(lines[row]) - len(lines[row].lstrip())]
    return [
        *lines[:row],
        indent + " ".join(change(words, int(rng.integers(len(words))))) + "\n",
        *lines[row + 1 :],
    ]


TEXT = (
    drop_line,
    repeat_line,
    swap_lines,
    cut,
    other_word,
    drop_word,
    repeat_word,
    insert_bytes,
    other_line_ends,
    other_case,
    empty,
)


def damage_text(path: Path, rng: Random) -> str:
    mutation = TEXT[int(rng.integers(len(TEXT)))]
    lines = mutation(path.read_text().splitlines(keepends=True), rng)
    path.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
    return mutation.__name__


# -- mutations of binary files -------------------------------------------------------------------------------


def damage_binary(path: Path, rng: Random, numbers: list[int]) -> str:
    """Cut, lengthen or overwrite a file; only the 4-byte words at ``numbers`` are overwritten by other numbers."""
    content = bytearray(path.read_bytes())
    kind = str(rng.choice(["cut", "drop", "insert", "repeat", "number", "number", "number", "empty"]))
    place, size = int(rng.integers(len(content))), int(rng.integers(1, 200))
    if kind == "cut":
        del content[place:]
    elif kind == "drop":
        del content[place : place + size]
    elif kind == "insert":
        content[place:place] = rng.bytes(size)
    elif kind == "repeat":
        content[place:place] = content[place : place + size]
    elif kind == "number":
        value = int(rng.choice([0, 1, -1, 2, 2**31 - 1, -(2**31), 0x7FC00000, 0x7F800000, 4096, 10**6]))
        at = int(rng.choice(numbers))
        content[at : at + 4] = struct.pack(">i" if path.suffix == ".xtc" else "<i", value)
    else:
        content = bytearray(b"\0" * int(rng.integers(0, 100)))
    path.write_bytes(bytes(content))
    return kind


# -- the formats ---------------------------------------------------------------------------------------------


def sound_positions() -> np.ndarray:
    with open_trajectory(SMALL / "run.dump") as file:
        frames = file.read_xyz(0, FRAMES)
        return np.stack([frames.along(axis) for axis in range(3)], axis=-1).copy()


def write_sound(folder: Path, suffix: str) -> None:
    """Write the small interface with a trajectory in this format."""
    shutil.copytree(SMALL, folder, dirs_exist_ok=True)
    if suffix == ".dcd":
        synthetic.write_dcd(folder / "run.dcd", sound_positions(), frame_steps=STEPS, lengths=BOX)
    elif suffix == ".xtc":
        write_with_mdanalysis(
            folder / "run.xtc",
            sound_positions(),
            np.arange(FRAMES) * 1.0,
            [STEPS * frame for frame in range(FRAMES)],
            (*BOX, 90.0, 90.0, 90.0),
            precision=5,
        )


def structure(path: Path) -> list[int]:
    """Return the offsets of 4-byte words of a binary file that are no coordinates."""
    content = path.read_bytes()
    if path.suffix == ".xtc":
        magic = struct.pack(">i", 1995)
        starts = [match.start() for match in re.finditer(re.escape(magic), content)]
        # magic, atoms; box; atoms; smallest and largest integers, size of the block (step and time are numbers)
        return [start + 4 * word for start in starts for word in (0, 1, 4, 5, 8, 12, 13, 21, 22)]
    natoms = 42
    first = 276
    cell, block = 56, 4 * natoms + 8
    frame = cell + 3 * block
    header = [0, 4, 8, 84 + 4, 88 + 4, 8 + 4 * 2, 8 + 4 * 9, 264, 268, 272]
    marks = []
    for start in range(first, len(content), frame):
        marks += [start, start + 4, start + 12, start + 20, start + 44, start + 52]
        for axis in range(3):
            marks += [start + cell + axis * block, start + cell + (axis + 1) * block - 4]
    return [offset for offset in header + marks if offset + 4 <= len(content)]


DAMAGED = {"dump": "run.dump", "dcd": "run.dcd", "xtc": "run.xtc", "data": "box.data", "yaml": "regions.yaml"}


@pytest.fixture(scope="module", params=list(DAMAGED))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Write the sound files of a format and analyse them."""
    kind = str(request.param)
    folder = tmp_path_factory.mktemp(kind)
    write_sound(folder, Path(DAMAGED[kind]).suffix)
    with quick():
        result = analysed(folder, trajectory(kind))
    assert result.exit_code == 0, result.output
    return kind, folder, State.load(folder / "found" / "state.npz")


def trajectory(kind: str) -> str:
    return DAMAGED[kind] if kind in ("dump", "dcd", "xtc") else "run.dump"


def analysed(folder: Path, file: str, *words: object) -> Result:
    files = [folder / file, "--system", folder / "box.data", "--config", folder / "regions.yaml"]
    arguments = ["analyse", *files, "--temperature", 600, "--out", folder / "found", *words]
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@contextmanager
def quick() -> Iterator[None]:
    """Leave the observables out, which see the state alone, and end a command that hangs."""

    def late(*_: Any) -> None:
        raise AssertionError("the command hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "analyse_separately", lambda production: ({}, {}))
        patch.setattr("aiida_cse.cli.cmd_analyse._show", lambda results: None)
        try:
            yield
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)


# -- what must hold ------------------------------------------------------------------------------------------


def judge(kind: str, folder: Path, result: Result, sound: State) -> str | None:
    """Return what is wrong with the outcome of a damaged file, None if nothing is."""
    output = result.output
    if "unexpected" in output or "Traceback" in output or result.exit_code not in (0, 2):
        return f"exit code {result.exit_code}: {output[-300:]} {result.exception!r}"
    if result.exit_code == 2:
        message = output[output.index("Error:") :]
        if kind == "yaml" and is_other_mapping(folder / DAMAGED[kind]):
            return None  # another valid description, which does not fit the run
        if DAMAGED[kind] not in message:
            return f"names another file: {message}"
        return None if PLACE.search(message) else f"names no place: {message}"
    found = State.load(folder / "found" / "state.npz")
    if kind == "yaml" and is_other_mapping(folder / DAMAGED[kind]):
        return None
    return None if same(found, sound) else "another result, silently"


def is_other_mapping(path: Path) -> bool:
    """Return whether a YAML file holds a mapping, and not that of the sound file."""
    try:
        content = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError:
        return False
    return isinstance(content, dict) and content != yaml.safe_load((SMALL / "regions.yaml").read_text())


def same(found: State, sound: State) -> bool:
    """Return whether a state is the sound one, or that of its first frames, whatever the types are called."""
    if found.stop > sound.stop or found.start != sound.start:
        return False
    if (found.config.masses, found.config.charges) != (sound.config.masses, sound.config.charges):
        return False
    if found.stop == sound.stop:
        mine, theirs = found.arrays(), sound.arrays()
        # the last digits of an edge are within its tolerance
        return all(np.allclose(mine[name], theirs[name], rtol=1e-6, atol=0) for name in theirs)
    return np.array_equal(found.region_counts, sound.region_counts[: found.frames]) and np.array_equal(
        found.centres, sound.centres[: found.frames]
    )


def check(case: Case, seeds: range) -> None:
    kind, folder, sound = case
    path = folder / DAMAGED[kind]
    content = path.read_bytes()
    numbers = structure(path) if path.suffix in (".dcd", ".xtc") else []
    wrong = []
    for seed in seeds:
        rng = np.random.default_rng([seed, sum(map(ord, kind))])
        mutation = damage_binary(path, rng, numbers) if numbers else damage_text(path, rng)
        try:
            with quick():
                result = analysed(folder, trajectory(kind))
            fault = judge(kind, folder, result, sound)
        finally:
            path.write_bytes(content)
        if fault is not None:
            wrong.append(f"seed {seed}, {mutation}: {fault}")
    assert wrong == [], f"{len(wrong)} of {len(seeds)}:\n" + "\n".join(wrong)


def test_a_damaged_file_gives_the_sound_result_or_a_message_with_its_place(
    case: Case,
) -> None:
    check(case, range(FEW))


@pytest.mark.long
def test_many_damaged_files_give_the_sound_result_or_a_message_with_its_place(
    case: Case,
) -> None:
    check(case, range(FEW, FEW + MANY))


def check_flips(folder: Path, name: str, seeds: range) -> None:
    """Flip bits anywhere, in coordinates as well, which may only move an ion: no crash, and the file is named."""
    path = folder / name
    write_sound(folder, path.suffix)
    content = path.read_bytes()
    for seed in seeds:
        rng = np.random.default_rng([seed, len(name)])
        damaged = bytearray(content)
        for place in rng.integers(len(content), size=int(rng.integers(1, 4))):
            damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with quick():
            result = analysed(folder, name)
        assert result.exit_code in (0, 2), f"seed {seed}: {result.output} {result.exception!r}"
        assert "unexpected" not in result.output, f"seed {seed}: {result.output}"
        assert result.exit_code == 0 or name in result.output[result.output.index("Error:") :], f"seed {seed}"


@pytest.mark.parametrize("name", ["run.dcd", "run.xtc"])
def test_flipped_bits_never_crash_a_command(tmp_path: Path, name: str) -> None:
    check_flips(tmp_path, name, range(FEW))


@pytest.mark.long
@pytest.mark.parametrize("name", ["run.dcd", "run.xtc"])
def test_many_flipped_bits_never_crash_a_command(tmp_path: Path, name: str) -> None:
    check_flips(tmp_path, name, range(FEW, FEW + MANY))
