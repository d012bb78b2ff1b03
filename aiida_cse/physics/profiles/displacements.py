"""The variance of displacements from their moments: mobility without the drift away from a wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.statistics import arguments

__all__ = ["DisplacementVariance", "displacement_variance"]

Floats = NDArray[np.float64]

#: rounding lets a variance fall below zero by this share of the mean square
_ROUNDING = 1e-9


@dataclass(frozen=True)
class DisplacementVariance:
    """Variance and mean of the displacements per axis.

    Attributes
    ----------
    variance
        (..., 3) Å²; NaN without a sample.
    mean
        (..., 3) Å, the drift; NaN without a sample.
    standard_error
        (..., 3) Å², of the variance, by leaving out one block at a time; NaN with fewer than 2 blocks that hold a
        sample.
    samples
        (...) number of displacements.
    """

    variance: Floats
    mean: Floats
    standard_error: Floats
    samples: Floats


def displacement_variance(
    counts: ArrayLike, sums: ArrayLike, squares: ArrayLike, *, blocks: bool = False
) -> DisplacementVariance:
    """Return Var(Δr) = ⟨Δr²⟩ − ⟨Δr⟩² per axis, eq 4 of Kozdra et al., PCCP 27, 24918 (2025).

    Displacements over one lag from many time origins overlap and are not independent. The standard error is
    therefore the jackknife's over blocks of time (Efron and Stein, Ann. Stat. 9, 586, 1981). It holds where a
    block is longer than the lag and than the memory of the motion.

    Parameters
    ----------
    counts
        (...) number of displacements, for instance per layer and lag.
    sums, squares
        (..., 3) sums of the displacements in Å and of their squares in Å², per axis.
    blocks
        Whether the first axis of all three is one of blocks of time; the results do not have it.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, a sum is not finite, the shapes do not belong together, or the
        moments contradict each other: no sample but a sum, or a square below that of the mean.
    """
    number, first, second = _moments(counts, sums, squares)
    if not blocks:
        number, first, second = number[None], first[None], second[None]
    elif number.ndim == 0:
        raise ValueError("counts has no axis: must have a first axis of blocks where blocks is true")
    with np.errstate(over="ignore", invalid="ignore"):
        samples, total, total_square = (
            arguments.representable(f"{name} of all blocks", moment.sum(axis=0))
            for name, moment in {"counts": number, "sums": first, "squares": second}.items()
        )
    return DisplacementVariance(
        variance=_variance(samples, total, total_square),
        mean=_mean(samples, total),
        standard_error=_block_jackknife(number, first, second),
        samples=samples,
    )


def _moments(counts: ArrayLike, sums: ArrayLike, squares: ArrayLike) -> tuple[Floats, Floats, Floats]:
    number = arguments.array("counts", counts, least=0, whole=True)
    first, second = arguments.array("sums", sums), arguments.array("squares", squares, least=0)
    for name, moment in {"sums": first, "squares": second}.items():
        if moment.shape != (*number.shape, 3):
            raise ValueError(f"{name} has the shape {moment.shape}: must be {(*number.shape, 3)}, counts × axes")
        if moment[number == 0].any():
            raise ValueError(f"{name} is not zero where counts is: there is a displacement without a sample")
    with np.errstate(over="ignore"):
        least = np.nan_to_num(_mean(number, first) * first)
    if (second < least * (1 - _ROUNDING)).any():
        where = tuple(int(i) for i in np.argwhere(second < least * (1 - _ROUNDING))[0])
        raise ValueError(
            f"squares{list(where)} = {second[where]:g}: must be at least {least[where]:g}, sums × sums / counts"
        )
    return number, first, second


def _mean(number: Floats, total: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Floats = total / number[..., None]
    return mean


def _variance(number: Floats, total: Floats, total_square: Floats) -> Floats:
    """Return the variance (..., 3), at least 0, NaN without a sample."""
    variance: Floats = np.maximum(_mean(number, total_square) - _mean(number, total) ** 2, 0)
    return variance


def _block_jackknife(number: Floats, total: Floats, total_square: Floats) -> Floats:
    """Return the standard error (..., 3) from moments per block (B, ...), of the blocks that hold a sample."""
    filled = number > 0
    left_out = _variance(
        number.sum(axis=0) - number, total.sum(axis=0) - total, total_square.sum(axis=0) - total_square
    )
    groups = filled.sum(axis=0)[..., None]
    known = np.where(filled[..., None] & (groups > 1), left_out, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.where(filled[..., None], known - known.sum(axis=0) / groups, 0)
        error: Floats = np.sqrt((groups - 1) / groups * (deviation**2).sum(axis=0))
    return np.where(groups > 1, error, np.nan)
