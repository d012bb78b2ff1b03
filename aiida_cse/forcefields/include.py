"""The force-field include file: every coefficient of a recipe, for LAMMPS to read once the box exists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from aiida_cse.forcefields.models import OneFour
from aiida_cse.forcefields.pairs import BUCKINGHAM, LENNARD_JONES, PairRow

__all__ = ["BONDED_STYLES", "BondedRow", "render_include"]

#: kind of bonded term -> its LAMMPS style
BONDED_STYLES = {"bond": "harmonic", "angle": "harmonic", "dihedral": "multi/harmonic"}


@dataclass(frozen=True)
class BondedRow:
    """The coefficients of one type of bond, angle or dihedral (``kind``), in LAMMPS real units."""

    kind: str
    number: int
    atoms: tuple[str, ...]
    coefficients: tuple[float, ...]
    source: str


def render_include(
    title: str, labels: Sequence[str], pairs: Sequence[PairRow], bonded: Sequence[BondedRow], one_four: OneFour
) -> str:
    """Return the text of the include file.

    The script that includes it defines the LAMMPS variable ``cutoff`` (Å) and the k-space style. The last
    type is the wall, whose atoms do not see each other.

    Parameters
    ----------
    title
        What the file is for; goes into its first line.
    labels
        The label of each atom type, type 1 first.
    pairs, bonded
        The rows to write; of pairs, all i ≤ j.
    one_four
        The weights of Lennard-Jones and Coulomb three bonds apart.
    """
    return "\n".join(_lines(title, labels, pairs, bonded, one_four)) + "\n"


def _lines(
    title: str, labels: Sequence[str], pairs: Sequence[PairRow], bonded: Sequence[BondedRow], one_four: OneFour
) -> Iterator[str]:
    yield f"# Force field of {title}; units real"
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
