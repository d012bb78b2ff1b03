"""Plausibility checks on synthetic series."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from aiida_cse.lammps.files.system import WALL_MOLECULE, System
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.schema import explain
from aiida_cse.workchains.restart.plausibility import BOLTZMANN, Finding, Plausibility, judge_run, judge_system
from tests.systems import crystal_and_molecules

NVT: dict[str, Any] = {"name": "heat", "kind": "nvt", "duration_ps": 20, "temperature": 500}
NPT = NVT | {"name": "relax", "kind": "npt", "pressure": 1, "barostat": "z"}
STEPS = np.arange(0, 10_001, 50)
DEGREES = 3000


def series(
    temperature: float | np.ndarray = 500.0, *, drift: float = 0.0, scatter: float = 0.3, **columns: Any
) -> dict[str, np.ndarray]:
    """Return the columns of a stage whose conserved energy drifts (K per ns and degree of freedom)."""
    rng = np.random.default_rng(3)
    ones = np.ones(len(STEPS))
    noise = 1 + np.sqrt(2 / DEGREES) * np.where(np.arange(len(STEPS)) % 2, 1, -1)
    found = {"step": STEPS, "temp": temperature * noise, "density": 2.3 * ones}
    found["ke"] = DEGREES / 2 * BOLTZMANN * found["temp"]
    energy = drift * STEPS * 2e-6 + rng.normal(0, scatter, len(STEPS))
    found["econserve"] = -4000 + DEGREES * BOLTZMANN * energy
    return found | {name: value * ones for name, value in columns.items()}


def findings(stage: dict[str, Any], columns: dict[str, np.ndarray], **sanity: Any) -> list[Finding]:
    plan = JobPlan.model_validate({"stages": [stage]})
    return judge_run(plan, {stage["name"]: columns}, Plausibility.model_validate(sanity))


def severity(found: list[Finding]) -> str | None:
    assert len(found) <= 1
    return found[0].severity if found else None


def test_a_good_run_has_no_findings() -> None:
    assert findings(NVT, series()) == []
    assert findings(NPT, series(), density={"fail": [1, 4]}) == []


@pytest.mark.parametrize(
    ("temperature", "expected"), [(495, None), (540, "warn"), (460, "warn"), (700, "fail"), (350, "fail")]
)
def test_a_deviating_temperature_is_found(temperature: float, expected: str | None) -> None:
    found = findings(NVT, series(temperature))
    assert severity(found) == expected
    if found:
        assert found[0].stage == "heat"
        assert found[0].words == f"the mean temperature is {temperature:.0f} K instead of 500 K"


def test_a_ramp_is_judged_by_the_temperature_of_its_steps() -> None:
    ramp = NVT | {"temperature": [100, 1300]}
    assert findings(ramp, series(100 + 1200 * STEPS / 10_000)) == []
    assert severity(findings(ramp, series(500.0))) == "fail"


def test_fluctuations_are_no_finding() -> None:
    """For 113 atoms, the mean over 1 ps is known to 3.4 %, over 10 ps to 1.1 %; it deviates by 10 %."""
    columns = series(550.0)
    columns["ke"] = columns["ke"] * 339 / DEGREES
    short = {name: values[:21] for name, values in columns.items()}
    assert findings(NVT, short) == []
    assert severity(findings(NVT, columns)) == "warn"


def test_a_stage_too_short_to_settle_is_not_judged() -> None:
    assert findings(NVT, {name: values[:9] for name, values in series(900.0).items()}) == []


@pytest.mark.parametrize(("density", "expected"), [(2.3, None), (1.9, "warn"), (0.9, "fail"), (9.0, "fail")])
def test_the_density_is_judged_in_npt_stages(density: float, expected: str | None) -> None:
    window = {"warn": [2, 3], "fail": [1, 4]}
    assert severity(findings(NPT, series(density=density), density=window)) == expected
    assert findings(NVT, series(density=density), density=window) == [], "the box is fixed"


@pytest.mark.parametrize(("drift", "expected"), [(0, None), (-150, None), (-900, "warn"), (9000, "fail")])
def test_a_drift_of_the_conserved_energy_is_found(drift: float, expected: str | None) -> None:
    assert severity(findings(NVT, series(drift=drift))) == expected


def test_a_drift_within_the_scatter_is_no_finding() -> None:
    assert findings(NVT, series(drift=900, scatter=8.0)) == []


def test_a_ramp_is_not_judged_by_its_drift() -> None:
    columns = series(100 + 800 * STEPS / 10_000, drift=9000)
    assert findings(NVT | {"temperature": [100, 900]}, columns) == []


@pytest.mark.parametrize(("shift", "expected"), [(0.0, None), (0.5, "fail"), (np.nan, None)])
def test_moved_held_atoms_are_found(shift: float, expected: str | None) -> None:
    assert severity(findings(NVT, series(c_held_shift=shift))) == expected


def test_missing_columns_are_not_judged() -> None:
    columns = series(700.0)
    del columns["econserve"]
    assert severity(findings(NVT, columns)) == "fail"


def test_without_limits_there_are_no_findings() -> None:
    off = {name: {"warn": None, "fail": None} for name in Plausibility.model_fields}
    columns = series(5000.0, drift=1e6, density=90.0, c_held_shift=50.0)
    assert findings(NPT, columns, **off) == []


# -- the last configuration -----------------------------------------------------------------------------------


def stretched(by: float, axis: int) -> System:
    system = crystal_and_molecules()
    positions = system.data.unwrapped.copy()
    positions[-1, axis] += by
    system.data.set_unwrapped(positions)
    return system


def test_normal_bonds_are_no_finding() -> None:
    assert judge_system(crystal_and_molecules(), "relax", Plausibility()) == []


@pytest.mark.parametrize(("by", "expected"), [(2.0, "warn"), (9.0, "fail")])
def test_a_long_bond_is_found(by: float, expected: str) -> None:
    (finding,) = judge_system(stretched(by, 1), "relax", Plausibility())
    assert finding.severity == expected
    assert finding.words == f"the bond of atoms 112 and 113 is {by + 1.5:.2f} Å long"


def test_a_bond_across_the_wall_is_found() -> None:
    system = crystal_and_molecules()
    system.data.images[-1, 2] += 1
    system.data.positions[-1, 2] -= system.data.lengths[2]
    assert judge_system(system, "relax", Plausibility()) == [], "no wall to cross"
    system.data.molecules[0] = WALL_MOLECULE
    assert judge_system(system, "relax", Plausibility()) == [], "the ID of a wall, but in a slab"
    first, *others = system.info.types
    types = (first.model_copy(update={"phase": "wall"}), *others)
    walled = replace(system, info=system.info.model_copy(update={"types": types}))
    (finding,) = judge_system(walled, "relax", Plausibility())
    assert finding == Finding("relax", "fail", "1 bonds cross the wall")


# -- the limits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": {"warn": -1}}, "temperature.warn = -1: must be greater than 0"),
        ({"density": {"fail": [4, 1]}}, "fail = [4.0, 1.0]: must be [lowest, highest] with 0 <= lowest < highest"),
        ({"drift": {"warm": 3}}, "unknown key 'warm'; did you mean 'warn'?"),
        ({"temprature": {}}, "unknown key 'temprature'; did you mean 'temperature'?"),
    ],
)
def test_wrong_limits_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Plausibility.model_validate(change)
    assert message in explain(caught.value)
