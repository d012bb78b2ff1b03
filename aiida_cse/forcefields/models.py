"""Models of a force-field set: atom types, interactions, and the sources of the parameters.

All numbers are in LAMMPS real units: Å, kcal/mol, e, g/mol, degrees.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import Field, model_validator

from aiida_cse.schema import Name, Number, StrictModel, nearest, worded

__all__ = [
    "AngleTerm",
    "BondTerm",
    "Buckingham",
    "DihedralTerm",
    "ForceFieldSet",
    "ForceFieldType",
    "LennardJones",
    "OneFour",
    "Option",
    "TypingRule",
    "Variant",
    "canonical",
]


#: valid label of an atom type in LAMMPS
_LABEL = worded(r"^[A-Za-z][A-Za-z0-9_]*$", "letters, digits and '_', first a letter")
Label = Annotated[str, Field(strict=True, pattern=_LABEL, max_length=80)]

#: source of a term, written to a comment of the include file
Origin = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9._= -]*$", max_length=250)]


def canonical(names: Sequence[str]) -> tuple[str, ...]:
    """Return the smaller of ``names`` and its reverse, since A–B–C is C–B–A."""
    return min(tuple(names), tuple(reversed(names)))


class ForceFieldType(StrictModel):
    """An atom type: mass in g/mol, charge in e; ``bonded`` is its name in bonded terms, by default its own."""

    name: Label
    element: str = Field(pattern=r"^[A-Z][a-z]?$")
    mass: Number = Field(gt=0, le=400)
    charge: Number = Field(ge=-10, le=10)
    bonded: Name | None = None

    @property
    def bonded_name(self) -> str:
        """The name of this type in bonded terms."""
        return self.bonded or self.name


class LennardJones(StrictModel):
    """E(r) = 4 ε [(σ/r)¹² − (σ/r)⁶]; ε in kcal/mol, σ in Å. ``origin`` is the set and option of the values."""

    type: Name
    epsilon: Number = Field(ge=0, le=100)
    sigma: Number = Field(gt=0, le=20)
    note: str = ""
    origin: Origin = ""


class Buckingham(StrictModel):
    """E(r) = A exp(−r/ρ) − C/r⁶; A in kcal/mol, ρ in Å, C in kcal/mol Å⁶. ``origin`` as for Lennard-Jones."""

    pair: tuple[Name, Name]
    a: Number = Field(ge=0)
    rho: Number = Field(gt=0)
    c: Number = Field(ge=0)
    note: str = ""
    origin: Origin = ""


class BondTerm(StrictModel):
    """E = k (r − r0)²; k in kcal/mol/Å², r0 in Å."""

    atoms: tuple[Name, Name]
    k: Number = Field(ge=0)
    r0: Number = Field(gt=0, le=10)

    @property
    def coefficients(self) -> tuple[float, ...]:
        """The coefficients of LAMMPS' ``bond_style harmonic``."""
        return (self.k, self.r0)


class AngleTerm(StrictModel):
    """E = k (θ − θ0)²; k in kcal/mol/rad², θ0 in degrees."""

    atoms: tuple[Name, Name, Name]
    k: Number = Field(ge=0)
    theta0: Number = Field(gt=0, le=180)

    @property
    def coefficients(self) -> tuple[float, ...]:
        """The coefficients of LAMMPS' ``angle_style harmonic``."""
        return (self.k, self.theta0)


class DihedralTerm(StrictModel):
    """E = V1/2 (1+cos φ) + V2/2 (1−cos 2φ) + V3/2 (1+cos 3φ) + V4/2 (1−cos 4φ); V in kcal/mol."""

    atoms: tuple[Name, Name, Name, Name]
    opls: tuple[Number, Number, Number, Number]

    @property
    def coefficients(self) -> tuple[float, ...]:
        """The coefficients A1…A5 of LAMMPS' ``dihedral_style multi/harmonic``, E = Σ A_n cosⁿ⁻¹ φ.

        They follow from the OPLS form by expanding cos 2φ, cos 3φ and cos 4φ in powers of cos φ.
        """
        v1, v2, v3, v4 = self.opls
        powers = (v1 / 2 + v2 + v3 / 2, v1 / 2 - 1.5 * v3, 4 * v4 - v2, 2 * v3, -4 * v4)
        return tuple(power + 0.0 for power in powers)


class TypingRule(StrictModel):
    """The atom that matches the first atom of ``smarts`` gets ``type``; a later rule overrides an earlier one."""

    smarts: str = Field(min_length=1)
    type: Name


class OneFour(StrictModel):
    """The weights of Lennard-Jones and Coulomb interactions between atoms three bonds apart."""

    lj: Number = Field(ge=0, le=1)
    coul: Number = Field(ge=0, le=1)


class Option(StrictModel):
    """One option of a variant: its terms, and their citations."""

    note: str = ""
    citations: tuple[str, ...] = ()
    lj: tuple[LennardJones, ...] = ()
    buckingham: tuple[Buckingham, ...] = ()


class Variant(StrictModel):
    """A named choice among published values that disagree."""

    default: Name
    options: dict[Name, Option] = Field(min_length=1)

    @model_validator(mode="after")
    def _default_is_an_option(self) -> Variant:
        if self.default not in self.options:
            raise ValueError(
                f"default = {self.default!r}: is not an option; {nearest(self.default, self.options)}"
            )
        return self


class ForceFieldSet(StrictModel):
    """A published set of parameters with its sources and a statement of confidence.

    ``revises`` names the set that provides the entries this one does not have.
    """

    name: Name
    title: str
    revises: Name | None = None
    citations: tuple[str, ...] = Field(min_length=1)
    confidence: str = Field(min_length=1)
    one_four: OneFour | None = None
    atom_types: tuple[ForceFieldType, ...] = ()
    typing: tuple[TypingRule, ...] = ()
    lj: tuple[LennardJones, ...] = ()
    buckingham: tuple[Buckingham, ...] = ()
    variants: dict[Name, Variant] = Field(default_factory=dict)
    bonds: tuple[BondTerm, ...] = ()
    angles: tuple[AngleTerm, ...] = ()
    dihedrals: tuple[DihedralTerm, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> ForceFieldSet:
        options = [option for variant in self.variants.values() for option in variant.options.values()]
        for lj, buckingham in (
            (self.lj, self.buckingham),
            *((option.lj, option.buckingham) for option in options),
        ):
            _refuse_duplicates("lj", (entry.type for entry in lj))
            _refuse_duplicates("buckingham", (canonical(entry.pair) for entry in buckingham))
        _refuse_duplicates("atom_types", (entry.name for entry in self.atom_types))
        for kind in ("bonds", "angles", "dihedrals"):
            _refuse_duplicates(kind, (canonical(entry.atoms) for entry in getattr(self, kind)))
        names = [entry.name for entry in self.atom_types]
        for rule in self.typing:
            if rule.type not in names:
                hint = nearest(rule.type, names)
                raise ValueError(f"typing.type = {rule.type!r}: {rule.smarts!r} needs a type of the set; {hint}")
        return self

    @property
    def md5(self) -> str:
        """The MD5 checksum of the content, in hexadecimal digits."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()

    def atom_type(self, name: str) -> ForceFieldType:
        """Return the atom type called ``name``; ValueError if there is none."""
        known = {entry.name: entry for entry in self.atom_types}
        if name not in known:
            raise ValueError(f"force-field set {self.name} has no atom type {name!r}; {nearest(name, known)}")
        return known[name]

    def lennard_jones(self, name: str) -> LennardJones:
        """Return the Lennard-Jones parameters of type ``name``; ValueError if there are none."""
        known = {entry.type: entry for entry in self.lj}
        if name not in known:
            raise ValueError(
                f"force-field set {self.name} has no Lennard-Jones parameters for {name!r}; {nearest(name, known)}"
            )
        return known[name]

    def buckingham_pairs(self) -> dict[tuple[str, ...], Buckingham]:
        """Return the Buckingham terms by canonical pair."""
        return {canonical(entry.pair): entry for entry in self.buckingham}

    def chosen_variants(self, choices: Mapping[str, str]) -> dict[str, str]:
        """Return the option of every variant: the one in ``choices``, else the default.

        Raises
        ------
        ValueError
            A choice names a variant or an option that the set does not have.
        """
        for group, option in choices.items():
            if group not in self.variants:
                raise ValueError(
                    f"force-field set {self.name} has no variant {group!r}; {nearest(group, self.variants)}"
                )
            if option not in self.variants[group].options:
                options = ", ".join(sorted(self.variants[group].options))
                raise ValueError(
                    f"force-field set {self.name} has no option {option!r} of {group}; known: {options}"
                )
        return {group: choices.get(group, variant.default) for group, variant in self.variants.items()}

    def with_variants(self, choices: Mapping[str, str]) -> ForceFieldSet:
        """Return the set with its variants settled and the origin of every term.

        The terms of the chosen, else the default options replace those of the same type or pair.

        Raises
        ------
        ValueError
            A choice names a variant or an option that the set does not have.
        """
        lj = {entry.type: entry.model_copy(update={"origin": self.name}) for entry in self.lj}
        buckingham = {
            key: entry.model_copy(update={"origin": self.name}) for key, entry in self.buckingham_pairs().items()
        }
        citations = list(self.citations)
        for group, name in self.chosen_variants(choices).items():
            option = self.variants[group].options[name]
            origin = {"origin": f"{self.name} {group}={name}"}
            lj |= {entry.type: entry.model_copy(update=origin) for entry in option.lj}
            buckingham |= {canonical(entry.pair): entry.model_copy(update=origin) for entry in option.buckingham}
            citations += option.citations
        return self.model_copy(
            update={
                "citations": tuple(dict.fromkeys(citations)),
                "lj": tuple(lj.values()),
                "buckingham": tuple(buckingham.values()),
                "variants": {},
            }
        )


def _refuse_duplicates(where: str, keys: Iterable[object]) -> None:
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise ValueError(f"{where}: {twice[0]} is given twice; give it once")
