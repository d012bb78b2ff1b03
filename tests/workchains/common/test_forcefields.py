"""Force-field sets of a profile in recipes, and of recipes as inputs of jobs."""

from __future__ import annotations

from typing import Any

import pytest
from aiida import orm
from aiida.plugins import WorkflowFactory

from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.data.forcefield import CseForceFieldData, import_forcefield
from aiida_cse.forcefields import load_set, make_set
from aiida_cse.workchains.common.builders import Codes, recipe_node
from aiida_cse.workchains.common.forcefields import forcefield_nodes, with_stored_sets
from tests.nodes import system_node
from tests.workchains.conftest import Make
from tests.workchains.runs import newest

pytestmark = [
    pytest.mark.usefixtures("aiida_profile_clean"),
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]

ROLES = ("ceramic", "cross", "polymer", "salt")


def heavy(name: str = "opls-heavy", epsilon: float = 0.15) -> CseForceFieldData:
    return CseForceFieldData.get_or_create(
        make_set(
            name,
            {
                "revises": "opls-aa-peo",
                "title": "OPLS-AA with another oxygen",
                "citations": ["A. Author, A Journal 2026, 1, 1"],
                "confidence": "made up for a test",
                "lj": [{"type": "OS", "epsilon": epsilon, "sigma": 2.9}],
            },
        )
    )


def naming(recipe: dict[str, Any], name: str, **more: object) -> dict[str, Any]:
    return recipe | {"forcefield": recipe["forcefield"] | {"polymer": name} | more}


def test_a_recipe_takes_a_set_from_the_profile_by_name_or_uuid(recipe: dict[str, Any]) -> None:
    node = heavy()
    taken = recipe_node(naming(recipe, "opls-heavy"))
    assert recipe_node(naming(recipe, node.uuid)).get_dict() == taken.get_dict()
    assert recipe_node(taken) is taken, "the recipe is complete"
    whole = Recipe.model_validate(taken.get_dict())
    assert whole.forcefield.named_set("polymer") == node.forcefield_set
    assert chemistry_of(whole).checksums["opls-heavy"] == node.md5
    nodes = forcefield_nodes(taken)
    assert nodes["polymer"].uuid == node.uuid, "the node from which the recipe was made"
    assert [nodes[role].name for role in ROLES] == [taken["forcefield"][role] for role in ROLES]


def test_a_set_in_the_recipe_precedes_one_of_the_profile(recipe: dict[str, Any]) -> None:
    own = heavy(epsilon=0.16).content
    heavy()
    taken = recipe_node(naming(recipe, "opls-heavy", own_sets={"opls-heavy": own}))
    assert taken["forcefield"]["own_sets"]["opls-heavy"]["lj"][0]["epsilon"] == 0.16


def test_a_shipped_set_may_be_named_by_its_node(recipe: dict[str, Any]) -> None:
    node = CseForceFieldData.get_or_create(load_set("opls-aa-peo"))
    assert recipe_node(naming(recipe, node.uuid)).get_dict() == recipe
    older = CseForceFieldData.get_or_create(load_set("opls-aa-peo").model_copy(update={"title": "older"}))
    message = (
        r"recipe\.forcefield\.polymer: .* is the set opls-aa-peo of another version of aiida-cse; give it another"
    )
    with pytest.raises(ValueError, match=message):
        recipe_node(naming(recipe, older.uuid))


def test_an_unknown_set_is_refused_with_the_known_ones(recipe: dict[str, Any]) -> None:
    heavy()
    with pytest.raises(ValueError, match=r"forcefield.polymer: there is no .* did you mean 'opls-heavy'"):
        recipe_node(naming(recipe, "opls-heavi"))
    heavy(epsilon=0.16)
    with pytest.raises(ValueError, match=r"forcefield.polymer: 2 force-field sets are called 'opls-heavy'"):
        recipe_node(naming(recipe, "opls-heavy"))
    with pytest.raises(ValueError, match="another force-field set 'opls-heavy' in this profile"):
        import_forcefield(load_set("opls-aa-peo").model_copy(update={"name": "opls-heavy"}))


@pytest.mark.parametrize(
    "wrong", [None, 3, [], {"forcefield": None}, {"forcefield": {"polymer": 3, "own_sets": []}}]
)
def test_other_input_than_a_recipe_is_left_to_the_model(wrong: Any) -> None:
    assert with_stored_sets(wrong) == wrong
    with pytest.raises(ValueError, match=r"^recipe[.:]"):
        recipe_node(wrong)


@pytest.mark.parametrize("name", ["cse.ceramic", "cse.electrolyte"])
def test_the_building_job_receives_the_sets(make: Make, codes: Codes, recipe: dict[str, Any], name: str) -> None:
    node = heavy()
    chain: Any = WorkflowFactory(name)
    more = {"ceramic": system_node()} if name == "cse.electrolyte" else {}
    builder = chain.get_builder_from_protocol(codes, naming(recipe, "opls-heavy"), protocol="demo", **more)
    make(builder).build()
    inputs = newest(orm.CalcJobNode).inputs.forcefield
    assert {role: inputs[role].name for role in inputs} == {role: recipe["forcefield"][role] for role in ROLES} | {
        "polymer": "opls-heavy"
    }
    assert inputs.polymer.uuid == node.uuid


def test_a_study_passes_its_sets_to_its_phases(make: Make, codes: Codes, recipe: dict[str, Any]) -> None:
    chain: Any = WorkflowFactory("cse.study")
    study: Any = make(chain.get_builder_from_protocol(codes, recipe, "demo"))
    study.run_ceramic()
    phase = newest(orm.WorkChainNode)
    assert phase.process_type == "aiida.workflows:cse.ceramic"
    for role in ROLES:
        assert phase.inputs.build.forcefield[role].uuid == study.node.inputs.forcefield[role].uuid


def test_a_study_refuses_the_sets_of_another_recipe(make: Make, codes: Codes, recipe: dict[str, Any]) -> None:
    chain: Any = WorkflowFactory("cse.study")
    builder = chain.get_builder_from_protocol(codes, recipe, "demo")
    builder.forcefield.polymer = heavy()
    with pytest.raises(ValueError, match=r"forcefield.polymer: opls-heavy .* is not the set of the recipe"):
        make(builder)
