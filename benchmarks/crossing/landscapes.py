"""One ion on a landscape: umbrella windows, short trajectories from the top, and the exact rate.

The ion moves by Langevin's equation with friction γ in a free energy F(z), which may depend on a second, slow
coordinate y. The exact rate is that of the Klein–Kramers equation, solved without a trajectory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import constants

from aiida_cse.physics.crossing.kramers import escape_rate
from aiida_cse.physics.kinetics.transition_state import thermal_flux

__all__ = ["MASS_KG", "SPEED_SQUARED", "STEP", "Landscape", "Shots"]

Floats = NDArray[np.float64]

MASS_KG = 6.941 * constants.atomic_mass
#: k_B / m of lithium, Å² ps⁻² K⁻¹
SPEED_SQUARED = constants.k / MASS_KG * 1e20 * 1e-24
#: ps
STEP = 0.002
#: largest step of a short trajectory in units of 1 / γ; longer ones miss recrossings: with 0.5 κ is 6 % too high
_FRICTION_STEP = 0.1


@dataclass(frozen=True)
class Shots:
    """Short trajectories from the top.

    Attributes
    ----------
    velocities
        (N,) speeds towards the other side, Å/ps.
    reactive
        (N,) whether they are reactive.
    evaluations
        Force evaluations of all of them.
    """

    velocities: Floats
    reactive: NDArray[np.bool_]
    evaluations: int


@dataclass(frozen=True)
class Landscape:
    """Two wells and the top between them.

    F(z) = H exp(−(z / w)²) + t z + r cos(2π z / p + 1) + walls beyond ± 6 Å, in K. With a hidden coordinate y of
    normal distribution and relaxation time τ, H is H + s y.

    Attributes
    ----------
    height, width
        H, K, and w, Å.
    tilt
        t, K Å⁻¹: the two sides differ.
    roughness, period
        r, K, and p, Å.
    friction
        γ, ps⁻¹.
    temperature
        K.
    hidden, hidden_time
        s, K, and τ, ps.
    """

    height: float = 7000.0
    width: float = 2.5
    tilt: float = 0.0
    roughness: float = 0.0
    period: float = 1.2
    friction: float = 50.0
    temperature: float = 700.0
    hidden: float = 0.0
    hidden_time: float = 100.0

    @property
    def _numbers(self) -> tuple[float, ...]:
        return self.height, self.width, self.tilt, self.roughness, self.period

    def free_energy(self, z: Floats) -> Floats:
        """Return F, K; with a hidden coordinate the marginal one, −T ln of the average over it."""
        wall = np.maximum(np.abs(z) - 6.0, 0.0)
        shape = np.exp(-((z / self.width) ** 2))
        found: Floats = (
            self.height * shape
            + self.tilt * z
            + self.roughness * np.cos(2 * np.pi * z / self.period + 1)
            + 400.0 * wall**2
            - (self.hidden * shape) ** 2 / (2 * self.temperature)
        )
        return found

    @property
    def surface(self) -> float:
        """The dividing surface, Å: the top of F."""
        z = np.linspace(-2.0, 2.0, 4001)
        return float(z[np.argmax(self.free_energy(z))])

    def barrier(self, well: tuple[float, float]) -> float:
        """Return the difference of F between the top and the minimum of a well, k_B T."""
        least = float(self.free_energy(np.linspace(*well, 4001)).min())
        return (self._top - least) / self.temperature

    def number(self, well: tuple[float, float]) -> float:
        """Return ∫ exp(−F / k_B T) dz over a well, Å."""
        z = np.linspace(*well, 4001)
        return float(np.trapezoid(np.exp(-self.free_energy(z) / self.temperature), z))

    def relative(self, edges: Floats, well: tuple[float, float]) -> Floats:
        """Return F (B,) of bins relative to the number of ions in the bins of the well, K."""
        fine = np.linspace(edges[0], edges[-1], 200 * (len(edges) - 1) + 1)
        fine = (fine[:-1] + fine[1:]) / 2
        share = np.exp(-self.free_energy(fine) / self.temperature).reshape(len(edges) - 1, 200).mean(axis=1)
        middle = (edges[:-1] + edges[1:]) / 2
        inside = (middle >= well[0]) & (middle <= well[1])
        number = float((share * np.diff(edges))[inside].sum())
        found: Floats = -self.temperature * np.log(share / number)
        return found

    def exact_rate(self, well: tuple[float, float], spacing: float = 0.02, order: int = 40) -> float:
        """Return the rate (s⁻¹) out of the left well per ion in a range of it.

        A hidden coordinate is taken as fixed while an ion crosses: the rate is the average over its distribution
        in the well. Ions are counted at the places of a grid, each for ``spacing`` / 2 to both sides.
        """
        if self.hidden:
            nodes, shares = np.polynomial.hermite_e.hermegauss(9)
            frozen = [replace(self, height=self.height + self.hidden * node, hidden=0.0) for node in nodes]
            rates = [world.exact_rate(well, spacing, order) for world in frozen]
            return float(np.average(rates, weights=shares * [world.number(well) for world in frozen]))
        return escape_rate(
            self.free_energy,
            (-8.0, 8.0),
            self.surface,
            well,
            temperature=self.temperature,
            friction=self.friction,
            speed_squared=SPEED_SQUARED * self.temperature,
            spacing=spacing,
            order=order,
        )

    def transition_state_rate(self, well: tuple[float, float]) -> float:
        """Return the rate (s⁻¹) per ion in a well with κ = 1 through the dividing surface."""
        density = float(np.exp(-self._top / self.temperature)) / self.number(well)
        return float(thermal_flux(self.temperature, MASS_KG)) * density

    def window(self, rng: np.random.Generator, centre: float, spring: float, samples: int, every: int) -> Floats:
        """Return z (samples,) in a window that begins at its centre, one in ``every`` steps."""
        found = np.zeros(samples)
        hidden = rng.normal() if self.hidden else 0.0
        _window(rng, found, every, centre, spring, hidden, self._langevin, self._numbers)
        return found

    def shots(self, rng: np.random.Generator, number: int, commit: float = 2.0) -> Shots:
        """Return trajectories of one structure that begin on the dividing surface towards the right.

        All have the hidden coordinate of the structure at their start, which is drawn.

        Parameters
        ----------
        rng
            Source of all random numbers.
        number
            How many.
        commit
            Distance from the surface at which a side is reached, Å.
        """
        sigma = np.sqrt(SPEED_SQUARED * self.temperature)
        velocities = np.abs(rng.normal(0.0, sigma, number))
        reactive = np.zeros(number, dtype=np.bool_)
        step = min(STEP, _FRICTION_STEP / self.friction)
        hidden = self._hidden_on_top(rng)
        beginning = (hidden, self.surface, commit, step)
        evaluations = _shoot(rng, velocities, reactive, beginning, self._langevin, self._numbers)
        return Shots(velocities, reactive, int(evaluations))

    def _hidden_on_top(self, rng: np.random.Generator) -> float:
        """Return y as it is distributed on the top: lower barriers are more frequent."""
        if not self.hidden:
            return 0.0
        shape = np.exp(-((self.surface / self.width) ** 2))
        return float(rng.normal(-self.hidden * shape / self.temperature, 1.0))

    @property
    def _top(self) -> float:
        return float(self.free_energy(np.array([self.surface]))[0])

    @property
    def _langevin(self) -> tuple[float, float, float, float]:
        return self.temperature, self.friction, self.hidden, self.hidden_time


@numba.njit(cache=True)
def _force(z: float, y: float, hidden: float, numbers: tuple[float, float, float, float, float]) -> float:
    """Return −dF/dz, K Å⁻¹."""
    height, width, tilt, roughness, period = numbers
    force = (height + hidden * y) * np.exp(-((z / width) ** 2)) * 2 * z / width**2 - tilt
    force += roughness * np.sin(2 * np.pi * z / period + 1) * 2 * np.pi / period
    if abs(z) > 6.0:
        force -= 800.0 * (abs(z) - 6.0) * np.sign(z)
    return force


@numba.njit(cache=True)
def _window(rng, found, every, centre, spring, y, langevin, numbers):  # type: ignore[no-untyped-def]
    """Sample a window by BAOAB (Leimkuhler and Matthews, 2013)."""
    temperature, friction, hidden, hidden_time = langevin
    damping, keep = np.exp(-friction * STEP), np.exp(-STEP / hidden_time)
    noise = np.sqrt(SPEED_SQUARED * temperature * (1 - damping**2))
    z, v = centre, rng.normal() * np.sqrt(SPEED_SQUARED * temperature)
    force = SPEED_SQUARED * (_force(z, y, hidden, numbers) - spring * (z - centre))
    for sample in range(len(found)):
        for _ in range(every):
            v += force * STEP / 2
            z += v * STEP / 2
            v = damping * v + noise * rng.normal()
            z += v * STEP / 2
            if hidden != 0.0:
                pull = -hidden / temperature * np.exp(-((z / numbers[1]) ** 2))
                y = pull + (y - pull) * keep + np.sqrt(1 - keep**2) * rng.normal()
            force = SPEED_SQUARED * (_force(z, y, hidden, numbers) - spring * (z - centre))
            v += force * STEP / 2
        found[sample] = z


@numba.njit(cache=True)
def _shoot(rng, velocities, reactive, beginning, langevin, numbers):  # type: ignore[no-untyped-def]
    """Follow each start backward until it meets the surface or the well, then forward until it commits."""
    temperature, friction, hidden, hidden_time = langevin
    slow, surface, commit, step = beginning
    damping, keep = np.exp(-friction * step), np.exp(-step / hidden_time)
    noise = np.sqrt(SPEED_SQUARED * temperature * (1 - damping**2))
    evaluations = 0
    for start in range(len(velocities)):
        for direction in (-1, 1):
            z, v, y = surface, direction * velocities[start], slow
            force = SPEED_SQUARED * _force(z, y, hidden, numbers)
            while True:
                v += force * step / 2
                z += v * step / 2
                v = damping * v + noise * rng.normal()
                z += v * step / 2
                if hidden != 0.0:
                    pull = -hidden / temperature * np.exp(-((z / numbers[1]) ** 2))
                    y = pull + (y - pull) * keep + np.sqrt(1 - keep**2) * rng.normal()
                force = SPEED_SQUARED * _force(z, y, hidden, numbers)
                v += force * step / 2
                evaluations += 1
                if direction == -1 and z >= surface:
                    break
                if abs(z - surface) >= commit:
                    break
            if direction == -1 and z >= surface:
                break
            if direction == 1:
                reactive[start] = z > surface
    return evaluations
