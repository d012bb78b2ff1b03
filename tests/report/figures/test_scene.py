"""Snapshot: painter's order, radii in Å, whole molecules around a centred slab, and small files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure

from aiida_cse.lammps.files.system import System
from aiida_cse.report.figures import NotDrawableError, figures
from aiida_cse.report.figures.scene import scene_of
from aiida_cse.report.figures.style import render
from aiida_cse.report.findings import Findings, Origin
from tests.systems import crystal_and_molecules


def moved(by: tuple[float, float, float]) -> System:
    """Return the small system, moved (Å) across the boundaries of its box."""
    system = crystal_and_molecules()
    system.data.set_unwrapped(system.data.unwrapped + np.array(by))
    return system


def findings_of(system: System) -> Findings:
    return Findings(origin=Origin("study", "test"), runs={}, load_phases=lambda: {"interface": system})


@pytest.fixture(scope="module")
def drawn() -> Figure:
    return figures()["snapshot"].public(findings_of(moved((3.0, 4.0, 15.0))))


def discs(drawn: Figure) -> EllipseCollection:
    (found,) = [one for one in drawn.axes[0].collections if isinstance(one, EllipseCollection)]
    return found


def test_nearer_atoms_are_drawn_later_and_darker(drawn: Figure) -> None:
    scene = scene_of(findings_of(moved((3.0, 4.0, 15.0))))
    assert (np.diff(scene.depth) >= 0).all()
    atoms = discs(drawn).get_offsets()[::3]
    np.testing.assert_allclose(atoms, np.stack([scene.across, scene.up], axis=1))
    lightness = discs(drawn).get_facecolors()[1::3, :3].mean(axis=1)
    of_framework = lightness[scene.roles == "framework"]
    assert of_framework[0] > of_framework[-1]


def test_radii_are_covalent_in_units_of_the_axes(drawn: Figure) -> None:
    scene = scene_of(findings_of(moved((3.0, 4.0, 15.0))))
    assert set(scene.radii[scene.roles == "framework"]) == {2.07}
    assert set(scene.radii[scene.roles == "polymer"]) == {0.76}
    assert drawn.axes[0].get_aspect() == 1.0
    np.testing.assert_allclose(discs(drawn).get_widths()[::3], 2 * scene.radii)


def test_molecules_are_whole_and_the_slab_is_in_the_middle() -> None:
    still, far = (scene_of(findings_of(moved(by))) for by in ((0.0, 0.0, 0.0), (3.0, 0.75, 19.0)))
    for scene in (still, far):
        framework = scene.across[scene.roles == "framework"]
        assert np.abs(framework).max() < 6.0
        assert framework.mean() == pytest.approx(0.0, abs=1e-6)
    # both atoms of a molecule have the same place in this view
    polymer = np.stack([far.across, far.up], axis=1)[far.roles == "polymer"]
    assert len(np.unique(polymer.round(3), axis=0)) == len(polymer) / 2


def test_dummy_atoms_of_the_wall_are_not_drawn() -> None:
    assert set(scene_of(findings_of(crystal_and_molecules())).roles) == {"framework", "oxide", "cation", "polymer"}


def test_scale_bar_has_the_length_that_it_tells(drawn: Figure) -> None:
    (bar,) = [line for line in drawn.axes[0].lines if line.get_label() == "scale"]
    assert np.ptp(np.asarray(bar.get_xdata())) == pytest.approx(5.0)
    assert "5 Å" in [text.get_text() for text in drawn.axes[0].texts]


def test_run_that_kept_its_system_comes_before_the_phases() -> None:
    caption = figures()["snapshot"].caption(findings_of(crystal_and_molecules()))
    assert caption.startswith("Snapshot: the phase 'interface'.")
    assert "PEO: 44 atoms" in caption
    with pytest.raises(NotDrawableError, match="no positions"):
        figures()["snapshot"].draw(replace(findings_of(moved((0, 0, 0))), load_phases=dict), 85)


def test_png_of_many_colours_is_below_250_kb() -> None:
    noisy = figures()["snapshot"].draw(findings_of(crystal_and_molecules()), 180)
    pixels = np.random.default_rng(1).random((400, 400, 3))
    noisy.axes[0].imshow(pixels, extent=(-10, 10, 0, 10), zorder=9)
    content = render(noisy, "png", name="snapshot", dpi=150)
    assert content.startswith(b"\x89PNG")
    assert len(content) < 250_000


def test_snapshot_drawn_twice_gives_the_same_file() -> None:
    source = findings_of(crystal_and_molecules())
    first, second = (render(figures()["snapshot"].draw(source, 85), "png", name="a", dpi=100) for _ in range(2))
    assert first == second
