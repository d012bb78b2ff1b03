"""The 21-step compression and decompression scheme for polymer melts as data.

Larsen, Lin, Hart, Colina, Macromolecules 2011, 44, 6944: NVT runs that alternate between a maximum and the
final temperature, NPT runs at the final temperature whose pressure rises to a maximum and falls back.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from aiida_cse.lammps.stage import Stage
from aiida_cse.validation import StrictModel, explain

__all__ = ["LARSEN", "expand_larsen"]

LARSEN = "larsen-2011"

#: pressure as a share of the maximum for the NPT steps, None for NVT; temperature; duration in ps
_MAX, _FINAL = "max", "final"
_STEPS: tuple[tuple[float | None, str, float], ...] = (
    (None, _MAX, 50),
    (None, _FINAL, 50),
    (0.02, _FINAL, 50),
    (None, _MAX, 50),
    (None, _FINAL, 100),
    (0.6, _FINAL, 50),
    (None, _MAX, 50),
    (None, _FINAL, 100),
    (1.0, _FINAL, 50),
    (None, _MAX, 50),
    (None, _FINAL, 100),
    (0.5, _FINAL, 5),
    (None, _MAX, 5),
    (None, _FINAL, 10),
    (0.1, _FINAL, 5),
    (None, _MAX, 5),
    (None, _FINAL, 10),
    (0.01, _FINAL, 5),
    (None, _MAX, 5),
    (None, _FINAL, 10),
    (0.0, _FINAL, 800),
)


class _Scheme(StrictModel):
    schedule: str
    max_temperature: float = Field(gt=0, le=5000)
    final_temperature: float = Field(gt=0, le=5000)
    max_pressure: float = Field(default=49346.0, gt=0, description="atm; 50 kbar in the source")
    final_pressure: float = 1.0
    time_scale: float = Field(default=1.0, gt=0, le=100, description="multiplies every duration")
    shortest_ps: float = Field(default=0.1, gt=0)
    last_ps: float | None = Field(default=None, gt=0, description="duration of step 21 instead of 800 ps")
    stage: dict[str, Any] = Field(default_factory=dict, description="fields that all stages share")


def expand_larsen(entry: dict[str, Any]) -> list[Stage]:
    """Return the 21 stages ``larsen_01`` … ``larsen_21`` (temperatures in K, pressures in atm).

    Raises
    ------
    ValueError
        A field of the scheme or of its stages is wrong; names it.
    """
    try:
        scheme = _Scheme.model_validate(entry)
        return [_step(number, scheme) for number in range(1, len(_STEPS) + 1)]
    except ValidationError as error:
        msg = f"schedule '{LARSEN}': {explain(error)}"
        raise ValueError(msg) from error


def _step(number: int, scheme: _Scheme) -> Stage:
    share, level, duration = _STEPS[number - 1]
    fields: dict[str, Any] = {
        "name": f"larsen_{number:02d}",
        "kind": "nvt" if share is None else "npt",
        "temperature": scheme.max_temperature if level == _MAX else scheme.final_temperature,
        "duration_ps": max(duration * scheme.time_scale, scheme.shortest_ps),
    }
    if share is not None:
        fields |= {"barostat": "z", "pressure": max(share * scheme.max_pressure, scheme.final_pressure)}
    if number == len(_STEPS) and scheme.last_ps is not None:
        fields["duration_ps"] = scheme.last_ps
    return Stage.model_validate(fields | scheme.stage)
