"""The stage with the held ceramic: three tests of its temperature and pressure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, System
from benchmarks.physics.density import GRAMS, Electrolyte, box_density, electrolyte_recipe, neat, volumes
from benchmarks.physics.lab import Lab, protocol_stages
from benchmarks.physics.lattice import crystal, crystal_stages
from benchmarks.physics.rows import Estimate, Row, time_average
from benchmarks.physics.runs import Run

__all__ = ["Mixture", "against_neat", "held_slab"]

#: K; the chains relax within the run, and the paper relaxes and produces here as well
TEMPERATURE = 600.0
#: relative; of the mobile temperature, and of the density in the middle, besides the errors of both
_WARM, _DENSE = 0.01, 0.03
#: Å; an atom that is held may move by a rounding error
_UNMOVED = 1e-6
#: share of the layer, in its middle, that no surface reaches
_MIDDLE = 0.4
#: pairs of ions in a second neat electrolyte, with less salt: anions gather at the ceramic, the middle has fewer;
#: and the ps of its last step, whose density is slower to average
_LESS_SALT, _LESS_SALT_PS = (12, 3), 600.0


@dataclass(frozen=True)
class Mixture:
    """A neat electrolyte: its atoms, the ps averaged, the mass fraction of the salt, and its density in g/cm³."""

    atoms: int
    length_ps: float
    salt: float
    density: Estimate

    @property
    def specific_volume(self) -> tuple[float, float]:
        """Volume per mass with its error, cm³/g."""
        return 1 / self.density.value, self.density.error / self.density.value**2


def held_slab(lab: Lab, seed: int) -> Iterator[Row]:
    """Return the rows of a held slab under an electrolyte with a barostat along z, at 600 K and 1 atm."""
    run = _held(lab, seed)
    system = run.system
    times, temperature, shift = run.series("held", "temp", "c_held_shift").T
    settling = times[-1] / 4
    used = times >= settling
    thickness = float(np.ptp(system.data.unwrapped[_ceramic(system), 2]))

    def row(quantity: str, estimate: Estimate, target: tuple[float, float] | None, unit: str) -> Row:
        length = round(times[-1] - settling)
        return Row(f"held slab 600 K, {quantity}", system.info.natoms, length, seed, estimate, target, unit)

    yield row("mobile temperature / target", _ratio(temperature[used]), (1 - _WARM, 1 + _WARM), "")
    yield row("largest shift of a held atom", Estimate(float(np.nanmax(shift))), (0, _UNMOVED), "Å")
    of_all, of_salt = _middle(run, settling, thickness)
    middle, salt = time_average(of_all), time_average(of_salt / of_all)
    boxes = (
        Electrolyte(TEMPERATURE, seed),
        Electrolyte(TEMPERATURE, seed, pairs=lab.sized(*_LESS_SALT), last_ps=_LESS_SALT_PS),
    )
    mixtures = [_mixture(neat(lab, box)) for box in boxes]
    yield row("density in the middle of the layer", middle, None, "g/cm³")
    yield row("salt in the middle of the layer", salt, None, "of mass")
    yield row("salt in all of it", Estimate(_salt_of_all(system)), None, "of mass")
    estimate = against_neat(of_all, of_salt / of_all, *mixtures)
    allowed = _DENSE + min(estimate.error, _DENSE)  # an error that allows everything shows nothing
    yield row("density in the middle / neat with its salt", estimate, (1 - allowed, 1 + allowed), "")
    for mixture in mixtures:
        name = f"held slab 600 K, density of neat electrolyte, salt {mixture.salt:.3f}"
        yield Row(name, mixture.atoms, mixture.length_ps, seed, mixture.density, None, "g/cm³")
    yield row("thickness of the layer", Estimate(_layer(run, settling, thickness)), None, "Å")


def _held(lab: Lab, seed: int) -> Run:
    """Return the run with the held slab, after those of its parts."""
    cells, layer = lab.sized(((2, 2, 1), (17, 20, 34)), ((1, 1, 1), (4, 20, 8)))
    recipe = _recipe(cells, layer, seed)
    ceramic = _slab(lab, cells, seed)
    lx, ly = ceramic.data.lengths[:2].tolist()
    stages = protocol_stages("electrolyte", lab.pick("fast", "demo"), TEMPERATURE)
    stages[-1]["duration_ps"] = lab.pick(50.0, 2.0)
    chains = layer[0]
    liquid = lab.run(
        f"layer-{TEMPERATURE:g}K-{chains}x{layer[1]}", stages, seed, lambda: build_electrolyte(recipe, lx, ly)
    )

    def interface() -> System:
        return assemble(ceramic, liquid.system.evolved(liquid.final))

    stages = _stages(lab)
    least = stages[-1]["duration_ps"] / 2
    return lab.run(f"held-{TEMPERATURE:g}K-{chains}x{layer[1]}", stages, seed, interface, least_ps=least)


def _slab(lab: Lab, cells: tuple[int, int, int], seed: int) -> System:
    name = "x".join(map(str, cells))
    run = lab.run(
        f"slab-{TEMPERATURE:g}K-{name}",
        crystal_stages(TEMPERATURE, lab.pick(20.0, 2.0)),
        seed,
        lambda: crystal(cells, seed),
    )
    return cut_slab(run.system, run.final)


def _recipe(cells: tuple[int, int, int], layer: tuple[int, int, int], seed: int) -> Recipe:
    content = electrolyte_recipe(*layer, seed).model_dump()
    content["ceramic"]["repeat"] = cells
    return Recipe.model_validate(content)


def _stages(lab: Lab) -> list[dict[str, Any]]:
    """Return the stages of an interface up to the first in which the electrolyte follows the pressure."""
    held = {"mobile": "electrolyte", "temperature": TEMPERATURE}
    return [
        {"name": "minimize", "kind": "minimize", "max_iterations": 500, "mobile": "electrolyte"},
        held
        | {
            "name": "settle",
            "kind": "nvt",
            "duration_ps": lab.pick(5.0, 1.0),
            "timestep_fs": 1,
            "velocities": TEMPERATURE,
        },
        held
        | {
            "name": "held",
            "kind": "npt",
            "duration_ps": lab.pick(200.0, 6.0),
            "pressure": 1,
            "barostat": "z",
            "thermo_ps": 0.1,
            "trajectory_ps": lab.pick(0.5, 0.1),
        },
    ]


def _ratio(temperature: NDArray[np.float64]) -> Estimate:
    return time_average(temperature / TEMPERATURE)


def _ceramic(system: System) -> NDArray[np.bool_]:
    return np.asarray(system.data.molecules == CERAMIC_MOLECULE)


def _layer(run: Run, settling: float, thickness: float) -> float:
    """Return the mean distance between the outermost atoms of the slab through the electrolyte, Å."""
    return float(run.track().after(settling).boxes[:, 2].mean()) - thickness


def _middle(run: Run, settling: float, thickness: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return densities (F,), total and of the salt, in the middle of the layer around the box ends, g/cm³."""
    data, track = run.system.data, run.track().after(settling)
    masses = np.where(_ceramic(run.system), 0.0, data.masses[data.types - 1])
    of_salt = np.where(_salt(run.system), masses, 0.0)
    area = float(np.prod(data.lengths[:2]))
    found = []
    for frame, box in zip(track.positions, track.boxes, strict=True):
        half = _MIDDLE / 2 * (box[2] - thickness)
        # the slab's mid-plane is at 0, the layer's at half the box
        z = np.mod(frame[:, 2].astype(np.float64), box[2])
        inside = np.abs(z - box[2] / 2) <= half
        found.append([part[inside].sum() * GRAMS / (2 * half * area) for part in (masses, of_salt)])
    of_all, salt = np.array(found).T
    return of_all, salt


def _salt(system: System) -> NDArray[np.bool_]:
    """Return a mask (N,) of the atoms of the salt: those of the electrolyte that are not polymer."""
    polymer = load_recipe("llzo-peo-litfsi").polymer.name
    of_polymer = np.array([entry.species == polymer for entry in system.info.types])
    return np.asarray(~of_polymer[system.data.types - 1] & ~_ceramic(system))


def _salt_of_all(system: System) -> float:
    masses = system.data.masses[system.data.types - 1]
    return float(masses[_salt(system)].sum() / masses[~_ceramic(system)].sum())


def _mixture(run: Run) -> Mixture:
    times, volume = volumes(run)
    density = time_average(box_density(run.system.data, volume))
    return Mixture(run.system.info.natoms, round(times[-1] - times[0]), _salt_of_all(run.system), density)


def against_neat(
    density: NDArray[np.float64], salt: NDArray[np.float64], first: Mixture, second: Mixture
) -> Estimate:
    """Return the mean density ratio (F,) to a neat electrolyte of the same salt content (F,), interpolated.

    Volumes of mixtures are additive. The comparison is made frame by frame, because the density follows the slow
    fluctuations of the salt content.
    """
    share = (salt - first.salt) / (second.salt - first.salt)
    specific, errors = (
        np.array(pair) for pair in zip(*(mixture.specific_volume for mixture in (first, second)), strict=True)
    )
    ratio = time_average(density * ((1 - share) * specific[0] + share * specific[1]))
    if ratio.interval is None:
        return ratio
    of_neat = np.array([(density * (1 - share)).mean(), (density * share).mean()]) * errors
    error = float(np.linalg.norm([ratio.error, *of_neat]))
    return Estimate(ratio.value, (ratio.value - error, ratio.value + error))
