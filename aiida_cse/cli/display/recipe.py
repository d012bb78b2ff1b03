"""A recipe on a terminal: what it gives."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from aiida_cse.building.forecast import InterfaceForecast, forecast_interface, layers_fit
from aiida_cse.building.recipe import Recipe
from aiida_cse.cli.display.library import WIDTH, print_names
from aiida_cse.reduction.layers import SURFACE_OFFSETS
from aiida_cse.report.words import printable

__all__ = ["print_recipe"]

#: K; temperatures of the published study between which the thickness of the electrolyte is given
_COLD, _HOT = 400.0, 700.0


def print_recipe(name: str, recipe: Recipe, console: Console) -> None:
    """Print what a valid recipe gives."""
    built = forecast_interface(recipe)
    polymer, salt, sets = recipe.polymer, recipe.salt, recipe.forcefield
    charge = 0.0 if abs(built.charge) < 1e-6 else built.charge
    lx, ly = built.edges
    cells = "×".join(map(str, recipe.ceramic.repeat))
    rows = [
        ("recipe", f"{recipe.name}: {recipe.description}"),
        ("atoms", f"{built.atoms:,}: slab {built.slab:,}, electrolyte {built.electrolyte:,}; charge {charge:g} e"),
        (
            "slab",
            f"({''.join(map(str, recipe.ceramic.miller))}), {cells} cells, {lx:.2f} × {ly:.2f} Å² and "
            f"{built.thickness:.1f} Å thick, {built.initial_cations:,} {built.cation}",
        ),
        ("chains", f"{polymer.chains:,} {polymer.name} of {polymer.length:,} repeat units"),
        ("salt", f"{salt.pairs:,} {salt.name}; {salt.cation}:O({polymer.name}) 1:{built.ether_oxygens:.3g}"),
        ("electrolyte", "; ".join(_layer_words(built))),
        (
            "force field",
            ", ".join(f"{role} {getattr(sets, role)}" for role in ("ceramic", "polymer", "salt", "cross")),
        ),
        ("seeds", ", ".join(f"{of} {seed}" for of, seed in recipe.seeds.model_dump().items())),
    ]
    console.print(Text.assemble((printable(name), "bold"), ": no errors"), width=min(console.width, WIDTH))
    print_names(((f"  {heading}", words) for heading, words in rows), console)


def _layer_words(built: InterfaceForecast) -> Iterator[str]:
    """Yield the thickness of the electrolyte, and the room that the layers of the ions need in it."""
    cold, hot = built.layer(_COLD), built.layer(_HOT)
    if cold is None or hot is None:
        yield "thickness not known"
    else:
        yield f"some {cold:.0f} Å thick at {_COLD:g} K, {hot:.0f} Å at {_HOT:g} K"
    unknown = [ion for ion in (built.cation, built.anion) if ion not in SURFACE_OFFSETS]
    if unknown:
        yield f"the layers of {' and '.join(unknown)} are not known: give production.sampling.offsets as overrides"
        return
    try:
        fit = layers_fit(built, _COLD, {}, relaxed=True)
    except ValueError as error:
        yield str(error)
        return
    if fit is not None:
        verdict = {True: "they fit", False: "they do not fit", None: "they may not fit"}[fit.fits]
        yield f"the layers of {fit.ion} need {fit.needed:g} Å: {verdict}"
