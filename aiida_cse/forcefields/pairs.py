"""The pair table: which potential acts between each two atom types, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

from aiida_cse.forcefields.models import Buckingham, canonical

__all__ = [
    "BUCKINGHAM",
    "LENNARD_JONES",
    "Mixing",
    "PairRow",
    "PairSite",
    "Role",
    "missing_buckingham",
    "pair_table",
]

Mixing = Literal["lorentz-berthelot", "geometric-inside-polymer"]
Role = Literal["ceramic", "mobile", "organic", "wall"]

LENNARD_JONES = "lj/cut/coul/long"
BUCKINGHAM = "buck/coul/long"

_CERAMIC = {"ceramic", "mobile"}

#: ε and σ of a pair that has the Coulomb interaction only: a Lennard-Jones of nothing costs no exponential
_COULOMB_ONLY = (0.0, 1.0)


@dataclass(frozen=True)
class PairSite:
    """What the pair table needs of an atom type.

    ``role``: ``ceramic`` (framework and anions of the crystal), ``mobile`` (the ion of both phases),
    ``organic`` (polymer and anion of the salt) or ``wall``. An ion that keeps the parameters of the phase that it
    came from is ``ceramic`` or ``organic``. Charge in e, ε in kcal/mol, σ in Å.
    """

    label: str
    role: Role
    charge: float
    epsilon: float
    sigma: float
    source: str


@dataclass(frozen=True)
class PairRow:
    """One line of the table: types from 1 with ``i`` ≤ ``j``, the style, its coefficients and the rule.

    The coefficients are (ε, σ) of ``lj/cut/coul/long`` or (A, ρ, C) of ``buck/coul/long``.
    """

    i: int
    j: int
    labels: tuple[str, str]
    style: str
    coefficients: tuple[float, ...]
    rule: str
    source: str


def pair_table(
    sites: Sequence[PairSite], buckingham: Mapping[tuple[str, ...], Buckingham], source: str, mixing: Mixing
) -> list[PairRow]:
    """Return one row for every pair of types, i ≤ j, in the order of the types.

    Inside the ceramic (its atoms and the mobile ion) acts Buckingham where ``buckingham`` has the pair, and
    Coulomb alone between cations. Every pair with a polymer, salt-anion or wall atom has a mixed
    Lennard-Jones potential. No pair has both.

    Parameters
    ----------
    sites
        The atom types; type t is ``sites[t - 1]``.
    buckingham
        The Buckingham terms by canonical pair of labels.
    source
        The name of the ceramic's set, for pairs without a term of their own.
    mixing
        ``lorentz-berthelot`` for all unlike pairs, or ``geometric-inside-polymer``: σ too is a geometric mean
        where both atoms belong to the electrolyte (OPLS' own rule).

    Raises
    ------
    ValueError
        Pairs of the ceramic with an anion have no Buckingham term; names them all.
    """
    inside = {site.label: site.charge for site in sites if site.role in _CERAMIC}
    missing = missing_buckingham(inside, buckingham)
    if missing:
        raise ValueError(f"force-field set {source} has no Buckingham parameters for {', '.join(missing)}")
    rows: list[PairRow] = []
    for (i, first), (j, second) in combinations_with_replacement(enumerate(sites, 1), 2):
        labels = (first.label, second.label)
        if _inside_ceramic(first, second):
            term = buckingham.get(canonical(labels))
            style, coefficients, rule = _ceramic(term)
            origin = (term and term.origin) or source
            rows.append(PairRow(i, j, labels, style, coefficients, rule, origin))
        else:
            coefficients, rule = _mixed(first, second, mixing)
            origin = " + ".join(sorted({first.source, second.source}))
            rows.append(PairRow(i, j, labels, LENNARD_JONES, coefficients, rule, origin))
    return rows


def missing_buckingham(
    charges: Mapping[str, float], buckingham: Mapping[tuple[str, ...], Buckingham]
) -> list[str]:
    """Return the pairs of the ceramic with an anion that have no Buckingham term, ``A–B`` each.

    ``charges`` (e) are those of its atom types by label.
    """
    return [
        f"{first}–{second}"
        for first, second in combinations_with_replacement(charges, 2)
        if min(charges[first], charges[second]) < 0 and canonical((first, second)) not in buckingham
    ]


def _inside_ceramic(first: PairSite, second: PairSite) -> bool:
    return {first.role, second.role} <= _CERAMIC


def _ceramic(term: Buckingham | None) -> tuple[str, tuple[float, ...], str]:
    if term is None:
        return LENNARD_JONES, _COULOMB_ONLY, "Coulomb only between cations of the ceramic"
    return BUCKINGHAM, (term.a, term.rho, term.c), "Buckingham inside the ceramic"


def _mixed(first: PairSite, second: PairSite, mixing: Mixing) -> tuple[tuple[float, float], str]:
    if first.label == second.label:
        return (first.epsilon, first.sigma), "Lennard-Jones of like atoms"
    epsilon = math.sqrt(first.epsilon * second.epsilon)
    if mixing == "geometric-inside-polymer" and {first.role, second.role} <= {"mobile", "organic"}:
        return (epsilon, math.sqrt(first.sigma * second.sigma)), "Lennard-Jones, geometric mixing"
    return (epsilon, (first.sigma + second.sigma) / 2), "Lennard-Jones, Lorentz-Berthelot mixing"
