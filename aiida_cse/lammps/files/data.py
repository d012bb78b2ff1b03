"""LAMMPS data files of atom style ``full``: one reader for files of any origin, and the writer.

The reader takes what LAMMPS takes: indented lines, comments, type labels, image flags or none, and coefficients
among the atoms. The writer uses numeric types and declares every type of the whole system in the header, so that
one force-field include file serves each phase of the work. Coefficients are left to that include file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.schema import located
from aiida_cse.yaml_io import read_text

__all__ = ["TOPOLOGY", "DataFile", "DataFileContents", "load_contents", "read_contents"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: kind of bonded term -> number of atoms in it
TOPOLOGY = {"bonds": 2, "angles": 3, "dihedrals": 4, "impropers": 4}

#: kinds of types as the titles of sections name them
_KINDS = ("Atom", *(kind[:-1].title() for kind in TOPOLOGY))
#: sections with atoms and terms -> column of the type, None where there is none
_TYPE_COLUMN: dict[str, int | None] = {"Masses": 0, "Atoms": 2, "Velocities": None}
_TYPE_COLUMN |= {kind.title(): 1 for kind in TOPOLOGY}
#: sections with coefficients -> the command that sets them, and the number of types at the start of each row
_COEFFICIENTS = {"Pair Coeffs": ("pair_coeff", 1), "PairIJ Coeffs": ("pair_coeff", 2)}
_COEFFICIENTS |= {f"{kind[:-1].title()} Coeffs": (f"{kind[:-1]}_coeff", 1) for kind in TOPOLOGY}
_LABELS = {f"{kind} Type Labels": kind for kind in _KINDS}
#: title of the lines before the first section
_HEADER = ""

_HEADING = re.compile(r"[A-Z][A-Za-z ]*(13 Coeffs)?")
#: without two repetitions in a row, which would take a time with the square of the number of blanks
_UNITS = re.compile(r"\bunits[\s=:]*(lj|real|metal|si|cgs|electron|micro|nano)\b", re.IGNORECASE)
#: what the writer never writes; programs disagree on which of these characters end a line
_UNWRITTEN = re.compile(r"[^\n -~]")
_COUNT = re.compile(r"\d{1,15}")
_COUNTED = frozenset({"atoms", *TOPOLOGY, *(f"{kind.lower()} types" for kind in _KINDS)})
_BOUNDS = tuple(f"{axis}lo {axis}hi" for axis in "xyz")
_TILTS = "xy xz yz"
#: edges of a box in any orientation
_VECTORS = ("avec", "bvec", "cvec")
#: other atom styles of LAMMPS; any other comment behind ``Atoms`` names no style and is ignored, as LAMMPS does
_OTHER_STYLES = frozenset(
    {"amoeba", "angle", "apip", "atomic", "body", "bond", "bpm/sphere", "charge", "dielectric", "dipole", "dpd"}
    | {"edpd", "electron", "ellipsoid", "hybrid", "line", "mdpd", "molecular", "oxdna", "peri", "rheo"}
    | {"rheo/thermal", "smd", "sph", "sphere", "spin", "tdpd", "template", "tri", "wavepacket"}
)
#: how a comment behind ``Atoms`` begins that names the columns
_FIRST_COLUMN = frozenset({"id", "atom-id", "atom_id", "atomid"})
#: largest file, about that of 5 million atoms with velocities
_MOST_BYTES = 2_000_000_000
#: more types than any force field has; later steps take memory for each pair of them
_MOST_TYPES = 2000
#: box edges; LAMMPS would wrap an atom from any distance, in a file it is a misprint
_FARTHEST = 1000
#: characters of a line that a message shows
_LONGEST = 100
#: the largest whole number that a double holds exactly
_LARGEST = 2.0**53


@dataclass
class DataFile:
    """The atoms, box and topology of a system of N atoms.

    Attributes
    ----------
    box
        (3, 2) lower and upper bounds in Å.
    masses
        (T,) g/mol, type t at index t − 1.
    molecules, types, charges, positions, images
        (N,) molecule IDs, (N,) types from 1, (N,) charges in e, (N, 3) wrapped positions in Å and (N, 3)
        image flags. Atom i has the LAMMPS ID i + 1.
    velocities
        (N, 3) in Å/fs, or None.
    topology
        For each kind of :data:`TOPOLOGY` an (M, 1 + k) array: type, then k atom IDs.
    topology_types
        Number of types that the header declares for each kind.
    """

    box: Floats
    masses: Floats
    molecules: Integers
    types: Integers
    charges: Floats
    positions: Floats
    images: Integers
    velocities: Floats | None = None
    topology: dict[str, Integers] = field(
        default_factory=lambda: {kind: np.zeros((0, n + 1), dtype=np.int64) for kind, n in TOPOLOGY.items()}
    )
    topology_types: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOPOLOGY, 0))

    @property
    def natoms(self) -> int:
        """The number of atoms."""
        return len(self.types)

    @property
    def lengths(self) -> Floats:
        """Box edges, (3,) Å."""
        edges: Floats = self.box[:, 1] - self.box[:, 0]
        return edges

    @property
    def unwrapped(self) -> Floats:
        """Positions with the image flags applied, (N, 3) Å."""
        whole: Floats = self.positions + self.images * self.lengths
        return whole

    def set_unwrapped(self, positions: Floats) -> None:
        """Store unwrapped positions (N, 3) Å, wrapped into the box with their image flags."""
        images = np.floor((positions - self.box[:, 0]) / self.lengths)
        # an atom a rounding error below the box would otherwise land on its upper end
        images += positions - images * self.lengths >= self.box[:, 1]
        self.images = images.astype(np.int64)
        self.positions = np.maximum(positions - images * self.lengths, self.box[:, 0])

    def select(self, keep: NDArray[np.bool_]) -> DataFile:
        """Return the atoms where ``keep`` (N,) is true, renumbered in order.

        Raises
        ------
        ValueError
            A bonded term has some of its atoms kept and some removed.
        """
        new_ids = np.where(keep, np.cumsum(keep), 0)
        topology = {}
        for kind, terms in self.topology.items():
            members = keep[terms[:, 1:] - 1]
            whole = members.all(axis=1)
            if (members.any(axis=1) & ~whole).any():
                msg = f"the selection cuts through {kind}: keep or remove molecules as a whole"
                raise ValueError(msg)
            topology[kind] = np.column_stack([terms[whole, :1], new_ids[terms[whole, 1:] - 1]])
        return DataFile(
            box=self.box.copy(),
            masses=self.masses.copy(),
            molecules=self.molecules[keep],
            types=self.types[keep],
            charges=self.charges[keep],
            positions=self.positions[keep],
            images=self.images[keep],
            velocities=None if self.velocities is None else self.velocities[keep],
            topology=topology,
            topology_types=dict(self.topology_types),
        )

    def replicated(self, x: int, y: int, z: int, common: int) -> DataFile:
        """Return this many copies side by side along each axis, without velocities.

        The copies of a molecule are separate molecules, except that of the ID ``common``, which is one in all.
        """
        shifts = np.array([(i, j, k) for i in range(x) for j in range(y) for k in range(z)]) * self.lengths
        count, largest = len(shifts), self.molecules.max(initial=0)
        lower, lengths = self.box[:, 0], self.lengths
        copies = np.arange(count)
        molecules = self.molecules[None, :] + copies[:, None] * largest
        topology = {
            kind: np.vstack([terms + np.r_[0, np.full(terms.shape[1] - 1, n * self.natoms)] for n in copies])
            for kind, terms in self.topology.items()
        }
        whole = DataFile(
            box=np.column_stack([lower, lower + lengths * [x, y, z]]),
            masses=self.masses.copy(),
            molecules=np.where(self.molecules == common, common, molecules).ravel(),
            types=np.tile(self.types, count),
            charges=np.tile(self.charges, count),
            positions=np.tile(self.positions, (count, 1)),
            images=np.tile(self.images, (count, 1)),
            topology=topology,
            topology_types=dict(self.topology_types),
        )
        whole.set_unwrapped((shifts[:, None, :] + self.unwrapped[None, :, :]).reshape(-1, 3))
        return whole

    # -- reading ---------------------------------------------------------------------------------------

    @classmethod
    def parse(cls, text: str, *, written: bool = False) -> DataFile:
        """Return atoms, box and topology from the text of a data file; coefficients are left out.

        If it was ``written`` by :meth:`format`, whatever else LAMMPS would read from it is refused.

        Raises
        ------
        ValueError
            The text is not a complete data file of atom style ``full`` with an orthogonal box, its first line
            names units other than ``real``, a value is not a finite number, or a type or an atom does not exist;
            names section and line.
        """
        reader = _Reader(text)
        if written:
            reader.refuse_other_content(text)
        return reader.data()

    @classmethod
    def read(cls, path: str | Path) -> DataFile:
        """Read a data file from ``path``; see :meth:`parse`."""
        try:
            return cls.parse(Path(path).read_text(encoding="utf-8", errors="replace"))
        except ValueError as error:
            msg = f"{path}: {error}"
            raise ValueError(msg) from error

    # -- writing ---------------------------------------------------------------------------------------

    def write(self, path: str | Path, title: str = "aiida-cse") -> None:
        """Write the data file to ``path``."""
        Path(path).write_text(self.format(title), encoding="utf-8")

    def format(self, title: str = "aiida-cse") -> str:
        """Return the text of the data file; positions and velocities are written to full precision."""
        blocks = [f"LAMMPS data file: {title}\n\n{self.natoms} atoms\n{len(self.masses)} atom types\n"]
        blocks += [
            f"{len(self.topology[kind])} {kind}\n{self.topology_types[kind]} {kind[:-1]} types\n"
            for kind in TOPOLOGY
        ]
        for axis, (low, high) in zip("xyz", self.box, strict=True):
            blocks.append(f"{low:.17g} {high:.17g} {axis}lo {axis}hi\n")
        blocks.append("\nMasses\n\n" + "".join(f"{i} {mass:.10g}\n" for i, mass in enumerate(self.masses, 1)))
        ids = np.arange(1, self.natoms + 1)
        columns = (ids, self.molecules, self.types, self.charges, self.positions, self.images)
        blocks.append(_rows("Atoms # full", "%d %d %d %.10g %.17g %.17g %.17g %d %d %d", columns))
        if self.velocities is not None:
            blocks.append(_rows("Velocities", "%d %.17g %.17g %.17g", (ids, self.velocities)))
        for kind, atoms_in_term in TOPOLOGY.items():
            terms = self.topology[kind]
            if len(terms):
                numbers = np.arange(1, len(terms) + 1)
                blocks.append(_rows(kind.title(), " ".join(["%d"] * (atoms_in_term + 2)), (numbers, terms)))
        return "".join(blocks)


def _rows(title: str, row_format: str, columns: tuple[NDArray[Any], ...]) -> str:
    buffer = io.StringIO()
    np.savetxt(buffer, np.column_stack(columns), fmt=row_format)
    return f"\n{title}\n\n{buffer.getvalue()}"


# -- the reader ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DataFileContents:
    """The whole content of a data file.

    Attributes
    ----------
    data
        Atoms, box and topology, with numeric types.
    labels
        Label of each atom type that has one, from the section ``Atom Type Labels`` or, without it, the first word
        of the comments in ``Masses``.
    commands
        The coefficients as LAMMPS commands, such as ``bond_coeff 1 268 1.529``.
    styles
        The style that the comment of a section of coefficients names, by the command that sets it:
        ``bond_style`` → ``harmonic``.
    """

    data: DataFile
    labels: dict[int, str]
    commands: tuple[str, ...]
    styles: dict[str, str]


def load_contents(path: Path) -> DataFileContents:
    """Read all of a data file that a system needs, as :func:`read_contents`; messages name the file."""
    text = read_text(path, "a data file", _MOST_BYTES, strict=False)
    with located(path):
        return read_contents(text)


def read_contents(text: str) -> DataFileContents:
    """Read all of a data file that a system needs, as LAMMPS' ``write_data`` or another program wrote it.

    Raises
    ------
    ValueError
        As :meth:`DataFile.parse`, or a section is not understood.
    """
    reader = _Reader(text)
    known = {_HEADER, *_TYPE_COLUMN, *_COEFFICIENTS, *_LABELS}
    unknown = [title for title in reader.sections if title not in known]
    if unknown and "Atoms" in reader.sections:
        words = "only point atoms without extras are taken"
        msg = f"sections that are not understood: {', '.join(unknown)}; {words}"
        raise ValueError(msg)
    coefficients = [section for title, section in reader.sections.items() if title in _COEFFICIENTS]
    return DataFileContents(
        data=reader.data(),
        labels=reader.atom_labels(),
        commands=tuple(command for section in coefficients for command in reader.commands(section)),
        styles={
            _COEFFICIENTS[section.title][0].replace("_coeff", "_style"): section.comment
            for section in coefficients
            if section.comment
        },
    )


@dataclass
class _Section:
    """Rows of a section with their comments and line numbers; ``comment`` is the comment of the heading."""

    title: str
    comment: str = ""
    rows: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def error(self, row: int | np.intp, words: str) -> ValueError:
        """Return the error that a row of the section causes."""
        place = "header" if self.title == _HEADER else f"{self.title} section"
        return ValueError(f"{place}, line {self.lines[row]}: {words}")


class _Reader:
    """The sections of a data file, its header and the numbers of its type labels."""

    def __init__(self, text: str) -> None:
        title, *lines = re.split(r"\r\n|\r|\n", text)
        self.title = title
        self.sections: dict[str, _Section] = {_HEADER: _Section(_HEADER)}
        section = self.sections[_HEADER]
        for number, line in enumerate(lines, 2):
            content, _, comment = (part.strip() for part in line.partition("#"))
            if not content:
                continue
            if not _HEADING.fullmatch(content):
                section.rows.append(content)
                section.comments.append(comment)
                section.lines.append(number)
                continue
            name = " ".join(content.split())
            if name in self.sections:
                msg = f"line {number}: there is a section {name} already; each must be there once"
                raise ValueError(msg)
            section = self.sections[name] = _Section(name, comment)
        self.counts, self.bounds = self._header()
        self.numbers: dict[str, dict[str, str]] = {kind: {} for kind in _KINDS}
        for name, kind in _LABELS.items():
            section = self.sections.get(name, _Section(name))
            for row, line in enumerate(section.rows):
                words = line.split()
                if len(words) < 2:
                    continue
                if words[1] in self.numbers[kind]:
                    raise section.error(row, f"the label {words[1]!r} is there already; each type needs its own")
                self.numbers[kind][words[1]] = words[0]

    def _header(self) -> tuple[dict[str, int], dict[str, list[float]]]:
        """Return the counts and the bounds of the header by their keyword; other lines are left out."""
        header = self.sections[_HEADER]
        counts, bounds = {}, {}
        for row, line in enumerate(header.rows):
            words = line.split()
            numbers = list(takewhile(lambda word: not word[0].isalpha(), words))
            keyword = " ".join(words[len(numbers) :])
            if keyword in _COUNTED:
                if len(numbers) != 1 or not _COUNT.fullmatch(numbers[0]):
                    raise header.error(row, f"{_shown(line)}: must be one whole number before {keyword!r}")
                counts[keyword] = int(numbers[0])
                if keyword.endswith(" types") and counts[keyword] > _MOST_TYPES:
                    raise header.error(row, f"{_shown(line)}: there can be at most {_MOST_TYPES} types of a kind")
            elif keyword in (*_BOUNDS, _TILTS, *_VECTORS):
                try:
                    bounds[keyword] = [float(number) for number in numbers]
                except ValueError as error:
                    raise header.error(row, f"{_shown(line)}: must be numbers before {keyword!r}") from error
                if keyword in _VECTORS or (keyword == _TILTS and any(bounds[keyword])):
                    raise header.error(
                        row, f"{_shown(line)}: the box is tilted; only orthogonal boxes are supported"
                    )
        return counts, bounds

    def refuse_other_content(self, text: str) -> None:
        """Refuse what :meth:`DataFile.format` does not write, although LAMMPS may read it."""
        strange = _UNWRITTEN.search(text)
        if strange:
            number = text.count("\n", 0, strange.start()) + 1
            raise ValueError(f"line {number}: contains the character {strange[0]!r}; must be plain text")
        header = self.sections[_HEADER]
        for row, line in enumerate(header.rows):
            first, *words = line.split()
            keyword = " ".join(words)
            if not (keyword in _COUNTED or keyword.endswith(_BOUNDS)) or first[0].isalpha():
                raise header.error(row, f"{_shown(line)}: must be a number of atoms, terms or types, or bounds")
        for name, section in self.sections.items():
            if name not in (_HEADER, *_TYPE_COLUMN):
                line = f", line {section.lines[0]}" if section.lines else ""
                known = ", ".join(_TYPE_COLUMN)
                raise ValueError(f"{name[:_LONGEST]} section{line}: must not be there; the sections are {known}")

    def atom_labels(self) -> dict[int, str]:
        """Return the label of each atom type that has one."""
        if self.numbers["Atom"]:
            return {int(number): label for label, number in self.numbers["Atom"].items() if number.isdecimal()}
        masses = self.sections.get("Masses", _Section("Masses"))
        pairs = zip((row.split()[0] for row in masses.rows), masses.comments, strict=True)
        return {int(number): comment.split()[0] for number, comment in pairs if number.isdecimal() and comment}

    def commands(self, section: _Section) -> Iterator[str]:
        """Yield the coefficients of a section as LAMMPS commands."""
        command, types = _COEFFICIENTS[section.title]
        for words in self._with_numbers(section, range(types)):
            # a row of Pair Coeffs is for atoms of one type
            yield " ".join([command, *(words[:1] if section.title == "Pair Coeffs" else []), *words])

    def _with_numbers(self, section: _Section, columns: range) -> Iterator[list[str]]:
        """Yield the words of each row, with the number of the type in place of its label."""
        word = section.title.split()[0]
        kind = "Atom" if word in ("Masses", "Atoms", "Pair", "PairIJ") else word.removesuffix("s")
        for row, line in enumerate(section.rows):
            words = line.split()
            for column in columns[: len(words)]:
                if not words[column].isdecimal():
                    if words[column] not in self.numbers[kind]:
                        wrong = (
                            f"{words[column]!r} is neither a number nor a label in the section {kind} Type Labels"
                        )
                        if _are_numbers(words[column]):
                            wrong = f"type {words[column]}: must be a whole number from 1 on"
                        raise section.error(row, wrong)
                    words[column] = self.numbers[kind][words[column]]
            yield words

    # -- atoms, box and topology -----------------------------------------------------------------------

    def data(self) -> DataFile:
        """Return atoms, box and topology; see :meth:`DataFile.parse`."""
        units = _UNITS.search(self.title)
        if units and units[1].lower() != "real":
            raise ValueError(f"line 1: units = {units[1]}; they must be real: Å, fs, kcal/mol, e")
        self._refuse_other_style()
        natoms, ntypes = self.counts.get("atoms", 0), self.counts.get("atom types", 0)
        if natoms == 0:
            raise ValueError("header: there are no atoms; a line such as '1066 atoms' must give their number")
        masses = self._table("Masses", ntypes, (2,), real=slice(1, 2))
        atoms = self._table("Atoms", natoms, (7, 10), real=slice(3, 7))
        self._refuse_outside("Atoms", "type", atoms[:, 2:3], ntypes)
        velocities = None
        if "Velocities" in self.sections:
            velocities = _by_id("Velocities", self._table("Velocities", natoms, (4,), real=slice(1, 4)))[:, 1:]
        topology, topology_types = {}, {}
        for kind, atoms_in_term in TOPOLOGY.items():
            title = kind.title()
            terms = self._table(title, self.counts.get(kind, 0), (atoms_in_term + 2,))
            topology_types[kind] = self.counts.get(f"{kind[:-1]} types", 0)
            self._refuse_outside(title, "type", terms[:, 1:2], topology_types[kind])
            self._refuse_outside(title, "atom", terms[:, 2:], natoms)
            topology[kind] = terms[:, 1:].astype(np.int64)
        box = self._box()
        away = (np.abs(atoms[:, 4:7] - box.mean(axis=1)) > _FARTHEST * (box[:, 1] - box[:, 0])).any(axis=1)
        if away.any():
            section, row = self.sections["Atoms"], away.argmax()
            raise section.error(
                row, f"{_shown(section.rows[row])}: is more than {_FARTHEST} box edges outside of the box"
            )
        atoms = _by_id("Atoms", atoms)
        return DataFile(
            box=box,
            masses=_by_id("Masses", masses)[:, 1],
            molecules=atoms[:, 1].astype(np.int64),
            types=atoms[:, 2].astype(np.int64),
            charges=atoms[:, 3],
            positions=atoms[:, 4:7],
            images=(atoms[:, 7:10] if atoms.shape[1] == 10 else np.zeros((natoms, 3))).astype(np.int64),
            velocities=velocities,
            topology=topology,
            topology_types=topology_types,
        )

    def _refuse_other_style(self) -> None:
        if "Atoms" not in self.sections:
            raise ValueError("there is no Atoms section; this is no LAMMPS data file")
        hint = self.sections["Atoms"].comment.split()
        if hint and hint[0] in _OTHER_STYLES:
            msg = f"Atoms section: atom_style {hint[0]}; it must be full, with molecule IDs and charges"
            raise ValueError(msg)
        # LAMMPS ignores words that name the columns, and reads the columns in its own order
        if hint and hint[0].lower() in _FIRST_COLUMN:
            short = [word.lower().removeprefix("atom").lstrip("-_") for word in hint]
            names = ["q" if word == "q" or word.startswith("cha") else word[:3] for word in short]
            named = [name for name in names if name in ("mol", "typ", "q")]
            if named != ["mol", "typ", "q"][: len(named)]:
                msg = f"Atoms section: columns {' '.join(hint)}; those of atom_style full are id mol type q x y z"
                raise ValueError(msg)

    def _box(self) -> Floats:
        for keyword in _BOUNDS:
            if len(self.bounds.get(keyword, ())) != 2:
                msg = f"header: no line {keyword!r} with two bounds"
                raise ValueError(msg)
        box = np.array([self.bounds[keyword] for keyword in _BOUNDS], dtype=np.float64)
        if not np.isfinite(box).all():
            raise ValueError("header: a bound of the box is no finite number")
        edges = box[:, 1] - box[:, 0]
        if not (edges > 0).all():
            words = ", ".join(f"{edge:g}" for edge in edges)
            msg = f"header: the box has edges of {words} Å; they must be positive"
            raise ValueError(msg)
        return box

    def _table(self, title: str, count: int, widths: tuple[int, ...], real: slice = slice(0, 0)) -> Floats:
        """Return a section as numbers, (count, width).

        Parameters
        ----------
        title, count
            The section and the number of rows that the header declares.
        widths
            Allowed numbers of columns.
        real
            The columns that need not be whole numbers.
        """
        section = self.sections.get(title, _Section(title))
        if len(section.rows) != count:
            msg = f"{title} section: {len(section.rows)} lines, the header says {count}"
            raise ValueError(msg)
        if not count:
            return np.zeros((0, widths[0]))
        rows, column = section.rows, _TYPE_COLUMN[title]
        width = len(rows[0].split())
        for row, line in enumerate(rows):
            words = len(line.split())
            if words not in widths or words != width:
                raise section.error(row, _wrong_width(title, line, words, widths))
        if column is not None and any(not line.split()[column].isdecimal() for line in rows):
            rows = [" ".join(words) for words in self._with_numbers(section, range(column, column + 1))]
        try:
            table = np.loadtxt(rows, dtype=np.float64, ndmin=2)
        except ValueError as error:
            wrong = next((row for row, line in enumerate(rows) if not _are_numbers(line)), 0)
            raise section.error(wrong, f"{_shown(section.rows[wrong])}: must be numbers") from error
        whole = np.delete(table, real, axis=1)
        faulty = ~np.isfinite(table).all(axis=1) | ((whole != np.round(whole)) | (abs(whole) > _LARGEST)).any(
            axis=1
        )
        if faulty.any():
            row = faulty.argmax()
            raise section.error(
                row,
                f"{_shown(section.rows[row])}: must be finite numbers, and whole ones for IDs, types and image "
                "flags",
            )
        return table

    def _refuse_outside(self, title: str, what: str, numbers: Floats, most: int) -> None:
        wrong = ((numbers < 1) | (numbers > most)).any(axis=1)
        if wrong.any():
            row = wrong.argmax()
            number = next(number for number in numbers[row] if not 1 <= number <= most)
            raise self.sections[title].error(row, f"{what} {number:.0f}; there are 1 to {most}")


def _by_id(title: str, table: Floats) -> Floats:
    ordered = table[np.argsort(table[:, 0], kind="stable")]
    if not np.array_equal(ordered[:, 0], np.arange(1, len(table) + 1)):
        msg = f"{title} section: IDs are not 1…N, each once"
        raise ValueError(msg)
    return ordered


def _shown(line: str) -> str:
    return repr(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…")


def _wrong_width(title: str, line: str, words: int, widths: tuple[int, ...]) -> str:
    """Return what is wrong with a row of a section that has other numbers of words than allowed."""
    expected = " or ".join(map(str, widths))
    if title == "Atoms":
        return f"{words} columns, expected {expected} in every row (atom_style full, with or without image flags)"
    if title.lower() in TOPOLOGY and words == widths[0] - 1:
        return (
            f"{_shown(line)} must have {expected} words; the type of the term is missing: `write_data … types "
            "labels` leaves types out where only some kinds have labels, and LAMMPS cannot read such a file "
            "itself; write it again with `types numeric`"
        )
    return f"{_shown(line)} must have {expected} words"


def _are_numbers(line: str) -> bool:
    try:
        return bool(np.loadtxt([line], dtype=np.float64, ndmin=1).size)
    except ValueError:
        return False
