"""The force-field include file: every coefficient of a recipe, for LAMMPS to read once the box exists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from aiida_cse.forcefields.models import OneFour
from aiida_cse.forcefields.pairs import BUCKINGHAM, LENNARD_JONES, PairRow

__all__ = ["BONDED_STYLES", "BondedRow", "read_pairs", "render_include"]

#: kind of bonded term -> its LAMMPS style
BONDED_STYLES = {"bond": "harmonic", "angle": "harmonic", "dihedral": "multi/harmonic"}

_HEADING = re.compile(r"^# (?P<rule>[^#]+) \((?P<source>[^()]+)\)$")
_PAIR = re.compile(
    r"^pair_coeff (?P<i>\d+) (?P<j>\d+) (?P<style>\S+) (?P<numbers>[-+.\deE ]+)  # (?P<first>\S+) (?P<second>\S+)$"
)


@dataclass(frozen=True)
class BondedRow:
    """The coefficients of one type of bond, angle or dihedral (``kind``), in LAMMPS real units."""

    kind: str
    number: int
    atoms: tuple[str, ...]
    coefficients: tuple[float, ...]
    source: str


def render_include(
    title: str,
    checksums: Mapping[str, str],
    labels: Sequence[str],
    pairs: Sequence[PairRow],
    bonded: Sequence[BondedRow],
    one_four: OneFour,
) -> str:
    """Return the text of the include file.

    The script that includes it defines the LAMMPS variable ``cutoff`` (Å) and the k-space style. The last
    type is the wall, whose atoms do not see each other.

    Parameters
    ----------
    title
        What the file is for; goes into its first line.
    checksums
        The checksum of each force-field set, by its name; they follow.
    labels
        The label of each atom type, type 1 first.
    pairs, bonded
        The rows to write; of pairs, all i ≤ j.
    one_four
        The weights of Lennard-Jones and Coulomb three bonds apart.
    """
    header = [f"# Force field of {title}; units real"]
    header += [f"# set {name}: md5 {checksum}" for name, checksum in checksums.items()]
    return "\n".join([*header, *_lines(labels, pairs, bonded, one_four)]) + "\n"


def _lines(
    labels: Sequence[str], pairs: Sequence[PairRow], bonded: Sequence[BondedRow], one_four: OneFour
) -> Iterator[str]:
    yield "labelmap atom " + " ".join(f"{number} {label}" for number, label in enumerate(labels, 1))
    yield f"pair_style hybrid {LENNARD_JONES} ${{cutoff}} {BUCKINGHAM} ${{cutoff}}"
    for kind in _kinds(bonded):
        yield f"{kind}_style {BONDED_STYLES[kind]}"
    yield f"special_bonds lj 0.0 0.0 {_number(one_four.lj)} coul 0.0 0.0 {_number(one_four.coul)}"
    yield from _pair_lines(pairs)
    yield from _bonded_lines(bonded)
    yield ""
    yield "# the atoms of the wall are fixed: no forces among them"
    yield f"neigh_modify exclude type {len(labels)} {len(labels)}"


def read_pairs(text: str) -> list[PairRow]:
    """Return the pair table of an include file that :func:`render_include` wrote, in the order of the types.

    Raises
    ------
    ValueError
        A pair stands under no line that tells its rule and source.
    """
    rows: list[PairRow] = []
    rule, source = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        heading = _HEADING.match(line)
        if heading:
            rule, source = heading["rule"], heading["source"]
        elif line.startswith("pair_coeff "):
            found = _PAIR.match(line)
            if not (found and rule):
                raise ValueError(
                    f"line {number}: {line!r} does not say of which pair it is, by which rule and source"
                )
            rows.append(
                PairRow(
                    i=int(found["i"]),
                    j=int(found["j"]),
                    labels=(found["first"], found["second"]),
                    style=found["style"],
                    coefficients=tuple(map(float, found["numbers"].split())),
                    rule=rule,
                    source=source,
                )
            )
    return sorted(rows, key=lambda row: (row.i, row.j))


def _kinds(bonded: Sequence[BondedRow]) -> list[str]:
    present = {row.kind for row in bonded}
    return [kind for kind in BONDED_STYLES if kind in present]


def _pair_lines(pairs: Sequence[PairRow]) -> Iterator[str]:
    def block(row: PairRow) -> tuple[str, str]:
        return row.rule, row.source

    for (rule, source), rows in groupby(sorted(pairs, key=block), key=block):
        yield ""
        yield f"# {rule} ({source})"
        for row in rows:
            numbers = " ".join(map(_number, row.coefficients))
            yield f"pair_coeff {row.i} {row.j} {row.style} {numbers}  # {row.labels[0]} {row.labels[1]}"


def _bonded_lines(bonded: Sequence[BondedRow]) -> Iterator[str]:
    for (kind, source), rows in groupby(bonded, key=lambda row: (row.kind, row.source)):
        yield ""
        yield f"# {kind}s ({source})"
        for row in rows:
            yield f"{kind}_coeff {row.number} {' '.join(map(_number, row.coefficients))}  # {' '.join(row.atoms)}"


def _number(value: float) -> str:
    return f"{value:.10g}"
