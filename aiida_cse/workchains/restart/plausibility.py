"""Plausibility checks of a completed run: temperature, density, energy drift, held atoms, bond lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.protocol.stage import JobPlan, Span, Stage
from aiida_cse.schema import StrictModel

__all__ = [
    "Bound",
    "Finding",
    "Plausibility",
    "Window",
    "energy_drift",
    "is_judged",
    "judge_run",
    "judge_system",
]

#: Boltzmann's constant in kcal/mol/K, CODATA 2018
BOLTZMANN = 1.987204259e-3

#: shortest stage that is judged, in response times of its thermostat
SETTLED = 10
#: standard errors by which a mean or a slope may deviate by chance
ERRORS = 4
#: fewest thermo rows for a judgement
ROWS = 8

#: columns of thermo by name, each with one value per row
Columns: TypeAlias = Mapping[str, np.ndarray]


class Bound(StrictModel):
    """Upper limits: a value above ``warn`` is reported, above ``fail`` the run has failed; None for no limit."""

    warn: float | None = Field(default=None, gt=0)
    fail: float | None = Field(default=None, gt=0)

    def severity(self, value: float) -> str | None:
        """Return ``fail``, ``warn`` or None for a value."""
        for name in ("fail", "warn"):
            limit = getattr(self, name)
            if limit is not None and value > limit:
                return name
        return None


class Window(StrictModel):
    """Ranges: a value outside ``warn`` is reported, outside ``fail`` the run has failed; None for no limit."""

    warn: tuple[float, float] | None = None
    fail: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        for name in ("warn", "fail"):
            window = getattr(self, name)
            if window is not None and not 0 <= window[0] < window[1]:
                raise ValueError(f"{name} = {list(window)}: must be [lowest, highest] with 0 <= lowest < highest")
        return self

    def severity(self, value: float) -> str | None:
        """Return ``fail``, ``warn`` or None for a value."""
        for name in ("fail", "warn"):
            window = getattr(self, name)
            if window is not None and not window[0] <= value <= window[1]:
                return name
        return None


class Plausibility(StrictModel):
    """Limits of the plausibility check of a completed run.

    Statistical uncertainty counts in favour of the run. ``temperature``, ``density`` and ``drift`` are not judged
    in stages shorter than ten response times of the thermostat. Bonds must not cross a wall.

    Attributes
    ----------
    temperature
        Relative deviation of the mean over the second half of a stage from its target.
    density
        g/cm³; mean over the second half of an NpT stage.
    drift
        K/ns; drift of the conserved energy per degree of freedom, over k_B, in stages at constant temperature and
        pressure: the heat that the thermostat has to remove.
    held_shift
        Å; largest displacement of a held atom.
    bond_length
        Å; longest bond of the last configuration.
    """

    temperature: Bound = Bound(warn=0.05, fail=0.25)
    density: Window = Window()
    drift: Bound = Bound(warn=200, fail=5000)
    held_shift: Bound = Bound(fail=1e-3)
    bond_length: Bound = Bound(warn=3, fail=6)


@dataclass(frozen=True)
class Finding:
    """A value that is not plausible: its stage, its severity (``warn`` or ``fail``), and a description."""

    stage: str
    severity: str
    words: str

    def __str__(self) -> str:
        return f"stage {self.stage}: {self.words}"


def judge_run(plan: JobPlan, thermo: Mapping[str, Columns], limits: Plausibility) -> list[Finding]:
    """Return the findings about the thermo output of a run.

    Parameters
    ----------
    plan
        The plan of the run.
    thermo
        The columns of each stage, in LAMMPS units, including ``step``.
    limits
        The limits.
    """
    found = []
    for span in plan.spans:
        columns = thermo.get(span.stage.name)
        if columns is None or not span.stage.is_dynamics:
            continue
        checks = [_held(columns, limits)]
        if is_judged(columns, span.stage):
            checks += [_temperature(columns, span, limits), _density(columns, span, limits)]
            checks.append(_drift(columns, span, limits))
        found += [Finding(span.stage.name, *check) for check in checks if check is not None]
    return found


def is_judged(columns: Columns, stage: Stage) -> bool:
    """Return whether a stage is long enough to judge its temperature, density and drift."""
    return (
        stage.is_dynamics
        and len(columns["step"]) >= ROWS
        and _span_fs(columns, stage) >= SETTLED * stage.thermostat_fs
    )


def judge_system(system: System, stage: str, limits: Plausibility) -> list[Finding]:
    """Return the findings about the bonds of the last configuration of a run, which ended with ``stage``."""
    bonds = system.data.topology["bonds"]
    if not len(bonds):
        return []
    found = []
    first, second = bonds[:, 1] - 1, bonds[:, 2] - 1
    lengths = np.linalg.norm(system.data.unwrapped[second] - system.data.unwrapped[first], axis=1)
    longest = int(lengths.argmax())
    severity = limits.bond_length.severity(float(lengths[longest]))
    if severity is not None:
        atoms = f"{first[longest] + 1} and {second[longest] + 1}"
        found.append(Finding(stage, severity, f"the bond of atoms {atoms} is {lengths[longest]:.2f} Å long"))
    images = system.data.images[:, 2]
    across = int(np.count_nonzero(images[first] != images[second]))
    # a held slab that defines the frame bears the molecule ID of a wall as well, but does not lie at the boundary
    walls = [number for number, entry in enumerate(system.info.types, 1) if entry.phase == "wall"]
    if across and np.isin(system.data.types, walls).any():
        found.append(Finding(stage, "fail", f"{across} bonds cross the wall"))
    return found


def _span_fs(columns: Columns, stage: Stage) -> float:
    return float(columns["step"][-1] - columns["step"][0]) * stage.timestep_fs


def _late(columns: Columns, name: str) -> np.ndarray:
    values: np.ndarray = columns[name][len(columns[name]) // 2 :]
    return values


def _ends(value: Any) -> tuple[float, float]:
    start, end = value if isinstance(value, tuple) else (value, value)
    return float(start), float(end)


def _temperature(columns: Columns, span: Span, limits: Plausibility) -> tuple[str, str] | None:
    """Compare the mean with the target; the temperature of N_f degrees of freedom fluctuates by T √(2/N_f)."""
    start, end = _ends(span.stage.temperature)
    steps, values = _late(columns, "step"), _late(columns, "temp")
    target = start + (end - start) * (steps - span.start) / (span.end - span.start)
    independent = max(1.0, _span_fs(columns, span.stage) / 2 / (2 * span.stage.thermostat_fs))
    chance = ERRORS * np.sqrt(2 / _degrees_of_freedom(columns) / independent)
    deviation = float(np.mean(values / target - 1))
    severity = limits.temperature.severity(abs(deviation) - chance)
    if severity is None:
        return None
    return severity, f"the mean temperature is {values.mean():.0f} K instead of {target.mean():.0f} K"


def _density(columns: Columns, span: Span, limits: Plausibility) -> tuple[str, str] | None:
    if span.stage.kind != "npt" or "density" not in columns:
        return None
    density = float(_late(columns, "density").mean())
    severity = limits.density.severity(density)
    if severity is None:
        return None
    low, high = getattr(limits.density, severity)
    return severity, f"the density is {density:.3f} g/cm³, outside {low:g} to {high:g} g/cm³"


def energy_drift(columns: Columns, span: Span) -> tuple[float, float] | None:
    """Return the drift of the conserved energy, K/ns per degree of freedom, and its chance deviation.

    The drift is the slope of a line through the second half of a stage, its chance deviation :data:`ERRORS`
    standard errors. None for a ramp, in which no energy is conserved, and without the column.
    """
    settings = (span.stage.temperature, span.stage.pressure)
    if "econserve" not in columns or any(len(set(_ends(value))) > 1 for value in settings if value is not None):
        return None
    time = (_late(columns, "step") - columns["step"][0]) * span.stage.timestep_fs * 1e-6
    energy = _late(columns, "econserve") / (BOLTZMANN * _degrees_of_freedom(columns))
    slope, offset = np.polyfit(time, energy, 1)
    scatter = float(np.std(energy - slope * time - offset))
    return float(slope), float(ERRORS * scatter / float(np.std(time)) / np.sqrt(len(time)))


def _drift(columns: Columns, span: Span, limits: Plausibility) -> tuple[str, str] | None:
    found = energy_drift(columns, span)
    if found is None:
        return None
    slope, chance = found
    severity = limits.drift.severity(abs(slope) - chance)
    if severity is None:
        return None
    return severity, f"the conserved energy drifts by {slope:.0f} K/ns per degree of freedom"


def _held(columns: Columns, limits: Plausibility) -> tuple[str, str] | None:
    shift = columns.get("c_held_shift")
    if shift is None or not np.isfinite(shift).any():
        return None
    furthest = float(np.nanmax(shift))
    severity = limits.held_shift.severity(furthest)
    return None if severity is None else (severity, f"held atoms moved by up to {furthest:.3g} Å")


def _degrees_of_freedom(columns: Columns) -> float:
    """Return the degrees of freedom in the temperature of LAMMPS, N_f = 2 E_kin / (k_B T)."""
    warm = columns["temp"] > 0
    return float(np.median(2 * columns["ke"][warm] / (BOLTZMANN * columns["temp"][warm]))) if warm.any() else 1.0
