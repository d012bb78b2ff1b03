"""Figures of the exchange: EC with its bound, S_t with intervals, looks, and what is known of a landscape."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aiida_cse.landscape.expected import expected_exchange
from aiida_cse.landscape.model import draw_landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.report.figures import equilibration as module
from aiida_cse.report.figures import figures
from aiida_cse.report.figures.registry import NotDrawableError
from aiida_cse.report.findings import Findings
from tests.report.figures.conftest import bars, is_filled, lines, point, reach


def test_coefficients_reach_down_to_their_bounds_and_totals_have_intervals(findings: Findings) -> None:
    upper, lower = figures()["exchange"].draw(findings, 180).axes
    for key in ("li_ceramic", "tfsi_layer"):
        rows = zip(bars(upper, key), bars(lower, key), findings.runs.values(), strict=True)
        for coefficient, total, run in rows:
            found = run.scalars["equilibration"]
            assert point(coefficient)[1] == found[f"ec_{key}"]
            assert min(reach(coefficient)) == pytest.approx(found[f"ec_{key}_lower_bound"])
            assert point(total)[1] == found[f"s_total_{key}"]
            assert reach(total) == pytest.approx(found[f"s_total_{key}_interval"])
            assert is_filled(coefficient) == run.equilibrated
    criteria = next(iter(findings.runs.values())).scalars["equilibration"]["criteria"]
    for name in ("minimum_coefficient", "minimum_lower_bound"):
        assert lines(upper, name)[0].get_ydata()[0] == criteria[name]
    assert lower.get_ylabel() == "transitions $S_t$"


def test_known_exchange_of_a_landscape_is_drawn(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COMPUTED", 2)
    landscape, rates = draw_landscape(1), {700.0: 3e10, 500.0: 1e9}
    settings = ValidationSettings()
    known: dict[str, Any] = {
        "expected": {"runs": [{"temperature": kelvin, "rate": rate} for kelvin, rate in rates.items()]},
        "landscape": landscape.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
    }
    upper, lower = figures()["exchange"].draw(replace(findings, validation=known), 180).axes
    found = findings.runs["T0700_r1"].scalars["transitions"]
    exchange = expected_exchange(landscape, settings.ions, 700.0, 3e10, (found["start_ns"], found["end_ns"]))
    (totals,), (coefficients,) = lines(lower, "known"), lines(upper, "known")
    assert totals.get_xdata()[-1] == 700
    assert totals.get_ydata()[-1] == pytest.approx(exchange.entries + exchange.exits)
    total = exchange.entries + exchange.exits
    expected = 2 * min(exchange.entries, exchange.exits) / (total + 10)
    assert coefficients.get_ydata()[-1] == pytest.approx(expected)


def test_looks_are_drawn_at_their_times_with_their_verdicts(findings: Findings) -> None:
    upper, lower = figures()["looks"].draw(findings, 85).axes
    looks = findings.runs["T0500_r1"].looks
    (line,) = lines(upper, "T0500_r1")
    np.testing.assert_array_equal(line.get_data(), [[look[key] for look in looks] for key in ("end_ns", "ec")])
    points = bars(upper, "look")
    assert [is_filled(one) for one in points] == [False, True]
    assert [min(reach(one)) for one in points] == pytest.approx([look["ec_lower_bound"] for look in looks])
    for way in ("entries", "exits"):
        np.testing.assert_array_equal(lines(lower, way)[0].get_ydata(), [look[way] for look in looks])
    assert "2 looks, the last at 0.0011 ns positive" in figures()["looks"].caption(findings)
    with pytest.raises(NotDrawableError, match="no run has looks"):
        figures()["looks"].draw(replace(findings, runs={"a": findings.runs["T0700_r1"]}), 85)
