"""Rate of an ion that diffuses over the top of F, a check of the reactive flux where κ is small.

Where friction is high, the flux out of a well over a top is D over the integral of exp(F / T) from the well to
beyond the top (Kramers, Physica 7, 284, 1940), with F relative to the number of ions in the well. D is the
variance of z in a harmonic window over its correlation time (Hummer, New J. Phys. 7, 34, 2005).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.crossing.umbrella import UmbrellaProfile
from aiida_cse.physics.statistics.timeseries import statistical_inefficiency

__all__ = ["diffusion_coefficient", "diffusive_rate"]

Floats = NDArray[np.float64]


def diffusion_coefficient(series: Sequence[Floats], every_ps: float) -> float:
    """Return D, Å²/ps, from z of windows at one place, Å, each at intervals of ``every_ps``.

    The correlation time is the integral of the correlation function by the trapezoidal rule, at least half an
    interval: where it is shorter, D is too small.

    Raises
    ------
    ValueError
        There is no window.
    """
    if not series:
        raise ValueError("there is no window")
    times = [statistical_inefficiency(z) / 2 * every_ps for z in series]
    return float(np.mean([z.var() for z in series]) / np.mean(times))


def diffusive_rate(profile: UmbrellaProfile, coefficient: float, surface: float, outer: float) -> float | None:
    """Return the rate of diffusion over the top per ion in the well, s⁻¹; None if F is not known there.

    Parameters
    ----------
    profile
        F relative to the number of ions in the well.
    coefficient
        D on the top, Å²/ps.
    surface
        The dividing surface, Å.
    outer
        The end of the well on the far side from the surface, Å. The integral begins there and goes over the
        surface as far as F is known.
    """
    z, energies = profile.centres, profile.free_energy
    used = np.isfinite(energies) & ((z >= outer) if outer < surface else (z <= outer))
    integral = float((np.exp(energies[used] / profile.temperature) * np.diff(profile.edges)[used]).sum())
    return coefficient * 1e12 / integral if integral > 0 else None
