"""``aiida-cse recipe`` and ``protocol``: what is shipped, and recipes of one's own with all their errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from aiida.orm import Dict
from click.testing import CliRunner, Result

from aiida_cse.building.recipe import available_recipes, load_recipe, read_recipe
from aiida_cse.building.recipe_file import recipe_lines
from aiida_cse.cli import main
from aiida_cse.workchains.common.protocol_values import PARTS, protocol_values, sources


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), env={"COLUMNS": "80"})


def found(*arguments: object) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.output.splitlines())) <= 80 or "--format" in arguments
    return result.output


# -- recipe --------------------------------------------------------------------------------------------------


def test_shipped_recipes_are_listed_and_shown_as_they_are() -> None:
    output = found("recipe", "list")
    assert all(f"\n{name} " in f"\n{output}" for name in available_recipes())
    shown = invoke("recipe", "show", "llzo-peo-litfsi").output
    assert shown.startswith("# The interface of Kozdra et al.")
    assert yaml.safe_load(shown) == read_recipe("llzo-peo-litfsi")


@pytest.mark.parametrize("base", available_recipes())
def test_a_new_recipe_is_the_shipped_one_with_comments(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "wrote mine.yaml\ncheck it with: " in invoke("recipe", "new", "mine", "--from", base).output
    left_out = {"name", "description", "kinetics"}
    mine, shipped = (load_recipe(name).model_dump(exclude=left_out) for name in ("mine.yaml", base))
    assert mine == shipped
    text = Path("mine.yaml").read_text()
    assert "\n  # Number of ion pairs: " in text
    assert all(len(line) <= 80 for line in text.splitlines() if line.lstrip().startswith("# "))
    assert "\nkinetics:" not in text
    result = invoke("recipe", "new", "mine")
    assert result.exit_code == 2
    assert "mine.yaml: the file exists; give another name" in result.output


@pytest.mark.usefixtures("aiida_profile")
def test_all_errors_of_a_recipe_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    text = invoke("recipe", "show", "llzo-peo-litfsi-demo").output
    wrong = {
        "  length: 7": "  lenght: 7",
        "  chains: 10": "  chainz: 10",
        "[1, 0, 0]": "[1, 0]",
        "  pairs: 7": "  pairs: -7",
        "jalem-2015": "jalem-2016",
        "{slab: ": "{slap: ",
    }
    for old, new in wrong.items():
        text = text.replace(old, new)
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    result = invoke("recipe", "check", path)
    assert result.exit_code == 2
    output = " ".join(result.output.split())
    lines = recipe_lines(text)
    for place, words in (
        (("polymer", "lenght"), "polymer: unknown key 'lenght'; did you mean 'length'?"),
        (("polymer", "chainz"), "polymer: unknown key 'chainz'; did you mean 'chains'?"),
        (("ceramic", "miller"), "ceramic.miller.2: is missing"),
        (("salt", "pairs"), "salt.pairs = -7: must be greater than or equal to 1"),
        (("forcefield", "ceramic"), "forcefield.ceramic: there is no force-field set 'jalem-2016'"),
        (("seeds", "slap"), "seeds: unknown key 'slap'; did you mean 'slab'?"),
    ):
        assert f"line {lines[place]} {words}" in output
    assert "bad.yaml: 6 errors" in output


def test_a_recipe_that_cannot_be_built_is_told_by_its_field(tmp_path: Path) -> None:
    path = tmp_path / "full.yaml"
    path.write_text(invoke("recipe", "show", "llzo-peo-litfsi-demo").output.replace("0.448", "0.9"))
    result = invoke("recipe", "check", path)
    assert result.exit_code == 2
    output = " ".join(result.output.split())
    assert "full.yaml: 1 error line 13 ceramic.structure.sites.occupancy: occupancies imply" in output


def test_a_valid_recipe_is_summarised() -> None:
    output = " ".join(found("recipe", "check", "llzo-peo-litfsi-demo").split())
    assert "atoms 1,066: slab 384, electrolyte 682; charge 0 e" in output
    assert "Li:O(PEO) 1:10" in output
    assert "the layers of Li need 27 Å: they fit" in output
    output = " ".join(found("recipe", "check", "llzo-peo-lifsi-demo").split())
    assert "the layers of FSI are not known: give production.sampling.offsets" in output


@pytest.mark.usefixtures("aiida_profile")
def test_the_recipe_of_a_node_is_shown_and_checked() -> None:
    node = Dict(read_recipe("llzo-peo-litfsi-demo")).store()
    assert yaml.safe_load(invoke("recipe", "show", node.uuid).output) == node.get_dict()
    assert f"{node.pk}: no errors" in found("recipe", "check", node.pk)
    assert "did you mean 'llzo-peo-litfsi'?" in " ".join(invoke("recipe", "show", "llzo-peo-litfs").output.split())


# -- protocol ------------------------------------------------------------------------------------------------


def test_protocols_are_listed_with_the_default_ones() -> None:
    output = found("protocol", "list")
    assert "\nmoderate  The published sequence with pppm" in output
    assert output.count("default") == 2
    assert "of aiida-cse validate" in output


def test_a_value_is_shown_with_unit_and_source() -> None:
    lines = found("protocol", "show", "paper", "--part", "production").splitlines()
    assert ["length_ps", "580,000", "ps", "published"] in [line.split() for line in lines]
    assert "segment_ps 10,000 ps here" in [" ".join(line.split()) for line in lines]
    records = json.loads(found("protocol", "show", "fast", "--part", "analysis", "--format", "json"))
    assert {"part": "analysis", "key": "settings.start_ns", "value": 4, "unit": "ns", "source": "here"} in records


def test_a_stage_is_one_row_with_the_sources_of_its_fields() -> None:
    output = " ".join(found("protocol", "show", "paper", "--part", "ceramic").split())
    assert "minimize minimize, max_iterations 1,000 published: kind ramp nvt, timestep_fs 2, " in output


def test_differences_have_both_values_and_stages_of_one_protocol_alone() -> None:
    rows = found("protocol", "diff", "moderate", "fast", "--format", "csv").splitlines()
    assert rows[0] == "key,moderate,fast,unit"
    assert "production.plan.length_ps,580000,20000,ps" in rows
    output = " ".join(found("protocol", "diff", "paper", "demo", "--part", "interface").split())
    assert "polymer – npt, timestep_fs 2" in output
    assert "fast and fast do not differ in ceramic" in found(
        "protocol", "diff", "fast", "fast", "--part", "ceramic"
    )


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("show", "papr"), "NAME = papr: there is no such protocol; did you mean 'paper'?"),
        (("diff", "paper", "x"), "SECOND = x: there is no such protocol; known: "),
        (("show", "quick", "--part", "ceramic"), "NAME = quick: has no part ceramic; it has validate"),
    ],
)
def test_unknown_protocols_and_parts_are_refused(words: tuple[str, ...], answer: str) -> None:
    result = invoke("protocol", *words)
    assert result.exit_code == 2
    assert answer in result.output


def test_every_value_of_the_paper_has_a_source() -> None:
    from aiida_cse.workchains.common.protocol_values import _told

    for part, groups in _told()["values"].items():
        for one in protocol_values("paper", part):
            # budgets of failures, plausibility limits and the packing of stages in jobs are technical
            if part in ("study", "quench") or {"base", "stages_per_job"} & {*one.place} or one.value in (None, {}):
                continue
            group = next(groups[key] for key in (*reversed(one.place[:-1]), "") if key in groups)
            assert "others" in group or {*one.place} & {*group}, f"{part}.{'.'.join(one.place)}"


def test_every_listed_source_belongs_to_a_value_of_the_paper() -> None:
    from aiida_cse.workchains.common.protocol_values import _told

    for part, groups in _told()["values"].items():
        assert part in PARTS
        places = [one.place for one in protocol_values("paper", part)]
        for group, fields in groups.items():
            below = [place for place in places if (group in place[:-1] if group else len(place) == 1)]
            assert below, f"{part}.{group}"
            assert set(fields.values()) <= set(sources())
            named = {key for place in below for key in place}
            assert {*fields} - {"others"} <= named, f"{part}.{group}"
