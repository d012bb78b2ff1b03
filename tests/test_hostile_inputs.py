"""Mutations of everything that a profile, an archive or a folder can bring: read, or refused with a short message.

Trajectories have mutations of their own, in ``tests/reduction/readers`` and ``tests/cli``.
"""

from __future__ import annotations

import io
import json
import re
import resource
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from aiida_cse.building.crystal.convert import crystal_of_cif
from aiida_cse.building.electrolyte.typing import typing_patterns
from aiida_cse.building.imported.description import SystemFacts
from aiida_cse.building.imported.system import import_system
from aiida_cse.building.recipe import Recipe
from aiida_cse.data.forcefield import CseForceFieldData
from aiida_cse.forcefields.library import load_set, read_set
from aiida_cse.lammps.files.data import DataFile, read_contents
from aiida_cse.lammps.files.forcefield_input import read_statements
from aiida_cse.lammps.files.system import SystemInfo
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.state import State
from aiida_cse.schema import explain, parse_json
from aiida_cse.yaml_io import parse_mapping
from tests.nodes import forged_system, state
from tests.systems import crystal_and_molecules

Random = np.random.Generator
Model = TypeVar("Model", bound=BaseModel)

#: mutations of each kind in the ordinary suite and in the long one
SAMPLE, ALL = 15, 800
#: s of processor time, characters of a message and bytes that the refusal of a small file may take
SLOWEST, LONGEST, LARGEST = 5.0, 5000, 700 * 2**20

TESTS = Path(__file__).parent
CASES = TESTS / "building" / "imported" / "cases"
PACKAGE = TESTS.parent / "aiida_cse"
RECIPES, SETS = PACKAGE / "building" / "recipes", PACKAGE / "forcefields" / "sets"
#: what a hostile person writes into a number, a word or a line
NASTY = (
    *("nan", "-inf", "1e400", "1e-400", "-1", "0", "99999999999999999999", "9" * 5000, "0x1F", "1_0", "½", "٣"),
    *(
        "null",
        "[]",
        "{}",
        "[" * 2000,
        "{" * 2000,
        "&a [*a]",
        "*a",
        "!!python/object/apply:os.system [ls]",
        "<<: *a",
    ),
    *("$(v_x)", "${HOME}", '"""', "'", '"', "&", "# &", "\\", "\0", "\r", "\x0b", "\x85", "\u2028", "\u00a0"),
    *(" " * 20_000, "\t" * 20_000, "\n" * 20_000, "( " * 5000, "a" * 20_000, "-" * 20_000, "1 " * 5000),
)
#: commands that must never run
DANGEROUS = (
    *("shell touch owned", "include other.in", "jump other.in", "python f input 1 SELF", "plugin load x.so"),
    *("print x file owned", "log owned", "write_data owned", "write_restart owned", "write_dump all xyz owned"),
    *("variable x getenv HOME", "variable x shell ls", "variable x file owned", "fix 1 all print 1 x file owned"),
    *("dump 1 all xyz 1 owned", "pair_style python 9", "pair_style mliap/kk unified m.pt", "pair_style kim x"),
    *(
        "pair_write 1 1 9 r 1 2 owned x",
        "labelmap write owned",
        "read_data other",
        "restart 1 owned",
        "info out append x",
    ),
    *(
        "bond_style table linear 9",
        "molecule m owned",
        "run 1",
        "quit",
        "clear",
        "package gpu 9",
        "partition yes 1 run 1",
    ),
)


# -- sound files and their readers ---------------------------------------------------------------------------


@cache
def sound(kind: str) -> bytes:
    """Return a sound file of a kind."""
    system = crystal_and_molecules()
    texts: dict[str, Callable[[], str]] = {
        "include": lambda: system.forcefield,
        "data": lambda: system.data.format("interface"),
        "written": lambda: system.data.format("interface"),
        "summary": lambda: system.info.model_dump_json(indent=1),
        "attributes": lambda: system.info.model_dump_json(indent=1),
        "described": lambda: (CASES / "small.in").read_text(),
        "recipe": lambda: (RECIPES / "llzo-peo-litfsi-demo.yaml").read_text(),
        "forcefield": lambda: (SETS / "opls-aa-peo.yaml").read_text(),
        "stored-forcefield": lambda: CseForceFieldData(load_set("opls-aa-peo")).base.repository.get_object_content(
            "forcefield.yaml", "r"
        ),
        "facts": lambda: (CASES / "small.yaml").read_text(),
        "sampling": lambda: (
            "timestep_fs: 1\nframe_ps: 1\nblock_ps: 2\nlags_ps: [1, 2]\noffsets: {Li: {inner: 3, outer: 9}}\n"
        ),
        "cif": lambda: (TESTS / "building" / "crystals" / "t-llzo.cif").read_text(),
    }
    if kind in texts:
        return texts[kind]().encode()
    saved = io.BytesIO()
    arrays = _arrays()
    np.savez_compressed(saved, **arrays)  # type: ignore[arg-type]
    return saved.getvalue()


@cache
def _arrays() -> dict[str, Any]:
    path = Path(_folder()) / "state.npz"
    state(12).save(path)
    with np.load(path) as loaded:
        return {name: loaded[name] for name in loaded.files}


@cache
def _folder() -> str:
    import tempfile

    return tempfile.mkdtemp()


def read(kind: str, content: bytes) -> None:
    """Read a mutated file as the program does."""
    text = content.decode("utf-8", "replace")
    if kind == "state" or kind == "arrays":
        State.load(io.BytesIO(content))
    elif kind == "include":
        _read_include(text)
    elif kind in ("data", "written"):
        read_contents(text) if kind == "data" else DataFile.parse(text, written=True)
    elif kind == "summary":
        parse_json(SystemInfo, content, 1_000_000)
    elif kind == "attributes":
        try:
            attributes = json.loads(text)
        except RecursionError:
            return  # no database holds such attributes
        forged_system(attributes=attributes).get_system()
    elif kind.endswith("forcefield"):
        _read_set(content, stored=kind.startswith("stored"))
    elif kind == "described":
        import_system((CASES / "small.data").read_text(), _described(SystemFacts, sound("facts").decode()), text)
    elif kind == "cif":
        crystal_of_cif(text)
    else:
        _described({"recipe": Recipe, "facts": SystemFacts, "sampling": Sampling}[kind], text)


def _read_include(text: str) -> None:
    found = read_statements(text)
    found.coefficients("pair", 5)
    found.missing({"pair": 5, "bond": 1}, {}, bonded=True)
    if found.problems:
        raise ValueError("; ".join(found.problems[:5]))


def _read_set(content: bytes, *, stored: bool) -> None:
    """Read a force-field set from a file, or from a node as an archive brings it."""
    if stored:
        node = CseForceFieldData(load_set("opls-aa-peo"))
        node.base.repository.put_object_from_bytes(content, "forcefield.yaml")
        found = node.forcefield_set
    else:
        path = Path(_folder()) / "mine.yaml"
        path.write_bytes(content)
        found = read_set(path)
    typing_patterns(found)


def _described(model: type[Model], text: str) -> Model:
    try:
        return model.model_validate(parse_mapping(text, "a.yaml", "a file"))
    except ValidationError as error:
        raise ValueError(explain(error)) from None


# -- mutations -----------------------------------------------------------------------------------------------


def mutate(kind: str, rng: Random) -> bytes:
    content = sound(kind)
    if kind == "arrays":
        return _other_arrays(rng)
    if kind == "state":
        return _damaged(content, rng)
    text = content.decode()
    for _ in range(int(rng.integers(1, 4))):
        text = _other_text(text, kind, rng)
    return text.encode("utf-8", "surrogateescape")


def _damaged(content: bytes, rng: Random) -> bytes:
    place, size = int(rng.integers(len(content))), int(rng.integers(1, 300))
    how = str(rng.choice(["cut", "drop", "insert", "repeat", "flip", "number", "number"]))
    if how == "cut":
        return content[:place]
    if how == "drop":
        return content[:place] + content[place + size :]
    if how == "insert":
        return content[:place] + rng.bytes(size) + content[place:]
    if how == "repeat":
        return content[: place + size] + content[place:]
    other = bytearray(content)
    if how == "flip":
        other[place] ^= 1 << int(rng.integers(8))
        return bytes(other)
    # numbers of the directory, where the sizes are
    starts = [found.start() for found in re.finditer(b"PK\x01\x02|PK\x03\x04|PK\x05\x06", content)]
    at = int(rng.choice(starts)) + int(rng.integers(4, 46))
    value = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**16]))
    other[at : at + 4] = value.to_bytes(4, "little")
    return bytes(other)


def _other_arrays(rng: Random) -> bytes:
    """Return an intact archive with an array of another shape, type or content, or a header that lies."""
    arrays = dict(_arrays())
    name = str(rng.choice(["config", "sources", "range", *arrays]))
    array = arrays[name]
    lie = None
    if name in ("config", "sources"):
        text = _other_json(array.tobytes().decode(), rng) if rng.random() < 0.7 else _other_text("[[]]", name, rng)
        arrays[name] = np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
    else:
        how = int(rng.integers(6))
        extremes = np.array([-1, 2**62, -(2**62), 0, 127])
        if how == 0 and array.size:
            arrays[name] = array.copy()
            with np.errstate(all="ignore"):
                arrays[name].flat[int(rng.integers(array.size))] = extremes.astype(array.dtype)[rng.integers(5)]
        elif how == 1:
            arrays[name] = array.astype(str(rng.choice(["f4", "i2", "u1", "U3", "c8", "?", "M8[s]"])))
        elif how == 2:
            arrays[name] = np.zeros(tuple(rng.integers(0, 40, int(rng.integers(0, 4)))), array.dtype)
        elif how == 3:
            del arrays[name]
        elif how == 4:
            arrays[name] = array.T if array.ndim > 1 else array[::-1]
        else:
            lie = (
                name,
                tuple(int(one) for one in rng.choice([0, 1, 10**6, 10**12, 2**62], int(rng.integers(1, 4)))),
            )
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, values in arrays.items():
            member = io.BytesIO()
            if lie is not None and lie[0] == each:
                header = {"shape": lie[1], "fortran_order": False, "descr": "<f8"}
                np.lib.format.write_array_header_1_0(member, header)  # type: ignore[no-untyped-call]
                member.write(b"\0" * int(rng.integers(0, 4096)))
            else:
                np.save(member, values)
            archive.writestr(f"{each}.npy", member.getvalue())
    return saved.getvalue()


def _other_json(text: str, rng: Random) -> str:
    """Return JSON in which one value, wherever it is, is another one."""
    content = json.loads(text)
    place, key = content, None
    while isinstance(place, (dict, list)) and place:
        key = (
            list(place)[int(rng.integers(len(place)))]
            if isinstance(place, dict)
            else int(rng.integers(len(place)))
        )
        if not isinstance(place[key], (dict, list)) or not place[key] or rng.random() < 0.3:
            break
        place = place[key]
    nasty: tuple[Any, ...] = (
        None,
        True,
        -1,
        0,
        10**18,
        10**400,
        1e308,
        float("nan"),
        "x",
        "",
        [],
        {},
        [[]],
        "a" * 10**5,
    )
    if key is not None:
        place[key] = nasty[int(rng.integers(len(nasty)))]
    return json.dumps(content)


def _other_text(text: str, kind: str, rng: Random) -> str:
    """Return a text with a line or a word that is missing, repeated, or another one."""
    if kind in ("summary", "attributes") and rng.random() < 0.7:
        try:
            return _other_json(text, rng)
        except (ValueError, RecursionError):
            return text
    evil = str(
        rng.choice(np.array(DANGEROUS if kind == "include" and rng.random() < 0.5 else NASTY, dtype=object))
    )
    lines = text.split("\n")
    row = int(rng.integers(len(lines)))
    words = lines[row].split(" ")
    place = int(rng.integers(len(words)))
    tail = str(rng.choice([" &", "&", " # &", ' # """', "\\", "\r"]))
    changes: tuple[Callable[[], list[str]], ...] = (
        list,
        lambda: [evil, lines[row]],
        lambda: [lines[row], lines[int(rng.integers(len(lines)))]],
        lambda: [f"{lines[row]} {evil}"],
        lambda: [" ".join([*words[:place], evil, *words[place + 1 :]])],
        lambda: [" ".join([*words[:place], evil, *words[place:]])],
        lambda: [lines[row] + tail],
        lambda: [lines[row] * int(rng.choice([2, 100]))],
        lambda: [lines[row][: int(rng.integers(len(lines[row]) + 1))]],
    )
    if rng.random() < 0.1:
        return text[: int(rng.integers(len(text) + 1))]
    return "\n".join([*lines[:row], *changes[int(rng.integers(len(changes)))](), *lines[row + 1 :]])


# -- what must hold ------------------------------------------------------------------------------------------


def commands_of_lammps(text: str) -> Iterator[str]:
    """Yield the commands that LAMMPS would run, as its ``Input::file`` and ``Input::parse`` find them."""
    joined = ""
    for line in text.split("\n"):
        joined += line.split("\0")[0]
        whole = joined.rstrip(" \t\n\v\f\r")
        if whole.endswith("&"):
            joined = whole[:-1]
        elif whole.count('"""') % 2:
            joined = whole + "\n"
        else:
            yield whole
            joined = ""
    yield joined


def runs_something(text: str) -> str | None:
    """Return a command that LAMMPS would run and must not, None if there is none."""
    for command in commands_of_lammps(text):
        words = re.split(r"[ \t\n\v\f\r\u00a0]+", command.split("#")[0].strip(" \t\n\v\f\r\u00a0"))
        for each in DANGEROUS:
            head = each.split()
            styled = head[0].endswith("_style") or head[0] == "labelmap"
            if words[0] == head[0] and (not styled or head[1] in words[1:]):
                return command[:200]
    return None


@contextmanager
def patience(seconds: int) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise AssertionError("hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fault(kind: str, content: bytes) -> str | None:
    """Return what is wrong with what happens to a mutated file, None if nothing is."""
    began = time.process_time()
    try:
        with patience(120):
            read(kind, content)
    except ValueError as error:
        if len(str(error)) > LONGEST:
            return f"a message of {len(str(error))} characters: {str(error)[:300]}"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:500]}"
    else:
        if kind in ("include", "described") and (found := runs_something(content.decode("utf-8", "replace"))):
            return f"LAMMPS would run {found!r}"
    seconds = time.process_time() - began
    return f"takes {seconds:.1f} s" if seconds > SLOWEST else None


KINDS = (
    *("state", "arrays", "include", "described", "data", "written", "summary", "attributes"),
    *("recipe", "facts", "sampling", "cif", "forcefield", "stored-forcefield"),
)


def check(kind: str, seeds: range) -> None:
    fault(kind, sound("state" if kind == "arrays" else kind))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wrong = []
    for seed in seeds:
        content = mutate(kind, np.random.default_rng([seed, sum(map(ord, kind))]))
        if (found := fault(kind, content)) is not None:
            wrong.append(f"seed {seed}: {found}")
    assert wrong == [], f"{len(wrong)} of {len(seeds)}:\n" + "\n".join(wrong[:20])
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < LARGEST


@pytest.mark.usefixtures("aiida_profile")
@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_file_of_each_kind_is_read(kind: str) -> None:
    read(kind, sound("state" if kind == "arrays" else kind))


@pytest.mark.usefixtures("aiida_profile")
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_files_are_read_or_refused(kind: str) -> None:
    check(kind, range(SAMPLE))


@pytest.mark.long
@pytest.mark.usefixtures("aiida_profile")
@pytest.mark.parametrize("kind", KINDS)
def test_many_hostile_files_are_read_or_refused(kind: str) -> None:
    check(kind, range(SAMPLE, SAMPLE + ALL))


def test_the_documentation_states_the_number_of_mutations() -> None:
    text = " ".join((TESTS.parent / "docs" / "howto" / "trust.md").read_text(encoding="utf-8").split())
    assert f"{ALL} mutations of each of {len(KINDS)} kinds, {ALL * len(KINDS):,} in all" in text


def test_every_dangerous_command_is_seen_by_the_oracle_and_by_the_reader() -> None:
    include = sound("include").decode()
    for command in DANGEROUS:
        for text in (
            command,
            include + command,
            f"{include}\t{command} # x",
            f"# &\n#\n{command[:3]}&\n{command[3:]}",
        ):
            assert runs_something(text), text
            assert read_statements(text).problems, text
