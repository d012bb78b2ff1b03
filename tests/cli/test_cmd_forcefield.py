"""``aiida-cse forcefield``: sets, their content, and the pair table of a recipe, a folder or a node."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from aiida import orm
from click.testing import CliRunner, Result

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.recipe import load_recipe
from aiida_cse.cli import main
from aiida_cse.data.forcefield import CseForceFieldData, stored_forcefields
from aiida_cse.data.system import CseSystemData
from aiida_cse.forcefields import available_sets, load_set
from tests.nodes import system_node

RECIPE = "llzo-peo-litfsi-demo"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["forcefield", *map(str, arguments)])


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """A set for the polymer of the recipe with a heavier carbon, as a user writes it."""
    path = tmp_path / "opls-heavy.yaml"
    content = {
        "revises": "opls-aa-peo",
        "title": "OPLS-AA, carbon 13",
        "citations": ["A. Author, A Journal 2026, 1, 1"],
        "confidence": "made up for a test",
        "lj": [{"type": "OS", "epsilon": 0.15, "sigma": 2.9}],
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_list_names_every_set_with_its_checksum() -> None:
    lines = invoke("list").output.splitlines()
    assert [line.split()[:3] for line in lines[1:] if "shipped" in line] == [
        [name, load_set(name).md5[:8], "shipped"] for name in available_sets()
    ]


@pytest.mark.usefixtures("aiida_profile_clean")
def test_an_imported_set_is_used_by_its_name(own_file: Path, tmp_path: Path) -> None:
    done = invoke("import", own_file)
    assert done.exit_code == 0, done.output
    (node,) = stored_forcefields()
    assert done.output == f"opls-heavy: node {node.pk}, UUID {node.uuid}, md5 {node.md5}\n"
    assert invoke("import", own_file).output == done.output, "it is there once"

    CseForceFieldData.get_or_create(load_set("uff-llzo"))
    mine = [line.split()[:4] for line in invoke("list").output.splitlines() if "shipped" not in line][1:]
    assert mine == [["opls-heavy", node.md5[:8], "node", str(node.pk)]], "what is shipped is not listed twice"
    assert f"md5 {node.md5}; revises opls-aa-peo" in invoke("show", "opls-heavy").output

    content = load_recipe(RECIPE).model_dump(mode="json")
    for name in ("opls-heavy", node.uuid):
        content["forcefield"]["polymer"] = name
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        table = invoke("table", path)
        assert table.exit_code == 0, table.output
        assert "OS–OS lj/cut/coul/long 0.15 2.9 Lennard-Jones of like atoms opls-heavy" in " ".join(
            table.output.split()
        )


def test_an_invalid_set_is_refused_with_its_field(own_file: Path, aiida_profile_clean: object) -> None:
    def refused(change: dict[str, object], *options: str) -> str:
        path = own_file.with_name("wrong.yaml")
        path.write_text(yaml.safe_dump(yaml.safe_load(own_file.read_text()) | change), encoding="utf-8")
        result = invoke("import", path, *options)
        assert result.exit_code == 2
        (line,) = result.output.splitlines()
        return line.removeprefix(f"Error: {path}: ")

    assert refused({"lj": [{"type": "OS", "epsilon": -1, "sigma": 2.9}]}).startswith("lj.0.epsilon = -1")
    assert refused({"ljs": []}) == "unknown key 'ljs'; did you mean 'lj'?"
    assert refused({}, "--name", "cl-p-2004") == (
        "name = 'cl-p-2004': is the name of a shipped set; give yours another one"
    )
    assert refused({}, "--name", "a b").startswith("name = 'a b': must be letters")
    assert "smarts = '[C': is not a valid SMARTS" in refused({"typing": [{"smarts": "[C", "type": "CT3"}]})
    assert stored_forcefields() == []
    invoke("import", own_file)
    assert "there is another force-field set 'opls-heavy'" in refused({"title": "x"}, "--name", "opls-heavy")


@pytest.mark.parametrize("name", available_sets())
def test_show_prints_the_whole_set(name: str) -> None:
    result = invoke("show", name)
    assert result.exit_code == 0, result.output
    chosen = load_set(name)
    assert f"md5 {chosen.md5}" in result.output
    for citation in chosen.citations:
        assert citation in result.output
    words = [line.split() for line in result.output.splitlines()]
    for lj in chosen.lj:
        assert [lj.type, str(lj.epsilon), str(lj.sigma)] in [entry[:3] for entry in words]
    for group, variant in chosen.variants.items():
        assert f"Variant {group}" in result.output
        assert f"{variant.default} (default)" in result.output


def test_a_recipe_and_its_built_system_have_the_same_table(tmp_path: Path) -> None:
    build_slab(load_recipe(RECIPE)).write(tmp_path)
    of_recipe, of_folder = invoke("table", RECIPE), invoke("table", tmp_path)
    assert of_recipe.exit_code == of_folder.exit_code == 0, of_folder.output
    assert of_recipe.output == of_folder.output
    lines = of_recipe.output.splitlines()
    assert len(lines) == 1 + 15 * 16 // 2
    assert " ".join(lines[17].split()) == (
        "2 3 Zr–O buck/coul/long 49667.81 0.2908 0 Buckingham inside the ceramic jalem-2015 zr_o=A"
    )


@pytest.mark.usefixtures("aiida_profile")
def test_a_node_has_the_table_of_its_recipe() -> None:
    node = CseSystemData(build_slab(load_recipe(RECIPE)))
    node.store()
    assert invoke("table", node.pk).output == invoke("table", RECIPE).output


@pytest.mark.usefixtures("aiida_profile")
def test_nodes_without_a_table_are_refused() -> None:
    other = orm.Int(1).store()
    assert invoke("table", other.pk).output == (
        f"Error: SYSTEM = {other.pk}: node {other.pk} is a Int; it must be a CseSystemData\n"
    )
    missing = other.pk + 1000
    assert invoke("table", missing).output == (
        f"Error: SYSTEM = {missing}: there is no node {missing} in this profile\n"
    )
    foreign = invoke("table", system_node().pk)
    assert foreign.exit_code == 2
    assert "'pair_coeff 1 1 0.10 2.6' does not say of which pair it is" in foreign.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("show", "cl-p-2005"), "Error: there is no force-field set 'cl-p-2005'; did you mean 'cl-p-2004'?"),
        (("table", "llzo"), "Error: there is no recipe 'llzo'; "),
    ],
)
def test_unknown_names_are_refused_in_one_line(arguments: tuple[str, ...], complaint: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert line.startswith(complaint)


def test_a_folder_without_a_system_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path}: is not a system; system.data is missing" in invoke("table", tmp_path).output
