"""F of a crossing in the first layer beside the density of ions in an unbiased run at the same temperature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from aiida_cse.analysis.registry import finite_or_none
from aiida_cse.physics.crossing.umbrella import UmbrellaProfile
from aiida_cse.physics.crossing.well_density import compare_in_well

__all__ = ["SAME_TEMPERATURE", "density_entries", "density_warning"]

#: K; temperatures that differ by less are the same
SAME_TEMPERATURE: Final = 1.0
#: times what their errors explain, from which on two curves disagree
_DISAGREE: Final = 2.0


def density_entries(
    profile: UmbrellaProfile, well: tuple[float, float], ion: str, density: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the ``density_…`` keys of :data:`CROSSING`; null without a density of ions in the layer.

    Parameters
    ----------
    profile, well
        F of the crossing, and z of the first layer, Å.
    ion
        Species of the ion.
    density
        Results ``free_energy_profiles`` of a run at the same temperature.

    Raises
    ------
    ValueError
        The results are none; the message names the key.
    """
    key = ion.lower()
    found = None
    if density is not None:
        z, energy, error = (_column(density, name) for name in ("z_A", f"{key}_K", f"{key}_error_K"))
        found = compare_in_well(profile, z, energy, error, well)
    if found is None:
        names = ("z_A", "free_energy_K", "error_K", "shift_K", "deviation_K", "expected_K")
        return dict.fromkeys(f"density_{name}" for name in names)
    return {
        "density_z_A": found.z.tolist(),
        "density_free_energy_K": found.free_energy.tolist(),
        "density_error_K": found.error.tolist(),
        "density_shift_K": found.shift,
        "density_deviation_K": found.deviation,
        "density_expected_K": finite_or_none(found.expected),
    }


def density_warning(found: Mapping[str, Any]) -> list[str]:
    """Return that F and the density disagree, from the results of a crossing; empty if they do not."""
    deviation, expected = found["density_deviation_K"], found["density_expected_K"]
    if deviation is None or expected is None or deviation <= _DISAGREE * expected:
        return []
    return [
        f"F in the first layer is {deviation:.0f} K off the density of ions in the run (root mean square), the "
        f"errors of both explain {expected:.0f} K"
    ]


def _column(density: Mapping[str, Any], name: str) -> np.ndarray:
    value = density.get(name)
    if not isinstance(value, np.ndarray) or value.ndim != 1 or value.dtype.kind not in "iuf":
        raise ValueError(f"density.{name}: must be an array of numbers with 1 dimension")
    return value
