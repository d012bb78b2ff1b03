"""Posterior of a density profile in a window, smooth, rough or with one local feature, from the counts per bin.

ln of the mean count is a Gaussian process: a parabola and a slow part, to which is added either nothing, or a
stationary rough part of unknown amplitude and length, or one local feature of unknown place, width and amplitude.
The counts are Poisson (a log-Gaussian Cox process; Møller, Syversveen and Waagepetersen, Scand. J. Stat. 25, 451
(1998)). For each choice the posterior is approximated by Laplace's method (Rasmussen and Williams, Gaussian
Processes for Machine Learning, 2006, sections 2.7 and 3.4), and the draws are from the mixture weighted by the
evidence. A parabola alone underestimates the extremes of a rough profile, and single bins overestimate them. A
stationary rough part takes a single narrow feature for noise, because the rest of the window is smooth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["draw_log_density"]

Floats = NDArray[np.float64]

#: standard deviation of the coefficients of the parabola, in units of the half width of the window
_PARABOLA = 30.0
#: standard deviation and length, Å, of the slow part, which follows any smooth profile
_SLOW = (2.0, 2.0)
#: standard deviations and lengths, Å, of the rough part; a cosine with the period p has a length of about p/5
_AMPLITUDES, _LENGTHS = (0.15, 0.3, 0.6, 1.2), (0.12, 0.22, 0.4, 0.7)
#: standard deviations of the height of a local feature, and standard deviations, Å, of its Gaussian shapes
_HEIGHTS, _WIDTHS = (1.0, 3.0), (0.08, 0.15, 0.25, 0.4, 0.6)
#: probability beforehand that there is one
_LOCAL = 0.5
#: local features whose posterior is computed, the most probable ones in a linear estimate
_MOST_LOCAL = 60
#: places between which there may be a step: all bins of a usual window
_MOST_STEPS = 40
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
    half = (z[-1] - z[0]) / 2
    x = (z - z.mean()) / half
    powers = np.vander(x, 3)
    squares = (z[:, None] - z[None, :]) ** 2
    smooth = _PARABOLA**2 * powers @ powers.T + _SLOW[0] ** 2 * np.exp(-squares / 2 / _SLOW[1] ** 2)
    rough = [s**2 * np.exp(-squares / 2 / length**2) for s in _AMPLITUDES for length in _LENGTHS]
    stationary = np.stack([smooth, *(smooth + one for one in rough)])
    modes, evidences = _laplace(stationary, independent)
    # smooth and all rough ones are equally probable beforehand: a prior that prefers smooth profiles hides
    # roughness that is weak or of a long period
    priors = np.full(len(stationary), np.log((1 - _LOCAL) / len(stationary)))
    shapes, local_priors = _likely_features(z, stationary[0], modes[0], independent)
    local = stationary[0] + shapes[:, :, None] * shapes[:, None, :]
    local_modes, local_evidences = _laplace(local, independent)
    evidence = np.concatenate([evidences + priors, local_evidences + np.log(_LOCAL) + local_priors])
    weights = special.softmax(evidence)
    numbers = rng.multinomial(samples, weights)
    drawn = np.flatnonzero(numbers)
    kernels, modes = np.concatenate([stationary, local])[drawn], np.concatenate([modes, local_modes])[drawn]
    # roots of the covariances of ln of the mean count about the modes
    root = np.exp(modes / 2)
    weighted = root[:, :, None] * kernels
    matrix = np.eye(modes.shape[1]) + weighted * root[:, None, :]
    covariances = kernels - weighted.transpose(0, 2, 1) @ np.linalg.solve(matrix, weighted)
    values, vectors = np.linalg.eigh((covariances + covariances.transpose(0, 2, 1)) / 2)
    roots = np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])
    logs = [
        mode + rng.normal(size=(number, len(z))) @ root.T
        for mode, root, number in zip(modes, roots, numbers[drawn], strict=True)
    ]
    draws: Floats = rng.permutation(np.concatenate(logs)) + np.log(worth)
    return draws


def _likely_features(z: Floats, smooth: Floats, mode: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return local features (kept, bins) that the counts make likely, and ln of their probabilities beforehand.

    A feature is a Gaussian around a bin, or a step up and down again between two bins, which may lie at the ends
    of the window, times the standard deviation of its height. Gaussians and steps are equally probable. With ln of
    the likelihood expanded to second order around the mode of the smooth profile, a feature u raises ln of the
    evidence by (uᵀr)² / 2(1 + uᵀPu) − ln(1 + uᵀPu) / 2, with the residuals r = counts − mean, and P the inverse of
    the covariance of the smooth profile and the noise (Sherman and Morrison's inverse and determinant).
    """
    bins, heights = np.arange(len(z)), np.array(_HEIGHTS)
    gaussians = np.concatenate([np.exp(-((z - z[:, None]) ** 2) / 2 / width**2) for width in _WIDTHS])
    ends = np.unique(np.linspace(0, len(z), min(len(z), _MOST_STEPS) + 1).round())
    first, last = np.triu_indices(len(ends), 1)
    steps = ((bins >= ends[first][:, None]) & (bins < ends[last][:, None])).astype(np.float64)
    shapes = np.concatenate([gaussians, steps])
    priors = -np.log(2 * len(heights) * np.repeat([len(gaussians), len(steps)], [len(gaussians), len(steps)]))
    mean = np.exp(mode)
    root = np.sqrt(mean)
    precision = root[:, None] * np.linalg.solve(np.eye(len(z)) + root[:, None] * smooth * root, np.diag(root))
    residuals, spreads = shapes @ (counts - mean), np.einsum("sb,sb->s", shapes @ precision, shapes)
    widened = 1 + heights[:, None] ** 2 * spreads
    gains = (heights[:, None] * residuals) ** 2 / 2 / widened - np.log(widened) / 2 + priors
    height, shape = np.unravel_index(np.argsort(gains, axis=None)[-_MOST_LOCAL:], gains.shape)
    return heights[height][:, None] * shapes[shape], priors[shape]


def _laplace(kernels: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return the modes (choices, bins) for kernels (choices, bins, bins), and ln of the evidences (choices,)."""
    level = float(np.log(max(counts.mean(), 0.1)))
    identity = np.eye(len(counts))
    f = np.repeat((np.log(counts + 0.5) - level)[None], len(kernels), axis=0)
    a = np.zeros_like(f)
    moving = np.arange(len(kernels))
    for _ in range(_ITERATIONS):
        kernel, old = kernels[moving], f[moving]
        mean = np.exp(level + old)
        root = np.sqrt(mean)
        b = mean * old + counts - mean
        matrix = identity + root[:, :, None] * kernel * root[:, None, :]
        right = root[:, :, None] * (kernel @ b[:, :, None])
        a[moving] = b - root * np.linalg.solve(matrix, right)[:, :, 0]
        step = (kernel @ a[moving][:, :, None])[:, :, 0] - old
        largest = np.abs(step).max(axis=1)
        f[moving] = old + step * np.minimum(1.0, _LARGEST_STEP / np.maximum(largest, 1e-300))[:, None]
        moving = moving[largest >= _CONVERGED]
        if not len(moving):
            break
    mean = np.exp(level + f)
    root = np.sqrt(mean)
    determinants = np.linalg.slogdet(identity + root[:, :, None] * kernels * root[:, None, :])[1]
    likelihood = (counts * (level + f) - mean).sum(axis=1)
    return level + f, likelihood - (a * f).sum(axis=1) / 2 - determinants / 2
