"""The force-field node: one per content, found by name or UUID, queried by what it cites."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiida import orm
from aiida.common.exceptions import ValidationError
from aiida.plugins import DataFactory

from aiida_cse.building.recipe import load_recipe
from aiida_cse.data.forcefield import CseForceFieldData, find_forcefield, stored_forcefields
from aiida_cse.forcefields import ForceFieldSet, available_sets, load_set, make_set

pytestmark = [
    pytest.mark.usefixtures("aiida_profile_clean"),
    # AiiDA makes nodes outside of the database's session until they are stored
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]


def own_set(name: str = "uff-more", sigma: float = 3.0) -> ForceFieldSet:
    return make_set(
        name,
        {
            "revises": "uff-llzo",
            "title": "UFF, and Ta",
            "citations": ["A. Author, A Journal 2026, 1, 1"],
            "confidence": "made up for a test",
            "lj": [{"type": "Ta", "epsilon": 0.081, "sigma": sigma}],
        },
    )


def test_the_entry_point() -> None:
    assert DataFactory("cse.forcefield") is CseForceFieldData


@pytest.mark.parametrize("name", [*available_sets(), "opls-aa-ppo", "uff-more"])
def test_what_is_stored_is_loaded(name: str) -> None:
    in_recipe = load_recipe("llzo-ppo-litfsi-demo").forcefield.own_sets
    chosen = own_set() if name == "uff-more" else in_recipe.get(name) or load_set(name)
    loaded = orm.load_node(CseForceFieldData.get_or_create(chosen).pk)
    assert isinstance(loaded, CseForceFieldData)
    assert loaded.forcefield_set == chosen
    assert make_set(name, loaded.content) == chosen, "a recipe can take it over"
    assert (loaded.name, loaded.md5, loaded.label) == (name, chosen.md5, name)
    facts = loaded.base.attributes.all
    assert facts["citations"] == list(chosen.citations)
    assert facts["confidence"] == chosen.confidence


def test_there_is_one_node_of_a_content() -> None:
    first = CseForceFieldData.get_or_create(own_set())
    assert CseForceFieldData.get_or_create(own_set()).uuid == first.uuid
    other = CseForceFieldData.get_or_create(own_set(sigma=3.1))
    assert other.uuid != first.uuid
    with pytest.raises(Exception, match="UNIQUE constraint failed"):
        CseForceFieldData(own_set()).store()
    assert [node.pk for node in stored_forcefields()] == [first.pk, other.pk]


def test_two_that_store_a_set_at_the_same_time_have_one_node(monkeypatch: pytest.MonkeyPatch) -> None:
    from aiida_cse.data import forcefield

    first = CseForceFieldData.get_or_create(own_set())
    answers = iter([None, first])
    monkeypatch.setattr(forcefield, "_stored", lambda _: next(answers))
    assert CseForceFieldData.get_or_create(own_set()) is first
    assert orm.QueryBuilder().append(CseForceFieldData).count() == 1


def test_an_archive_brings_no_second_node(tmp_path: Path) -> None:
    from aiida.storage.sqlite_temp import SqliteTempBackend
    from aiida.tools.archive import create_archive, import_archive

    node = CseForceFieldData.get_or_create(own_set())
    create_archive([node], filename=tmp_path / "set.aiida")
    elsewhere = SqliteTempBackend(SqliteTempBackend.create_profile("elsewhere"))
    there = CseForceFieldData(own_set(), backend=elsewhere, user=elsewhere.default_user)
    there.store()
    import_archive(tmp_path / "set.aiida", backend=elsewhere)
    assert orm.QueryBuilder(backend=elsewhere).append(CseForceFieldData, project="uuid").all() == [[node.uuid]]


def test_a_set_is_found_by_name_or_uuid() -> None:
    first = CseForceFieldData.get_or_create(own_set())
    assert find_forcefield("uff-more").pk == find_forcefield(first.uuid).pk == first.pk
    with pytest.raises(ValueError, match="there is no force-field set 'uff-mor'; did you mean 'uff-more'"):
        find_forcefield("uff-mor")
    second = CseForceFieldData.get_or_create(own_set(sigma=3.1))
    with pytest.raises(ValueError, match="2 force-field sets are called 'uff-more'; name one") as caught:
        find_forcefield("uff-more")
    assert first.uuid in str(caught.value)
    assert find_forcefield(second.uuid).pk == second.pk


def test_facts_are_attributes_to_query() -> None:
    node = CseForceFieldData.get_or_create(own_set())
    CseForceFieldData.get_or_create(load_set("uff-llzo"))
    for filters in ({"attributes.revises": "uff-llzo"}, {"attributes.md5": node.md5}):
        assert orm.QueryBuilder().append(CseForceFieldData, filters=filters, project="id").all() == [[node.pk]]


def test_a_node_without_its_content_is_not_stored() -> None:
    with pytest.raises(ValidationError, match=r"file = forcefield\.yaml: is missing"):
        CseForceFieldData().store()
    node = CseForceFieldData(own_set())
    node.base.attributes.set("md5", "0" * 32)
    with pytest.raises(ValidationError, match=r"md5 = 0{32}: differs from that of the content"):
        node.store()
