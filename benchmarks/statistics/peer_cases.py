"""Ions in analytic landscapes of slow exchange, with the series that other programs judge.

The landscapes are those of ``aiida-cse validate`` (:mod:`aiida_cse.landscape.model`): the published shape of F(z)
around a slab, with two different sides. Here an ion is a Markov chain on 100 bins of z. It hops to the next bin at
a rate proportional to exp(−ΔF/2T), so that the stationary distribution is exactly exp(−F/T). The one free factor
of the rates sets the slowest relaxation time, and the mean number of ions in the slab is known exactly at any
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from aiida_cse.landscape.model import CATION, Curve, Landscape, ParabolicStep, Side, draw_landscape
from benchmarks.statistics.chains import Chain
from benchmarks.statistics.stop_cases import StopCase
from benchmarks.statistics.stopping import Run

__all__ = ["BLOCK", "CASES", "FRAMES", "PAIRS", "Observed", "PeerCase", "energies", "observe"]

Floats = NDArray[np.float64]

#: bins of z: as many as DynDen takes
BINS = 100
#: frames of a run, one per ns, and frames that DynDen averages
FRAMES, BLOCK = 500, 50
#: ions that exchange; at equilibrium 49 of them are in the slab
IONS = 60
#: the landscape of this seed, and its mean barrier over the temperature
SEED, REDUCED_BARRIER = 7, 7.0
#: the same of runs in which hardly an ion crosses, so that the ions still mix on either side of the barrier
HIGH_BARRIER = 11.0
#: Å, half thickness and half box: of the plain slab, and of the slab with deep sites
PLAIN, THICK = (6.0, 24.0), (12.0, 30.0)
#: Å, the barrier inside the thick slab, and its height over that at the surface
DEEP_FOOT, DEEP_TOP, DEEP_END, DEEP_RATIO = 5.0, 7.0, 9.0, 1.8
#: atoms of the published interface, and rows of thermodynamic output per ns
ATOMS, ROWS = 13_284, 1000


@dataclass(frozen=True)
class PeerCase:
    """Runs of :data:`FRAMES` frames with one initial state.

    Attributes
    ----------
    name
        The initial state and the length of the run.
    filled
        Initial number in the slab as a share of that at equilibrium; infinite if all ions start there.
    times
        Length of the run in units of the slowest relaxation time.
    deep
        Whether the slab has deep sites behind a barrier of their own.
    barrier
        Mean barrier at the surface, k_B T.
    """

    name: str
    filled: float
    times: float
    deep: bool = False
    barrier: float = REDUCED_BARRIER

    @cached_property
    def case(self) -> StopCase:
        """The ions, their rates and their initial distribution."""
        curve, landscape, temperature = _landscape(self.deep, self.barrier)
        chain = _chain(curve, landscape, temperature, FRAMES / self.times)
        within = float(chain.stationary[chain.inside].sum())
        z = _centres(landscape)
        ceramic = landscape.regions(CATION).regions[2]
        core_edge = landscape.regions(CATION).regions[3].core[0]
        cores = np.where(np.abs(z) < ceramic.core[1], 1, np.where(np.abs(z) >= core_edge, 0, -1))
        return StopCase(self.name, chain, IONS, min(self.filled, 1 / within), tuple(cores.tolist()))

    @cached_property
    def deviation(self) -> float:
        """Deviation of the mean number in the slab at the end of the run, in standard deviations."""
        return self.case.deviation(FRAMES)

    @property
    def equilibrated(self) -> bool:
        """Whether the run ends at equilibrium and has no hidden mode."""
        return not self.deep and self.deviation <= 1

    @cached_property
    def heights(self) -> Floats:
        """(BINS,) potential energy of an ion in each bin, in units of k_B T."""
        curve, landscape, temperature = _landscape(self.deep, self.barrier)
        heights: Floats = curve.evaluate(_centres(landscape))[0] / temperature
        return heights


@dataclass(frozen=True)
class Observed:
    """One run, as the methods see it. Energies are in units of k_B T.

    Attributes
    ----------
    run
        The ions and their crossings, for the verdict.
    population
        (F,) number in the slab, frame by frame.
    potential, kinetic
        (F,) energies of the whole system, averaged over the ns of each frame.
    rows
        (2, R) kinetic and total energy at the end of the run, row by row of the thermodynamic output.
    profiles
        (B, BINS) counts of the ions along z in successive blocks of :data:`BLOCK` frames.
    """

    run: Run
    population: Floats
    potential: Floats
    kinetic: Floats
    rows: Floats
    profiles: Floats


def observe(case: PeerCase, seed: np.random.SeedSequence) -> Observed:
    """Simulate one run and its series."""
    of_ions, of_noise = seed.spawn(2)
    run = Run(case.case, FRAMES, of_ions)
    states = run.states[1:]
    potential, kinetic, rows = energies(case.heights[states].sum(axis=1), np.random.default_rng(of_noise))
    blocks = states.reshape(-1, BLOCK * states.shape[1]).astype(np.int64)
    places = blocks + BINS * np.arange(len(blocks))[:, None]
    profiles = np.bincount(places.ravel(), minlength=BINS * len(blocks)).reshape(-1, BINS)
    population = run.population[1:].astype(np.float64)
    return Observed(run, population, potential, kinetic, rows, profiles.astype(np.float64))


def energies(of_ions: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Add the energy of the other atoms to that of the ions: Gaussian noise with a realistic heat capacity.

    The atoms of the published interface are taken as classical oscillators (Dulong and Petit), each of which has 3
    k_B T / 2 of potential and of kinetic energy on average. In the canonical ensemble either energy then has the
    variance k_B T² C = 3 N (k_B T)² / 2. Successive rows, 1 ps apart, are independent. Both choices favour methods
    that judge energies: real oscillations of polymer and box last longer, and the energy of a real system has a
    mean farther from zero, which loosens a relative threshold.

    Parameters
    ----------
    of_ions
        (F,) potential energy of the ions, k_B T.
    rng
        Source of the noise.

    Returns
    -------
    tuple
        (F,) potential and (F,) kinetic energy, averaged over the rows of each frame, and (2, 4 × ROWS) kinetic and
        total energy in the rows of the last four frames.
    """
    mean, deviation = 1.5 * ATOMS, np.sqrt(1.5 * ATOMS)
    averaged = mean + deviation / np.sqrt(ROWS) * rng.normal(size=(2, len(of_ions)))
    single = mean + deviation * rng.normal(size=(2, 4 * ROWS))
    total = single.sum(axis=0) + np.repeat(of_ions[-4:], ROWS)
    return averaged[0] + of_ions, averaged[1], np.stack([single[1], total])


@lru_cache
def _landscape(deep: bool, barrier: float) -> tuple[Curve, Landscape, float]:
    half_thickness, box = THICK if deep else PLAIN
    drawn = draw_landscape(SEED)
    temperature, higher = drawn.barrier / REDUCED_BARRIER, barrier / REDUCED_BARRIER
    changes = {
        "half_thickness": half_thickness,
        "box_half_length": box,
        "barrier_left": drawn.barrier_left * higher,
        "barrier_right": drawn.barrier_right * higher,
    }
    landscape = drawn.model_copy(update=changes)
    curve = landscape.cation
    if deep:
        low, high = -landscape.depth, DEEP_RATIO * landscape.barrier
        inner = tuple(ParabolicStep(foot, DEEP_TOP, low, high) for foot in (DEEP_FOOT, DEEP_END))
        curve = Curve(Side((*inner, *curve.left.rises)), Side((*inner, *curve.right.rises)))
    return curve, landscape, temperature


def _centres(landscape: Landscape) -> Floats:
    width = 2 * landscape.box_half_length / BINS
    return -landscape.box_half_length + width * (np.arange(BINS) + 0.5)


def _chain(curve: Curve, landscape: Landscape, temperature: float, time: float) -> Chain:
    """Return hops between neighbouring bins, through the periodic end of the box too, that relax in ``time``."""
    z = _centres(landscape)
    free_energy = curve.evaluate(z)[0] / temperature
    place = np.arange(BINS)
    rates = np.zeros((BINS, BINS))
    for after in (np.roll(place, 1), np.roll(place, -1)):
        rates[place, after] = np.exp((free_energy - free_energy[after]) / 2)
    # the slowest rate of the symmetric form, whose eigenvalues are those of the generator
    weight = np.exp(-free_energy / 2)
    generator = rates - np.diag(rates.sum(axis=1))
    slowest = np.sort(np.linalg.eigvalsh(-(weight[:, None] * generator / weight)))[1]
    inside = landscape.regions(CATION).label(z) == 2
    return Chain(rates / (slowest * time), inside)


_ALL = np.inf
#: the seed of a case is its place in this list: append
CASES: tuple[PeerCase, ...] = (
    PeerCase("too few: empty, 1 τ", 0.0, 1.0),
    PeerCase("too few: empty, 2 τ", 0.0, 2.0),
    PeerCase("too few: half full, 1 τ", 0.5, 1.0),
    PeerCase("too few: half full, 0.02 τ", 0.5, 0.02, barrier=HIGH_BARRIER),
    PeerCase("too many: all inside, 0.02 τ", _ALL, 0.02, barrier=HIGH_BARRIER),
    PeerCase("too many: all inside, 0.5 τ", _ALL, 0.5),
    PeerCase("too many: all inside, 1 τ", _ALL, 1.0),
    PeerCase("equilibrated: from equilibrium, 4 τ", 1.0, 4.0),
    PeerCase("equilibrated: from equilibrium, 12 τ", 1.0, 12.0),
    PeerCase("equilibrated: from equilibrium, 50 τ", 1.0, 50.0),
    PeerCase("equilibrated: empty, 12 τ", 0.0, 12.0),
    PeerCase("equilibrated: all inside, 12 τ", _ALL, 12.0),
    PeerCase("hidden: empty, deep 0.5 τ", 0.0, 0.5, deep=True),
    PeerCase("hidden: all inside, deep 0.5 τ", _ALL, 0.5, deep=True),
    PeerCase("hidden: empty, deep 0.1 τ", 0.0, 0.1, deep=True),
    PeerCase("hidden: all inside, deep 0.1 τ", _ALL, 0.1, deep=True),
)
#: two starts of one system, by the places of their cases
PAIRS: dict[str, tuple[int, int]] = {
    "two starts: 1 τ": (0, 6),
    "two starts: equilibrated, 12 τ": (10, 11),
    "two starts: hidden, deep 0.5 τ": (12, 13),
    "two starts: hidden, deep 0.1 τ": (14, 15),
}
