"""Local fits of counts by Poisson likelihood, many at once.

A window of a profile is fitted by ln μ(x) = β₀ + β₁ x (+ β₂ x²), μ the mean count per bin. The likelihood is
that of independent Poisson counts (McCullagh and Nelder, Generalized Linear Models, 1989), so that empty bins
count as what they are and need no logarithm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_log_polynomial"]

Floats = NDArray[np.float64]

_ITERATIONS = 60
_CONVERGED = 1e-9
#: the largest change of ln μ in one step of Newton's method
_LARGEST_STEP = 2.0
#: keeps the matrix of Newton's method regular where all counts lie in one or two bins
_RIDGE = 1e-9


def fit_log_polynomial(x: Floats, counts: Floats, degree: int) -> Floats:
    """Return the coefficients β (S, degree + 1) that are most likely for counts (S, bins) at x (bins,).

    A row without a count has none: its coefficients are NaN.
    """
    powers = np.vander(x, degree + 1, increasing=True)
    table = np.asarray(counts, dtype=np.float64)
    found = np.full((len(table), degree + 1), np.nan)
    visited = table.sum(axis=1) > 0
    if visited.any():
        found[visited] = _newton(powers, table[visited])
    return found


def _newton(powers: Floats, counts: Floats) -> Floats:
    beta = np.zeros((len(counts), powers.shape[1]))
    beta[:, 0] = np.log(counts.mean(axis=1))
    ridge = _RIDGE * np.eye(powers.shape[1])
    for _ in range(_ITERATIONS):
        mean = np.exp(beta @ powers.T)
        gradient = (counts - mean) @ powers
        curvature = np.einsum("sb,bi,bj->sij", mean, powers, powers)
        scale = np.trace(curvature, axis1=1, axis2=2)[:, None, None]
        step = np.linalg.solve(curvature + scale * ridge, gradient[:, :, None])[:, :, 0]
        change = np.abs(step @ powers.T).max(axis=1)
        beta += step * np.minimum(1.0, _LARGEST_STEP / np.maximum(change, _CONVERGED))[:, None]
        if change.max() < _CONVERGED:
            break
    return beta
