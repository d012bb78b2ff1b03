"""LAMMPS data files of any origin: types by label, and coefficients among the atoms.

What :class:`~aiida_cse.lammps.files.data.DataFile` holds is split from what belongs into the include file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.data import TOPOLOGY, DataFile
from aiida_cse.lammps.files.labels import type_labels

__all__ = ["ForeignFile", "read_foreign"]

_HEADING = re.compile(r"^(?P<title>[A-Z][A-Za-z ]*?)\s*(?:#\s*(?P<comment>.*?))?\s*$")
_UNITS = re.compile(r"\bunits = (\w+)")
_KINDS = ("Atom", *(kind[:-1].title() for kind in TOPOLOGY))
#: sections of a data file -> in which column stands a type, None: in none
_PLAIN: dict[str, int | None] = {"Masses": 0, "Atoms": 2, "Velocities": None}
_PLAIN |= {kind.title(): 1 for kind in TOPOLOGY}
#: sections with coefficients -> their commands, and how many types each line begins with
_COEFFICIENTS = {"Pair Coeffs": ("pair_coeff", 1), "PairIJ Coeffs": ("pair_coeff", 2)}
_COEFFICIENTS |= {f"{kind[:-1].title()} Coeffs": (f"{kind[:-1]}_coeff", 1) for kind in TOPOLOGY}


@dataclass
class ForeignFile:
    """The content of a data file.

    Attributes
    ----------
    data
        Atoms, box and topology, with types by number.
    labels
        The label of each atom type that one is told for.
    commands
        The coefficients as LAMMPS commands, ``bond_coeff 1 268 1.529``.
    styles
        The style that a section of coefficients names in its comment, by the command that would set it:
        ``bond_style`` → ``harmonic``.
    """

    data: DataFile
    labels: dict[int, str]
    commands: list[str] = field(default_factory=list)
    styles: dict[str, str] = field(default_factory=dict)


@dataclass
class _Section:
    title: str
    comment: str
    rows: list[str]


def read_foreign(text: str) -> ForeignFile:
    """Read the text of a data file of atom style ``full``, as LAMMPS' ``write_data`` or another program wrote it.

    Raises
    ------
    ValueError
        The text is no such data file, or has sections that are not understood; says which.
    """
    header, sections = _split(text)
    _refuse_other_settings(header, sections)
    unknown = [s.title for s in sections if s.title not in {*_PLAIN, *_COEFFICIENTS} and not _names_labels(s)]
    if unknown:
        msg = f"sections that are not understood: {', '.join(unknown)}; only point atoms without extras are taken"
        raise ValueError(msg)
    _refuse_short_rows(sections)
    numbers = _numbers(sections)
    plain = [line for section in sections for line in _numeric(section, numbers)]
    made = ForeignFile(_whole("\n".join([*header, *plain]) + "\n"), type_labels(text))
    for section in sections:
        if section.title in _COEFFICIENTS:
            command, _ = _COEFFICIENTS[section.title]
            made.commands += _commands(section, numbers)
            if section.comment:
                made.styles[command.replace("_coeff", "_style")] = section.comment
    return made


def _refuse_other_settings(header: list[str], sections: list[_Section]) -> None:
    """Refuse what is no data file, and one of other units or another atom style than ours."""
    units = _UNITS.search(header[0]) if header else None
    if units and units[1] != "real":
        msg = f"the first line says units = {units[1]}; they must be real: Å, fs, kcal/mol, e"
        raise ValueError(msg)
    atoms = [section for section in sections if section.title == "Atoms"]
    if not atoms:
        msg = "there is no Atoms section; this is no LAMMPS data file"
        raise ValueError(msg)
    if atoms[0].comment not in ("", "full"):
        msg = f"Atoms section: atom_style {atoms[0].comment}; it must be full, with molecule IDs and charges"
        raise ValueError(msg)


def _refuse_short_rows(sections: list[_Section]) -> None:
    """Refuse bonded terms without their type: LAMMPS writes those where types have labels, but not all of them."""
    for section in sections:
        words = TOPOLOGY.get(section.title.lower(), 0) + 2
        wrong = [row for row in section.rows if len(row.split()) != words]
        if section.title.lower() in TOPOLOGY and wrong:
            msg = (
                f"{section.title} section: {wrong[0]!r} must have {words} words: number, type and {words - 2} "
                "atoms; write_data with `types numeric` writes the types as numbers"
            )
            raise ValueError(msg)


def _whole(text: str) -> DataFile:
    """Return the data file, its numbers finite and its types and atoms there.

    Raises
    ------
    ValueError
        It is none; says what is wrong.
    """
    try:
        with np.errstate(invalid="raise"):
            data = DataFile.parse(text)
    except (IndexError, TypeError, ArithmeticError) as error:
        msg = f"this is no whole data file: {error}"
        raise ValueError(msg) from error
    numbers = (data.box, data.masses, data.charges, data.positions, *_present(data.velocities))
    if not all(np.isfinite(values).all() for values in numbers):
        msg = "the box, a mass, a charge, a position or a velocity is no finite number"
        raise ValueError(msg)
    if not (data.lengths > 0).all():
        edges = ", ".join(f"{edge:g}" for edge in data.lengths)
        msg = f"header: the box has edges of {edges} Å; they must be positive"
        raise ValueError(msg)
    data.refuse_outside()
    return data


def _present(values: NDArray[np.float64] | None) -> tuple[NDArray[np.float64], ...]:
    return () if values is None else (values,)


def _split(text: str) -> tuple[list[str], list[_Section]]:
    """Return the header and the sections, without empty lines and comments on rows."""
    lines = text.splitlines()
    header, sections = lines[:1], list[_Section]()
    for line in lines[1:]:
        heading = _HEADING.match(line)
        if heading:
            sections.append(_Section(heading["title"], heading["comment"] or "", []))
            continue
        row = line.split("#", 1)[0].strip()
        if row:
            (sections[-1].rows if sections else header).append(row)
    return header, sections


def _names_labels(section: _Section) -> bool:
    return section.title in {f"{kind} Type Labels" for kind in _KINDS}


def _numbers(sections: list[_Section]) -> dict[str, dict[str, str]]:
    """Return the number of each label, by kind of type."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in _KINDS}
    for section in filter(_names_labels, sections):
        pairs = (row.split() for row in section.rows)
        found[section.title.split()[0]] = {words[1]: words[0] for words in pairs if len(words) > 1}
    return found


def _kind_of(title: str) -> str:
    word = title.split()[0]
    return "Atom" if word in ("Masses", "Atoms", "Pair", "PairIJ") else word.removesuffix("s")


def _with_numbers(section: _Section, columns: range, numbers: dict[str, dict[str, str]]) -> Iterator[list[str]]:
    """Give the rows as words, labels of types replaced by their numbers.

    Raises
    ------
    ValueError
        A label is not among the labels of its kind.
    """
    kind = _kind_of(section.title)
    for row in section.rows:
        words = row.split()
        for column in columns:
            if column < len(words) and not words[column].isdecimal():
                if words[column] not in numbers[kind]:
                    msg = (
                        f"{section.title} section: {words[column]!r} is no type in the section {kind} Type Labels"
                    )
                    raise ValueError(msg)
                words[column] = numbers[kind][words[column]]
        yield words


def _numeric(section: _Section, numbers: dict[str, dict[str, str]]) -> Iterator[str]:
    """Give the lines of a section that a data file with numeric types has, none for other sections."""
    if section.title not in _PLAIN:
        return
    column = _PLAIN[section.title]
    yield f"\n{section.title}\n"
    if column is None:
        yield from section.rows
    else:
        yield from (" ".join(words) for words in _with_numbers(section, range(column, column + 1), numbers))


def _commands(section: _Section, numbers: dict[str, dict[str, str]]) -> Iterator[str]:
    command, types = _COEFFICIENTS[section.title]
    for words in _with_numbers(section, range(types), numbers):
        # a line of Pair Coeffs is for atoms of one type
        yield " ".join([command, *(words[:1] if section.title == "Pair Coeffs" else []), *words])
