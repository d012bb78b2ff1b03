"""How far one free-energy curve must be moved to lie on another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import interpolate, optimize

from aiida_cse.physics.statistics import arguments as checks

__all__ = ["Shift", "shift_between"]

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
#: relative scatter of the slopes below which a curve is taken for straight
_STRAIGHT = 1e-6


@dataclass(frozen=True)
class Shift:
    """Where the cold curve must go: hot(z) ≈ cold(z − dz) + df.

    Attributes
    ----------
    dz, dz_error
        Å along z, and its standard error.
    df, df_error
        K upward, and its standard error.
    rms
        Root mean square of what is left between the curves, K.
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
class _Known:
    """The known bins of a curve: places, values and variances, (n,) each."""

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
    """The hot curve minus the moved cold one and its weights, slopes of the cold one and their variances; (n,)."""

    values: Floats
    weights: Floats
    slopes: Floats
    slope_variances: Floats

    @property
    def offset(self) -> float:
        """The df that fits best."""
        return float(self.weights @ self.values / self.weights.sum())

    @property
    def misfit(self) -> float:
        """Weighted square of what is left, per bin."""
        return float(self.weights @ (self.values - self.offset) ** 2) / len(self.values)


class _Curve:
    """Cubic splines through the unbroken stretches of a curve, nothing between them.

    A spline is linear in the values that it runs through. Each stretch has one spline for a unit value in each of
    its bins, which gives the variance between the bins too. That matters: noise is averaged most half-way between
    two bins, and with the same variance everywhere the best shift would be drawn there.
    """

    def __init__(self, known: _Known, width: float) -> None:
        #: what the rounding of the values makes of the slopes, K/Å
        self.rounding = 1e-12 * float(np.abs(known.values).max(initial=0)) / width
        ends = np.flatnonzero(np.diff(known.z) > 1.5 * width) + 1
        bounds = [0, *ends.tolist(), len(known.z)]
        self._stretches = [known[i:j] for i, j in pairwise(bounds) if j - i > 1]
        self._splines = [
            interpolate.make_interp_spline(part.z, np.eye(len(part.z)), k=min(3, len(part.z) - 1))
            for part in self._stretches
        ]

    def at(self, z: Floats) -> Floats:
        """Return values, their variances, slopes and theirs at ``z``, (4, n); NaN where the curve is not known."""
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
    """Return the shift along z and upward that lays the cold curve on the hot one.

    Kozdra et al., PCCP 27, 24918 (2025), section 3.4, superpose the polymer sides of the free energies at 600
    and 700 K so, and find +0.18 Å (RIGHT) and +360 K for the curve at 600 K.

    Weighted least squares over the bins of the window where the hot curve is known and the moved cold one lies
    between known neighbours: cubic splines run through each unbroken stretch of the cold curve, and never across
    a bin that is not known. The errors come from the curvature of χ² at its minimum, without that part of it
    which is the noise of the slopes; where no errors are given, the residuals say how large the noise is. They
    hold as far as the errors of the bins are independent.

    Parameters
    ----------
    z
        (bins,) ascending, equally spaced centres of the bins, Å.
    F_hot, F_cold
        (bins,) F / k_B in K; NaN where it is not known.
    window
        Lowest and highest z of the hot curve that counts, Å; everywhere by default.
    max_shift
        How far to look, Å in either direction.
    error_hot, error_cold
        (bins,) standard errors, K; a bin without one (NaN) is not known. Where one of them is left out, that
        curve counts as exact.

    Raises
    ------
    ValueError
        ``z`` is not ascending and equally spaced, an array has another number of bins or an infinite value, an
        error is not above zero, ``max_shift`` is longer than ``z``, the window is empty, the curves share fewer
        than 6 bins, the best shift lies at the edge of what was searched, or the cold curve is straight, as far as
        its noise lets one see, so that dz and df cannot be told apart.
    """
    places = checks.centres("z", z)
    reach, length = checks.number("max_shift", max_shift, above=0), float(places[-1] - places[0])
    if reach > length:
        raise ValueError(f"max_shift is {reach:g} Å, it must be at most the length of z, {length:g} Å")
    # without any error both curves are taken to scatter alike, by as much as the residuals will say
    unknown = 1.0 if error_hot is None and error_cold is None else 0.0
    target = _known("F_hot", places, F_hot, "error_hot", error_hot, unknown)
    movable = _known("F_cold", places, F_cold, "error_cold", error_cold, unknown)
    width = float(places[1] - places[0])
    if window is not None:
        low, high = _bounds(window)
        target = target.between(low, high)
        # a bin says nothing about a spline that far away
        movable = movable.between(low - reach - _MARGIN * width, high + reach + _MARGIN * width)
    curve = _Curve(movable, width)
    dz, difference = _best(target, curve, _candidates(reach, width))
    return _shift(dz, difference, scatter_known=not unknown)


def _known(
    name: str, z: Floats, curve: ArrayLike, error_name: str, error: ArrayLike | None, otherwise: float
) -> _Known:
    """Return the known bins of a curve; their variance is ``otherwise`` where no error is given."""
    values = _bins_or_nan(name, curve, len(z))
    known = ~np.isnan(values)
    variances = np.full(len(z), otherwise)
    if error is not None:
        errors = _bins_or_nan(error_name, error, len(z))
        known &= ~np.isnan(errors)
        checks.array(error_name, errors[known], above=0)
        variances = errors**2
    return _Known(z, values, variances)[known]


def _bins_or_nan(name: str, values: ArrayLike, bins: int) -> Floats:
    array = checks.array(name, values, finite=False)
    if array.shape != (bins,):
        raise ValueError(f"{name} has the shape {array.shape}, z has {bins} bins")
    # 1e100 K is no free energy, and its square is still a number
    if (np.abs(array) > 1e100).any():
        raise ValueError(f"{name} is infinite or above 1e100 K somewhere; what is not known must be NaN")
    return array


def _bounds(window: Window) -> tuple[float, float]:
    bounds = checks.array("window", window, ndim=1, length=1)
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise ValueError(f"window is {window!r}, it must be a lowest and a highest z in Å")
    return float(bounds[0]), float(bounds[1])


def _candidates(reach: float, width: float) -> Floats:
    """Return the shifts to try first, symmetric around 0 and close to each other against a bin."""
    steps = int(np.ceil(min(_STEPS_PER_BIN * reach / width, _MOST_STEPS)))
    return np.linspace(-reach, reach, 2 * max(steps, 2) + 1)


def _difference(target: _Known, curve: _Curve, dz: float) -> tuple[_Difference, NDArray[np.bool_]]:
    """Compare the curves in the bins where both are known; say in which bins of the target that is."""
    found = curve.at(target.z - dz)
    common = ~np.isnan(found[0])
    values, variances, slopes, slope_variances = found[:, common]
    weights = 1 / (target.variances[common] + variances)
    return _Difference(target.values[common] - values, weights, slopes, slope_variances), common


def _best(target: _Known, curve: _Curve, candidates: Floats) -> tuple[float, _Difference]:
    """Return the best dz and the difference there: on a grid first, then within its steps."""
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
    """Minimise within one step of the search to either side, over the bins that are known at both of its ends."""
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
    # half the second derivative of Σ weights × left² along dz with df at its best, for noisy and for true slopes
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
