"""Bins along z around the mid-plane of the slab: equal parts of the box, or bins of a fixed width."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid"]

Floats = NDArray[np.float64]

#: relative rounding that a number of whole bins may have
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Grid:
    """Bins along z, numbered from LEFT to RIGHT.

    Attributes
    ----------
    bins
        Number of bins, an even number of at least 4 if their width is fixed.
    span
        Distance between the outer edges of the first and the last bin, Å: the length of the box or, with a fixed
        width, ``bins`` times the width.
    fixed
        Whether the bins keep their width in a box of another length. They are then counted from the mid-plane, and
        the first and the last one also hold everything beyond them, up to the periodic boundary.
    """

    bins: int
    span: float
    fixed: bool = False

    @classmethod
    def of_width(cls, width: float, length: float) -> Grid:
        """Return bins of a fixed width (Å) that fill a box of ``length`` (Å), with one more bin at either end.

        Raises
        ------
        ValueError
            Not even one bin fits between the mid-plane and the end of the box.
        """
        inner = math.floor(length / 2 / width * (1 + _ROUNDING))
        if inner < 1:
            raise ValueError(
                f"bin_width = {width:g}: no bin of this width fits into half the box; it must be at most "
                f"{length / 2:g}"
            )
        return cls(2 * inner + 2, (2 * inner + 2) * width, fixed=True)

    @property
    def width(self) -> float:
        """Width of a bin, Å."""
        return self.span / self.bins

    @property
    def centres(self) -> Floats:
        """(bins,) centres of the bins, Å; of the first and the last bin as if they were as wide as the others."""
        edges = np.linspace(-self.span / 2, self.span / 2, self.bins + 1)
        centres: Floats = (edges[1:] + edges[:-1]) / 2
        return centres

    @property
    def bounds(self) -> Floats:
        """(bins + 1,) edges of the bins, Å; with a fixed width the outermost ones are infinite."""
        bounds: Floats = (np.arange(self.bins + 1) / self.bins - 0.5) * self.span
        if self.fixed:
            bounds[0], bounds[-1] = -np.inf, np.inf
        return bounds

    def place(self, edge: int | NDArray[np.int64]) -> Floats:
        """Return the position (Å) of the lower edges of bins, equal to the last bit on both sides of z = 0."""
        return np.asarray((2 * np.asarray(edge) - self.bins) * self.span / (2 * self.bins))

    def volumes(self, boxes: Floats) -> Floats:
        """Return the volume (bins,) of each bin, Å³, summed over frames with boxes (F, 3), Å.

        With a fixed width it is the area times that part of the bin that lies within half the length of the box.
        """
        areas, lengths = boxes[:, 0] * boxes[:, 1], boxes[:, 2]
        if not self.fixed:
            return np.full(self.bins, (areas * lengths).sum() / self.bins)
        # the volume up to an edge is a function of its distance from the mid-plane alone
        half, right = self.bins // 2, self.place(np.arange(self.bins // 2, self.bins + 1))
        order = np.argsort(lengths)
        ends, of_area = lengths[order] / 2, np.concatenate([[0.0], np.cumsum(areas[order])])
        of_volume = np.concatenate([[0.0], np.cumsum(areas[order] * ends)])
        shorter = np.searchsorted(ends, right[:-1], side="right")
        within = of_volume[shorter] + right[:-1] * (of_area[-1] - of_area[shorter])
        upper = np.diff(np.append(within, of_volume[-1]))
        upper = np.where(upper > _ROUNDING * of_volume[-1] / half, upper, 0.0)
        return np.concatenate([upper[::-1], upper])

    def joined(self, factor: int) -> Grid:
        """Return bins that are ``factor`` times as wide.

        With a fixed width they are joined from the mid-plane outward; those that make no whole bin go to the ends.

        Raises
        ------
        ValueError
            ``factor`` does not divide the number of bins, or with a fixed width exceeds that between the mid-plane
            and either end.
        """
        if not self.fixed:
            if factor < 1 or self.bins % factor:
                raise ValueError(f"factor = {factor}: must divide the {self.bins} bins of the state")
            return Grid(self.bins // factor, self.span)
        inner = self.bins // 2 - 1
        if not 1 <= factor <= inner:
            raise ValueError(f"factor = {factor}: must be 1 to {inner}, the bins between mid-plane and end")
        bins = 2 * (inner // factor) + 2
        return Grid(bins, bins * self.width * factor, fixed=True)

    def starts(self, factor: int) -> NDArray[np.int64]:
        """Return the first bin of each bin of :meth:`joined`."""
        if not self.fixed:
            return np.arange(0, self.bins, factor)
        half, inner = self.bins // 2, (self.bins // 2 - 1) // factor
        return np.concatenate([[0], half + factor * np.arange(-inner, inner + 1)])

    def factors(self) -> dict[int, int]:
        """Return the numbers of bins that joining gives, finest first, each with its smallest factor."""
        if not self.fixed:
            return {self.bins // factor: factor for factor in range(1, self.bins + 1) if self.bins % factor == 0}
        inner = self.bins // 2 - 1
        found: dict[int, int] = {}
        for factor in range(1, inner + 1):
            found.setdefault(2 * (inner // factor) + 2, factor)
        return found
