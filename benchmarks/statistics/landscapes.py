"""Ions that diffuse in an analytic landscape, as a Markov chain on a grid, with known barriers and rates.

The landscape has the published shape: a deep well in the ceramic, a barrier at its surface, the well of the first
layer, and a flat bulk. Jumps to the next bin follow the Metropolis rule, so that the stationary distribution is
exactly exp(−F/T), and rates follow from the transition matrix without sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYER", "TOP_SEARCH", "WELL_SEARCH", "Landscape", "Walk", "simulate"]

Floats = NDArray[np.float64]

#: Å, where F of the published study has its barrier and the minimum of the first layer
TOP, WELL, SITE = 23.0, 28.0, 19.0
#: Å, an ion is on one side of the barrier once it was below the first or above the second
CORES = (21.0, 26.0)
#: Å, ranges of the search for top and well, and the first layer
TOP_SEARCH, WELL_SEARCH, LAYER = (20.5, 25.5), (25.5, 32.0), (23.0, 32.0)


@dataclass(frozen=True)
class Landscape:
    """F(z) / k_B in K: ``barrier`` above the layer's well, ``depth`` of the ceramic's well below the layer's.

    ``bulk`` is F of the bulk above the layer's well. ``jumps`` attempts are made between two frames. A cosine of
    the amplitude ``roughness`` (K) and the ``period`` (Å), largest on the smooth top, is added everywhere. A local
    ``feature`` (K) is added on the top: a Gaussian with the standard deviation ``feature_width`` (Å), or, with
    ``sharp``, a box of this half width.
    """

    temperature: float
    barrier: float
    depth: float = 0.0
    bulk: float = 1500.0
    jumps: int = 40
    width: float = 0.2
    roughness: float = 0.0
    period: float = 1.2
    feature: float = 0.0
    feature_width: float = 0.25
    sharp: bool = False

    @cached_property
    def z(self) -> Floats:
        """Centres of the bins (bins,), Å."""
        return np.arange(SITE - 3, 38.0, self.width) + self.width / 2

    def free_energy(self, z: Floats) -> Floats:
        """Return F (K) at z (Å), zero in the well of the first layer."""
        towards_site = _cosine(z, TOP, SITE, self.barrier, -self.depth)
        towards_well = _cosine(z, TOP, WELL, self.barrier, 0.0)
        # as wide as makes the well symmetric about its minimum
        end = WELL + (WELL - TOP) * np.sqrt(self.bulk / self.barrier)
        towards_bulk = _cosine(z, end, WELL, self.bulk, 0.0)
        inside = -self.depth + 2000.0 * np.maximum(SITE - z, 0) ** 2
        energies = [inside, towards_site, towards_well, towards_bulk]
        smooth = np.select([z < SITE, z < TOP, z < WELL, z < end], energies, self.bulk)
        away = (z - TOP) / self.feature_width
        shape = np.where(np.abs(away) < 1, 1.0, 0.0) if self.sharp else np.exp(-(away**2) / 2)
        rough = self.roughness * np.cos(2 * np.pi * (z - TOP) / self.period)
        return np.asarray(smooth + rough + self.feature * shape)

    @cached_property
    def stationary(self) -> Floats:
        """Probability of each bin (bins,)."""
        weights = np.exp(-self.free_energy(self.z) / self.temperature)
        return weights / weights.sum()

    @cached_property
    def step(self) -> Floats:
        """Transition matrix (bins, bins) of one attempt."""
        matrix = np.zeros((len(self.z), len(self.z)))
        for i, j in [(i, i + 1) for i in range(len(self.z) - 1)]:
            matrix[i, j] = 0.5 * min(1.0, self.stationary[j] / self.stationary[i])
            matrix[j, i] = 0.5 * min(1.0, self.stationary[i] / self.stationary[j])
        np.fill_diagonal(matrix, 1 - matrix.sum(axis=1))
        return matrix

    @cached_property
    def frame(self) -> Floats:
        """Transition matrix from frame to frame."""
        return np.linalg.matrix_power(self.step, self.jumps)

    @cached_property
    def layer(self) -> NDArray[np.bool_]:
        """Mask (bins,) of the first layer."""
        return np.abs(self.z - WELL) <= WELL - TOP

    @cached_property
    def barriers(self) -> dict[str, float]:
        """Maximum, TST and resistance barrier at the resolution of the bins, K, with integrals in Å."""
        energies = self.free_energy(self.z)
        top, well, layer = (
            energies[(self.z > low) & (self.z < high)] for low, high in (TOP_SEARCH, WELL_SEARCH, LAYER)
        )
        integral = self.temperature * np.log(np.exp(-layer / self.temperature).sum() * self.width)
        resistance = self.temperature * np.log(np.exp(top / self.temperature).sum() * self.width)
        return {
            "maximum": float(top.max() - well.min()),
            "tst": float(top.max() + integral),
            "resistance": float(resistance + integral),
        }

    @cached_property
    def entry_rate(self) -> float:
        """Entries per frame and ion in the first layer, under the core rule, exactly.

        The probability that an ion at i came last from the outer core equals the probability q_i of reaching it
        first, because the chain is reversible; q is linear in the transition matrix (Metzner, Schütte and
        Vanden-Eijnden, Multiscale Model. Simul. 7, 1192 (2009)).
        """
        inner, outer = self.z < CORES[0], self.z >= CORES[1]
        between = ~(inner | outer)
        committor = outer.astype(np.float64)
        system = np.eye(between.sum()) - self.frame[np.ix_(between, between)]
        committor[between] = np.linalg.solve(system, self.frame[np.ix_(between, outer)].sum(axis=1))
        flux = self.stationary * committor @ self.frame[:, inner]
        return float(flux.sum() / self.stationary[self.layer].sum())


def _cosine(z: Floats, start: float, end: float, at_start: float, at_end: float) -> Floats:
    return at_end + (at_start - at_end) * (1 + np.cos(np.pi * (z - start) / (end - start))) / 2


@dataclass(frozen=True)
class Walk:
    """Counts (blocks, bins) of independent ions, their crossings, and their mean number on the polymer side."""

    counts: NDArray[np.int64]
    entries: int
    exits: int
    outside: float


def simulate(
    landscape: Landscape, ions: int, frames: int, blocks: int, seed: Any, *, outside_only: bool = False
) -> Walk:
    """Simulate the diffusion of independent ions that start at equilibrium, or with none in the ceramic."""
    rng = np.random.default_rng(seed)
    shares = landscape.stationary * (landscape.z >= (CORES[1] if outside_only else 0.0))
    start = rng.choice(len(landscape.z), size=ions, p=shares / shares.sum())
    cumulative = np.cumsum(landscape.frame, axis=1)
    cores = np.searchsorted(landscape.z, CORES)
    counts, crossings, outside = _walk(cumulative / cumulative[:, -1:], start, frames, blocks, cores, rng)
    return Walk(counts, int(crossings[0]), int(crossings[1]), outside / frames)


@numba.njit(cache=True)
def _walk(cumulative, start, frames, blocks, cores, rng):  # type: ignore[no-untyped-def]
    counts = np.zeros((blocks, cumulative.shape[0]), np.int64)
    crossings = np.zeros(2, np.int64)
    outside = 0
    for ion in range(len(start)):
        place = start[ion]
        side = 0 if place < cores[0] else 1
        for frame in range(frames):
            place = np.searchsorted(cumulative[place], rng.random(), side="right")
            counts[frame * blocks // frames, place] += 1
            if side == 1 and place < cores[0]:
                side = 0
                crossings[0] += 1
            elif side == 0 and place >= cores[1]:
                side = 1
                crossings[1] += 1
            outside += side
    return counts, crossings, outside
