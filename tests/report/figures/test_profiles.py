"""Figures along z and by layer: the drawn numbers are those of the results, with units, intervals and n."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from aiida_cse.landscape.model import draw_landscape
from aiida_cse.report.figures import NotDrawableError, figures
from aiida_cse.report.figures.curves import known_free_energy
from aiida_cse.report.findings import Findings
from tests.report.figures.synthetic_findings import (
    DZ,
    DZ_FREE_ENERGY,
    RISE,
    changed,
    two_runs,
    without,
)

Floats = NDArray[np.float64]
#: figures of the results of one run or more
FROM_RESULTS = {
    "density_profiles": "density_profiles",
    "free_energy": "free_energy_profiles",
    "anion_free_energy": "free_energy_profiles",
    "charge_integral": "charge_integral",
    "charge_integrals_shifted": "charge_integral",
    "displacement_variance": "displacement_variance",
}


@pytest.fixture(scope="module")
def findings() -> Findings:
    return two_runs()


@pytest.fixture(scope="module")
def drawn(findings: Findings) -> dict[str, Figure]:
    """Each figure once, in the width of two columns."""
    return {name: figures()[name].public(findings) for name in FROM_RESULTS}


def line(axes: Axes, label: str) -> tuple[Floats, Floats]:
    """Return the data of the line with this label."""
    (found,) = [one for one in axes.lines if one.get_label() == label]
    return np.asarray(found.get_xdata(), dtype=np.float64), np.asarray(found.get_ydata(), dtype=np.float64)


def result(findings: Findings, label: str, observable: str, key: str) -> Floats:
    found = findings.runs[label].observable(observable)
    assert found is not None
    return found.array(key)


# -- densities -----------------------------------------------------------------------------------------------


def test_density_of_each_ion_is_that_of_the_result(drawn: dict[str, Figure], findings: Findings) -> None:
    for axes, ion in zip(drawn["density_profiles"].axes[1:], ("li", "tfsi"), strict=True):
        for label, kelvin in (("T0700_r1", "700 K"), ("T0600_r1", "600 K")):
            density = result(findings, label, "density_profiles", f"point_{ion}_per_A3")
            z, values = line(axes, kelvin)
            np.testing.assert_array_equal(z, result(findings, label, "density_profiles", "point_z_A"))
            np.testing.assert_array_equal(values, np.where(density > 0, density, np.nan))
        assert axes.get_ylabel().endswith("(Å⁻³)")
    assert drawn["density_profiles"].axes[-1].get_xlabel() == "z (Å)"


def test_framework_is_the_sum_of_its_types(drawn: dict[str, Figure], findings: Findings) -> None:
    (bars,) = [one for one in drawn["density_profiles"].axes[0].patches if isinstance(one, StepPatch)]
    parts = [result(findings, "T0700_r1", "density_profiles", f"{label}_per_A3") for label in ("La", "Zr")]
    np.testing.assert_allclose(bars.get_data().values, sum(parts))


def test_densities_without_bins_of_their_own_for_ions_have_those_of_the_atoms(findings: Findings) -> None:
    old = changed(findings, "density_profiles", {}, drop=["point_z_A"])
    panel = figures()["density_profiles"].draw(old, 85).axes[1]
    np.testing.assert_array_equal(line(panel, "700 K")[0], result(findings, "T0700_r1", "density_profiles", "z_A"))


# -- free energies -------------------------------------------------------------------------------------------


def test_free_energy_has_gaps_and_bounds_where_no_ion_was(drawn: dict[str, Figure], findings: Findings) -> None:
    energies = result(findings, "T0700_r1", "free_energy_profiles", "li_K")
    bounds = result(findings, "T0700_r1", "free_energy_profiles", "li_lower_bound_K")
    whole = drawn["free_energy"].axes[0]
    values = line(whole, "700 K")[1]
    np.testing.assert_array_equal(values, energies)
    assert np.isnan(values).any()
    bound = next(one for one in whole.lines if one.get_label() == "_bound")
    np.testing.assert_array_equal(bound.get_ydata(), bounds)
    assert whole.get_ylabel().endswith("(K)")


def test_panels_keep_their_places_when_a_user_sets_other_limits(findings: Findings) -> None:
    figure = figures()["free_energy"].draw(findings, 85)
    figure.axes[0].set_xlim(15, 35)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()


def test_colder_free_energy_is_moved_onto_the_hottest(drawn: dict[str, Figure], findings: Findings) -> None:
    z = result(findings, "T0600_r1", "free_energy_profiles", "z_A")
    energies = result(findings, "T0600_r1", "free_energy_profiles", "li_K")
    for axes, outward in zip(drawn["free_energy"].axes[1:], (-1, 1), strict=True):
        places, values = line(axes, "600 K")
        np.testing.assert_allclose(places, z + outward * DZ_FREE_ENERGY)
        np.testing.assert_allclose(values, energies + RISE)
        np.testing.assert_array_equal(line(axes, "700 K")[0], z)
        assert axes.get_title().endswith("superposed")
        assert any("moved by Δz = 0.1800 ± 0.0090 Å, 360 ± 18 K" in words for words in legend(axes))


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_legend_tells_barrier_with_interval_or_bound_or_that_it_is_not_known(findings: Findings) -> None:
    known = {
        "barrier_li_left_K": 7706.0,
        "barrier_li_left_interval_K": [7300.0, 8100.0],
        "barrier_li_right_K": 7000.0,
        "barrier_li_right_interval_K": None,
        "barrier_li_right_lower_bound_K": 6500.0,
        "top_li_left_z_A": -22.9,
    }
    axes = figures()["free_energy"].draw(changed(findings, "barrier", known), 85).axes
    assert legend(axes[1])[0] == "700 K: ΔF = 7,706 K (7,300 to 8,100)"
    assert legend(axes[2])[0] == "700 K: ΔF > 6,500 K"
    unknown = dict.fromkeys([*known, "barrier_li_left_lower_bound_K"])
    axes = figures()["free_energy"].draw(changed(findings, "barrier", unknown), 85).axes
    assert legend(axes[1])[0] == "700 K: ΔF not known"


def test_free_energy_of_anions_is_drawn_on_both_sides(drawn: dict[str, Figure], findings: Findings) -> None:
    energies = result(findings, "T0600_r1", "free_energy_profiles", "tfsi_K")
    for axes in drawn["anion_free_energy"].axes:
        np.testing.assert_array_equal(line(axes, "600 K")[1], energies)
        assert axes.get_ylabel().startswith("F(TFSI⁻)")


def test_known_free_energy_is_that_of_the_landscape(findings: Findings) -> None:
    landscape = draw_landscape(1)
    run = findings.runs["T0700_r1"]
    z = np.arange(-23.9, 23.95, 0.2)
    known = known_free_energy(replace(findings, validation={"landscape": landscape.model_dump()}), run, "Li", z)
    assert known is not None
    energies = landscape.cation.evaluate(z)[0]
    inside = [int(np.argmin(np.abs(z - place))) for place in (1.8, -1.8)]
    np.testing.assert_allclose(known, energies - energies[inside].mean(), atol=20)
    assert known_free_energy(replace(findings, validation={"landscape": {}}), run, "Li", z) is None


# -- charge --------------------------------------------------------------------------------------------------


def test_charge_of_both_sides_is_counted_from_their_ends(drawn: dict[str, Figure], findings: Findings) -> None:
    axes = drawn["charge_integral"].axes[0]
    z = result(findings, "T0700_r1", "charge_integral", "z_A")
    half = findings.runs["T0700_r1"].results.system.thickness_A / 2
    for side, sign in (("left", 1), ("right", -1)):
        distance, charge = line(axes, side)
        expected = sign * result(findings, "T0700_r1", "charge_integral", f"{side}_e_per_A2")
        order = np.argsort(-sign * z)
        np.testing.assert_allclose(distance, (-sign * z - half)[order])
        np.testing.assert_allclose(charge, expected[order])
    assert axes.get_ylabel().endswith("(10⁻³ e Å⁻²)")


def test_charge_integral_that_is_inward_already_keeps_its_sign(findings: Findings) -> None:
    inward = changed(findings, "charge_integral", {"charge_direction": "inward"})
    charge = line(figures()["charge_integral"].draw(inward, 85).axes[0], "right")[1]
    right = result(findings, "T0700_r1", "charge_integral", "right_e_per_A2")
    np.testing.assert_allclose(charge, right)


def test_changes_of_sign_are_marked_outside_the_slab_alone(findings: Findings) -> None:
    places = changed(findings, "charge_integral", {"sign_changes_right_A": [3.0, 25.5, 40.0]})
    marked = line(figures()["charge_integral"].draw(places, 85).axes[0], "changes right")
    half = findings.runs["T0700_r1"].results.system.thickness_A / 2
    np.testing.assert_allclose(marked, [[25.5 - half, 40.0 - half], [0, 0]])


def test_charge_integrals_are_moved_outward_by_dz(drawn: dict[str, Figure], findings: Findings) -> None:
    z = result(findings, "T0600_r1", "charge_integral", "z_A")
    left, right, moved_left, moved_right = drawn["charge_integrals_shifted"].axes
    for axes, dz in ((left, 0.0), (right, 0.0), (moved_left, -DZ), (moved_right, DZ)):
        np.testing.assert_allclose(line(axes, "600 K")[0], z + dz)
        np.testing.assert_array_equal(line(axes, "700 K")[0], z)
    words = [text.get_text() for text in drawn["charge_integrals_shifted"].legends[0].get_texts()]
    assert words == ["700 K", "600 K: Δz = 0.300 ± 0.040 Å"]


def test_charge_integrals_without_shifts_say_that_they_need_them(findings: Findings) -> None:
    draw = figures()["charge_integrals_shifted"].draw
    with pytest.raises(NotDrawableError, match="two or more temperatures"):
        draw(replace(findings, shifts=None), 85)
    shifts = findings.shifts
    assert shifts is not None
    entries = shifts.entries | {
        "shifts": shifts.entries["shifts"].model_copy(update={"value": []}),
        "reasons": shifts.entries["reasons"].model_copy(update={"value": ["600 K: too noisy"]}),
    }
    with pytest.raises(NotDrawableError, match="600 K: too noisy"):
        draw(replace(findings, shifts=shifts.model_copy(update={"entries": entries})), 85)


# -- displacements -------------------------------------------------------------------------------------------


def test_variances_are_those_of_the_first_lag(drawn: dict[str, Figure], findings: Findings) -> None:
    panels = drawn["displacement_variance"].axes
    for number, (ion, axis) in enumerate((ion, axis) for ion in ("li", "tfsi") for axis in (0, 2)):
        for label, container in zip(findings.runs, panels[number].containers, strict=True):
            variance = result(findings, label, "displacement_variance", f"{ion}_variance_A2")[:, 0, axis]
            points: Any = container[0]
            np.testing.assert_array_equal(points.get_ydata(), np.where(variance > 0, variance, np.nan))
        assert panels[number].get_ylabel().endswith("(Å²)")


def test_layer_without_a_sample_has_a_cross(findings: Findings) -> None:
    run = findings.runs["T0700_r1"]
    found = run.observable("displacement_variance")
    assert found is not None
    variance = found.array("li_variance_A2")
    variance[1] = np.nan
    gaps = changed(findings, "displacement_variance", {"li_variance_A2": variance.tolist()})
    axes = figures()["displacement_variance"].draw(gaps, 85).axes[0]
    crosses = [one for one in axes.lines if one.get_label() == "_without a sample"]
    assert [round(float(np.asarray(one.get_xdata())[0])) for one in crosses] == [1, 1]


# -- all of them ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FROM_RESULTS)
def test_caption_tells_time_stride_runs_and_what_bands_are(name: str, findings: Findings) -> None:
    caption = figures()[name].caption(findings)
    for words in ("ns after the first frame", "ps apart", "n = 2 runs", "± one standard error"):
        assert words in caption
    assert "None" not in caption
    assert "nan" not in caption


@pytest.mark.parametrize(("name", "observable"), FROM_RESULTS.items())
def test_figure_without_its_result_tells_the_reason(name: str, observable: str, findings: Findings) -> None:
    with pytest.raises(NotDrawableError, match=f"'{observable}': not asked for"):
        figures()[name].draw(without(findings, observable), 85)


@pytest.mark.parametrize(("name", "observable"), FROM_RESULTS.items())
def test_figure_of_arrays_without_numbers_says_so(name: str, observable: str, findings: Findings) -> None:
    found = findings.runs["T0700_r1"].observable(observable)
    assert found is not None
    arrays = {
        key: np.full(np.shape(entry.value), np.nan).tolist()
        for key, entry in found.entries.items()
        if isinstance(entry.value, list)
        and np.ndim(entry.value)
        and entry.unit
        and key not in ("z_A", "point_z_A")
    }
    empty = changed(findings, observable, arrays)
    if name == "density_profiles":
        axes = figures()[name].draw(empty, 85).axes[1]
        assert "no density is known" in [text.get_text() for text in axes.texts]
    else:
        with pytest.raises(NotDrawableError, match=r"known|number|displacement"):
            figures()[name].draw(empty, 85)


@pytest.mark.parametrize(("name", "observable"), list(FROM_RESULTS.items())[:5])
@pytest.mark.parametrize("z", [None, [None, None], []])
def test_figure_without_positions_says_so(name: str, observable: str, z: Any, findings: Findings) -> None:
    lost = changed(findings, observable, {"z_A": z, "start_ns": None})
    with pytest.raises(NotDrawableError, match=r"known|number|positions"):
        figures()[name].draw(lost, 85)
