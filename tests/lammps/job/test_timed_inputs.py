"""The inputs whose speed is compared are the same physics, and a change that changes nothing is noticed."""

import numpy as np
import pytest

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import load_recipe
from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.protocol.stage import RunSettings
from benchmarks.md.runs import Variant, in_script, measure, overlay, protocol_settings

EWALD = RunSettings(cutoff=9.0, kspace_style="ewald", kspace_accuracy=1e-6)


@pytest.fixture(scope="module")
def interface() -> System:
    recipe = load_recipe("llzo-peo-litfsi-demo")
    crystal = build_slab(recipe)
    lx, ly = (float(edge) for edge in crystal.data.lengths[:2])
    return assemble(cut_slab(crystal, crystal.data), build_electrolyte(recipe, lx, ly))


@pytest.mark.integration
def test_one_pair_table_gives_the_forces_of_three_overlaid_ones(interface: System) -> None:
    hybrid = measure(Variant("hybrid", EWALD), interface, 1)
    laid_over = measure(Variant("overlay", EWALD, overlay), interface, 1)
    scale = float(np.abs(hybrid.forces).max())
    assert hybrid.forces.shape == (interface.info.natoms, 3)
    assert laid_over.error(hybrid.forces) < 1e-10 * scale
    assert laid_over.pressure == pytest.approx(hybrid.pressure, rel=1e-8)
    assert set(hybrid.parts) == {"Pair", "Kspace", "Neigh"}


@pytest.mark.integration
def test_the_mesh_of_the_protocols_is_more_accurate_than_the_published_sums(interface: System) -> None:
    reference = measure(
        Variant("converged", RunSettings(kspace_style="ewald", kspace_accuracy=1e-6)), interface, 1
    )
    paper, moderate = (
        measure(Variant(name, protocol_settings(name)), interface, 1) for name in ("paper", "moderate")
    )
    assert 0 < moderate.error(reference.forces) < 0.6 * paper.error(reference.forces)
    assert abs(moderate.pressure - reference.pressure) < 0.3 * abs(paper.pressure - reference.pressure)


def test_an_edit_that_finds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing in the input matches 'kspace_modify'"):
        in_script("kspace_modify", "")(("units real\n", ""))
