"""F of a crossing in the first layer beside the density of ions in an unbiased run at the same temperature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from scipy import stats

from aiida_cse.analysis.crossing.profile import LEVEL
from aiida_cse.analysis.registry import finite_or_none
from aiida_cse.physics.crossing.umbrella import UmbrellaProfile
from aiida_cse.physics.crossing.well_density import WellDensity, compare_in_well

__all__ = ["SAME_TEMPERATURE", "density_entries", "density_warning"]

#: K; temperatures that differ by less are the same
SAME_TEMPERATURE: Final = 1.0
#: k_BT; smaller deviations are not named
_LEAST: Final = 0.3


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
        Results ``free_energy_profiles`` of a run at the same temperature. Without usable columns of the ion it
        counts as none: a check must not cost the rate.
    """
    key = ion.lower()
    found: WellDensity | None = None
    z, energy, error = (_column(density or {}, name) for name in ("z_A", f"{key}_K", f"{key}_error_K"))
    if len(z) == len(energy) == len(error):
        found = compare_in_well(profile, z, energy, error, well)
    if found is None:
        names = ("z_A", "free_energy_K", "error_K", "shift_K", "deviation_K", "expected_K")
        return dict.fromkeys(f"density_{name}" for name in names)
    return {
        "density_z_A": found.z.tolist(),
        "density_free_energy_K": found.free_energy.tolist(),
        "density_error_K": found.error.tolist(),
        "density_shift_K": found.shift,
        "density_deviation_K": finite_or_none(found.deviation),
        "density_expected_K": finite_or_none(found.expected),
    }


def density_warning(found: Mapping[str, Any], ladders: int, temperature: float) -> list[str]:
    """Return that F and the density disagree, from the entries of a crossing; empty if they do not.

    They do if the deviation is above 0.3 k_BT, and above its standard error times the quantile of Student's t over
    the ladders at the level of the intervals.
    """
    deviation, expected = found["density_deviation_K"], found["density_expected_K"]
    if deviation is None or expected is None:
        return []
    reach = float(stats.t.ppf((1 + LEVEL) / 2, ladders - 1))
    if deviation <= max(reach * expected, _LEAST * temperature):
        return []
    return [
        f"F in the first layer is {deviation:.0f} K off the density of ions in the run (root mean square), with a "
        f"standard error of {expected:.0f} K"
    ]


def _column(density: Mapping[str, Any], name: str) -> np.ndarray:
    """Return a column of numbers (N,), empty if there is none."""
    value = density.get(name)
    usable = isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iuf"
    return np.asarray(value, dtype=np.float64) if usable else np.zeros(0)
