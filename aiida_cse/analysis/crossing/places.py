"""Places of a crossing that an analysed run of the same slab suggests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.lammps.protocol.crossing import Side

__all__ = ["places_of"]

#: Å; how far within the boundary of the slab its outermost site is looked for
_DEEPEST: Final = 5.0
#: Å; half the range in which F is lowest at a site
_HALF_SITE: Final = 0.5
#: Å; least and largest distance of the innermost window from the top, or from the boundary where it is not known
_LEAST_BEYOND, _MOST_BEYOND = 1.5, 2.5


def places_of(
    barrier: Mapping[str, Any], z: ArrayLike, free_energy: ArrayLike, ion: str, side: Side
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return fields of a plan, distances from the mid-plane in Å, and in words where each is from.

    The well is the first layer of the run. The surface is its top if that has been visited often enough for an
    interval; else it is left to the windows. These reach from the end of the well to the outermost site in the
    slab, the first minimum of F within the top, but 1.5 to 2.5 Å beyond it: a site without an ion is not seen.

    Parameters
    ----------
    barrier
        Results ``barrier`` of the run.
    z, free_energy
        (B,) centres of its bins, Å, and F there, K; NaN where no ion was seen.
    ion
        Key of the ion, as ``li``.
    side
        ``left`` or ``right``.
    """
    plan: dict[str, Any] = {}
    words: dict[str, str] = {}
    edges = np.array([_number(one) for one in barrier.get(f"boundaries_{ion}_A") or ()])
    if len(edges) != 4 or not (np.diff(edges) > 0).all():
        return plan, words
    inner, outer = (-edges[1], -edges[0]) if side == "left" else (edges[2], edges[3])
    if not 0 < inner < outer:
        return plan, words
    plan["well"] = [round(float(inner), 3), round(float(outer), 3)]
    words["well"] = "the first layer of its analysis"
    top = abs(_number(barrier.get(f"top_{ion}_{side}_z_A")))
    if np.isfinite(top) and barrier.get(f"barrier_{ion}_{side}_interval_K") is not None:
        plan["surface"], words["surface"] = round(float(top), 3), "the top of its barrier"
    begin = min(top, inner) if np.isfinite(top) else inner
    site = _outermost_site(np.asarray(z, dtype=np.float64), np.asarray(free_energy, dtype=np.float64), side, begin)
    if site is not None:
        deepest = min(max(site, begin - _MOST_BEYOND), begin - _LEAST_BEYOND)
        plan["span"] = [round(float(deepest), 3), round(float(outer), 3)]
        words["span"] = f"a site of its F(z) at {site:.1f} Å"
    return plan, words


def _outermost_site(z: NDArray[np.float64], energy: NDArray[np.float64], side: Side, begin: float) -> float | None:
    """Return the distance (Å) of the first minimum of F within a place, None if there is none."""
    if z.ndim != 1 or z.shape != energy.shape:
        return None
    depth = -z if side == "left" else z
    for index in np.argsort(-depth):
        if not (begin - _DEEPEST < depth[index] < begin and np.isfinite(energy[index])):
            continue
        beside = energy[np.abs(depth - depth[index]) <= _HALF_SITE]
        if energy[index] <= np.nanmin(beside):
            return float(depth[index])
    return None


def _number(value: Any) -> float:
    """Return a number of a result, NaN for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else np.nan
