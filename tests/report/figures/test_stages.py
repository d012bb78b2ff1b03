"""Figure of all stages: values of the log, targets, limits, and the drift of the conserved energy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.report.figures import figures
from aiida_cse.report.figures.registry import NotDrawableError
from aiida_cse.report.findings import Findings, ThermoTable
from aiida_cse.workchains.restart.plausibility import energy_drift
from tests.report.figures.conftest import bars, lines, point, reach

PLAN: dict[str, Any] = {
    "stages": [
        {"name": "minimize", "kind": "minimize"},
        {"name": "heat", "kind": "nvt", "temperature": [300, 500], "duration_ps": 4},
        {"name": "relax", "kind": "npt", "temperature": 500, "pressure": 1, "barostat": "z", "duration_ps": 8},
    ]
}
STEPS = {"minimize": (0, 1), "heat": (1, 2001), "relax": (2001, 6001)}


def table(part: str, names: tuple[str, ...], *, until: int | None = None) -> ThermoTable:
    """Return the thermo table of a job with these stages, with a row each 100 steps."""
    columns: dict[str, list[float]] = {}
    rng = np.random.default_rng(len(part))
    for index, name in enumerate(names):
        start, end = STEPS[name]
        for step in np.arange(start, min(end, until or end) + 1, 100):
            row = {"step": step, "stage": index, "temp": 500 + rng.normal(), "press": 50 * rng.normal()}
            row |= {"density": 2.0, "lx": 20.0, "ly": 20.0, "lz": 80.0 + 1e-4 * step, "ke": 300.0}
            row |= {"econserve": 1e-3 * step + rng.normal()}
            for key, value in row.items():
                columns.setdefault(key, []).append(float(value))
    kinds = {"minimize": "minimize", "heat": "nvt", "relax": "npt"}
    records = tuple(
        {"name": name, "kind": kinds[name], "start_step": STEPS[name][0], "target_step": STEPS[name][1]}
        for name in names
    )
    limits = {"density": {"fail": [0.5, 4.0]}, "drift": {"warn": 100, "fail": 4000}}
    return ThermoTable(part, records, {key: np.array(values) for key, values in columns.items()}, 1, PLAN, limits)


@pytest.fixture(scope="module")
def worked(findings: Findings) -> Findings:
    """Findings with two jobs of one part, of which the first was cut short, and one of another run."""
    tables = [
        table("interface_T0700_r1", ("minimize", "heat", "relax"), until=4001),
        table("interface_T0700_r1", ("relax",)),
        table("interface_T0300_r9", ("relax",)),
    ]
    return replace(findings, load_thermo=lambda: tables)


def test_values_of_every_stage_stand_in_its_slot(worked: Findings) -> None:
    axes = figures()["thermo"].draw(worked, 180).axes
    labels = ["$T$ (K)", "$p$ (atm)", "ρ (g/cm³)", "box (Å)", "drift (K/ns)"]
    assert [one.get_ylabel() for one in axes] == labels
    heat, *relax = lines(axes[0], "temp")
    first = worked.thermo[0]
    np.testing.assert_array_equal(heat.get_ydata(), first.columns["temp"][first.columns["stage"] == 1])
    assert (heat.get_xdata()[0], heat.get_xdata()[-1]) == pytest.approx((0.5, 1.5))
    # the rows of the first job end where the second one starts
    assert [len(line.get_xdata()) for line in relax] == [1, 41]
    np.testing.assert_allclose(lines(axes[1], "press")[-1].get_ydata(), worked.thermo[1].columns["press"])
    assert [label.get_text() for label in axes[-1].get_xticklabels()] == ["minimize", "heat", "relax"]


def test_large_pressures_are_in_thousands_of_atmospheres(worked: Findings) -> None:
    one = worked.thermo[1]
    large = replace(one, columns={**one.columns, "press": 100 * one.columns["press"]})
    axes = figures()["thermo"].draw(replace(worked, load_thermo=lambda: [large]), 85).axes[1]
    assert axes.get_ylabel() == "$p$ (10³ atm)"
    np.testing.assert_allclose(lines(axes, "press")[-1].get_ydata(), 1e-3 * large.columns["press"])


def test_targets_and_limits_are_those_of_plan_and_check(worked: Findings) -> None:
    axes = figures()["thermo"].draw(worked, 85).axes
    np.testing.assert_array_equal(lines(axes[0], "target")[0].get_ydata(), [300, 500])
    assert {line.get_ydata()[0] for line in lines(axes[-1], "limit")} == {-100, 100, -4000, 4000}
    caption = figures()["thermo"].caption(worked)
    assert "below 100 K/ns" in caption
    assert "within 5 % of the target" in caption


def test_drift_is_that_of_the_plausibility_check(worked: Findings) -> None:
    axes = figures()["thermo"].draw(worked, 180).axes
    span = JobPlan.model_validate(PLAN).spans[2]
    expected = energy_drift(worked.thermo[1].columns, span)
    assert expected is not None
    found = bars(axes[-1], "drift")[-1]
    assert point(found)[1] == expected[0]
    assert np.ptp(reach(found)) == pytest.approx(2 * expected[1])


def test_findings_without_jobs_have_no_thermodynamics(findings: Findings) -> None:
    with pytest.raises(NotDrawableError, match="no thermo tables"):
        figures()["thermo"].draw(findings, 180)
