"""From a barrier at one temperature and a ratio of rates to rates at temperatures that no simulation reaches.

Equations are those of Kozdra et al., PCCP 27, 24918 (2025), section 3.4. Energies are E / k_B in kelvin,
entropies are in units of k_B. Scalars give a scalar, arrays broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.statistics import arguments as checks

__all__ = ["BarrierComponents", "decompose_barrier", "extrapolate_rate"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BarrierComponents:
    """ΔF(T) = ΔE − T ΔS: ``energy`` ΔE / k_B in K, ``entropy`` ΔS / k_B; scalars, or arrays of one shape."""

    energy: float | Floats
    entropy: float | Floats


def decompose_barrier(
    barrier: ArrayLike, gamma: ArrayLike, t_hot: ArrayLike, t_cold: ArrayLike, delta: ArrayLike = 0.0
) -> BarrierComponents:
    """Split a barrier into energy and entropy with the ratio of the rates at two temperatures.

    exp(−ΔE / T₁) / exp(−(ΔE − δ) / T₂) = γ (eq 9) gives ΔE = T₁ (T₂ ln γ + δ) / (T₁ − T₂), and
    ΔE − T₁ ΔS = ΔF(T₁) (eq 10) gives ΔS.

    Parameters
    ----------
    barrier
        ΔF / k_B at ``t_hot``, K.
    gamma
        γ, the rate at ``t_hot`` over that at ``t_cold``.
    t_hot, t_cold
        T₁ and T₂, K.
    delta
        δ, by how much the energy is lower at ``t_cold``, K; there the first layer sits closer to the slab.

    Raises
    ------
    ValueError
        ``gamma`` or a temperature is not above zero, ``t_hot`` is not above ``t_cold``, a value is not
        finite, the arguments do not broadcast, or the result is too large for a number.
    """
    free_energy = checks.finite_values("barrier", barrier)
    ratio = checks.positive_values("gamma", gamma)
    hot, cold = checks.positive_values("t_hot", t_hot), checks.positive_values("t_cold", t_cold)
    lowered = checks.finite_values("delta", delta)
    checks.broadcast(barrier=free_energy, gamma=ratio, t_hot=hot, t_cold=cold, delta=lowered)
    if not (hot > cold).all():
        raise ValueError(f"t_hot is {t_hot!r} and t_cold is {t_cold!r}: t_hot must be above t_cold, both in K")
    with np.errstate(over="ignore", invalid="ignore"):
        energy = hot * (cold * np.log(ratio) + lowered) / (hot - cold)
        entropy = (energy - free_energy) / hot
    energy, entropy = np.broadcast_arrays(energy, entropy)
    return BarrierComponents(
        checks.representable("energy from gamma, t_hot, t_cold and delta", energy),
        checks.representable("entropy from barrier, gamma, t_hot, t_cold and delta", entropy),
    )


@overload
def extrapolate_rate(
    temperature: float,
    energy: float,
    entropy: float,
    frequency: float,
    kappa: float = ...,
    *,
    lowering: float = ...,
) -> float: ...
@overload
def extrapolate_rate(
    temperature: ArrayLike,
    energy: ArrayLike,
    entropy: ArrayLike,
    frequency: ArrayLike,
    kappa: ArrayLike = ...,
    *,
    lowering: ArrayLike = ...,
) -> Floats: ...
def extrapolate_rate(
    temperature: ArrayLike,
    energy: ArrayLike,
    entropy: ArrayLike,
    frequency: ArrayLike,
    kappa: ArrayLike = 1.0,
    *,
    lowering: ArrayLike = 0.0,
) -> float | Floats:
    """Return Γ(T) = κ ν exp(ΔS) exp(−(ΔE − δ(T)) / T), s⁻¹ per ion: eq 11, there for 400 K.

    Parameters
    ----------
    temperature
        K.
    energy, entropy
        ΔE / k_B in K and ΔS / k_B, as :func:`decompose_barrier` gives them.
    frequency
        ν, s⁻¹.
    kappa
        Transmission coefficient.
    lowering
        δ(T) = Δz(T) × slope of the barrier, K: by how much the barrier is lower than ΔE, because the first layer
        sits Δz closer to the slab than at the temperature of the decomposition.

    Raises
    ------
    ValueError
        ``temperature`` or ``frequency`` is not above zero, ``kappa`` is negative, a value is not finite, the
        arguments do not broadcast, or Γ is too large for a number.
    """
    kelvin = checks.positive_values("temperature", temperature)
    heat, disorder = checks.finite_values("energy", energy), checks.finite_values("entropy", entropy)
    attempts = checks.positive_values("frequency", frequency)
    passing, lowered = checks.nonnegative_values("kappa", kappa), checks.finite_values("lowering", lowering)
    checks.broadcast(
        temperature=kelvin, energy=heat, entropy=disorder, frequency=attempts, kappa=passing, lowering=lowered
    )
    with np.errstate(over="ignore", invalid="ignore"):
        rate = passing * attempts * np.exp(disorder - (heat - lowered) / kelvin)
    return checks.representable("rate from temperature, energy, entropy, frequency, kappa and lowering", rate)
