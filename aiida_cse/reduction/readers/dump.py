"""Reader of LAMMPS text dumps (``dump custom`` and ``dump atom``), plain or compressed.

Atoms may be in any order and have any IDs; they are delivered in the order of their IDs, which must be the same in
every frame. Coordinates may be unwrapped or wrapped, scaled or not; image flags are applied.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.readers.base import FrameByFrame, TrajectoryError, time_between
from aiida_cse.reduction.readers.text import ENDED, NO_NUMBER, TextStream, parse_rows

__all__ = ["DumpFile"]

_ITEM, _ATOMS = b"ITEM: ", b"ITEM: ATOMS"
#: upper bound on the length of a header
_HEADER_BYTES = 4096
#: the largest whole number up to which a double holds all
_LARGEST_WHOLE = 2.0**53
#: upper bound on the length of a word in a row of an atom
_WORD_BYTES = 64
#: items of a header with their numbers of lines
_ITEMS = {"UNITS": 1, "TIME": 1, "TIMESTEP": 1, "NUMBER OF ATOMS": 1, "BOX BOUNDS": 3}
#: ps per unit of time, for the units of LAMMPS whose lengths are Å
_TIME_UNITS = {"real": 1e-3, "metal": 1.0}


class _HeaderError(ValueError):
    """A problem on a line of a header, counted from 0."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True)
class _Header:
    """Header of a frame: ``low`` and ``lengths`` (3,) of the box; ``lines`` and ``size`` are those of its text."""

    step: int
    natoms: int
    low: NDArray[np.float64]
    lengths: NDArray[np.float64]
    columns: tuple[str, ...]
    lines: int
    size: int
    units: str | None
    time: float | None


class _Atoms(NamedTuple):
    """IDs and types (N,) of the atoms of a frame, in the order of their IDs, and how their positions are given."""

    ids: NDArray[np.int64]
    types: NDArray[np.int64] | None
    unwrapped: bool


class _Index(NamedTuple):
    """Places of the F frames of a text.

    Attributes
    ----------
    offsets, lines
        (F + 1,) offsets of the frames and lines before them; the last entry is where the last frame ends.
    steps, times
        (F,) steps, and times (NaN without an item TIME).
    size
        Bytes of the whole text.
    """

    offsets: NDArray[np.int64]
    lines: NDArray[np.int64]
    steps: NDArray[np.int64]
    times: NDArray[np.float64]
    size: int


#: indices of the files that were opened last, by device, inode, size and time of change: a reduction opens each
#: file twice, and the search for its frames reads it completely
_INDICES: OrderedDict[tuple[int, ...], _Index] = OrderedDict()
_MOST_INDICES = 64


class DumpFile(FrameByFrame):
    """An open text dump.

    ``frame_steps`` is 0 if there is only one frame. ``atom_types`` are None if the dump has no column ``type``.
    ``frame_ps`` and ``first_ps`` are given if the dump has the items UNITS and TIME.
    """

    def _open(self) -> None:
        self._stream = TextStream(self.path)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def read_frame(self, frame: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (N, 3) positions, sorted by ID, and (3,) edges of the box, Å."""
        header, content = self._load(frame)
        if header.step != self._index.steps[frame]:
            self._refuse(frame, f"is now of step {header.step}; the file was changed while it was read")
        if header.natoms != self.natoms:
            self._refuse(frame, f"has {header.natoms} atoms, the first frame has {self.natoms}")
        if header.units not in (None, self.units):
            self._refuse(frame, f"its units are {header.units}, those of the first frame {self.units}")
        positions, atoms = self._atoms(frame, header, content)
        first = self._first
        if atoms.unwrapped != first.unwrapped or (atoms.types is None) != (first.types is None):
            why = f"has the columns {' '.join(header.columns)}, unlike the first frame"
            self._refuse(frame, why, header.lines)
        if not np.array_equal(atoms.ids, first.ids):
            (only,) = np.setxor1d(first.ids, atoms.ids)[:1].tolist()
            change = "new" if only in atoms.ids else "missing"
            self._refuse(frame, f"its atom IDs are not those of the first frame: {only} is {change}")
        if atoms.types is not None and first.types is not None and not np.array_equal(atoms.types, first.types):
            atom = int(np.argmax(atoms.types != first.types))
            now, before = atoms.types[atom], first.types[atom]
            self._refuse(frame, f"atom {atoms.ids[atom]} is of type {now}, in the first frame of type {before}")
        return positions, header.lengths

    # -- one frame -------------------------------------------------------------------------------------

    def _refuse(self, frame: int, why: str, line: int | None = None) -> NoReturn:
        """Refuse a frame because of a line, counted from 1 in the frame."""
        place = f"frame {frame}"
        if line is not None:
            place += f", line {int(self._index.lines[frame]) + line}"
        raise TrajectoryError(f"{self.path}: {place}: {why}")

    def _load(self, frame: int) -> tuple[_Header, bytes]:
        """Return header and text of a frame, and refuse one that is too long for its atoms before it is read."""
        start, stop = (int(offset) for offset in self._index.offsets[frame : frame + 2])
        content = self._stream.read(start, min(stop - start, _HEADER_BYTES))
        try:
            header = _read_header(content)
        except _HeaderError as problem:
            self._refuse(frame, str(problem), problem.line + 1)
        most = header.size + header.natoms * len(header.columns) * _WORD_BYTES
        if stop - start > most:
            self._refuse(frame, f"has {stop - start} bytes, too many for its {header.natoms} atoms", 1)
        if len(content) < stop - start:
            content += self._stream.read(start + len(content), stop - start - len(content))
        if len(content) < stop - start:
            raise TrajectoryError(f"{self.path}: ends within or after frame {frame}; it shrank while it was read")
        return header, content

    def _atoms(self, frame: int, header: _Header, content: bytes) -> tuple[NDArray[np.float64], _Atoms]:
        """Return the positions (N, 3), sorted by ID, and what else is known of the atoms of a frame."""
        try:
            axes = _coordinates(header.columns)
        except _HeaderError as problem:
            self._refuse(frame, str(problem), header.lines)
        images = [image for _, _, image in axes if image]
        typed = ["type"] if "type" in header.columns else []
        names = ["id", *typed, *(name for name, _, _ in axes), *images]
        table = self._rows(frame, header, content, names)
        whole = [index for index, name in enumerate(names) if name in ("id", "type", *images)]
        self._check_whole(frame, header, content, table[:, whole], [names[index] for index in whole])
        if (table[1:, 0] <= table[:-1, 0]).any():
            ids = table[:, 0].astype(np.int64)
            order = np.full(len(ids), -1, np.int64)
            if ids.max() == len(ids):
                # IDs from 1 to N need no sorting
                order[ids - 1] = np.arange(len(ids))
            table = table[order if (order >= 0).all() else np.argsort(ids, kind="stable")]
        ids = table[:, 0].astype(np.int64)
        twice = np.flatnonzero(ids[1:] == ids[:-1])
        if len(twice):
            self._refuse(frame, f"has the atom ID {ids[twice[0]]} twice; each atom needs its own")
        positions = table[:, 1 + len(typed) : 4 + len(typed)]
        column = 4 + len(typed)
        for axis, (_, scaled, image) in enumerate(axes):
            if scaled:
                positions[:, axis] = header.low[axis] + positions[:, axis] * header.lengths[axis]
            if image:
                positions[:, axis] += table[:, column] * header.lengths[axis]
                column += 1
        unwrapped = all(image or name.endswith("u") for name, _, image in axes)
        return positions, _Atoms(ids, table[:, 1].astype(np.int64) if typed else None, unwrapped)

    def _rows(self, frame: int, header: _Header, content: bytes, names: list[str]) -> NDArray[np.float64]:
        """Return columns of the atoms (N, names) in the order of the file."""
        table = np.empty((header.natoms, len(names)))
        targets = np.array([names.index(name) if name in names else -1 for name in header.columns])
        text = np.frombuffer(content, np.uint8)
        row, column, place, problem = parse_rows(text, header.size, targets, table)
        line = header.lines + row + 1
        if problem == NO_NUMBER:
            self._refuse(frame, _explain(header.columns[column], content[place : place + 80].split()[0]), line)
        if problem == ENDED and not column:
            self._refuse(frame, f"has {row} lines of atoms, it must have {header.natoms}", line)
        if problem:
            words = len(content[content.rfind(b"\n", 0, place) + 1 :].split(b"\n", 1)[0].split())
            self._refuse(frame, f"has {words} words, it must have {len(header.columns)}, one per column", line)
        if content[place:].strip():
            self._refuse(frame, f"has more lines of atoms than its {header.natoms} atoms", line)
        return table

    def _check_whole(
        self, frame: int, header: _Header, content: bytes, values: NDArray[np.float64], names: list[str]
    ) -> None:
        """Refuse IDs, types and image flags that are no whole numbers, IDs and types also below 1."""
        wrong = (values != np.rint(values)) | (np.abs(values) > _LARGEST_WHOLE)
        for column, name in enumerate(names):
            if name in ("id", "type"):
                wrong[:, column] |= values[:, column] < 1
        if wrong.any():
            row, column = np.argwhere(wrong)[0].tolist()
            word = f"{values[row, column]:.15g}".encode()
            self._refuse(frame, _explain(names[column], word), header.lines + row + 1)

    # -- the whole file --------------------------------------------------------------------------------

    def _read_header(self) -> None:
        """Locate the frames, leave out an incomplete last one, and check that they are equally spaced."""
        # places of the frames, those of the last opening if the file has not changed since
        status = self.path.stat()
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        index = _INDICES.pop(key, None)
        if index is None:
            index = self._search()
        _INDICES[key] = index
        while len(_INDICES) > _MOST_INDICES:
            _INDICES.popitem(last=False)
        self._index = index
        offsets, steps = self._index.offsets, self._index.steps
        self.frames = len(steps)
        self.leftover_bytes = self._index.size - int(offsets[-1])
        if not self.frames:
            return
        header, content = self._load(0)
        self.natoms, self.first_step, self.units = header.natoms, header.step, header.units
        if self.units is not None and self.units not in _TIME_UNITS:
            self._refuse(0, f"its units are {self.units}; they must be real or metal, whose lengths are Å")
        _, self._first = self._atoms(0, header, content)
        self.ids, self.atom_types, self.unwrapped = self._first
        if self.frames > 1:
            self.frame_steps = int(steps[1] - steps[0])
            wrong = steps != self.first_step + np.arange(self.frames) * self.frame_steps
            frame = int(np.argmax(wrong)) or 1
            self.check_step(frame, int(steps[frame]))
        self._set_times(self._index.times)

    def _set_times(self, times: NDArray[np.float64]) -> None:
        """Set the times from the items TIME, in which frames must be equally spaced too."""
        if not np.isfinite(times).all():
            return
        if self.units is None:
            self.notes = ("its times are not used, because no item UNITS says their unit",)
            return
        scale = _TIME_UNITS[self.units]
        self.first_ps = float(times[0]) * scale
        if len(times) < 2:
            return
        spacing, fits = time_between(float(times[0]), float(times[-1]), len(times), rounding=1e-15)
        uneven = [frame for frame, time in enumerate(times.tolist()) if not fits(frame, time)]
        if spacing <= 0 or uneven:
            frame = uneven[0] if uneven else 1
            self._refuse(frame, f"its time is {times[frame]:g}; frames must be equally spaced in time")
        self.frame_ps = spacing * scale
        self.timestep_fs = spacing * scale * 1000 / self.frame_steps

    def _search(self) -> _Index:
        """Read the file once and locate its complete frames."""
        places: list[tuple[int, int]] = []
        steps: list[int] = []
        times: list[float] = []
        needed: list[tuple[int, int]] = []
        for offset, line, head in _headers(self.path, self._stream):
            places.append((offset, line))
            if head is None:
                continue
            try:
                header = _read_header(head)
            except _HeaderError as problem:
                raise TrajectoryError(
                    f"{self.path}: frame {len(steps)}, line {line + problem.line + 1}: {problem}"
                ) from problem
            steps.append(header.step)
            times.append(np.nan if header.time is None else header.time)
            needed.append((header.lines, header.natoms))
        frames, (offsets, lines) = len(steps), np.array(places, np.int64).T
        for frame in range(frames):
            head_lines, natoms = needed[frame]
            rows = int(lines[frame + 1] - lines[frame]) - head_lines
            if rows < natoms and frame == frames - 1 and len(places) == frames + 1:
                frames -= 1
            elif rows < natoms:
                raise TrajectoryError(
                    f"{self.path}: frame {frame}, line {lines[frame + 1] + 1}: has {rows} lines of atoms, it must "
                    f"have {natoms}"
                )
        if not frames:
            offsets[0] = lines[0] = 0
        keep = slice(frames + 1)
        return _Index(
            offsets[keep], lines[keep], np.array(steps[:frames]), np.array(times[:frames]), places[-1][0]
        )


def _headers(path: Path, stream: TextStream) -> Iterator[tuple[int, int, bytes | None]]:
    """Yield offset, number of lines before, and text of each header.

    At last, without a text, that of an incomplete header if there is one, and that of the end of the file.
    """
    # a header begins behind the line break at ``found``; that before the first line is not in the file
    text, base, lines, found = b"\n", -1, 0, -1
    for number, block in enumerate(stream.blocks()):
        if not number and not block.lstrip()[: len(_ITEM)].startswith(_ITEM[: len(block.lstrip())]):
            raise TrajectoryError(f"{path}: line 1: is no text dump of LAMMPS, it does not begin with ITEM:")
        text, place, counted = text + block, 0, 0
        while (found := text.find(b"\n" + _ITEM, place)) >= 0:
            lines, counted = lines + text.count(b"\n", counted, found), found
            atoms = text.find(b"\n" + _ATOMS, found, found + _HEADER_BYTES)
            stop = text.find(b"\n", atoms + 1, found + _HEADER_BYTES) if atoms >= 0 else -1
            if stop < 0 and len(text) - found >= _HEADER_BYTES:
                raise TrajectoryError(f"{path}: line {lines + 1}: the header of a frame lacks its ITEM: ATOMS")
            if stop < 0:
                break
            yield base + found + 1, lines, text[found + 1 : stop + 1]
            place = stop
        keep = found if found >= 0 else max(len(text) - len(_ITEM), place)
        lines += text.count(b"\n", counted, keep)
        text, base = text[keep:], base + keep
    last = 0 if found >= 0 else text.rfind(b"\n")
    if found >= 0 or (last + 1 < len(text) and _ITEM.startswith(text[last + 1 :])):
        yield base + last + 1, lines + text.count(b"\n", 0, last), None
    yield base + len(text), lines + text.count(b"\n") - 1, None


def _read_header(content: bytes) -> _Header:
    """Read the header of a frame from the beginning of its text; items of three lines are the edges of the box."""
    stop = content.find(b"\n", content.find(b"\n" + _ATOMS) + 1) + 1
    lines = content[:stop].decode("ascii", "replace").splitlines()
    items: dict[str, tuple[int, list[str]]] = {}
    number = 0
    while number < len(lines) - 1:
        title = lines[number].strip().removeprefix("ITEM: ")
        name = "BOX BOUNDS" if title.startswith("BOX BOUNDS") else title
        if name not in _ITEMS:
            raise _HeaderError(
                f"is {lines[number].strip()[:80]!r}, it must be an item of {', '.join(_ITEMS)}", number
            )
        if name in items:
            raise _HeaderError(f"the item {name} is here twice; the frame before it was cut", number)
        items[name] = number + 1, lines[number + 1 : number + 1 + _ITEMS[name]]
        number += 1 + _ITEMS[name]
    for name in ("TIMESTEP", "NUMBER OF ATOMS", "BOX BOUNDS"):
        if name not in items:
            raise _HeaderError(f"the header has no item {name}")
    low, lengths = _read_box(*items["BOX BOUNDS"])
    natoms = _whole(items, "NUMBER OF ATOMS")
    if natoms < 1:
        raise _HeaderError(f"is {natoms}, it must be a number of atoms above 0", items["NUMBER OF ATOMS"][0])
    return _Header(
        step=_whole(items, "TIMESTEP"),
        natoms=natoms,
        low=low,
        lengths=lengths,
        columns=tuple(lines[-1].removeprefix("ITEM: ATOMS").split()),
        lines=len(lines),
        size=stop,
        units=items["UNITS"][1][0].strip() if "UNITS" in items else None,
        time=_time(items),
    )


def _read_box(first: int, lines: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return lower bounds and edges (3,) of the box, whose lines begin at ``first``."""
    bounds = []
    for number, line in enumerate(lines, first):
        try:
            low, high, *tilts = (float(word) for word in line.split())
        except ValueError:
            raise _HeaderError(f"is {line.strip()[:80]!r}, it must be two bounds of the box", number) from None
        if len(tilts) > 1 or any(tilts):
            raise _HeaderError("its box is tilted; only boxes with right angles can be reduced", number)
        if not -np.inf < low < high < np.inf:
            raise _HeaderError(f"is {line.strip()[:80]!r}; the upper bound must be above the lower one", number)
        bounds.append((low, high))
    box = np.array(bounds)
    return box[:, 0], box[:, 1] - box[:, 0]


def _whole(items: dict[str, tuple[int, list[str]]], name: str) -> int:
    line, (text,) = items[name]
    if not re.fullmatch(r"\d{1,18}", text.strip()):
        raise _HeaderError(f"is {text.strip()[:80]!r}, it must be a whole number ({name})", line)
    return int(text)


def _time(items: dict[str, tuple[int, list[str]]]) -> float | None:
    """Return the item TIME, None if there is none."""
    if "TIME" not in items:
        return None
    line, (text,) = items["TIME"]
    try:
        time = float(text)
    except ValueError:
        time = np.nan
    if not np.isfinite(time):
        raise _HeaderError(f"is {text.strip()[:80]!r}, it must be a time", line)
    return time


def _coordinates(columns: tuple[str, ...]) -> list[tuple[str, bool, str | None]]:
    """Return for each axis the column, whether it is scaled, and the column of its image flags, if it has any."""
    twice = sorted(name for name in set(columns) if columns.count(name) > 1)
    if twice:
        raise _HeaderError(f"the column {twice[0]} is here twice")
    if "id" not in columns:
        raise _HeaderError(f"has no column id, only {' '.join(columns)}; use dump custom with id type xu yu zu")
    found = []
    for axis in "xyz":
        flag = f"i{axis}"
        styles: list[tuple[str, bool, str | None]] = [(f"{axis}u", False, None), (f"{axis}su", True, None)]
        if flag in columns:
            styles += [(axis, False, flag), (f"{axis}s", True, flag)]
        styles += [(axis, False, None), (f"{axis}s", True, None)]
        style = next((style for style in styles if style[0] in columns), None)
        if style is None:
            raise _HeaderError(
                f"has no coordinates along {axis}, only {' '.join(columns)}; use dump custom with id type xu yu zu"
            )
        found.append(style)
    return found


def _explain(column: str, word: bytes) -> str:
    """Return why a word of a column is refused."""
    text = word.decode("ascii", "replace")[:80]
    if column == "type":
        return f"type = {text!r}: is no atom type; it must be a whole number from 1 (for labels, use typelabel)"
    if column == "id" or column[0] == "i":
        return f"{column} = {text!r}: must be a whole number{' from 1' if column == 'id' else ''}"
    return f"{column} = {text!r}: must be a finite number"
