"""The forecast of an interface against what the builders, the force field and a study give."""

from __future__ import annotations

from typing import Any

import pytest

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.forecast import forecast_interface, layers_fit
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.reduction.layers import SurfaceOffsets

#: g/mol/Å³ in g/cm³
_DENSITY = 1.66053906660


def recipe_with(chains: int, pairs: int, **polymer: Any) -> Recipe:
    content = load_recipe("llzo-peo-litfsi-demo").model_dump(mode="json")
    content["polymer"] |= {"chains": chains, **polymer}
    content["salt"]["pairs"] = pairs
    return Recipe.model_validate(content)


def test_atoms_charge_and_edges_are_those_that_are_built() -> None:
    recipe = load_recipe("ga-llzo-peo-litfsi-demo")
    found, slab = forecast_interface(recipe), build_slab(recipe)
    assert slab.info.slab is not None
    assert (found.slab, found.initial_cations) == (slab.info.natoms, slab.info.slab.initial_cations)
    assert (*found.edges, found.thickness) == pytest.approx(slab.data.lengths)
    electrolyte = build_electrolyte(recipe, *found.edges)
    assert found.electrolyte + found.wall == electrolyte.info.natoms
    assert found.charge == pytest.approx(slab.info.charge + electrolyte.info.charge, abs=1e-9)


def test_the_published_interface_has_its_atoms_before_it_is_built() -> None:
    found = forecast_interface(load_recipe("llzo-peo-litfsi"))
    assert (found.atoms, found.slab, found.electrolyte + found.wall) == (13_284, 5_184, 8_325)
    assert found.ether_oxygens == 10
    assert abs(found.charge) < 1e-9


# docs/validation.md: the first with ordinary hydrogen, the others with the masses of the recipe
@pytest.mark.parametrize(
    ("kelvin", "pairs", "hydrogen", "measured"),
    [(400, 16, 1.008, 1.206), (600, 16, 2.014, 1.106), (600, 12, 2.014, 1.061)],
)
def test_the_density_of_the_electrolyte_is_measured_within_four_percent(
    kelvin: float, pairs: int, hydrogen: float, measured: float
) -> None:
    recipe = recipe_with(8, pairs, length=20)
    chemistry = chemistry_of(recipe)
    masses = [hydrogen if entry.element == "H" else entry.mass for entry in chemistry.types]
    molecules = [(chemistry.chain, 8), (chemistry.cation, pairs), (chemistry.anion, pairs)]
    mass = sum(masses[number - 1] for one, count in molecules for number in one.types.tolist() * count)
    found = forecast_interface(recipe)
    layer = found.layer(kelvin)
    assert layer is not None
    assert mass * _DENSITY / (layer * found.edges[0] * found.edges[1]) == pytest.approx(measured, rel=0.04)


def test_layers_that_cannot_fit_are_told_from_those_that_may() -> None:
    verdicts = []
    for chains in (3, 5, 10):
        fit = layers_fit(forecast_interface(recipe_with(chains, chains)), 500, {}, relaxed=True)
        assert fit is not None
        assert fit.needed == 27
        verdicts.append(fit.fits)
    assert verdicts == [False, None, True]


def test_a_short_relaxation_may_leave_a_thicker_layer() -> None:
    found = forecast_interface(recipe_with(4, 4))
    relaxed, barely = (layers_fit(found, 500, {}, relaxed=relaxed) for relaxed in (True, False))
    assert relaxed is not None
    assert barely is not None
    assert (relaxed.fits, barely.fits) == (False, None)


def test_a_slab_without_a_core_is_refused() -> None:
    found = forecast_interface(load_recipe("llzo-peo-litfsi-demo"))
    offsets = {"Li": SurfaceOffsets(inner=-12.5, outer=2.0)}
    with pytest.raises(ValueError, match=r"the slab is 25.9 Å thick; the ceramic core of Li needs more than 27 Å"):
        layers_fit(found, 500, offsets, relaxed=True)
