"""Snapshot of the simulated box, seen along the surface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import offset_copy
from numpy.typing import NDArray
from rdkit import Chem, rdBase

from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, System
from aiida_cse.report.figures.registry import NotDrawableError, figure
from aiida_cse.report.figures.style import SPECIES, new_figure, proxy
from aiida_cse.report.findings import Findings

__all__ = ["Scene", "scene_of", "snapshot"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: names of phases with a slab, the one closest to the end of the work first
_PHASES = ("system", "relaxed", "interface")
#: share of white in the colour of the farthest atoms
_FOG = 0.6
#: each sphere is drawn as discs: radius as a share, shift to the light as a share of the radius, and lightness
_DISCS = ((1.0, 0.0, -0.45), (0.9, 0.04, 0.0), (0.5, 0.22, 0.35))
#: largest height of the picture as a share of its width
_TALLEST = 0.6
#: Å, lengths of a scale bar
_BARS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_WORDS = {
    "cation": "{}⁺",
    "framework": "{}, framework",
    "oxide": "{}, slab",
    "anion": "{}⁻",
    "polymer": "{}",
}


@dataclass(frozen=True)
class Scene:
    """Atoms as they are drawn, the farthest one first.

    Attributes
    ----------
    name
        What is shown, in words.
    across, up
        (N,) positions along the normal and along x, Å; across = 0 at the mid-plane of the slab.
    depth
        (N,) 0 for the farthest and 1 for the nearest atom.
    radii
        (N,) covalent radii, Å.
    roles
        (N,) role of each atom.
    words
        By role the names of its species.
    box
        Lengths of the box along the normal and along x, Å.
    thickness
        Distance of the surface planes, Å; None without a slab.
    """

    name: str
    across: Floats
    up: Floats
    depth: Floats
    radii: Floats
    roles: NDArray[np.str_]
    words: Mapping[str, str]
    box: tuple[float, float]
    thickness: float | None


def _find_system(findings: Findings) -> tuple[str, System]:
    """Return the system at the end of the first run that kept one, else that of the latest phase, and its name.

    Raises
    ------
    NotDrawableError
        There is neither.
    """
    for label, run in findings.runs.items():
        if run.system is not None:
            return f"end of the run {label} at {run.temperature:g} K", run.system
    phases = findings.phases
    for name in _PHASES:
        for phase, system in phases.items():
            if phase.split()[0] == name and system.data.natoms:
                return f"the phase {phase!r}", system
    for phase, system in phases.items():
        return f"the phase {phase!r}", system
    raise NotDrawableError("no run kept its system, and no phase of the work has one: there are no positions")


def scene_of(findings: Findings) -> Scene:
    """Return the atoms of the system that a snapshot shows."""
    name, system = _find_system(findings)
    info, data = system.info, system.data
    types = info.types
    roles_of_types = [_role(system, number) for number in range(len(types))]
    roles = np.array([role or "" for role in roles_of_types])[data.types - 1]
    shown = roles != ""
    positions = _whole(system)
    with rdBase.BlockLogs():
        radii_of_types = np.array([_radius(one.element) for one in types])
    order = np.argsort(-positions[:, 1], kind="stable")
    order = order[shown[order]]
    words: dict[str, list[str]] = {}
    for atom_type, role in zip(types, roles_of_types, strict=True):
        if role and info.composition.get(atom_type.label):
            words.setdefault(role, []).append(atom_type.species if role != "oxide" else atom_type.element)
    depth = -positions[order, 1]
    spread = float(np.ptp(depth)) or 1.0
    return Scene(
        name=name,
        across=positions[order, 2],
        up=positions[order, 0],
        depth=(depth - depth.min()) / spread,
        radii=radii_of_types[data.types - 1][order],
        roles=roles[order],
        words={role: " + ".join(dict.fromkeys(names)) for role, names in words.items()},
        box=(float(data.lengths[2]), float(data.lengths[0])),
        thickness=None if info.slab is None else info.slab.thickness,
    )


def _role(system: System, number: int) -> str | None:
    """Return the role of the atoms of a type, by its index: None for dummy atoms.

    Ions move in both phases; those that are in the electrolyte alone are anions if they are charged as a whole.
    """
    info = system.info
    one = info.types[number]
    if one.phase == "wall":
        return None
    if one.phase == "both":
        return "cation"
    if one.phase == "ceramic":
        framework = info.slab is not None and one.label in info.slab.framework
        return "framework" if framework else "cation" if one.charge > 0 and info.slab is not None else "oxide"
    charge = sum(
        other.charge * info.composition.get(other.label, 0) for other in info.types if other.species == one.species
    )
    return "anion" if charge < -0.05 else "cation" if charge > 0.05 else "polymer"


def _radius(element: str) -> float:
    """Return the covalent radius of an element, Å; that of carbon for a symbol of none."""
    table = Chem.GetPeriodicTable()
    try:
        return float(table.GetRcovalent(element))
    except RuntimeError:
        return float(table.GetRcovalent("C"))


def _whole(system: System) -> Floats:
    """Return positions (N, 3) in Å: molecules are whole, their centres within the box, the slab in the middle.

    The atoms of the slab are wrapped one by one. z is relative to the mid-plane of the slab, or to the middle of
    the box without one.
    """
    data, slab = system.data, system.info.slab
    positions, lengths = data.unwrapped - data.box[:, 0], data.lengths
    middle = lengths[2] / 2
    if (
        slab is not None
        and (framework := np.isin(data.types, system.info.type_numbers(labels=slab.framework))).any()
    ):
        # the mean on a circle, because the slab may lie across the boundary
        angles = 2 * np.pi * positions[framework, 2] / lengths[2]
        weights = data.masses[data.types[framework] - 1]
        turned = np.angle(np.sum(weights * np.exp(1j * angles)))
        near = np.mod(angles - turned + np.pi, 2 * np.pi) - np.pi
        centre = turned + float(np.average(near, weights=weights))
        middle = centre * lengths[2] / (2 * np.pi) + slab.midplane_offset
    positions[:, 2] += lengths[2] / 2 - middle
    molecules = np.where(data.molecules == CERAMIC_MOLECULE, -np.arange(1, data.natoms + 1), data.molecules)
    _, index = np.unique(molecules, return_inverse=True)
    numbers = np.bincount(index)
    centres = np.stack([np.bincount(index, positions[:, axis]) / numbers for axis in range(3)], axis=1)
    found: Floats = positions - (np.floor(centres / lengths) * lengths)[index]
    found[:, 2] -= lengths[2] / 2
    return found


# -- drawing -------------------------------------------------------------------------------------------------


def _snapshot_caption(findings: Findings) -> str:
    scene = scene_of(findings)
    numbers = "; ".join(
        f"{_WORDS[role].format(names)}: {int((scene.roles == role).sum()):,} atoms"
        for role, names in scene.words.items()
    )
    planes = "" if scene.thickness is None else " Dashed: surface planes of the slab."
    return (
        f"Snapshot: {scene.name}. Orthographic view along y; the normal of the interface (z) is horizontal, x "
        f"vertical; nearer atoms are darker. Spheres have covalent radii; molecules are whole and may reach "
        f"beyond the box (frame, {scene.box[0]:.1f} Å × {scene.box[1]:.1f} Å).{planes} {numbers}."
    )


@figure("snapshot", title="Snapshot of the box", caption=_snapshot_caption, paper="Fig. 1", suffix="png")
def snapshot(findings: Findings, width: float) -> Figure:
    """Draw the atoms as spheres from the farthest to the nearest, with box, surface planes and scale bar."""
    scene = scene_of(findings)
    low, high = _extent(scene.across, scene.box[0], centre=0.0)
    bottom, top = _extent(scene.up, scene.box[1], centre=scene.box[1] / 2)
    share = min((top - bottom) / (high - low), _TALLEST)
    drawn, (axes,) = new_figure(width, max(width * share, 12.0) + 14)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    _draw_atoms(axes, scene)
    frame: Any = {"fill": False, "edgecolor": "#404040", "linewidth": 0.5, "zorder": 5}
    axes.add_patch(Rectangle((-scene.box[0] / 2, 0.0), *scene.box, **frame))
    if scene.thickness is not None:
        for plane in (-scene.thickness / 2, scene.thickness / 2):
            axes.plot([plane, plane], [0, scene.box[1]], color="#000000", linewidth=0.7, dashes=(4, 3), zorder=6)
    _draw_scale(axes, high - low)
    handles = [
        proxy(
            _WORDS[role].format(names),
            linestyle="none",
            marker="o",
            markersize=5,
            markeredgewidth=0.4,
            markeredgecolor="#202020",
            color=SPECIES[role],
        )
        for role, names in scene.words.items()
    ]
    columns = 5 if width >= 120 else 3
    drawn.legend(handles=handles, loc="outside lower center", ncols=columns, handletextpad=0.2, columnspacing=1.2)
    return drawn


def _extent(positions: Floats, length: float, *, centre: float) -> tuple[float, float]:
    """Return the range that shows the box and what reaches beyond it, up to half the box on each side; Å."""
    low, high = centre - length / 2, centre + length / 2
    return (
        max(min(float(positions.min()) - 2.0, low - 1.0), low - length / 2),
        min(max(float(positions.max()) + 2.0, high + 1.0), high + length / 2),
    )


def _draw_atoms(axes: Axes, scene: Scene) -> None:
    """Draw each atom as rim, body and highlight; farther atoms are paler, and nearer ones cover them."""
    base = np.array([to_rgb(SPECIES[role]) for role in scene.roles.tolist()])
    fog = (_FOG * (1 - scene.depth))[:, None]
    number, discs = len(base), len(_DISCS)
    offsets, sizes, colours = np.empty((number, discs, 2)), np.empty((number, discs)), np.empty((number, discs, 3))
    for place, (share, shift, light) in enumerate(_DISCS):
        toned = base * (1 + light) if light < 0 else base + (1 - base) * light
        colours[:, place] = toned + (1 - toned) * fog
        sizes[:, place] = 2 * share * scene.radii
        offsets[:, place] = np.stack([scene.across, scene.up], axis=1) + (scene.radii * shift)[:, None] * (-1, 1)
    flat = sizes.ravel()
    axes.add_collection(
        EllipseCollection(
            flat,
            flat,
            np.zeros(len(flat)),
            units="xy",
            offsets=offsets.reshape(-1, 2),
            offset_transform=axes.transData,
            facecolors=colours.reshape(-1, 3),
            linewidths=0,
            rasterized=True,
            label="atoms",
        )
    )


def _draw_scale(axes: Axes, shown: float) -> None:
    """Draw a scale bar of about a tenth of the picture, and the names of the sides, below the box."""
    length = max((bar for bar in _BARS if bar <= shown / 6), default=_BARS[0])
    low, high = axes.get_xlim()
    middle = (low + high) / 2
    below, lower = (
        offset_copy(axes.get_xaxis_transform(), axes.get_figure(root=True), y=y, units="points") for y in (-4, -7)
    )
    bar: Any = {"color": "#000000", "linewidth": 2, "solid_capstyle": "butt", "label": "scale"}
    axes.plot([middle - length / 2, middle + length / 2], [0, 0], transform=below, clip_on=False, **bar)
    words = f"{length} Å" if length < 10 else f"{length / 10:g} nm"
    texts = {low: ("LEFT", "left"), middle: (words, "center"), high: ("RIGHT", "right")}
    for place, (text, align) in texts.items():
        axes.text(place, 0, text, ha=align, va="top", fontsize=7, transform=lower, clip_on=False)
