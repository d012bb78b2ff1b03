"""Configuration of a reduction from a system: ions by their charge, layers by their offsets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.building.reduction import describe_system
from aiida_cse.lammps.files.system import System
from aiida_cse.reduction.config import IonSpecies, ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from tests.nodes import SAMPLING, interface
from tests.reduction import synthetic

LAYER = {"inner": 0.5, "outer": 8.0}


def sampling(**changes: Any) -> Sampling:
    return Sampling.model_validate(SAMPLING | changes)


def renamed(anion: str) -> System:
    """Return the synthetic interface with another name of its anion."""
    system = interface()
    types = tuple(
        entry.model_copy(update={"species": anion}) if entry.species == "TFSI" else entry
        for entry in system.info.types
    )
    return System(system.data, system.forcefield, system.info.model_copy(update={"types": types}))


def test_without_offsets_the_layers_are_the_published_ones() -> None:
    config = ReductionConfig.build(describe_system(interface()), sampling())
    assert {name: ion.edges for name, ion in config.ions.items()} == {
        name: ion.edges for name, ion in synthetic.config().ions.items()
    }


def test_another_anion_needs_offsets_and_is_analysed_with_them() -> None:
    with pytest.raises(ValueError, match=r"species = 'FSI': offsets are known for Li, TFSI; .* given in offsets"):
        ReductionConfig.build(describe_system(renamed("FSI")), sampling())
    offsets = {"FSI": LAYER | {"margins": [0.5, 1.0, 1.5, 2.0]}}
    ion = ReductionConfig.build(describe_system(renamed("FSI")), sampling(offsets=offsets)).ions["FSI"]
    half = synthetic.HALF
    assert ion.edges[3:5] == (half + 0.5, half + 8.0)
    np.testing.assert_allclose(ion.cores[2], (-half, half))
    np.testing.assert_allclose(ion.cores[3], (half + 1.5, half + 6.5))
    assert ion.cores[4][0] == half + 10.0
    assert ion.exchange == "layer"


def test_the_offsets_of_a_known_ion_can_be_changed() -> None:
    ions = ReductionConfig.build(describe_system(interface()), sampling(offsets={"Li": LAYER})).ions
    assert ions["Li"].edges[3] == synthetic.HALF + 0.5
    assert ions["TFSI"] == ReductionConfig.build(describe_system(interface()), sampling()).ions["TFSI"]


@pytest.fixture(scope="module")
def by_origin() -> System:
    """The interface of a recipe whose lithium has two types, as built."""
    content = load_recipe("llzo-peo-litfsi-demo").model_dump(mode="json")
    content["forcefield"]["lithium"] = "by-origin"
    recipe = Recipe.model_validate(content)
    slab = build_slab(recipe)
    lx, ly, _ = slab.data.lengths.tolist()
    return assemble(cut_slab(slab, slab.data), build_electrolyte(recipe, lx, ly))


def test_lithium_by_origin_is_one_species_unless_asked(by_origin: System) -> None:
    def lithium(**changes: Any) -> IonSpecies:
        return ReductionConfig.build(describe_system(by_origin), sampling(**changes)).ions["Li"]

    assert (lithium().types, lithium().initial_ceramic) == ((4, 5), 112)
    for labels, types, initial in ((["Li_salt"], (5,), 0), (["Li"], (4,), 112), (["Li", "Li_salt"], (4, 5), 112)):
        asked = lithium(cation_atoms=labels)
        assert (asked.types, asked.initial_ceramic) == (types, initial)
    with pytest.raises(ValueError, match="cation_atoms = 'Li_sal': no atom type of Li; did you mean 'Li_salt'"):
        lithium(cation_atoms=["Li_sal"])


def test_offsets_of_unknown_ions_are_refused() -> None:
    with pytest.raises(ValueError, match="offsets = 'TSFI': no ion of the system; did you mean 'TFSI'"):
        ReductionConfig.build(describe_system(interface()), sampling(offsets={"TSFI": LAYER}))


def test_by_default_displacements_are_those_of_the_published_study() -> None:
    config = ReductionConfig.build(
        describe_system(interface()), sampling(frame_ps=2.0, block_ps=1000.0, snapshot_ps=1000.0)
    )
    assert (config.displacement_frames, config.lags) == (10, (500,))
    assert config.core_scales == ()


def test_displacements_and_core_widths_reach_the_configuration() -> None:
    given = sampling(core_scales=[0.5, 1.5], displacement_ps=0.06, lags_ps=[0.06, 0.12])
    config = ReductionConfig.build(describe_system(interface()), given)
    assert (config.core_scales, config.displacement_frames, config.lags) == ((0.5, 1.5), 3, (3, 6))
    assert Sampling.model_validate(given.model_dump(mode="json")) == given
    assert ReductionConfig.build(describe_system(interface()), sampling(lags_ps=[])).displacement_frames is None


def test_a_width_without_cores_is_refused() -> None:
    with pytest.raises(ValueError, match=r"core_scales\.scale = 3: layer_left of Li would have no core"):
        ReductionConfig.build(describe_system(interface()), sampling(core_scales=[3]))
