"""``aiida-cse build``: slab and electrolyte from a recipe, without AiiDA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiida_cse.cli import inputs
from aiida_cse.cli.inputs import input_errors

if TYPE_CHECKING:
    from aiida_cse.lammps.files.system import System

__all__ = ["build", "echo_system"]


@click.group()
def build() -> None:
    """Build a slab or an electrolyte: LAMMPS data file, force-field include file and a summary in JSON."""


@build.command()
@inputs.RECIPE
@inputs.NEW_FOLDER
def slab(recipe: str, out: Path) -> None:
    """Build the ceramic as a periodic crystal with the cut plane at z = 0 and random mobile ions."""
    with input_errors():
        from aiida_cse.building.ceramic.slab import build_slab
        from aiida_cse.building.recipe import load_recipe

        _write(build_slab(load_recipe(recipe)), out)


@build.command()
@inputs.RECIPE
@click.option("--lx", type=float, required=True, help="Length of the cross-section along x, in Å.")
@click.option("--ly", type=float, required=True, help="Length of the cross-section along y, in Å.")
@inputs.NEW_FOLDER
def electrolyte(recipe: str, lx: float, ly: float, out: Path) -> None:
    """Build polymer chains and salt at low density on the cross-section of a ceramic, above a wall."""
    with input_errors():
        from aiida_cse.building.electrolyte.build import build_electrolyte
        from aiida_cse.building.recipe import load_recipe

        _write(build_electrolyte(load_recipe(recipe), lx, ly), out)


def _write(system: System, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    system.write(out)
    echo_system(system)
    click.echo(f"written to {out}")


def echo_system(system: System) -> None:
    """Print phase, composition, box and charge of a system in one line."""
    info = system.info
    composition = ", ".join(f"{label} {count}" for label, count in info.composition.items() if count)
    lengths = " × ".join(f"{high - low:.2f}" for low, high in info.box)
    click.echo(f"{info.phase}: {info.natoms} atoms ({composition}), box {lengths} Å, charge {info.charge:g} e")
