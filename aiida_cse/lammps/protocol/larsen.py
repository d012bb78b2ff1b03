"""The 21-step compression and decompression scheme for polymer melts.

Larsen, Lin, Hart, Colina, Macromolecules 2011, 44, 6944: NVT runs alternate between a maximum and the final
temperature; the pressure of NPT runs at the final temperature rises to a maximum and returns.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, model_validator

from aiida_cse.lammps.protocol.stage import Duration, Interval, Stage, Temperature
from aiida_cse.schema import Number, StrictModel, explain

__all__ = ["LARSEN", "Scheme", "expand_larsen"]

LARSEN = "larsen-2011"

#: pressure as a fraction of the maximum (NPT) or None (NVT), temperature, duration in ps
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


#: fields of a stage that the scheme sets
_OWN = frozenset({"name", "kind", "temperature", "pressure", "duration_ps", "trajectory_ps"})


class Scheme(StrictModel):
    """Fields of the entry that stands for the 21 stages."""

    schedule: str
    max_temperature: Temperature
    final_temperature: Temperature
    max_pressure: Number = Field(default=49346.0, gt=0, le=2e5, description="atm; 50 kbar in the source")
    final_pressure: Number = Field(default=1.0, ge=0, le=2e5)
    time_scale: Number = Field(default=1.0, gt=0, le=100, description="multiplies every duration")
    shortest_ps: Interval = 0.1
    last_ps: Duration | None = Field(default=None, description="duration of step 21 instead of 800 ps")
    stage: dict[str, Any] = Field(default_factory=dict, description="fields that all stages share")

    @model_validator(mode="after")
    def _consistent(self) -> Scheme:
        for quantity in ("temperature", "pressure"):
            highest, final = getattr(self, f"max_{quantity}"), getattr(self, f"final_{quantity}")
            if highest < final:
                msg = f"max_{quantity} = {highest:g} must not be lower than final_{quantity} = {final:g}"
                raise ValueError(msg)
        taken = sorted(_OWN & set(self.stage))
        if taken:
            msg = f"stage: {', '.join(taken)}: set by the scheme for each of its stages; leave it out"
            raise ValueError(msg)
        return self


def expand_larsen(entry: dict[str, Any]) -> list[Stage]:
    """Return the 21 stages ``larsen_01`` … ``larsen_21`` (temperatures in K, pressures in atm).

    Raises
    ------
    ValueError
        A field of the scheme or of its stages is invalid; the message names it.
    """
    try:
        scheme = Scheme.model_validate(entry)
        stages = []
        for number, (share, level, duration) in enumerate(_STEPS, 1):
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
            stages.append(Stage.model_validate(fields | scheme.stage))
    except ValidationError as error:
        msg = f"schedule '{LARSEN}': {explain(error)}"
        raise ValueError(msg) from error
    return stages
