"""Whether a run that reached its last step is plausible: temperature, density, energy, what was held, bonds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from aiida_cse.lammps.files.system import WALL_MOLECULE, System
from aiida_cse.lammps.protocol.stage import JobPlan, Span, Stage
from aiida_cse.schema import StrictModel

__all__ = ["Bound", "Finding", "Sanity", "Window", "judge_run", "judge_system"]

#: Boltzmann's constant in kcal/mol/K, CODATA 2018
BOLTZMANN = 1.987204259e-3

#: a stage that is shorter than this many times of its thermostat has not found its temperature
SETTLED = 10
#: standard errors that a mean or a slope may be off by chance
ERRORS = 4
#: rows of thermo without which nothing is said
ROWS = 8

#: columns of thermo by name, each with one value per row
Columns: TypeAlias = Mapping[str, np.ndarray]


class Bound(StrictModel):
    """Beyond ``warn`` a run is reported, beyond ``fail`` it has failed; null: never."""

    warn: float | None = Field(default=None, gt=0)
    fail: float | None = Field(default=None, gt=0)

    def severity(self, value: float) -> str | None:
        """Return what a value is: ``fail``, ``warn`` or None."""
        for name in ("fail", "warn"):
            limit = getattr(self, name)
            if limit is not None and value > limit:
                return name
        return None


class Window(StrictModel):
    """Outside of ``warn`` a run is reported, outside of ``fail`` it has failed; null: never."""

    warn: tuple[float, float] | None = None
    fail: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        for name in ("warn", "fail"):
            window = getattr(self, name)
            if window is not None and not 0 <= window[0] < window[1]:
                msg = f"{name}: {list(window)} must be [lowest, highest], from 0 up"
                raise ValueError(msg)
        return self

    def severity(self, value: float) -> str | None:
        """Return what a value is: ``fail``, ``warn`` or None."""
        for name in ("fail", "warn"):
            window = getattr(self, name)
            if window is not None and not window[0] <= value <= window[1]:
                return name
        return None


class Sanity(StrictModel):
    """What is looked at when a run has reached its last step, and from where on it is reported or has failed.

    ``temperature`` is how far the mean over the second half of a stage may be from its target, relative to it.
    ``density`` (g/cm³) is the mean over the second half of an NpT stage. ``drift`` is how fast the conserved
    energy per degree of freedom may change where temperature and pressure are constant, in K per ns: what the
    thermostat has to take out. What the statistics of a stage leave open counts in its favour, and stages of less
    than ten times of their thermostat are not judged by these three. ``held_shift`` (Å) is how far an atom may
    move that is held, ``bond_length`` (Å) how long a bond of the last configuration may be; no bond may lie across
    a wall.
    """

    temperature: Bound = Bound(warn=0.05, fail=0.25)
    density: Window = Window()
    drift: Bound = Bound(warn=200, fail=5000)
    held_shift: Bound = Bound(fail=1e-3)
    bond_length: Bound = Bound(warn=3, fail=6)


@dataclass(frozen=True)
class Finding:
    """Something that is not plausible: in which stage, how bad (``warn`` or ``fail``), and a sentence."""

    stage: str
    severity: str
    words: str


def judge_run(plan: JobPlan, thermo: Mapping[str, Columns], sanity: Sanity) -> list[Finding]:
    """Return what is not plausible about a run.

    Parameters
    ----------
    plan
        The plan of the run.
    thermo
        Per stage its columns (LAMMPS units), with ``step`` among them.
    sanity
        The limits.
    """
    found = []
    for span in plan.spans:
        columns = thermo.get(span.stage.name)
        if columns is None or span.stage.kind not in ("nvt", "npt"):
            continue
        checks = [_held(columns, sanity)]
        if len(columns["step"]) >= ROWS and _span_fs(columns, span.stage) >= SETTLED * span.stage.thermostat_fs:
            checks += [_temperature(columns, span, sanity), _density(columns, span, sanity)]
            checks.append(_drift(columns, span, sanity))
        found += [Finding(span.stage.name, *check) for check in checks if check is not None]
    return found


def judge_system(system: System, stage: str, sanity: Sanity) -> list[Finding]:
    """Return what is not plausible about the last configuration of a run."""
    return [Finding(stage, *check) for check in _bonds(system, sanity)]


def _span_fs(columns: Columns, stage: Stage) -> float:
    return float(columns["step"][-1] - columns["step"][0]) * stage.timestep_fs


def _late(columns: Columns, name: str) -> np.ndarray:
    values: np.ndarray = columns[name][len(columns[name]) // 2 :]
    return values


def _ends(value: Any) -> tuple[float, float]:
    start, end = value if isinstance(value, tuple) else (value, value)
    return float(start), float(end)


def _temperature(columns: Columns, span: Span, sanity: Sanity) -> tuple[str, str] | None:
    """Compare the mean with the target; an average over N_f degrees of freedom fluctuates by T √(2/N_f)."""
    start, end = _ends(span.stage.temperature)
    steps, values = _late(columns, "step"), _late(columns, "temp")
    target = start + (end - start) * (steps - span.start) / (span.end - span.start)
    independent = max(1.0, _span_fs(columns, span.stage) / 2 / (2 * span.stage.thermostat_fs))
    chance = ERRORS * np.sqrt(2 / _degrees_of_freedom(columns) / independent)
    deviation = float(np.mean(values / target - 1))
    severity = sanity.temperature.severity(abs(deviation) - chance)
    if severity is None:
        return None
    return severity, f"the temperature is {values.mean():.0f} K where {target.mean():.0f} K was asked for"


def _density(columns: Columns, span: Span, sanity: Sanity) -> tuple[str, str] | None:
    if span.stage.kind != "npt" or "density" not in columns:
        return None
    density = float(_late(columns, "density").mean())
    severity = sanity.density.severity(density)
    if severity is None:
        return None
    low, high = getattr(sanity.density, severity)
    return severity, f"the density is {density:.3f} g/cm³, not between {low:g} and {high:g}"


def _drift(columns: Columns, span: Span, sanity: Sanity) -> tuple[str, str] | None:
    """Fit a line to the conserved energy, which a thermostat at constant temperature keeps."""
    settings = (span.stage.temperature, span.stage.pressure)
    if "econserve" not in columns or any(len(set(_ends(value))) > 1 for value in settings if value is not None):
        return None
    time = (_late(columns, "step") - columns["step"][0]) * span.stage.timestep_fs * 1e-6
    energy = _late(columns, "econserve") / (BOLTZMANN * _degrees_of_freedom(columns))
    slope, offset = np.polyfit(time, energy, 1)
    scatter = float(np.std(energy - slope * time - offset))
    chance = ERRORS * scatter / float(np.std(time)) / np.sqrt(len(time))
    severity = sanity.drift.severity(abs(slope) - chance)
    if severity is None:
        return None
    return severity, f"the conserved energy drifts by {slope:.0f} K per ns and degree of freedom"


def _held(columns: Columns, sanity: Sanity) -> tuple[str, str] | None:
    shift = columns.get("c_held_shift")
    if shift is None or not np.isfinite(shift).any():
        return None
    furthest = float(np.nanmax(shift))
    severity = sanity.held_shift.severity(furthest)
    return None if severity is None else (severity, f"atoms that were held moved by up to {furthest:.3g} Å")


def _bonds(system: System, sanity: Sanity) -> Iterator[tuple[str, str]]:
    bonds = system.data.topology["bonds"]
    if not len(bonds):
        return
    first, second = bonds[:, 1] - 1, bonds[:, 2] - 1
    steps = system.data.unwrapped[second] - system.data.unwrapped[first]
    lengths = np.linalg.norm(steps, axis=1)
    longest = int(lengths.argmax())
    severity = sanity.bond_length.severity(float(lengths[longest]))
    if severity is not None:
        yield (
            severity,
            f"the bond of atoms {first[longest] + 1} and {second[longest] + 1} is {lengths[longest]:.2f} Å long",
        )
    images = system.data.images[:, 2]
    across = int(np.count_nonzero(images[first] != images[second]))
    if across and (system.data.molecules == WALL_MOLECULE).any():
        yield "fail", f"{across} bonds lie across the wall"


def _degrees_of_freedom(columns: Columns) -> float:
    """Return the degrees of freedom that LAMMPS counts in its temperature: N_f = 2 E_kin / (k_B T)."""
    warm = columns["temp"] > 0
    return float(np.median(2 * columns["ke"][warm] / (BOLTZMANN * columns["temp"][warm]))) if warm.any() else 1.0
