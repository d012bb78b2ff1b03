"""Passage of an ion into the slab of a system, and the ions that are tagged for its ladders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.system import SlabGeometry, System, SystemInfo
from aiida_cse.lammps.protocol.crossing import CrossingPlan, Ladder, Passage, Side
from aiida_cse.physics.statistics import arguments
from aiida_cse.reduction.layers import surface_regions

__all__ = ["ions_in_layer", "passage_into", "passage_of", "tag_ions"]

Floats = NDArray[np.float64]

#: Å; reach of the top around the boundary of the slab, and of the windows beyond it
_TOP_REACH: Final = 2.5
#: primes by which the seeds of ladders differ
_SEED_FACTOR, _LADDER_FACTOR, _LARGEST_SEED = 7919, 104_729, 2**31 - 1


def passage_of(info: SystemInfo, plan: CrossingPlan, side: Side) -> Passage:
    """Return the passage of the cation on one side of the slab of a system, see :func:`passage_into`.

    Raises
    ------
    ValueError
        The system has no slab or no cation, its layers are not known, or places of the plan do not fit; the
        message names the field.
    """
    cation, slab, length = _of_slab(info)
    return passage_into(slab.thickness, length, cation, plan, side)


def passage_into(thickness: float, length: float, cation: str, plan: CrossingPlan, side: Side) -> Passage:
    """Return the passage of a cation on one side of a slab: first layer, range of the windows and of the top.

    Parameters
    ----------
    thickness, length
        Of the slab and of the box along z, Å.
    cation
        Its species.
    plan, side
        What is to be run, and where.

    Raises
    ------
    ValueError
        The layers of the cation are not known, or places of the plan do not fit; the message names the field.
    """
    if plan.well is None:
        inner, outer = surface_regions(thickness / 2, length / 2, cation).edges[3:5]
    else:
        inner, outer = plan.well
    reach = min(_TOP_REACH, (outer - inner) / 2)
    span = plan.span or (inner - reach, outer)
    if span[1] > length / 2:
        raise ValueError(f"span = {list(span)}: ends beyond the middle of the electrolyte, {length / 2:.2f} Å")
    if not span[0] < inner < span[1] or outer - plan.spacing_A > span[1]:
        raise ValueError(
            f"span = {list(span)}: must reach from within the slab to the end of the well, {inner:.2f} to "
            f"{outer:.2f} Å"
        )
    top = (max(inner - reach, span[0]), min(inner + reach, outer))
    if plan.surface is not None and not span[0] + plan.commit_A / 2 < plan.surface < outer:
        raise ValueError(
            f"surface = {plan.surface:g}: must lie between the first and the last window, "
            f"{span[0] + plan.commit_A / 2:.2f} to {outer:.2f} Å"
        )
    return Passage(side, (inner, outer), span, top)


def _of_slab(info: SystemInfo) -> tuple[str, SlabGeometry, float]:
    """Return the cation, the slab and the length of the box along z, Å."""
    if info.slab is None:
        raise ValueError(f"a system of phase '{info.phase}' without a slab has no interface to cross")
    low, high = info.box[2]
    return info.ion_species()[0], info.slab, high - low


def _cations(system: System) -> tuple[NDArray[np.int64], Floats]:
    """Return the indices of the cations of a system, and their z from the mid-plane, Å."""
    cation, slab, length = _of_slab(system.info)
    data = system.data
    own = np.isin(data.types, system.info.type_numbers(labels=slab.framework))
    centre = np.average(data.unwrapped[own, 2], weights=data.masses[data.types[own] - 1])
    ions = np.flatnonzero(np.isin(data.types, system.info.type_numbers(species=cation)))
    z = (data.unwrapped[ions, 2] - centre - slab.midplane_offset + length / 2) % length - length / 2
    return ions, z


def ions_in_layer(system: System, passage: Passage) -> int:
    """Return the number of cations of a system in the first layer of a passage."""
    depth = passage.sign * _cations(system)[1]
    return int(((depth >= passage.well[0]) & (depth <= passage.well[1])).sum())


def tag_ions(systems: Mapping[str, System], passage: Passage, number: int, seed: int) -> dict[str, list[Ladder]]:
    """Return by the name of its system the ladders that begin there, which take the systems in turn.

    Ions are drawn from those in the first layer. Where there are too few, the nearest ones in the electrolyte on
    this side follow, and then the same again, with other velocities.

    Parameters
    ----------
    systems
        Relaxed interfaces by name.
    passage
        The passage, from :func:`passage_of`.
    number
        Number of ladders.
    seed
        Seed of the choice of ions and of the velocities; the two sides get different velocities.

    Raises
    ------
    ValueError
        A system has no cation in the electrolyte on this side.
    """
    arguments.count("number", number, least=1)
    names, other = list(systems), int(passage.side == "right")
    found: dict[str, list[Ladder]] = {}
    for order, name in enumerate(names):
        system = systems[name]
        cation, slab, _ = _of_slab(system.info)
        ions, z = _cations(system)
        depth = passage.sign * z
        beyond = np.maximum(depth - passage.well[1], 0.0)
        drawn = np.random.default_rng([seed, order]).random(len(ions))
        outside = np.flatnonzero(depth > passage.well[0])
        if not len(outside):
            raise ValueError(
                f"{name}: has no {cation} in the electrolyte on its {passage.side} side, beyond "
                f"{passage.well[0]:.2f} Å; take another system or side"
            )
        chosen = outside[np.lexsort((drawn[outside], beyond[outside]))]
        info = system.info
        found[name] = []
        for turn, place in enumerate(range(order, number, len(names))):
            index = chosen[turn % len(chosen)]
            reference = info.type_numbers(labels=slab.framework)
            counted = {"low": -passage.well[0], "high": passage.well[0]}
            ladder = Ladder(
                coordinate={"atom": int(ions[index]) + 1, "reference": reference, "zero": slab.midplane_offset},
                inside={"types": info.type_numbers(species=cation), **counted},
                start=float(z[index]),
                seed=(seed * _SEED_FACTOR + (2 * place + other) * _LADDER_FACTOR) % _LARGEST_SEED + 1,
            )
            found[name].append(ladder)
    return found
