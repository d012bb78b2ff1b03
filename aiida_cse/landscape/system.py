"""System of a landscape: ions that do not interact, and held framework atoms that define the slab."""

from __future__ import annotations

import numpy as np
from scipy import constants

from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import WALL_MOLECULE, AtomType, SlabGeometry, System
from aiida_cse.landscape.model import ANION, ANION_MASSES, CATION, Curve, Ions, Landscape

__all__ = ["landscape_system", "landscape_types", "midplane_offset"]

#: Å; a wide cross-section keeps neighbour lists short
EDGE = 80.0
#: framework atoms in each of two layers, and the distance of the layers from the mid-plane, Å
FRAMEWORK, FRAMEWORK_AT = 4, 3.0
#: Å; grid spacing of the tables, and their extension beyond the box, which ions may leave between wrappings
SPACING, BEYOND = 0.1, 10.0
#: kcal/mol per K
_KCAL = constants.R / constants.calorie / 1000
_CHARGE = 0.7
#: periods of the box by which the place of the slab is raised: a remainder of LAMMPS has the sign of its dividend
_PERIODS = 10_000


#: g/mol of the elements of the framework; that of the first alone where it consists of one
_FRAMEWORK_MASSES = (138.905, 91.224)
#: charges of the framework's elements per cation, and those by which the sites of an anion differ from a third of
# it
_FRAMEWORK_CHARGES = (-0.04, -0.03)
_SITE_CHARGES = (-0.4, 0.9, -0.5)


def landscape_system(landscape: Landscape, ions: Ions, seed: int, *, beyond: float = 0.0) -> System:
    """Return the system that LAMMPS runs, with ions at random positions, off equilibrium.

    A fraction of the cations is distributed uniformly over the slab, to ``beyond`` Å outside its planes, and the
    rest over the electrolyte; anions are distributed uniformly over their bulk. There are no pair interactions.
    Tables of F act on the ions through ``fix wall/table``, with the wall outside the box. The framework carries
    the molecule ID of a wall, so that its atoms are held, or moved at a constant velocity with the tables.
    """
    rng = np.random.default_rng(seed)

    def outside(low: float, number: int) -> np.ndarray:
        """Draw ``number`` values of z with |z| between ``low`` and ``end`` and a random sign."""
        return np.asarray(rng.choice([-1.0, 1.0], number) * rng.uniform(low, end, number))

    half, end = landscape.half_thickness, landscape.box_half_length
    within = round(ions.cations * ions.inside)
    heights = np.concatenate(
        [
            np.repeat([-FRAMEWORK_AT, FRAMEWORK_AT], FRAMEWORK),
            rng.uniform(-half - beyond, half + beyond, within),
            outside(half + 7.0, ions.cations - within),
            outside(half + 9.0, ions.anions),
        ]
    )
    places = np.column_stack([rng.uniform(0, EDGE, (len(heights), 2)), heights + landscape.origin])
    table = landscape_types(landscape, ions)
    elements, sites = (2, 3) if landscape.molecular else (1, 1)
    framework = np.repeat(np.arange(1, elements + 1), 2 * FRAMEWORK // elements)
    cations = np.full(ions.cations, elements + 1)
    anions = np.tile(np.arange(elements + 2, elements + 2 + sites), ions.anions)
    types = np.concatenate([framework, cations, anions])
    firsts = len(framework) + len(cations)
    # the sites of an anion start on top of each other: its springs have no length
    places = np.concatenate([places[:firsts], np.repeat(places[firsts:], sites, axis=0)])
    molecules = np.concatenate(
        [
            np.full(len(framework), WALL_MOLECULE),
            np.arange(ions.cations) + 2,
            np.repeat(np.arange(ions.anions) + 2 + ions.cations, sites),
        ]
    )
    data = DataFile(
        box=np.array([[0.0, EDGE], [0.0, EDGE], [-end, end]]),
        masses=np.array([entry.mass for entry in table]),
        molecules=molecules,
        types=types,
        charges=np.array([entry.charge for entry in table])[types - 1],
        positions=np.zeros((len(types), 3)),
        images=np.zeros((len(types), 3), dtype=np.int64),
    )
    data.set_unwrapped(places)
    if landscape.molecular:
        starts = firsts + 3 * np.arange(ions.anions) + 1
        pairs = np.concatenate([np.column_stack([starts, starts + other]) for other in (1, 2)])
        data.topology["bonds"] = np.column_stack([np.ones(len(pairs), dtype=np.int64), pairs])
        data.topology_types["bonds"] = 1
    return System.create(
        data,
        "\n".join(_forcefield(landscape, elements)) + "\n",
        phase="interface",
        types=table,
        slab=SlabGeometry(
            thickness=2 * half,
            framework=tuple(entry.label for entry in table[:elements]),
            midplane_offset=midplane_offset(landscape),
            lithium=within,
        ),
        seeds={"landscape": seed},
    )


def midplane_offset(landscape: Landscape) -> float:
    """Return the position of the mid-plane relative to the framework's centre of mass, Å."""
    if not landscape.molecular:
        return 0.0
    lower, upper = _FRAMEWORK_MASSES
    return FRAMEWORK_AT * (lower - upper) / (lower + upper)


def landscape_types(landscape: Landscape, ions: Ions) -> tuple[AtomType, ...]:
    """Return the atom types; the system as a whole is neutral."""
    lithium = AtomType(
        label=CATION, element="Li", mass=landscape.mass, charge=_CHARGE, phase="both", species=CATION
    )
    if not landscape.molecular:
        anion = -_CHARGE * ions.cations / ions.anions
        mass = _FRAMEWORK_MASSES[0]
        return (
            AtomType(label="La", element="La", mass=mass, charge=0.0, phase="ceramic", species="La"),
            lithium,
            AtomType(label="N", element="N", mass=14.007, charge=anion, phase="electrolyte", species=ANION),
        )
    framework = tuple(
        AtomType(label=name, element=name, mass=mass, charge=share * ions.cations, phase="ceramic", species=name)
        for name, mass, share in zip(("La", "Zr"), _FRAMEWORK_MASSES, _FRAMEWORK_CHARGES, strict=True)
    )
    anion = -(_CHARGE + FRAMEWORK * sum(_FRAMEWORK_CHARGES)) * ions.cations / ions.anions
    sites = tuple(
        AtomType(label=name, element=name, mass=mass, charge=anion / 3 + more, phase="electrolyte", species=ANION)
        for name, mass, more in zip(("N", "S", "O"), ANION_MASSES, _SITE_CHARGES, strict=True)
    )
    return (*framework, lithium, *sites)


# -- force field ---------------------------------------------------------------------------------------------


def _forcefield(landscape: Landscape, elements: int) -> list[str]:
    end = landscape.box_half_length
    cation, anion = elements + 1, elements + 2
    commands = ["pair_style zero ${cutoff} nocoeff", "pair_coeff * *"]
    if landscape.molecular:
        commands += ["bond_style harmonic", f"bond_coeff 1 {landscape.spring * _KCAL:.10g} 0.0"]
    if landscape.drift or landscape.origin:
        commands += _drift(landscape, elements)
    moves = bool(landscape.drift or landscape.origin)
    for name, number, curve in ((CATION, cation, landscape.cation), (ANION, anion, landscape.anion)):
        commands += _table(name, number, curve, end, moves=moves)
    return commands


def _drift(landscape: Landscape, elements: int) -> list[str]:
    """Return the commands that move slab and tables at a constant velocity.

    The friction of the thermostat acts against velocities in the box. A force of mass × friction × drift
    compensates it, so that the motion relative to the slab is that around a slab at rest. Variables are parsed in
    every step, so that the place of the wall is one short formula.
    """
    length, velocity = 2 * landscape.box_half_length, landscape.drift * 1e-6
    wind = velocity / landscape.damping_fs / landscape.thermal_speed_squared(1.0) / landscape.mass * _KCAL
    start = -landscape.box_half_length - BEYOND - SPACING - length
    return [
        f"variable landscape_wall equal {start:.12g}+({landscape.origin + _PERIODS * length:.12g}"
        f"+{velocity:.12g}*step*dt)%{length:.12g}",
        f"group landscape_slab type 1:{elements}",
        f"fix landscape_slab landscape_slab move linear 0 0 {velocity:.12g} units box",
        f"group landscape_ions type > {elements}",
        f"fix landscape_wind landscape_ions gravity {wind:.12g} vector 0 0 1",
    ]


def _table(name: str, atom_type: int, curve: Curve, end: float, *, moves: bool) -> list[str]:
    """Return the commands that write a table of F and apply it to one atom type.

    A table that moves with the slab is longer by a period, so that it covers the box wherever the slab is.
    """
    last = end + BEYOND + (2 * end if moves else 0.0)
    z = np.arange(-end - BEYOND, last + SPACING / 2, SPACING)
    # periodic: beyond the box follows the bulk of the other side
    inside = (z + end) % (2 * end) - end
    energies, slopes = curve.evaluate(inside)
    distances = z - z[0] + SPACING
    rows = [
        f"{number} {distance:.10g} {energy:.12g} {force:.12g}"
        for number, (distance, energy, force) in enumerate(
            zip(distances, energies * _KCAL, -slopes * _KCAL, strict=True), 1
        )
    ]
    key = f"landscape_{name}"
    wall = "v_landscape_wall" if moves else f"{z[0] - SPACING:.10g}"
    return [
        # the table format needs a line before the rows; LAMMPS drops empty lines here but keeps any word
        f'print """# F of {name} along z\n{key}\nN {len(rows)}\n-',
        *rows,
        f'""" file {key}.table screen no',
        f"group {key} type {atom_type}",
        f"fix {key} {key} wall/table spline {10 * len(rows)} zlo {wall} {key}.table {key} "
        f"{distances[-1]:.10g} units box pbc yes",
        f"fix_modify {key} energy yes",
    ]
