"""The charge between the bulk of the electrolyte and a place on its way to the middle of the slab."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.bins import bin_centres
from aiida_cse.analysis.density import charge_density
from aiida_cse.analysis.production import Subject
from aiida_cse.physics.profiles.charge import charge_integral

__all__ = ["charge_integrals"]

Side = Literal["left", "right"]


def charge_integrals(subject: Subject) -> dict[str, Any]:
    """Return the charge integral (eq 6) of each half of the box, from its end to the mid-plane of the slab.

    The ends of the box are the bulk farthest from both surfaces. Each half is integrated from its own end, so that
    the noise of one interface does not reach the other.

    Returns
    -------
    dict
        ``z_A`` (bins,), and per side ``<side>_e_per_A2`` and ``<side>_error_e_per_A2`` (bins,), NaN in the other
        half; ``sign_changes_<side>_A``, their number ``sign_changes_<side>``, that outside of the slab
        ``sign_changes_<side>_electrolyte``, for in a crystal each plane of atoms makes one, and
        ``charge_enclosed_<side>_e_per_A2`` with its error. The errors are those of the means of whole blocks, NaN
        (None for numbers) with fewer than two.
    """
    state, window = subject.state, subject.window
    histograms = window.blocks(state.histograms)
    density = charge_density(subject, histograms.sum(axis=0), window.frames)
    blocks = charge_density(subject, histograms[window.whole], state.config.block_frames)
    results = subject.facts | {"z_A": bin_centres(state.config)}
    for side in ("left", "right"):
        results |= _half(results["z_A"], density, blocks, side)
        places = np.abs(results[f"sign_changes_{side}_A"])
        results[f"sign_changes_{side}_electrolyte"] = int((places > state.config.half_thickness).sum())
    return results


def _half(
    z: NDArray[np.float64], density: NDArray[np.float64], blocks: NDArray[np.float64], side: Side
) -> dict[str, Any]:
    width = (z[-1] - z[0]) / (len(z) - 1)
    share = _share(z / width, side)
    half = share > 0
    found = charge_integral(z[half], density[half], side, block_densities=blocks[:, half])
    enclosed = blocks @ share * width
    return {
        f"{side}_e_per_A2": _whole(found.integral, half),
        f"{side}_error_e_per_A2": _whole(found.standard_error, half),
        f"sign_changes_{side}": len(found.sign_changes),
        f"sign_changes_{side}_A": found.sign_changes.tolist(),
        f"charge_enclosed_{side}_e_per_A2": float(density @ share * width),
        f"charge_enclosed_{side}_error_e_per_A2": (
            float(enclosed.std(ddof=1) / np.sqrt(len(enclosed))) if len(enclosed) > 1 else None
        ),
    }


def _share(centres: NDArray[np.float64], side: Side) -> NDArray[np.float64]:
    """Return how much of each bin lies on this side of z = 0; the centres are in widths of a bin."""
    right: NDArray[np.float64] = np.clip(np.round(centres + 0.5, 9), 0, 1)
    return right if side == "right" else 1 - right


def _whole(values: NDArray[np.float64], half: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values of one half as values of all bins, NaN in the other half."""
    whole = np.full(len(half), np.nan)
    whole[half] = values
    return whole
