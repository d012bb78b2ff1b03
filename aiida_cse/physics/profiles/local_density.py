"""Posterior of a density profile in a window, smooth or rough, from the counts per bin.

ln of the mean count is a Gaussian process: a parabola, a slow part, and a rough part of unknown amplitude and
length. The counts are Poisson (a log-Gaussian Cox process; Møller, Syversveen and Waagepetersen, Scand. J. Stat.
25, 451 (1998)). For each amplitude and length the posterior is approximated by Laplace's method (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, sections 2.7 and 3.4), and the draws are from the mixture
weighted by the evidence. A parabola alone underestimates the extremes of a rough profile, and single bins
overestimate them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

__all__ = ["draw_log_density"]

Floats = NDArray[np.float64]

#: standard deviation of the coefficients of the parabola, in units of the half width of the window
_PARABOLA = 30.0
#: standard deviation and length, Å, of the slow part, which follows any smooth profile
_SLOW = (2.0, 2.0)
#: standard deviations and lengths, Å, of the rough part; a cosine with the period p has a length of about p/5
_AMPLITUDES, _LENGTHS = (0.15, 0.3, 0.6, 1.2), (0.12, 0.22, 0.4, 0.7)
_ITERATIONS, _CONVERGED, _LARGEST_STEP = 50, 1e-5, 2.0


def draw_log_density(z: Floats, counts: Floats, worth: float, samples: int, rng: np.random.Generator) -> Floats:
    """Return draws (samples, bins) of ln of the mean count per bin.

    Parameters
    ----------
    z, counts
        (bins,) equally spaced centres, Å, and counts.
    worth
        Counts that carry the information of one.
    samples
        Number of draws.
    rng
        Source of the random numbers.
    """
    independent = counts / worth
    kernels = _kernels(z)
    fits = [_laplace(kernel, independent) for kernel in kernels]
    # all are equally probable beforehand: a prior that prefers smooth profiles hides weak and long-waved roughness
    evidence = special.softmax([fit[2] for fit in fits])
    numbers = rng.multinomial(samples, evidence)
    logs = [
        mode + rng.normal(size=(number, len(z))) @ root.T
        for (mode, root, _), number in zip(fits, numbers, strict=True)
        if number
    ]
    draws: Floats = rng.permutation(np.concatenate(logs)) + np.log(worth)
    return draws


def _kernels(z: Floats) -> list[Floats]:
    """Return the covariances of ln of the mean count, that of a smooth profile first."""
    half = (z[-1] - z[0]) / 2
    x = (z - z.mean()) / half
    powers = np.vander(x, 3)
    squares = (z[:, None] - z[None, :]) ** 2
    smooth = _PARABOLA**2 * powers @ powers.T + _SLOW[0] ** 2 * np.exp(-squares / 2 / _SLOW[1] ** 2)
    rough = [s**2 * np.exp(-squares / 2 / length**2) for s in _AMPLITUDES for length in _LENGTHS]
    return [smooth, *(smooth + one for one in rough)]


def _laplace(kernel: Floats, counts: Floats) -> tuple[Floats, Floats, float]:
    """Return the mode (bins,), a root of the covariance (bins, bins) and ln of the evidence."""
    level = float(np.log(max(counts.mean(), 0.1)))
    identity = np.eye(len(counts))
    f = np.log(counts + 0.5) - level
    for _ in range(_ITERATIONS):
        mean = np.exp(level + f)
        root = np.sqrt(mean)
        b = mean * f + counts - mean
        a = b - root * np.linalg.solve(identity + root[:, None] * kernel * root, root * (kernel @ b))
        step = kernel @ a - f
        largest = np.abs(step).max()
        f = f + step * min(1.0, _LARGEST_STEP / max(largest, 1e-300))
        if largest < _CONVERGED:
            break
    mean = np.exp(level + f)
    root = np.sqrt(mean)
    lower = np.linalg.cholesky(identity + root[:, None] * kernel * root)
    half = linalg.solve_triangular(lower, root[:, None] * kernel, lower=True)
    values, vectors = np.linalg.eigh(kernel - half.T @ half)
    evidence = counts @ (level + f) - mean.sum() - a @ f / 2 - np.log(np.diag(lower)).sum()
    return level + f, vectors * np.sqrt(np.maximum(values, 0.0)), float(evidence)
