"""The demo recipe and the systems built from it, once for all tests."""

import pytest

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.lammps.files.system import System


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return load_recipe("llzo-peo-litfsi-demo")


@pytest.fixture(scope="session")
def paper_recipe() -> Recipe:
    return load_recipe("llzo-peo-litfsi")


@pytest.fixture(scope="session")
def slab(recipe: Recipe) -> System:
    return build_slab(recipe)


@pytest.fixture(scope="session")
def electrolyte(recipe: Recipe, slab: System) -> System:
    lx, ly = slab.data.lengths[:2]
    return build_electrolyte(recipe, float(lx), float(ly))
