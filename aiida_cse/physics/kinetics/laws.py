"""Laws of a rate between and beyond the temperatures of the runs: Arrhenius, Vogel–Fulcher and two channels.

Each law has the form ln Γ(T) = ln A − E x(T) + y(T) + δ(T) / T, in which x and y depend on the parameters of its
shape. With a given shape it is Arrhenius' law on another axis: the prefactor A can be integrated analytically and
only the energy E needs a grid (:mod:`aiida_cse.physics.kinetics.posterior`). The parameters of the shape have a
uniform prior on a range and are represented by the midpoints of equal intervals of it.

For Vogel–Fulcher's law E is the apparent activation energy at a reference temperature among those of the runs, so
that the same prior of E serves all values of T₀, and each is judged by the curvature that it predicts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import product
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARRHENIUS", "LARGEST_ENERGY", "LAWS", "PRIORS", "Law", "Range", "shape_priors"]

Floats = NDArray[np.float64]
Range = tuple[float, float]

#: the prior of E in the evidence of a law is uniform up to this energy above the least, K
LARGEST_ENERGY = 20_000.0
#: least T − T₀ of Vogel–Fulcher's law, K: at T₀ and below the rate is 0 to any precision
_LEAST_DISTANCE = 1e-6
#: least end of the default range of the crossing: K, and relative to the coldest run; the lower one counts
_LEAST_CROSSING, _BELOW_RUNS = 400.0, 0.8
#: ranges of the uniform priors of the parameters of shapes, K, for runs between 500 and 700 K
PRIORS: Mapping[str, Range] = {"t0": (0.0, 300.0), "gap": (0.0, 15_000.0), "crossing": (400.0, 700.0)}


class Law(ABC):
    """A law ln Γ(T) = ln A − E x(T) + y(T) + δ(T) / T.

    Attributes
    ----------
    name, title
        Its name in settings and results, and in sentences.
    shape
        Parameters of the shape, names in :data:`PRIORS`, with the number of values that represent each.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    shape: ClassVar[Mapping[str, int]]

    def shapes(self, priors: Mapping[str, Range]) -> Floats:
        """Return the values (S, P) of the parameters of the shape, equally probable before the data."""
        midpoints = []
        for name, number in self.shape.items():
            low, high = priors[name]
            midpoints.append(low + (high - low) * (np.arange(number) + 0.5) / number)
        return np.array(list(product(*midpoints)), dtype=np.float64)

    @abstractmethod
    def terms(self, shapes: Floats, temperature: Floats | float, reference: float) -> tuple[Floats, Floats]:
        """Return x in 1/K and y, both (S,) with the axes of ``temperature`` in K appended, for shapes (S, P)."""

    @abstractmethod
    def parameters(self, energy: Floats, shapes: Floats, reference: float) -> dict[str, Floats]:
        """Return the parameters as they are reported, K, each (N,), from E (N,) and shapes (N, P)."""


class Arrhenius(Law):
    """One barrier of energy ΔE: x = 1 / T, y = 0."""

    name, title, shape = "arrhenius", "Arrhenius", {}

    def terms(self, shapes: Floats, temperature: Floats | float, reference: float) -> tuple[Floats, Floats]:
        x = np.broadcast_to(1 / np.asarray(temperature), (len(shapes), *np.shape(temperature)))
        return x, np.zeros_like(x)

    def parameters(self, energy: Floats, shapes: Floats, reference: float) -> dict[str, Floats]:
        return {"energy": energy}


class VogelFulcher(Law):
    """Ions that follow a medium with a glass transition: exp(−B / (T − T₀)), 0 at T₀ and below.

    Vogel, Phys. Z. 1921, 22, 645; Fulcher, J. Am. Ceram. Soc. 1925, 8, 339. E = B (Tᵣ / (Tᵣ − T₀))² is the
    apparent activation energy at the reference temperature Tᵣ.
    """

    name, title, shape = "vogel-fulcher", "Vogel–Fulcher", {"t0": 40}

    def terms(self, shapes: Floats, temperature: Floats | float, reference: float) -> tuple[Floats, Floats]:
        kelvin = np.asarray(temperature)
        t0 = shapes[:, 0].reshape(-1, *[1] * kelvin.ndim)
        x = (1 - t0 / reference) ** 2 / np.maximum(kelvin - t0, _LEAST_DISTANCE)
        return x, np.zeros_like(x)

    def parameters(self, energy: Floats, shapes: Floats, reference: float) -> dict[str, Floats]:
        t0 = shapes[:, 0]
        return {"energy": energy * (1 - t0 / reference) ** 2, "t0": t0}


class TwoChannels(Law):
    """Two independent ways across, each with a barrier of its own; the rates are equal at the crossing.

    Γ = A exp(−E / T) (1 + exp(−D (1 / T − 1 / Tₓ))): the second energy is larger by the gap D, so that its channel
    dominates above the crossing Tₓ and the first one below.
    """

    name, title, shape = "two-channels", "two channels", {"gap": 15, "crossing": 10}

    def terms(self, shapes: Floats, temperature: Floats | float, reference: float) -> tuple[Floats, Floats]:
        kelvin = np.asarray(temperature)
        gap, crossing = (column.reshape(-1, *[1] * kelvin.ndim) for column in shapes.T)
        x = np.broadcast_to(1 / kelvin, (len(shapes), *kelvin.shape))
        return x, np.logaddexp(0.0, -gap * (1 / kelvin - 1 / crossing))

    def parameters(self, energy: Floats, shapes: Floats, reference: float) -> dict[str, Floats]:
        gap, crossing = shapes.T
        return {"energy": energy, "second_energy": energy + gap, "crossing": crossing}


ARRHENIUS = Arrhenius()
#: every law by its name, the simplest first
LAWS: Mapping[str, Law] = {law.name: law for law in (ARRHENIUS, VogelFulcher(), TwoChannels())}


def shape_priors(coldest: float, hottest: float, ranges: Mapping[str, Range | None]) -> dict[str, Range]:
    """Return the ranges of the uniform priors of the parameters of all shapes, K.

    They depend on the runs alone, so that the rate at a temperature does not depend on others that are asked for.
    By default T₀ is below 300 K and below the coldest run. The channels cross between 400 K, or 0.8 times the
    coldest run if that is lower, and the hottest run; where they cross far below the runs, the law is Arrhenius'.

    Parameters
    ----------
    coldest, hottest
        Of the runs, K.
    ranges
        Ranges that differ from the default, where not None.

    Raises
    ------
    ValueError
        A range is unknown or not one, or a given T₀ may exceed the coldest run.
    """
    lowest_t0, highest_t0 = PRIORS["t0"]
    lowest_crossing = min(_LEAST_CROSSING, _BELOW_RUNS * coldest)
    used = {**PRIORS, "t0": (lowest_t0, min(highest_t0, coldest)), "crossing": (lowest_crossing, hottest)}
    for name, given in ranges.items():
        if name not in used:
            raise ValueError(f"priors.{name}: is unknown; must be one of {', '.join(used)}")
        if given is None:
            continue
        low, high = given
        if not 0 <= low < high < np.inf:
            raise ValueError(f"priors.{name} = {low:g}, {high:g}: must be two rising values in K from 0 on")
        used[name] = (float(low), float(high))
    if used["t0"][1] > coldest:
        raise ValueError(
            f"priors.t0 = {used['t0'][0]:g}, {used['t0'][1]:g}: must end at or below {coldest:g} K, the "
            "temperature of the coldest run"
        )
    return used
