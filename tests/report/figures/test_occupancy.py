"""Figures of numbers of ions: what is drawn is what the results hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aiida_cse.report.figures import figures
from aiida_cse.report.figures.registry import NotDrawableError
from aiida_cse.report.findings import Findings
from tests.report.figures.conftest import bars, is_filled, lines, point, reach


def test_means_and_intervals_are_those_of_the_results(findings: Findings) -> None:
    drawn = figures()["populations"].draw(findings, 180)
    for axes, ion in zip(drawn.axes, ("li", "tfsi"), strict=True):
        assert axes.get_ylabel().endswith("(ions)")
        assert axes.get_xlabel() == "temperature (K)"
        for region in ("layer_left", "bulk"):
            key = f"n_{ion}_{region}"
            found = bars(axes, key)
            assert len(found) == len(findings.runs)
            for bar, run in zip(found, findings.runs.values(), strict=True):
                values = run.scalars["populations"]
                assert point(bar)[1] == values[key]
                assert abs(point(bar)[0] - run.temperature) < 10
                assert is_filled(bar) == run.equilibrated
                if values[f"{key}_interval"] is not None:
                    assert reach(bar) == pytest.approx(values[f"{key}_interval"])


def test_the_axis_holds_the_lower_end_of_the_excess(findings: Findings) -> None:
    label, run = next(iter(findings.runs.items()))
    values = run.scalars["populations"] | {"n_li_excess": -8.0, "n_li_excess_interval": [-16.0, 0.0]}
    moved = replace(run, scalars={**run.scalars, "populations": values})
    drawn = figures()["populations"].draw(replace(findings, runs={label: moved}), 180)
    assert -20 < drawn.axes[0].get_ylim()[0] < -16


def test_numbers_in_time_have_their_crossings_looks_and_condition(findings: Findings) -> None:
    drawn = figures()["populations_in_time"].draw(findings, 85)
    for axes, run in zip(drawn.axes, findings.runs.values(), strict=True):
        series = run.results.populations_in_time
        (excess,) = lines(axes, "$N$(Li, excess)")
        np.testing.assert_array_equal(excess.get_data(), [series.time_ns, series.ions["Li"]["excess"]])
        (anions,) = lines(axes, "$N$(TFSI, 1st layer)")
        np.testing.assert_array_equal(anions.get_ydata(), series.ions["TFSI"]["layer"])
        found = run.results.transitions_in_time
        entered = [
            time
            for time, ion, target in zip(found.time_ns, found.ion, found.target, strict=True)
            if ion == "Li" and target == "ceramic"
        ]
        assert entered
        np.testing.assert_array_equal(lines(axes, "entries")[0].get_xdata(), entered)
        levels = [line.get_ydata()[0] for line in axes.get_lines() if line.get_linestyle() == "--"]
        assert levels == [run.scalars["transitions"]["condition_minimum_excess"]]
        dotted = [line.get_xdata()[0] for line in axes.get_lines() if line.get_linestyle() == ":"]
        assert dotted == [look["end_ns"] for look in run.looks]
    assert drawn.axes[-1].get_xlabel() == "time (ns)"


def test_slopes_are_those_of_the_results_and_pass_through_the_means(findings: Findings) -> None:
    slope = findings.runs["T0700_r1"].scalars["populations"]["tfsi_layer_per_li_ceramic"]
    assert slope is not None
    axes = figures()["correlation"].draw(findings, 180).axes[0]
    values = findings.runs["T0700_r1"].scalars["populations"]
    (mean,) = bars(axes, "T0700_r1")
    assert point(mean) == (values["n_li_excess"], values["n_tfsi_layer"])
    (line,) = lines(axes, "slope T0700_r1")
    x, y = line.get_data()
    assert np.diff(y) == pytest.approx(slope * np.diff(x))
    assert np.interp(point(mean)[0], x, y) == pytest.approx(point(mean)[1])


def test_numbers_that_never_change_have_no_correlation(findings: Findings) -> None:
    runs = {}
    for label, run in findings.runs.items():
        constant = {**run.scalars["populations"], "tfsi_layer_per_li_ceramic": None}
        runs[label] = replace(run, scalars={**run.scalars, "populations": constant})
    with pytest.raises(NotDrawableError, match="no correlation"):
        figures()["correlation"].draw(replace(findings, runs=runs), 180)


def test_captions_tell_window_stride_rule_level_and_number_of_runs(findings: Findings) -> None:
    caption = figures()["populations_in_time"].caption(findings)
    assert "0.0002 to 0.00118 ns after the first frame, 50 frames 0.02 ps apart in each run; n = 3 runs" in caption
    assert "in snapshots every 0.06 ps (rule snapshot)" in caption
    assert "95 % intervals" in figures()["populations"].caption(findings)
    assert "have not equilibrated (T0500_r1)" in figures()["populations"].caption(findings)
