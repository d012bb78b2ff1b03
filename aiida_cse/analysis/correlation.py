"""Whether the anions in the first layers follow the cations in the ceramic."""

from __future__ import annotations

from typing import Any

from aiida_cse.analysis.known import known, known_range
from aiida_cse.analysis.production import Ion, Subject
from aiida_cse.physics.statistics.correlation import tfsi_lithium_correlation

__all__ = ["anions_per_cation"]

#: values of a series that a straight line with errors needs
_FEWEST = 4


def anions_per_cation(subject: Subject) -> dict[str, Any]:
    """Return how many more anions are in the first layers per additional cation in the ceramic.

    Both numbers are taken at the snapshots and from both sides together.

    Returns
    -------
    dict
        For each cation whose exchange with the ceramic counts, and each anion whose exchange with the layers does,
        the slope with its error, Pearson's r with its interval, and what both rest on. None for what a series that
        never changes does not tell, and with fewer than 4 snapshots.
    """
    ions = subject.ions.values()
    results: dict[str, Any] = {}
    for cation in (ion for ion in ions if ion.species.exchange == "ceramic"):
        for anion in (ion for ion in ions if ion.species.exchange == "layer"):
            results |= _pair(cation, anion, subject)
    return results


def _pair(cation: Ion, anion: Ion, subject: Subject) -> dict[str, Any]:
    slope = f"{anion.key}_layer_per_{cation.key}_ceramic"
    pearson = f"correlation_{anion.key}_layer_{cation.key}_ceramic"
    looks = subject.window.looks("snapshot")
    if len(looks) < _FEWEST:
        keys = (slope, f"{slope}_error", f"{slope}_samples", pearson, f"{pearson}_interval", f"{pearson}_samples")
        return dict.fromkeys(keys)
    found = tfsi_lithium_correlation(
        cation.counts["ceramic"][cation.rows(looks)],
        anion.counts["layer"][anion.rows(looks)],
        subject.settings.level,
    )
    return {
        slope: known(found.slope),
        f"{slope}_error": known(found.slope_error),
        f"{slope}_samples": found.slope_samples,
        pearson: known(found.pearson),
        f"{pearson}_interval": known_range(found.pearson_interval),
        f"{pearson}_samples": found.samples,
    }
