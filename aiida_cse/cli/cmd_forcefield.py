"""``aiida-cse forcefield``: force-field sets, shipped and stored, and the pair table of a system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiida_cse.cli import inputs
from aiida_cse.cli import profile as profiles
from aiida_cse.cli.inputs import find_recipe, input_errors, load_typed

if TYPE_CHECKING:
    from aiida_cse.forcefields.models import ForceFieldSet
    from aiida_cse.forcefields.pairs import PairRow

__all__ = ["forcefield"]

Rows = Sequence[Sequence[object]]


@click.group()
def forcefield() -> None:
    """Show and import force-field sets, and print the pair table of a system."""


@forcefield.command("list")
@inputs.PROFILE
def list_sets(profile: str | None) -> None:
    """List the shipped and the stored force-field sets.

    Stored sets are those of the profile, if there is one.
    """
    from aiida_cse.forcefields.library import available_sets, load_set

    shipped = [load_set(name) for name in available_sets()]
    rows = [(chosen.name, chosen.md5[:8], "shipped", chosen.title) for chosen in shipped]
    if profile is not None or profiles.has_default():
        profiles.load(profile)
        from aiida_cse.data.forcefield import stored_forcefields

        known = {chosen.md5 for chosen in shipped}
        rows += [
            (node.name, node.md5[:8], f"node {node.pk}", node.forcefield_set.title)
            for node in stored_forcefields()
            if node.md5 not in known
        ]
    _echo_table(("Set", "MD5", "Where", "Content"), rows)


@forcefield.command()
@click.argument("name")
@inputs.PROFILE
def show(name: str, profile: str | None) -> None:
    """Show the content of the set NAME, with its sources.

    NAME is that of a shipped set, or the name or UUID of a set of your profile. Units: Å, kcal/mol, e, g/mol;
    force constants without the factor 1/2, angles in degrees.
    """
    with input_errors():
        from aiida_cse.forcefields.library import available_sets, load_set

        if name in available_sets() or not (profile or profiles.has_default()):
            chosen = load_set(name)
        else:
            profiles.load(profile)
            from aiida_cse.data.forcefield import find_forcefield

            chosen = find_forcefield(name).forcefield_set
    click.echo(f"{chosen.name}: {chosen.title}")
    click.echo(f"md5 {chosen.md5}" + (f"; revises {chosen.revises}" if chosen.revises else ""))
    click.echo("\n".join(["", "Sources", *(f"  {citation}" for citation in chosen.citations)]))
    click.echo(f"\nConfidence\n  {chosen.confidence}")
    for title, headings, rows in _contents(chosen):
        if rows:
            click.echo(f"\n{title}")
            _echo_table(headings, rows)


@forcefield.command("import")
@click.argument("file", type=inputs.FILE)
@click.option("--name", metavar="NAME", help="Name in recipes; default: that in the file, else the file's name.")
@inputs.PROFILE
def import_set(file: Path, name: str | None, profile: str | None) -> None:
    """Import the set in a YAML FILE into the profile.

    Recipes can then name it. The file has the form of the shipped sets; with `revises` it holds only the
    differences from one of them.
    """
    with input_errors():
        from aiida_cse.building.electrolyte.typing import typing_patterns
        from aiida_cse.forcefields.library import read_set

        chosen = read_set(file, name)
        typing_patterns(chosen)
    profiles.load(profile)
    from aiida_cse.data.forcefield import import_forcefield

    with input_errors():
        node = import_forcefield(chosen)
    click.echo(f"{node.name}: node {node.pk}, UUID {node.uuid}, md5 {node.md5}")


@forcefield.command()
@click.argument("system")
@inputs.PROFILE
def table(system: str, profile: str | None) -> None:
    """Print the pair table of SYSTEM.

    Each row has its combination rule and its source. SYSTEM is the folder of a built system, a recipe (a YAML
    file, or the name of a shipped one), or the PK of a system node. A node, and a recipe that names a set of your
    profile, need the profile. Coefficients are epsilon (kcal/mol) and sigma (Å) of Lennard-Jones, or A (kcal/mol),
    rho (Å) and C (kcal/mol Å^6) of Buckingham.
    """
    with input_errors():
        rows = _pairs(system, profile)
    _echo_table(
        ("i", "j", "Atoms", "Style", "Coefficients", "Rule", "Source"),
        [
            (r.i, r.j, "–".join(r.labels), r.style, " ".join(f"{c:.8g}" for c in r.coefficients), r.rule, r.source)
            for r in rows
        ],
    )


def _pairs(system: str, profile: str | None) -> Sequence[PairRow]:
    from aiida_cse.forcefields.include import read_pairs

    if not system.isdecimal() and Path(system).is_dir():
        from aiida_cse.lammps.files.system import System

        return read_pairs(System.read(system).forcefield)
    if not system.isdecimal():
        from aiida_cse.building.type_table import chemistry_of

        return chemistry_of(find_recipe(system, profile)).pairs
    profiles.load(profile)
    from aiida_cse.data.system import CseSystemData

    node = load_typed(int(system), CseSystemData, "SYSTEM")
    return read_pairs(node.forcefield)


# -- the content of a set --------------------------------------------------------------------------------


def _contents(chosen: ForceFieldSet) -> Iterator[tuple[str, Sequence[str], Rows]]:
    """Yield title, headings and rows of each part of the set."""
    yield (
        "Atom types",
        ("Type", "Element", "Mass", "Charge", "In bonded terms"),
        [(t.name, t.element, t.mass, f"{t.charge:+g}", t.bonded_name) for t in chosen.atom_types],
    )
    yield (
        "Typing rules (a later one overrides an earlier one)",
        ("SMARTS", "Type"),
        [(rule.smarts, rule.type) for rule in chosen.typing],
    )
    yield (
        "Lennard-Jones",
        ("Type", "epsilon", "sigma", "Note"),
        [(lj.type, lj.epsilon, lj.sigma, lj.note) for lj in chosen.lj],
    )
    yield (
        "Buckingham",
        ("Pair", "A", "rho", "C", "Note"),
        [("–".join(term.pair), term.a, term.rho, term.c, term.note) for term in chosen.buckingham],
    )
    for group, variant in chosen.variants.items():
        rows = []
        for name, option in variant.options.items():
            terms = [f"{lj.type}: epsilon {lj.epsilon:g}, sigma {lj.sigma:g}" for lj in option.lj]
            terms += [f"{'–'.join(b.pair)}: A {b.a:.10g}, rho {b.rho:g}, C {b.c:.10g}" for b in option.buckingham]
            note = "; ".join(filter(None, [option.note, *option.citations]))
            rows.append((name + (" (default)" if name == variant.default else ""), "; ".join(terms), note))
        yield f"Variant {group}", ("Option", "Terms", "Note"), rows
    yield "Bonds", ("Atoms", "k", "r0"), [("–".join(t.atoms), t.k, t.r0) for t in chosen.bonds]
    yield "Angles", ("Atoms", "k", "theta0"), [("–".join(t.atoms), t.k, t.theta0) for t in chosen.angles]
    yield (
        "Dihedrals",
        ("Atoms", "V1", "V2", "V3", "V4"),
        [("–".join(t.atoms), *(f"{v:g}" for v in t.opls)) for t in chosen.dihedrals],
    )
    if chosen.one_four:
        weights = (chosen.one_four.lj, chosen.one_four.coul)
        yield "Weights three bonds apart", ("Lennard-Jones", "Coulomb"), [weights]


def _echo_table(headings: Sequence[str], rows: Rows) -> None:
    """Print the rows in columns as wide as their longest entry."""
    lines = [tuple(headings), *(tuple(map(str, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
