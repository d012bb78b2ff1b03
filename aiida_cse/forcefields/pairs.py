"""The pair table: the potential between every two atom types, with its rule and source."""

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

#: ε and σ of a pair with Coulomb interaction only; a zero Lennard-Jones term costs no exponential
_COULOMB_ONLY = (0.0, 1.0)


@dataclass(frozen=True)
class PairSite:
    """An atom type in the pair table.

    ``role`` is ``ceramic`` (framework and anions of the crystal), ``mobile`` (the ion of both phases), ``organic``
    (polymer and anion of the salt) or ``wall``. An ion that keeps the parameters of the phase it came from is
    ``ceramic`` or ``organic``. Charge in e, ε in kcal/mol, σ in Å.
    """

    label: str
    role: Role
    charge: float
    epsilon: float
    sigma: float
    source: str


@dataclass(frozen=True)
class PairRow:
    """One row of the table: types from 1 with ``i`` ≤ ``j``, LAMMPS pair style, coefficients, rule and source.

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

    Pairs inside the ceramic (its atoms and the mobile ion) have a Buckingham term if ``buckingham`` contains them,
    and only the Coulomb interaction between cations. Every pair with a polymer, salt-anion or wall atom has a
    mixed Lennard-Jones term. No pair has both.

    Parameters
    ----------
    sites
        The atom types; type t is ``sites[t - 1]``.
    buckingham
        The Buckingham terms by canonical pair of labels.
    source
        The name of the ceramic's set, for pairs without a term of their own.
    mixing
        ``lorentz-berthelot`` for all unlike pairs, or ``geometric-inside-polymer``: σ is also a geometric mean if
        both atoms belong to the electrolyte (the rule of OPLS).

    Raises
    ------
    ValueError
        Pairs of the ceramic with an anion lack a Buckingham term; names them all.
    """
    inside = {site.label: site.charge for site in sites if site.role in _CERAMIC}
    missing = missing_buckingham(inside, buckingham)
    if missing:
        raise ValueError(f"force-field set {source} has no Buckingham parameters for {', '.join(missing)}")
    rows: list[PairRow] = []
    for (i, first), (j, second) in combinations_with_replacement(enumerate(sites, 1), 2):
        labels = (first.label, second.label)
        term = buckingham.get(canonical(labels))
        if not {first.role, second.role} <= _CERAMIC:
            epsilon, sigma = math.sqrt(first.epsilon * second.epsilon), (first.sigma + second.sigma) / 2
            rule = "Lennard-Jones, Lorentz-Berthelot mixing"
            if first.label == second.label:
                epsilon, sigma, rule = first.epsilon, first.sigma, "Lennard-Jones of like atoms"
            elif mixing == "geometric-inside-polymer" and {first.role, second.role} <= {"mobile", "organic"}:
                sigma, rule = math.sqrt(first.sigma * second.sigma), "Lennard-Jones, geometric mixing"
            origin = " + ".join(sorted({first.source, second.source}))
            rows.append(PairRow(i, j, labels, LENNARD_JONES, (epsilon, sigma), rule, origin))
        elif term is None:
            rule = "Coulomb only between cations of the ceramic"
            rows.append(PairRow(i, j, labels, LENNARD_JONES, _COULOMB_ONLY, rule, source))
        else:
            rule, constants = "Buckingham inside the ceramic", (term.a, term.rho, term.c)
            rows.append(PairRow(i, j, labels, BUCKINGHAM, constants, rule, term.origin or source))
    return rows


def missing_buckingham(
    charges: Mapping[str, float], buckingham: Mapping[tuple[str, ...], Buckingham]
) -> list[str]:
    """Return the pairs of the ceramic with an anion that lack a Buckingham term, as ``A–B``.

    ``charges`` (e) are those of the ceramic's atom types by label.
    """
    return [
        f"{first}–{second}"
        for first, second in combinations_with_replacement(charges, 2)
        if min(charges[first], charges[second]) < 0 and canonical((first, second)) not in buckingham
    ]
