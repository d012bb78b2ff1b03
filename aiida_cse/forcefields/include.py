"""The force-field include file: all coefficients of a recipe, read by LAMMPS once the box exists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from aiida_cse.forcefields.models import OneFour
from aiida_cse.forcefields.pairs import BUCKINGHAM, LENNARD_JONES, PairRow

__all__ = ["BONDED_STYLES", "BondedRow", "read_pairs", "render_include"]

#: LAMMPS style of each kind of bonded term
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

    The script that includes it defines the LAMMPS variable ``cutoff`` (Å) and the k-space style. The last type is
    the wall, whose atoms do not interact.

    Parameters
    ----------
    title
        The subject of the file, for its first line.
    checksums
        The checksum of each force-field set by its name, for the header.
    labels
        The label of each atom type, type 1 first.
    pairs, bonded
        The rows to write; of pairs, all i ≤ j.
    one_four
        The weights of Lennard-Jones and Coulomb interactions three bonds apart.
    """
    kinds = {row.kind for row in bonded}
    lines = [f"# Force field of {title}; units real"]
    lines += [f"# set {name}: md5 {checksum}" for name, checksum in checksums.items()]
    lines.append("labelmap atom " + " ".join(f"{number} {label}" for number, label in enumerate(labels, 1)))
    lines.append(f"pair_style hybrid {LENNARD_JONES} ${{cutoff}} {BUCKINGHAM} ${{cutoff}}")
    lines += [f"{kind}_style {style}" for kind, style in BONDED_STYLES.items() if kind in kinds]
    lines.append(f"special_bonds lj 0.0 0.0 {one_four.lj:.10g} coul 0.0 0.0 {one_four.coul:.10g}")
    by_rule = sorted(pairs, key=lambda row: (row.rule, row.source))
    for (rule, source), block in groupby(by_rule, key=lambda row: (row.rule, row.source)):
        lines += ["", f"# {rule} ({source})"]
        for row in block:
            numbers = _numbers(row.coefficients)
            lines.append(f"pair_coeff {row.i} {row.j} {row.style} {numbers}  # {row.labels[0]} {row.labels[1]}")
    for (kind, source), terms in groupby(bonded, key=lambda term: (term.kind, term.source)):
        lines += ["", f"# {kind}s ({source})"]
        for term in terms:
            lines.append(f"{kind}_coeff {term.number} {_numbers(term.coefficients)}  # {' '.join(term.atoms)}")
    lines += ["", "# the atoms of the wall are fixed: no forces among them"]
    lines.append(f"neigh_modify exclude type {len(labels)} {len(labels)}")
    return "\n".join(lines) + "\n"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.10g}" for value in values)


def read_pairs(text: str) -> list[PairRow]:
    """Return the pair table of an include file written by :func:`render_include`, in the order of the types.

    Raises
    ------
    ValueError
        A pair has no heading with its rule and source.
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
