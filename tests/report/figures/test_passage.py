"""Figures of a crossing: F(z) with band, ladders and surface, and κ(t) beside its plateau."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from aiida_cse.analysis.crossing.documents import CROSSING, CROSSING_PROFILE, TRANSMISSION
from aiida_cse.report.figures import figures
from aiida_cse.report.figures.registry import NotDrawableError
from aiida_cse.report.findings import Findings, Origin
from aiida_cse.report.results import describe_result
from tests.report.figures.conftest import lines

KELVIN, TOP, BARRIER = 500.0, -12.1, 4000.0


def profile(kelvin: float = KELVIN, **changes: Any) -> dict[str, Any]:
    """Return F of four ladders, whose last bin one of them never visits."""
    z = np.arange(-19.9, -10, 0.2)
    mean = BARRIER * np.exp(-(((z - TOP) / 2.5) ** 2))
    ladders = mean + np.array([-60.0, -20.0, 20.0, 60.0])[:, None]
    ladders[0, -1] = np.nan
    mean = ladders.mean(axis=0)
    return {
        "z_A": z,
        "free_energy_K": mean,
        "low_K": mean - 80,
        "high_K": mean + 80,
        "ladders_K": ladders,
        "window_z_A": np.arange(-19.5, -10, 0.5),
        "window_ps": np.full(19, 400.0),
        "temperature_K": kelvin,
        "ion": "Li",
        "side": "left",
        "level": 0.95,
        "well_range_A": [-20.0, -15.0],
        "surface_z_A": TOP,
        "tst_barrier_K": BARRIER,
        "tst_barrier_error_K": 25.0,
        "rounds": 2,
        "samples": 1234,
        "correlation_ps": 1.5,
        "thin": [[0, -13.0, -12.5]],
        "reasons": [],
    } | changes


def crossed(kappa: float = 0.5, reactive: int = 40, **changes: Any) -> Findings:
    """Return the findings of a crossing with this κ; ``changes`` are those of F."""
    time = np.arange(0, 2, 0.02)
    curve = kappa + (1 - kappa) * np.exp(-time / 0.1)
    rate = {key: profile()[key] for key in ("temperature_K", "ion", "side", "level")} | {
        "kappa_in": kappa,
        "kappa_in_interval": [0.8 * kappa, 1.2 * kappa],
        "kappa_out": 0.9 * kappa,
        "kappa_out_interval": [0.7 * kappa, 1.1 * kappa],
        "starts": [100, 90],
        "reactive": [reactive, reactive],
        "undecided": 0.01,
        "balance_p_value": 0.4,
    }
    return Findings(
        Origin("crossing", "test"),
        runs={},
        crossing=describe_result(CROSSING, rate),
        crossing_profile=describe_result(CROSSING_PROFILE, profile(**changes)),
        transmission=describe_result(TRANSMISSION, {"time_ps": time, "kappa_in": curve, "kappa_out": 0.9 * curve}),
    )


def test_free_energy_has_ladders_band_and_surface_in_kt_and_kelvin() -> None:
    findings = crossed()
    found = profile()
    upper, lower = figures()["crossing"].draw(findings, 85).axes
    (mean,) = lines(upper, "mean")
    np.testing.assert_allclose(mean.get_ydata(), found["free_energy_K"] / KELVIN)
    (second,) = upper.child_axes
    assert (upper.get_ylabel(), second.get_ylabel()) == ("F ($k_B T$)", "F (K)")
    assert len(lines(upper, "ladder")) == len(lines(lower, "ladder")) == 4
    deviation = lines(lower, "ladder")[3].get_ydata()[:-1]
    np.testing.assert_allclose(deviation, 60 / KELVIN)
    (band,) = (one for one in lower.collections if isinstance(one, PolyCollection))
    ends = band.get_paths()[0].vertices[:, 1]
    assert (ends.min(), ends.max()) == pytest.approx((-80 / KELVIN, 80 / KELVIN))
    for axes in (upper, lower):
        assert lines(axes, "surface")[0].get_xdata()[0] == TOP
    assert lines(upper, "barrier")[0].get_ydata()[0] == BARRIER / KELVIN
    assert lines(lower, "thin")[0].get_xdata()[0] == -12.75
    caption = figures()["crossing"].caption(findings)
    assert "95 % interval" in caption
    assert "4,000 ± 25 K, 8.000 ± 0.050 k_BT" in caption
    assert "overlap too little (crosses): 1" in caption


def test_crossings_of_other_temperatures_share_the_panel_in_kelvin() -> None:
    colder = describe_result(CROSSING_PROFILE, profile(400.0))
    findings = replace(crossed(), crossing_profiles=[colder])
    upper, _ = figures()["crossing"].draw(findings, 180).axes
    assert [line.get_ydata()[0] for line in lines(upper, "mean")] == pytest.approx(
        [profile()["free_energy_K"][0]] * 2
    )
    assert len({line.get_color() for line in lines(upper, "mean")}) == 2
    assert upper.get_ylabel() == "F (K)"
    assert "500 K: TST barrier" in (caption := figures()["crossing"].caption(findings))
    assert "400 K: TST barrier" in caption
    other = describe_result(CROSSING_PROFILE, profile(400.0, side="right"))
    both = replace(findings, crossing_profiles=[colder, other])
    drawn = figures()["crossing"].draw(both, 180)
    shown = [text.get_text() for legend in drawn.legends for text in legend.get_texts()]
    assert shown.count("400 K") == 1
    caption = figures()["crossing"].caption(both)
    assert "first layer on either side" in caption
    assert "400 K, right: TST barrier" in caption


def test_free_energy_without_a_top_or_an_interval_is_drawn() -> None:
    unknown = {"surface_z_A": None, "tst_barrier_K": None, "low_K": None, "reasons": ["no dividing surface: flat"]}
    findings = crossed(**unknown, thin=[], window_ps=None, correlation_ps=None)
    upper, _ = figures()["crossing"].draw(findings, 85).axes
    assert not lines(upper, "surface")
    assert "no dividing surface: flat" in figures()["crossing"].caption(findings)
    empty = crossed(free_energy_K=np.full(50, np.nan))
    with pytest.raises(NotDrawableError, match="no number"):
        figures()["crossing"].draw(empty, 85)
    with pytest.raises(NotDrawableError, match="result of a crossing"):
        figures()["crossing"].draw(Findings(Origin("folders", "test"), {}), 85)


@pytest.mark.parametrize(("kappa", "scale"), [(0.5, "linear"), (0.02, "log")])
def test_transmission_falls_to_its_plateau_both_ways(kappa: float, scale: str) -> None:
    findings = crossed(kappa)
    axes = figures()["transmission"].draw(findings, 180).axes
    for panel, factor in zip(axes, (1.0, 0.9), strict=True):
        assert lines(panel, "kappa")[0].get_ydata()[0] == pytest.approx(factor * kappa)
        assert lines(panel, "curve")[0].get_ydata()[0] == pytest.approx(factor)
        assert panel.get_yscale() == scale
        low, high = panel.get_ylim()
        assert low < 0.7 * kappa < 1 < high
    assert "40 of 100 starts reactive" in figures()["transmission"].caption(findings)


def test_transmission_says_when_its_plateau_has_bounds_only() -> None:
    assert "exact bounds 0.4 to 0.6" in figures()["transmission"].caption(crossed(reactive=3))
    none = {"time_ps": np.zeros(0), "kappa_in": np.zeros(0), "kappa_out": np.zeros(0)}
    findings = replace(crossed(), transmission=describe_result(TRANSMISSION, none))
    with pytest.raises(NotDrawableError, match="followed"):
        figures()["transmission"].draw(findings, 85)
