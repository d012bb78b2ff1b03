"""How far one curve must be moved to lie on another, with an error from blocks of time.

Errors of a charge integral at neighbouring z are nearly the same error, so that the fit itself cannot tell how
well its shift is known. Groups of blocks of time can: each is left out in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import interpolate

from aiida_cse.physics.profiles.shifts import shift_between
from aiida_cse.physics.statistics import arguments as checks
from aiida_cse.physics.statistics.resampling import jackknife_error

__all__ = ["SampledShift", "sampled_shift"]

Floats = NDArray[np.float64]
Window = tuple[float, float]

#: bins of an unbroken stretch through which a cubic spline runs
_FEWEST_IN_STRETCH = 4


@dataclass(frozen=True)
class SampledShift:
    """Where the cold curve must go: hot(z) ≈ cold(z − dz) + df.

    Attributes
    ----------
    dz, df
        Å along z, and upward in the unit of the curves.
    from_hot, from_cold
        (G, 2) by how much dz and df change when one group of blocks of the hot or of the cold run is left out.
    rms, rms_unmoved
        Root mean square of what is left between the curves, moved by dz and df, and as they were.
    noise
        What ``rms`` would be from the errors alone; NaN with too few groups.
    bins
        Number of bins that were compared.
    """

    dz: float
    df: float
    from_hot: Floats
    from_cold: Floats
    rms: float
    rms_unmoved: float
    noise: float
    bins: int

    @property
    def scale(self) -> float:
        """By how much errors must be larger because the curves differ by more than a shift and noise, at least 1.

        The ratio of Birge (Phys. Rev. 40, 207, 1932).
        """
        return max(1.0, self.rms / self.noise) if self.noise > 0 else 1.0


def sampled_shift(
    z: ArrayLike,
    hot: ArrayLike,
    cold: ArrayLike,
    *,
    window: Window,
    max_shift: float = 2.0,
    error_hot: ArrayLike | None = None,
    error_cold: ArrayLike | None = None,
) -> SampledShift:
    """Return the shift that lays the cold curve on the hot one, and how it changes without a group of blocks.

    The shift is that of :func:`~aiida_cse.physics.profiles.shifts.shift_between`. What a group changes is small
    against the curves, so that it follows from the linear least squares around that shift (the infinitesimal way
    of the jackknife; Efron and Stein, Ann. Stat. 9, 586, 1981); errors are made of it by
    :func:`~aiida_cse.physics.statistics.resampling.jackknife_error`.

    Parameters
    ----------
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    hot, cold
        (1 + G, bins) curves of all groups and of all but one each, see
        :func:`~aiida_cse.physics.statistics.resampling.leave_one_out`; NaN where they are not known. The numbers
        of groups may differ.
    window
        Lowest and highest z of the hot curve that counts, Å.
    max_shift
        How far to look, Å in either direction.
    error_hot, error_cold
        (bins,) standard errors of independent bins, which weight the fit; without them all bins weigh the same.

    Raises
    ------
    ValueError
        As :func:`~aiida_cse.physics.profiles.shifts.shift_between`, or an array has another number of axes or
        bins.
    """
    places = checks.centres("z", z)
    target, movable = _samples("hot", hot, len(places)), _samples("cold", cold, len(places))
    known = _everywhere(target), _everywhere(movable)
    errors = [
        None if error is None else checks.array("error", error, finite=False) for error in (error_hot, error_cold)
    ]
    # one constant error for both: a weight that changes with the shift belongs to bins that are independent
    alike = None if error_hot is not None or error_cold is not None else np.ones(len(places))
    found = shift_between(
        places,
        np.where(known[0], target[0], np.nan),
        np.where(known[1], movable[0], np.nan),
        window=window,
        max_shift=max_shift,
        error_hot=errors[0] if alike is None else alike,
        error_cold=errors[1],
    )
    moved, slope = _moved(places, movable, known[1], found.dz)
    compared = known[0] & ~np.isnan(moved[0]) & (places >= window[0]) & (places <= window[1])
    design = np.column_stack([-slope[compared], np.ones(int(compared.sum()))])
    project = _projector(design, _weights(errors, compared))
    left = target[0, compared] - moved[0, compared]
    changes = (target[1:, compared] - target[0, compared], moved[0, compared] - moved[1:, compared])
    from_hot, from_cold = (change @ project for change in changes)
    remainders = (changes[0] - from_hot @ design.T, changes[1] - from_cold @ design.T)
    unmoved = (target[0] - movable[0])[compared & known[1]]
    return SampledShift(
        dz=found.dz,
        df=found.df,
        from_hot=from_hot,
        from_cold=from_cold,
        rms=_rms(left - found.df),
        rms_unmoved=_rms(unmoved),
        noise=_rms(np.hypot(*(jackknife_error(remainder) for remainder in remainders))),
        bins=int(compared.sum()),
    )


def _samples(name: str, values: ArrayLike, bins: int) -> Floats:
    array = checks.array(name, values, finite=False)
    if array.ndim != 2 or not len(array) or array.shape[1] != bins:
        raise ValueError(f"{name} has the shape {array.shape}, it must be samples × {bins} bins")
    return array


def _everywhere(samples: Floats) -> NDArray[np.bool_]:
    """Return in which bins (bins,) every sample is known."""
    return np.asarray(~np.isnan(samples).any(axis=0), dtype=np.bool_)


def _moved(z: Floats, samples: Floats, known: NDArray[np.bool_], dz: float) -> tuple[Floats, Floats]:
    """Return the samples (S, bins) at z − dz and the slope (bins,) of the first there; NaN where not known."""
    values, slope = np.full(samples.shape, np.nan), np.full(len(z), np.nan)
    bins = np.flatnonzero(known)
    for stretch in np.split(bins, np.flatnonzero(np.diff(bins) > 1) + 1):
        if len(stretch) < _FEWEST_IN_STRETCH:
            continue
        spline = interpolate.make_interp_spline(z[stretch], samples[:, stretch].T, k=3)
        inside = (z - dz >= z[stretch[0]]) & (z - dz <= z[stretch[-1]])
        values[:, inside] = spline(z[inside] - dz).T
        slope[inside] = spline(z[inside] - dz, nu=1)[:, 0]
    return values, slope


def _weights(errors: list[Floats | None], compared: NDArray[np.bool_]) -> Floats:
    there = [error[compared] ** 2 for error in errors if error is not None]
    return 1 / np.sum(there, axis=0) if there else np.ones(int(compared.sum()))


def _projector(design: Floats, weights: Floats) -> Floats:
    """Return the matrix (bins, 2) that makes changes of dz and df of a change of the difference (bins,)."""
    weighted = design * weights[:, None]
    solved: Floats = np.linalg.solve(design.T @ weighted, weighted.T).T
    return solved


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")
