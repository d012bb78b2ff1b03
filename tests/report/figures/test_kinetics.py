"""Figure of the rates: counted, fitted, extrapolated, known; and the curves of the laws between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiida_cse.analysis.kinetics import KINETICS, KineticsSettings, kinetics
from aiida_cse.report.figures import figures
from aiida_cse.report.figures.registry import NotDrawableError
from aiida_cse.report.findings import Findings
from aiida_cse.report.kinetics import rates_of
from aiida_cse.report.rate_curves import rate_curves
from aiida_cse.report.results import Entry, ObservableResult, describe_result
from aiida_cse.report.tables import tables_of
from aiida_cse.report.view import joint_sections
from tests.report.figures.conftest import bars, is_filled, lines, point, reach


def test_counted_rates_are_those_of_the_results_and_bounds_are_arrows(findings: Findings) -> None:
    assert findings.kinetics is not None
    (axes,) = figures()["rates"].draw(findings, 180).axes
    counted = bars(axes, "counted")
    runs = [run for run in findings.runs.values() if run.scalars["transitions"]["s_in_li_ceramic"]]
    assert len(counted) == len(runs) == 2
    for bar, run in zip(counted, runs, strict=True):
        found = run.scalars["transitions"]
        key = "rate_in_li_ceramic_conditioned_per_ion_per_s"
        assert point(bar) == (1000 / run.temperature, found[key])
        assert reach(bar) == pytest.approx(found[f"{key}_interval"])
    (bound,) = bars(axes, "bound")
    record = next(one for one in findings.kinetics.value("observations") if one["run"] == "T0500_r1")
    assert point(bound) == (2.0, record["rate_upper_bound_per_s"])
    assert [text.get_text() for text in axes.texts] == ["12", "6"]
    assert axes.get_ylabel() == "Γ per ion (s$^{-1}$)"
    assert axes.get_xlabel() == "1000 K / $T$"
    assert axes.child_axes[0].get_xlabel() == "$T$ (K)"


def test_rates_of_the_fit_are_open_where_they_are_extrapolated(findings: Findings) -> None:
    assert findings.kinetics is not None
    axes = figures()["rates"].draw(findings, 85).axes[0]
    rates = list(rates_of(findings.kinetics.values))
    for bar, rate in zip(bars(axes, "fit"), rates, strict=True):
        assert point(bar) == (1000 / rate["temperature_K"], rate["rate_per_s"])
        assert reach(bar) == pytest.approx([rate["low_per_s"], rate["high_per_s"]])
        assert is_filled(bar) != rate["extrapolated"]
    assert [rate["extrapolated"] for rate in rates] == [True, False, False]
    for law in ("arrhenius", "vogel-fulcher", "two-channels"):
        assert len(lines(axes, law)) == 1
    assert "leaves out: T0500_r1: not equilibrated" in figures()["rates"].caption(findings)


def test_a_rate_without_an_upper_end_keeps_its_lower_one(findings: Findings) -> None:
    assert findings.kinetics is not None
    low, _ = findings.kinetics.value("rate_0700K_interval_per_s")
    entries = {
        **findings.kinetics.entries,
        "rate_0700K_interval_per_s": Entry(value=[low, None], unit="s⁻¹", meaning=""),
    }
    changed = replace(findings, kinetics=ObservableResult(description="", entries=entries))
    axes = figures()["rates"].draw(changed, 180).axes[0]
    rate = findings.kinetics.value("rate_0700K_per_s")
    assert [low, rate] in [pytest.approx(reach(bar)) for bar in bars(axes, "fit")]
    (arrow,) = bars(axes, "open")
    assert point(arrow) == (1000 / 700, rate)


def test_curves_of_the_laws_pass_through_the_numbers_of_the_result(findings: Findings) -> None:
    assert findings.kinetics is not None
    found = findings.kinetics.values
    curves = rate_curves(found, [400.0, 700.0])
    assert curves is not None
    for place, kelvin in enumerate(("0400", "0700")):
        ends = [curves.low[place], curves.high[place]]
        assert ends == pytest.approx(found[f"rate_{kelvin}K_interval_per_s"])
        for law, medians in curves.medians.items():
            assert medians[place] == pytest.approx(found["by_law"][law][f"rate_{kelvin}K_per_s"])


def test_without_the_same_intervals_there_are_no_curves(findings: Findings) -> None:
    assert findings.kinetics is not None
    found = findings.kinetics.values
    assert rate_curves({**found, "rate_0400K_interval_per_s": [1.0, 2.0]}, [500.0]) is None
    assert rate_curves({**found, "used": []}, [500.0]) is None


def test_known_rates_are_drawn_and_divide_the_second_panel(findings: Findings) -> None:
    known = {"expected": {"runs": [{"temperature": 700.0, "rate": 1e10}, {"temperature": 500.0, "rate": 1e9}]}}
    upper, lower = figures()["rates"].draw(replace(findings, validation=known), 180).axes
    np.testing.assert_allclose(lines(upper, "known")[0].get_data(), [[2.0, 1000 / 700], [1e9, 1e10]])
    assert lower.get_ylabel() == "Γ / known"
    rate = findings.runs["T0700_r1"].scalars["transitions"]["rate_in_li_ceramic_per_ion_per_s"]
    assert point(bars(lower, "counted")[0])[1] == pytest.approx(rate / 1e10)


def test_runs_that_no_ion_could_enter_have_no_rates(findings: Findings) -> None:
    run = findings.runs["T0500_r1"]
    nothing = {
        key: None if key.startswith("rate_in_li") else value for key, value in run.scalars["transitions"].items()
    }
    verdict = {**run.scalars["equilibration"], "rate_in_li_ceramic_per_ion_upper_bound_per_s": None}
    idle = replace(run, scalars={**run.scalars, "transitions": nothing, "equilibration": verdict})
    with pytest.raises(NotDrawableError, match="could an ion enter"):
        figures()["rates"].draw(replace(findings, runs={"T0500_r1": idle}, kinetics=None), 180)


def test_the_published_estimate_stands_beside_the_fit(findings: Findings) -> None:
    assert findings.kinetics is not None
    (cross,) = lines(figures()["rates"].draw(findings, 180).axes[0], "published")
    np.testing.assert_array_equal(cross.get_data(), [[2.5], [findings.kinetics.value("gamma_rate_0400K_per_s")]])


def test_measured_rates_point_to_their_face_and_enter_curves_view_and_table(findings: Findings) -> None:
    crossing = {
        "ion": "Li", "temperature_K": 450.0, "side": "left", "level": 0.95,
        "rate_in_per_s": 4e8, "rate_in_interval_per_s": [2e8, 8e8],
    }  # fmt: skip
    runs = {label: run.scalars for label, run in findings.runs.items()}
    asked = KineticsSettings(temperatures=[400.0, 600.0, 700.0])
    found = describe_result(KINETICS, kinetics({**runs, "left 450 K": {"crossing": crossing}}, asked))
    measured = replace(findings, kinetics=found)
    drawn = figures()["rates"].draw(measured, 85)
    (bar,) = bars(drawn.axes[0], "measured")
    assert point(bar) == (1000 / 450, 4e8)
    assert reach(bar) == pytest.approx([2e8, 8e8])
    assert "Triangles are rates that were measured" in figures()["rates"].caption(measured)
    curves = rate_curves(found.values, [450.0])
    assert curves is not None
    assert 2e8 < curves.medians["arrhenius"][0] < 8e8
    section = next(one for one in joint_sections(measured) if one.title == "Rates measured without counting")
    rate, counted = (row.quantity for row in section.rows if row.quantity is not None)
    assert "of one face only" in section.rows[1].text
    assert (rate.name, rate.value, counted.note) == ("Γ(450 K), left 450 K", 4e8, "agrees, extrapolated")
    (rows,) = [table.rows for table in tables_of(measured) if table.name == "crossings"]
    assert len(rows) == 1
