"""Exact rate of a crossing on a known free energy, by the Klein–Kramers equation.

An ion moves along z by Langevin's equation with friction γ. The density in z and velocity is expanded in Hermite
functions of the velocity (Brinkman's hierarchy; Risken, The Fokker-Planck Equation, 1989, chapter 10) on a
staggered grid with reflecting ends. The slowest relaxation λ of two wells with the shares p and 1 − p is the sum
of the rates of both directions, and with detailed balance between them the flow at equilibrium is λ p (1 − p).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.statistics import arguments

__all__ = ["escape_rate"]

Floats = NDArray[np.float64]


def escape_rate(
    free_energy: Callable[[Floats], Floats],
    ends: tuple[float, float],
    surface: float,
    well: tuple[float, float],
    *,
    temperature: float,
    friction: float,
    speed_squared: float,
    spacing: float = 0.02,
    order: int = 40,
) -> float:
    """Return the rate of committed crossings out of a well, s⁻¹ per ion in it.

    Parameters
    ----------
    free_energy
        F (K) at places (Å).
    ends
        Ends of the range, Å; it contains two wells, in which ions relax faster than they cross.
    surface
        The top between them, Å.
    well
        Range of the well on one side of the surface, Å.
    temperature
        K.
    friction
        γ, ps⁻¹.
    speed_squared
        k_B T / m, Å² ps⁻².
    spacing
        Of the grid, Å.
    order
        Number of Hermite functions; low friction needs more.

    Raises
    ------
    ValueError
        A number is not above zero, or the well contains no place of the grid.
    """
    # scipy's sparse solvers take a third of a second to import
    from scipy import sparse
    from scipy.sparse import linalg

    kelvin = arguments.number("temperature", temperature, above=0)
    gamma = arguments.number("friction", friction, above=0)
    width = arguments.number("spacing", spacing, above=0)
    speed = np.sqrt(arguments.number("speed_squared", speed_squared, above=0)) / width
    z = np.arange(ends[0], ends[1] + width / 2, width)
    inside = (z >= well[0]) & (z <= well[1])
    if not inside.any():
        raise ValueError(f"well = {well[0]:g} to {well[1]:g} Å: there is no place in it")
    energy, between = free_energy(z) / kelvin, free_energy(z[:-1] + width / 2) / kelvin
    # ∂z + F' / 2 T from places to the points between them, and from these to the places
    left, right = (speed * np.exp((side - between) / 2) for side in (energy[:-1], energy[1:]))
    to_points = sparse.diags_array((-left, right), offsets=(0, 1), shape=(len(z) - 1, len(z))).tocsr()
    to_places = sparse.diags_array((1 / left, -1 / right), offsets=(0, -1), shape=(len(z), len(z) - 1)).tocsr()
    to_places *= speed**2
    blocks: list[list[sparse.spmatrix | None]] = [[None] * order for _ in range(order)]
    for number in range(order):
        blocks[number][number] = -number * gamma * sparse.identity(len(z) - number % 2)
        if number + 1 < order:
            raising = np.sqrt(number + 1) * (to_points if number % 2 == 0 else to_places)
            blocks[number + 1][number], blocks[number][number + 1] = -raising, raising.T
    generator = sparse.bmat(blocks, format="csc")
    values = linalg.eigs(generator, k=3, sigma=1e-9, which="LM", return_eigenvectors=False)
    slowest = float(-sorted(values.real, reverse=True)[1])
    weight = np.exp(-energy)
    share = float(weight[z < surface].sum() / weight.sum())
    return slowest * share * (1 - share) / float(weight[inside].sum() / weight.sum()) * 1e12
