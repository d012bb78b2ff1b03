"""Shift Δz between two curves along z, with its error from the fit or from blocks of time.

:func:`shift_between` takes its errors from independent bins, as those of a free energy. Errors of a charge
integral at neighbouring z are nearly the same error, so that a fit cannot tell how well its shift is known. The
error of :func:`sampled_shift` therefore comes from groups of blocks of time, of which each is left out in turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import interpolate, optimize

from aiida_cse.physics.statistics import arguments as checks
from aiida_cse.physics.statistics.resampling import jackknife_error

__all__ = ["SampledShift", "Shift", "sampled_shift", "shift_between"]

Floats = NDArray[np.float64]
Window = tuple[float, float]

#: fewest bins that both curves must share
_FEWEST_BINS = 6
#: steps of the search per bin
_STEPS_PER_BIN = 4
#: steps of the search at most, for a reach of very many bins
_MOST_STEPS = 4000
#: bins beyond the window that shape a spline within it; the weight of a bin falls by 3.7 per bin
_MARGIN = 25
#: bins of an unbroken stretch through which a cubic spline runs
_FEWEST_IN_STRETCH = 4
#: relative scatter of the slopes below which a curve is taken for straight
_STRAIGHT = 1e-6


@dataclass(frozen=True)
class Shift:
    """Shift of the cold curve onto the hot one: hot(z) ≈ cold(z − dz) + df.

    Attributes
    ----------
    dz, dz_error
        Å along z, and its standard error.
    df, df_error
        K upward, and its standard error.
    rms
        Root mean square difference that remains, K.
    bins
        Number of bins that were compared.
    """

    dz: float
    df: float
    rms: float
    dz_error: float
    df_error: float
    bins: int


@dataclass(frozen=True)
class SampledShift:
    """Shift of the cold curve onto the hot one, hot(z) ≈ cold(z − dz) + df, with its changes between groups.

    Attributes
    ----------
    dz, df
        Å along z, and upward in the unit of the curves.
    from_hot, from_cold
        (G, 2) change of dz and df when one group of blocks of the hot or of the cold run is left out.
    rms, rms_unmoved
        Root mean square difference of the curves, moved by dz and df, and unmoved.
    noise
        Value of ``rms`` expected from the errors alone; NaN with too few groups.
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
        """Birge ratio (Phys. Rev. 40, 207, 1932), at least 1: factor of the errors if more than noise remains."""
        return max(1.0, self.rms / self.noise) if self.noise > 0 else 1.0


@dataclass(frozen=True)
class _Known:
    """The known bins of a curve: positions, values and variances, (n,) each."""

    z: Floats
    values: Floats
    variances: Floats

    def __getitem__(self, chosen: NDArray[np.bool_] | slice) -> _Known:
        return _Known(self.z[chosen], self.values[chosen], self.variances[chosen])

    def between(self, low: float, high: float) -> _Known:
        """Return the bins from ``low`` to ``high``, Å."""
        return self[(self.z >= low) & (self.z <= high)]


@dataclass(frozen=True)
class _Difference:
    """Hot curve minus moved cold curve with its weights, and slopes of the cold one with their variances; (n,)."""

    values: Floats
    weights: Floats
    slopes: Floats
    slope_variances: Floats

    @property
    def offset(self) -> float:
        """Best-fit df."""
        return float(self.weights @ self.values / self.weights.sum())

    @property
    def misfit(self) -> float:
        """Weighted square of the remaining difference per bin."""
        return float(self.weights @ (self.values - self.offset) ** 2) / len(self.values)


class _Curve:
    """Cubic splines through the contiguous stretches of a curve, undefined between them.

    A spline is linear in its data. Each stretch has one spline for a unit value in each of its bins, which also
    gives the variance between the bins. Noise is averaged most half-way between two bins; with a constant
    variance the best shift would be biased towards that position.
    """

    def __init__(self, known: _Known, width: float) -> None:
        #: error of the slopes due to rounding of the values, K/Å
        self.rounding = 1e-12 * float(np.abs(known.values).max(initial=0)) / width
        ends = np.flatnonzero(np.diff(known.z) > 1.5 * width) + 1
        bounds = [0, *ends.tolist(), len(known.z)]
        self._stretches = [known[i:j] for i, j in pairwise(bounds) if j - i > 1]
        self._splines = [
            interpolate.make_interp_spline(part.z, np.eye(len(part.z)), k=min(3, len(part.z) - 1))
            for part in self._stretches
        ]

    def at(self, z: Floats) -> Floats:
        """Return value, its variance, slope, and its variance at ``z``, (4, n); NaN where the curve is unknown."""
        found = np.full((4, len(z)), np.nan)
        for part, spline in zip(self._stretches, self._splines, strict=True):
            inside = (z >= part.z[0]) & (z <= part.z[-1])
            for order in (0, 1):
                shares = spline(z[inside], nu=order)
                found[2 * order, inside] = shares @ part.values
                found[2 * order + 1, inside] = shares**2 @ part.variances
        return found


def shift_between(
    z: ArrayLike,
    F_hot: ArrayLike,  # noqa: N803 - the name of the quantity, as everyone writes it
    F_cold: ArrayLike,  # noqa: N803 - likewise
    *,
    window: Window | None = None,
    max_shift: float = 2.0,
    error_hot: ArrayLike | None = None,
    error_cold: ArrayLike | None = None,
) -> Shift:
    """Return the shift along z and upward that superposes the cold curve on the hot one.

    Kozdra et al., PCCP 27, 24918 (2025), section 3.4, superpose the polymer sides of the free energies at 600 and
    700 K in this way, and find +0.18 Å (RIGHT) and +360 K for the curve at 600 K.

    The fit is a weighted least-squares fit over the bins of the window in which the hot curve is known and the
    moved cold one lies between known neighbours. Cubic splines interpolate each contiguous stretch of the cold
    curve, never across an unknown bin. The errors follow from the curvature of χ² at its minimum, corrected for
    the noise of the slopes; without given errors the residuals determine the noise. They hold if the errors of
    the bins are independent.

    Parameters
    ----------
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    F_hot, F_cold
        (bins,) F / k_B in K; NaN where unknown.
    window
        Lowest and highest z of the hot curve that is compared, Å; everywhere by default.
    max_shift
        Largest shift in either direction, Å.
    error_hot, error_cold
        (bins,) standard errors, K; a bin with NaN is unknown. If only one of them is given, the other curve is
        exact.

    Raises
    ------
    ValueError
        ``z`` is not ascending and equally spaced, an array has another number of bins or an infinite value, an
        error is not above zero, ``max_shift`` is longer than ``z``, the window is empty, the curves share fewer
        than 6 bins, the best shift lies at the edge of the search, or the cold curve is straight within its noise,
        so that dz and df cannot be told apart.
    """
    places = checks.centres("z", z)
    reach, length = checks.number("max_shift", max_shift, above=0), float(places[-1] - places[0])
    if reach > length:
        raise ValueError(f"max_shift is {reach:g} Å, it must be at most the length of z, {length:g} Å")
    # without errors both curves have the same scatter, which follows from the residuals
    unknown = 1.0 if error_hot is None and error_cold is None else 0.0
    target = _known("F_hot", places, F_hot, "error_hot", error_hot, unknown)
    movable = _known("F_cold", places, F_cold, "error_cold", error_cold, unknown)
    width = float(places[1] - places[0])
    if window is not None:
        low, high = _bounds(window)
        target = target.between(low, high)
        # bins farther away do not affect the spline in the window
        movable = movable.between(low - reach - _MARGIN * width, high + reach + _MARGIN * width)
    curve = _Curve(movable, width)
    # the first search is symmetric around 0, in steps of a fraction of a bin
    steps = max(int(np.ceil(min(_STEPS_PER_BIN * reach / width, _MOST_STEPS))), 2)
    dz, difference = _best(target, curve, np.linspace(-reach, reach, 2 * steps + 1))
    return _shift(dz, difference, scatter_known=not unknown)


def _known(
    name: str, z: Floats, curve: ArrayLike, error_name: str, error: ArrayLike | None, otherwise: float
) -> _Known:
    """Return the known bins of a curve; their variance is ``otherwise`` without an error."""
    found = []
    for place, given in ((name, curve), (error_name, error)):
        if given is None:
            continue
        array = checks.array(place, given, finite=False)
        if array.shape != z.shape:
            raise ValueError(f"{place} has the shape {array.shape}, z has {len(z)} bins")
        # the square of 1e100 is still finite
        if (np.abs(array) > 1e100).any():
            raise ValueError(f"{place} is infinite or above 1e100 K somewhere; what is not known must be NaN")
        found.append(array)
    known: NDArray[np.bool_] = ~np.any(np.isnan(found), axis=0)
    if error is not None:
        checks.array(error_name, found[1][known], above=0)
    variances = np.full(len(z), otherwise) if error is None else found[1] ** 2
    return _Known(z, found[0], variances)[known]


def _bounds(window: Window) -> tuple[float, float]:
    bounds = checks.array("window", window, ndim=1, length=1)
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise ValueError(f"window is {window!r}, it must be a lowest and a highest z in Å")
    return float(bounds[0]), float(bounds[1])


def _difference(target: _Known, curve: _Curve, dz: float) -> tuple[_Difference, NDArray[np.bool_]]:
    """Return the difference in the bins where both curves are known, and which bins of the target these are."""
    found = curve.at(target.z - dz)
    common = ~np.isnan(found[0])
    values, variances, slopes, slope_variances = found[:, common]
    weights = 1 / (target.variances[common] + variances)
    return _Difference(target.values[common] - values, weights, slopes, slope_variances), common


def _best(target: _Known, curve: _Curve, candidates: Floats) -> tuple[float, _Difference]:
    """Return the best dz and the difference there, by a search on a grid and a refinement within its steps."""
    tried = [_difference(target, curve, float(dz))[0] for dz in candidates]
    shared = np.array([len(difference.values) for difference in tried])
    enough = shared >= max(_FEWEST_BINS, shared.max() / 2)
    if not enough.any():
        raise ValueError(
            f"F_hot and F_cold have at most {shared.max()} common known bins in the window, at least "
            f"{_FEWEST_BINS} are needed"
        )
    misfits = [one.misfit if far else np.inf for one, far in zip(tried, enough, strict=True)]
    first = int(np.argmin(misfits))
    if np.ptp(tried[first].slopes) <= _STRAIGHT * np.abs(tried[first].slopes).max() + curve.rounding:
        raise ValueError("F_cold is a straight line where it overlaps with F_hot: dz and df cannot be told apart")
    if first in (0, len(candidates) - 1) or not (enough[first - 1] and enough[first + 1]):
        raise ValueError(
            f"the best shift, {candidates[first]:g} Å, lies at the edge of what F_hot and F_cold allow within "
            f"max_shift {candidates[-1]:g} Å"
        )
    return _refine(target, curve, float(candidates[first - 1]), float(candidates[first + 1]))


def _refine(target: _Known, curve: _Curve, low: float, high: float) -> tuple[float, _Difference]:
    """Minimise within one step of the search to either side, over the bins that are known at both ends."""
    lasting = target[_difference(target, curve, low)[1] & _difference(target, curve, high)[1]]
    if len(lasting.z) < _FEWEST_BINS:
        raise ValueError(
            f"F_hot and F_cold have {len(lasting.z)} common known bins around the best shift, at least "
            f"{_FEWEST_BINS} are needed"
        )
    found = optimize.minimize_scalar(
        lambda dz: _difference(lasting, curve, float(dz))[0].misfit,
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-6 * (high - low)},
    )
    return float(found.x), _difference(lasting, curve, float(found.x))[0]


def _shift(dz: float, difference: _Difference, *, scatter_known: bool) -> Shift:
    weights, offset = difference.weights, difference.offset
    left = difference.values - offset
    bins = len(left)
    scatter = 1.0 if scatter_known else difference.misfit * bins / (bins - 2)
    mean = weights @ difference.slopes / weights.sum()
    # half the second derivative of Σ weights × left² along dz at the best df, for noisy and for true slopes
    noisy = weights @ (difference.slopes - mean) ** 2
    true = noisy - scatter * (weights @ difference.slope_variances)
    if true <= 0:
        raise ValueError("F_cold has no more curvature than its noise has: dz and df cannot be told apart")
    variance = scatter * noisy / true**2
    return Shift(
        dz=dz,
        df=offset,
        rms=float(np.sqrt(left @ left / bins)),
        dz_error=float(np.sqrt(variance)),
        df_error=float(np.sqrt(scatter / weights.sum() + mean**2 * variance)),
        bins=bins,
    )


# -- errors from blocks of time ------------------------------------------------------------------------------


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
    """Return the shift that superposes the cold curve on the hot one, and its change without each group of blocks.

    The shift is that of :func:`shift_between`. The change due to one group is small compared with the curves, so
    that it follows from linear least squares around the shift (infinitesimal jackknife; Efron and Stein, Ann.
    Stat. 9, 586, 1981). Its standard error is that of
    :func:`~aiida_cse.physics.statistics.resampling.jackknife_error`.

    Parameters
    ----------
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    hot, cold
        (1 + G, bins) curves of all groups, and of all but one of them, see
        :func:`~aiida_cse.physics.statistics.resampling.leave_one_out`; NaN where they are not known. The numbers
        of groups may differ.
    window
        Lowest and highest z of the hot curve that is compared, Å.
    max_shift
        Largest shift in either direction, Å.
    error_hot, error_cold
        (bins,) standard errors of independent bins, the weights of the fit; without them all weights are equal.

    Raises
    ------
    ValueError
        As for :func:`shift_between`, or an array has another number of axes or bins.
    """
    places = checks.centres("z", z)
    target, movable = _samples("hot", hot, len(places)), _samples("cold", cold, len(places))
    # bins (bins,) in which every sample is known
    known = [np.asarray(~np.isnan(samples).any(axis=0)) for samples in (target, movable)]
    errors = [
        None if error is None else checks.array("error", error, finite=False) for error in (error_hot, error_cold)
    ]
    # a constant error: weights that change with the shift presume independent bins
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
    there = [error[compared] ** 2 for error in errors if error is not None]
    weights = 1 / np.sum(there, axis=0) if there else np.ones(int(compared.sum()))
    weighted = design * weights[:, None]
    # from a change of the difference (bins,) to changes of dz and df
    project = np.linalg.solve(design.T @ weighted, weighted.T).T
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


def _moved(z: Floats, samples: Floats, known: NDArray[np.bool_], dz: float) -> tuple[Floats, Floats]:
    """Return the samples (S, bins) at z − dz, and the slope (bins,) of the first one; NaN where unknown."""
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


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")
