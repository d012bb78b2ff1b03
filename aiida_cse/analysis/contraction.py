"""How much closer to the slab the first layers sit in a cold run than in a hot one: Δz, with its error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from typing_extensions import Self

from aiida_cse.analysis.structure import SIDES, Side, Structure
from aiida_cse.physics.profiles.sampled_shifts import SampledShift, sampled_shift
from aiida_cse.physics.statistics.jackknife import jackknife_error
from aiida_cse.schema import Number, StrictModel

__all__ = ["Contraction", "ContractionSettings", "charge_contraction", "free_energy_contraction"]

Floats = NDArray[np.float64]
Distance = Annotated[Number, Field(ge=-100, le=1000)]


class ContractionSettings(StrictModel):
    """How curves of two runs are laid on each other.

    Attributes
    ----------
    window
        Lowest and highest distance from the surface planes of the slab between which the curves count, Å. None
        for the first layer of the ion that crosses.
    max_shift
        How far to look, Å.
    """

    window: tuple[Distance, Distance] | None = None
    max_shift: Number = Field(default=2.0, gt=0, le=100)

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError(f"window is {list(self.window)}: the first distance must be below the second")
        return self


@dataclass(frozen=True)
class Contraction:
    """The shifts of one pair of curves by side, as far as there are any, and why the others have none.

    ``has_offset`` says whether df means something: the zeros of the curves are the same place.
    """

    sides: Mapping[Side, SampledShift]
    reasons: tuple[str, ...]
    has_offset: bool

    def dz(self, *sides: Side) -> tuple[float, float]:
        """Return by how much the layers of these sides are closer in the cold run, on average, and its error, Å.

        NaN for a side without a shift; the error is NaN with fewer than five groups of blocks.
        """
        if not set(sides) <= set(self.sides):
            return math.nan, math.nan
        outward = {"left": -1.0, "right": 1.0}
        mean = float(np.mean([outward[side] * self.sides[side].dz for side in sides]))
        return mean, self._error([(outward[side], self.sides[side]) for side in sides], column=0)

    def df(self, side: Side) -> tuple[float, float]:
        """Return by how much the cold curve must go up on a side, and its error, in the unit of the curves."""
        if side not in self.sides or not self.has_offset:
            return math.nan, math.nan
        return self.sides[side].df, self._error([(1.0, self.sides[side])], column=1)

    @staticmethod
    def _error(shifts: list[tuple[float, SampledShift]], column: int) -> float:
        """Return the error of the mean of shifts, each with a sign: both sides are of the same two runs."""
        parts = (
            np.mean([sign * shift.scale * getattr(shift, run)[:, column] for sign, shift in shifts], axis=0)
            for run in ("from_hot", "from_cold")
        )
        return math.hypot(*(float(jackknife_error(part)) for part in parts))


def charge_contraction(hot: Structure, cold: Structure, settings: ContractionSettings) -> Contraction:
    """Superpose the charge integrals of two runs, as section 3.4 of Kozdra et al. does for 600, 500 and 400 K.

    A constant between the curves counts for nothing: it is the charge of all that lies farther out.
    """
    moved = cold.on(hot.z)
    found = {
        side: _shift(hot, side, settings, hot.charge_integrals(side), moved.charge_integrals(side))
        for side in SIDES
    }
    return _contraction("charge integrals", found, has_offset=True)


def free_energy_contraction(hot: Structure, cold: Structure, settings: ContractionSettings) -> Contraction:
    """Superpose the free energies of the ion that crosses, as the same section does for 600 and 700 K."""
    moved = cold.on(hot.z)
    key = hot.crossing
    first, second = hot.free_energies(key), moved.free_energies(key)
    found = {
        side: _shift(
            hot, side, settings, first.values, second.values, error_hot=first.error, error_cold=second.error
        )
        for side in SIDES
    }
    return _contraction("free energies", found, has_offset=first.has_zero and second.has_zero)


def _contraction(what: str, found: Mapping[Side, SampledShift | str], *, has_offset: bool) -> Contraction:
    return Contraction(
        {side: shift for side, shift in found.items() if isinstance(shift, SampledShift)},
        tuple(f"{what}, {side}: {reason}" for side, reason in found.items() if isinstance(reason, str)),
        has_offset,
    )


def _shift(
    grid: Structure, side: Side, settings: ContractionSettings, hot: Floats, cold: Floats, **errors: Floats
) -> SampledShift | str:
    """Return the shift of two curves on a side, or why these have none."""
    try:
        return sampled_shift(
            grid.z, hot, cold, window=_compared(grid, side, settings), max_shift=settings.max_shift, **errors
        )
    except ValueError as error:
        return str(error)


def _compared(structure: Structure, side: Side, settings: ContractionSettings) -> tuple[float, float]:
    """Return from where to where, Å, the curves of a side count."""
    if settings.window is None:
        return structure.layers[structure.crossing][side]
    near, far = (structure.half_thickness + distance for distance in settings.window)
    return (near, far) if side == "right" else (-far, -near)
