"""The building job: the recipe as a file, the command and its options, and what it refuses."""

from typing import Any

import pytest
import yaml
from aiida import orm
from aiida.plugins import CalculationFactory

from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.calculations.build import BuildCalculation
from aiida_cse.data.forcefield import CseForceFieldData
from aiida_cse.forcefields import load_set
from aiida_cse.workchains.common.forcefields import forcefield_nodes
from tests.calculations.conftest import Prepare
from tests.nodes import system_node

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.fixture
def recipe() -> dict[str, Any]:
    return load_recipe("llzo-peo-litfsi-demo").model_dump(mode="json")


def test_the_entry_point() -> None:
    assert CalculationFactory("cse.build") is BuildCalculation


def test_a_slab(prepare: Prepare, cse: orm.InstalledCode, recipe: dict[str, Any]) -> None:
    info, files = prepare("cse.build", code=cse, recipe=recipe, component="slab")
    assert set(files) == {"recipe.yaml"}
    assert Recipe.model_validate(yaml.safe_load(files["recipe.yaml"])) == load_recipe("llzo-peo-litfsi-demo")
    (code,) = info.codes_info
    assert code.cmdline_params == ["build", "slab", "--recipe", "recipe.yaml", "--out", "."]
    assert (code.stdout_name, code.join_files) == ("build.out", True)
    assert info.retrieve_list == ["build.out"]
    assert set(info.retrieve_temporary_list) == {"system.data", "forcefield.in", "system.json"}


def test_an_electrolyte_on_the_cross_section_of_its_ceramic(
    prepare: Prepare, cse: orm.InstalledCode, recipe: dict[str, Any]
) -> None:
    ceramic = system_node()
    info, _ = prepare("cse.build", code=cse, recipe=recipe, component="electrolyte", ceramic=ceramic)
    params = info.codes_info[0].cmdline_params
    assert params[:2] == ["build", "electrolyte"]
    lengths = ceramic.get_system().data.lengths
    assert float(params[params.index("--lx") + 1]) == lengths[0]
    assert float(params[params.index("--ly") + 1]) == lengths[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"component": "polymer"}, "component = 'polymer': cannot be built; must be slab or electrolyte"),
        ({"component": "electrolyte"}, "an electrolyte is built on the cross-section of a ceramic"),
    ],
)
def test_a_wrong_component_is_refused(
    prepare: Prepare, cse: orm.InstalledCode, recipe: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        prepare("cse.build", **({"code": cse, "recipe": recipe, "component": "slab"} | change))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("polymr", {}, "recipe: unknown key 'polymr'; did you mean 'polymer'?"),
        ("name", "a\nshell rm", r"recipe.name = 'a\nshell rm'"),
        ("seeds", {"slab": 0, "electrolyte": 1, "velocities": 1}, "recipe.seeds.slab = 0"),
        ("salt", None, "recipe.salt = None"),
    ],
)
def test_a_wrong_recipe_is_refused_by_its_field(
    prepare: Prepare, cse: orm.InstalledCode, recipe: dict[str, Any], key: str, value: Any, message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        prepare("cse.build", code=cse, recipe=recipe | {key: value}, component="slab")
    assert message in str(caught.value)


def test_the_sets_of_the_recipe_are_inputs(
    prepare: Prepare, cse: orm.InstalledCode, recipe: dict[str, Any]
) -> None:
    nodes = forcefield_nodes(orm.Dict(recipe))
    assert {role: node.name for role, node in nodes.items()} == {
        role: recipe["forcefield"][role] for role in ("ceramic", "cross", "polymer", "salt")
    }
    inputs = {"code": cse, "recipe": recipe, "component": "slab"}
    prepare("cse.build", forcefield=nodes, **inputs)
    later = CseForceFieldData.get_or_create(load_set("cl-p-2017"))
    message = rf"forcefield.salt: cl-p-2017 \(md5 {later.md5[:8]}\) is not the set of the recipe, cl-p-2004"
    with pytest.raises(ValueError, match=message):
        prepare("cse.build", forcefield=nodes | {"salt": later}, **inputs)


def test_a_recipe_without_force_field_is_refused_with_the_words_of_the_builder(
    prepare: Prepare, cse: orm.InstalledCode, recipe: dict[str, Any]
) -> None:
    recipe["polymer"]["end_groups"] = ["*O", "*C"]
    with pytest.raises(ValueError, match="recipe: PEO: force-field set opls-aa-peo lacks parameters: type of O"):
        prepare("cse.build", code=cse, recipe=recipe, component="slab")
