"""Code, commands, links and keys of the documentation are valid."""

from __future__ import annotations

import pkgutil
import re
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from aiida.common.links import LinkType
from aiida.orm import Dict, Float, QueryBuilder, WorkChainNode
from aiida.plugins import CalculationFactory
from click.testing import CliRunner

from aiida_cse.analysis.kinetics import PARTS
from aiida_cse.analysis.registry import analyse
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.report.figures import figures
from tests.nodes import finish, interface, long_state, reduction_node, returns, run_node, state, state_bytes

if TYPE_CHECKING:
    from aiida.orm import InstalledCode

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
#: written from the code, and from notebooks, when the documentation is built
GENERATED = (DOCS / "reference", DOCS / "tutorial")
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if path.parent not in GENERATED)]


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [page.parent / target for target in targets if "://" not in target]
    assert [path for path in local if path.parent.resolve() not in GENERATED and not path.is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_python_is_python(page: Path) -> None:
    for source in blocks(page, "python"):
        compile(source, str(page), "exec")


def test_the_recipe_of_the_how_to() -> None:
    source, _ = blocks(DOCS / "howto" / "own-recipe.md", "yaml")
    recipe = Recipe.model_validate(yaml.safe_load(source))
    assert recipe.salt.pairs * 10 == recipe.polymer.chains * recipe.polymer.length


def test_the_crystal_from_elsewhere_of_the_how_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, crystal = blocks(DOCS / "howto" / "own-recipe.md", "yaml")
    source, _ = blocks(DOCS / "howto" / "own-recipe.md", "python")
    shutil.copy(ROOT / "tests" / "building" / "crystals" / "t-llzo.cif", tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(recipe, encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(source, "own-recipe.md", "exec"), names)
    from_python = Recipe.model_validate(names["recipe"])
    content = yaml.safe_load(recipe)
    content["ceramic"] |= yaml.safe_load(crystal)["ceramic"]
    Path("my.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert load_recipe("my.yaml") == from_python
    assert from_python.ceramic.structure.parameters == (13.134, 13.134, 12.663, 90, 90, 90)


def test_the_offsets_of_the_how_to(lmp: InstalledCode, cse: InstalledCode) -> None:
    from aiida_cse.reduction.sampling import Sampling
    from aiida_cse.workchains.production import sampling_of
    from aiida_cse.workchains.study import StudyWorkChain

    builder = StudyWorkChain.get_builder_from_protocol(
        codes={"lammps": lmp, "cse": cse}, recipe=load_recipe("llzo-peo-lifsi-demo"), protocol="demo"
    )
    _, source = blocks(DOCS / "howto" / "own-recipe.md", "python")
    exec(compile(source, "own-recipe.md", "exec"), {"builder": builder})
    assert StudyWorkChain.spec().inputs.validate(builder._inputs(prune=True)) is None
    production = builder.production
    sampling = Sampling.model_validate(sampling_of(production.plan.get_dict(), production.sampling.get_dict()))
    assert sampling.offsets["FSI"].outer == 6.0


def test_the_queries_of_the_how_to_on_force_fields(lmp: InstalledCode, cse: InstalledCode) -> None:
    from aiida_cse.building.ceramic.slab import build_slab
    from aiida_cse.data.system import CseSystemData
    from aiida_cse.workchains.study import StudyWorkChain

    recipe = load_recipe("llzo-peo-litfsi-demo")
    builder = StudyWorkChain.get_builder_from_protocol(
        codes={"lammps": lmp, "cse": cse}, recipe=recipe, protocol="demo"
    )
    study = WorkChainNode(process_type=StudyWorkChain.build_process_type())
    for role, node in builder.forcefield.items():
        study.base.links.add_incoming(node, LinkType.INPUT_WORK, f"forcefield__{role}")
    study.store()
    first, second = blocks(DOCS / "howto" / "forcefields.md", "python")
    names: dict[str, Any] = {"PK": CseSystemData(build_slab(recipe)).store().pk}
    exec(compile(first, "forcefields.md", "exec"), names)
    assert study.pk in [found.pk for found in names["studies"].all(flat=True)]
    exec(compile(second, "forcefields.md", "exec"), names)
    assert {node.uuid for node in names["sets"]} == {node.uuid for node in builder.forcefield.values()}


def test_the_set_of_the_how_to_is_imported(tmp_path: Path) -> None:
    from aiida_cse.forcefields import read_set

    (source,) = (block for block in blocks(DOCS / "howto" / "forcefields.md", "yaml") if "own_sets" in block)
    content = yaml.safe_load(source)["forcefield"]["own_sets"]["opls-aa-ppo"]
    path = tmp_path / "opls-aa-ppo.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    shipped = load_recipe("llzo-ppo-litfsi-demo").forcefield.own_sets["opls-aa-ppo"]
    assert {term.atoms for term in read_set(path).dihedrals} == {term.atoms for term in shipped.dihedrals}


def test_the_facts_of_the_how_to() -> None:
    from aiida_cse.building.imported.description import SystemFacts

    (source,) = blocks(DOCS / "howto" / "own-box.md", "yaml")
    box = SystemFacts.model_validate(yaml.safe_load(source))
    assert box.slab is not None
    assert box.slab.framework == ("La", "Zr")
    assert {entry.phase for entry in box.types.values()} == {"ceramic", "both", "electrolyte"}


def test_the_assemblers_of_the_how_to() -> None:
    from aiida_cse.workchains.interface import ASSEMBLERS, BUILT_IN, InterfaceWorkChain

    sources = blocks(DOCS / "howto" / "joining.md", "yaml")
    overrides = [yaml.safe_load(source)["interface"] for source in sources]
    named = [InterfaceWorkChain.get_protocol_inputs("demo", given)["assembler"] for given in (None, *overrides)]
    assert sorted(named) == sorted([BUILT_IN, *ASSEMBLERS])


@pytest.mark.parametrize("number", range(3))
def test_the_overrides_of_the_how_to(number: int, lmp: InstalledCode, cse: InstalledCode) -> None:
    from aiida_cse.workchains.study import StudyWorkChain

    overrides = yaml.safe_load(blocks(DOCS / "howto" / "protocols.md", "yaml")[number])
    builder = StudyWorkChain.get_builder_from_protocol(
        codes={"lammps": lmp, "cse": cse},
        recipe=load_recipe("llzo-peo-litfsi"),
        protocol="moderate",
        overrides=overrides,
    )
    assert StudyWorkChain.spec().inputs.validate(builder._inputs(prune=True)) is None


def test_the_quench_of_the_how_to(lmp: InstalledCode, cse: InstalledCode) -> None:
    from aiida_cse.data.system import CseSystemData
    from aiida_cse.workchains.quench import QuenchWorkChain

    (overrides,) = blocks(DOCS / "howto" / "quench.md", "yaml")
    builder = QuenchWorkChain.get_builder_from_protocol(
        codes={"lammps": lmp, "cse": cse},
        recipe=load_recipe("llzo-peo-litfsi-demo").model_dump(mode="json"),
        system=CseSystemData(interface()),
        temperature=400,
        protocol="moderate",
        overrides=yaml.safe_load(overrides),
    )
    assert QuenchWorkChain.spec().inputs.validate(builder._inputs(prune=True)) is None
    (query,) = blocks(DOCS / "howto" / "quench.md", "python")
    names: dict[str, Any] = {}
    exec(compile(query, "quench.md", "exec"), names)
    assert names["query"].all() == []


@pytest.mark.parametrize(("number", "key", "value"), [(0, "rule", "core"), (1, "minimum_excess", 42)])
def test_the_settings_of_another_analysis(number: int, key: str, value: object, aiida_profile: object) -> None:
    from aiida_cse.workchains.analysis import AnalysisWorkChain

    overrides = yaml.safe_load(blocks(DOCS / "howto" / "reading-results.md", "yaml")[number])
    builder = AnalysisWorkChain.get_builder_from_protocol(reduction_node(long_state()), 700.0, overrides=overrides)
    assert AnalysisWorkChain.spec().inputs.validate(builder._inputs(prune=True)) is None
    assert builder.settings[key] == value


def question(calculation: str) -> str:
    """Return the block of the how-to that asks this calculation."""
    page = DOCS / "howto" / "reading-results.md"
    (source,) = (block for block in blocks(page, "python") if f'CalculationFactory("{calculation}")' in block)
    return source


def test_the_single_question_of_the_how_to(aiida_profile: object) -> None:
    source = question("cse.transitions")
    names: dict[str, Any] = {"PK": reduction_node().pk}
    exec(compile(source, "reading-results.md", "exec"), names)
    assert names["found"]["condition_minimum_excess"] == 42


ASKING = DOCS / "howto" / "asking-again.md"


def test_another_question_as_the_how_to_launches_it(
    aiida_profile: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aiida_cse.cli import main

    (overrides,), (command,) = blocks(ASKING, "yaml"), blocks(ASKING, "console")
    monkeypatch.chdir(tmp_path)
    Path("question.yaml").write_text(overrides)
    long = long_state()
    known = replace(long, config=long.config.model_copy(update={"temperature": 700.0}))
    program, *arguments = command.replace("PK", str(reduction_node(known).pk)).split()
    assert program == "aiida-cse"
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    node = QueryBuilder().append(WorkChainNode).order_by({WorkChainNode: {"id": "desc"}}).first(flat=True)
    wanted = yaml.safe_load(overrides)["settings"]
    assert len(node.outputs.density_profiles.get_array("z_A")) == wanted["bins"] == 260
    assert node.outputs.populations["counted_in_snapshots"] == ["Li"]
    assert node.outputs.populations["boundaries_li_A"][2:] == pytest.approx(wanted["boundaries"]["Li"], abs=0.005)
    assert (node.outputs.populations["start_ns"], node.outputs.populations["end_ns"]) == (50, 249)


@pytest.mark.parametrize("number", [0, 1])
def test_another_question_in_python(
    number: int, aiida_profile: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = long_state()
    made.save(tmp_path / "state.npz")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"PK": reduction_node(made).pk}
    exec(compile(blocks(ASKING, "python")[number], "asking-again.md", "exec"), names)
    z = names["found"].get_array("z_A") if number == 0 else names["results"]["density_profiles"]["z_A"]
    assert len(z) == (130, 260)[number]


def test_what_the_how_to_says_of_a_refusal_is_said() -> None:
    with pytest.raises(ValueError, match="bins = 300") as caught:
        analyse(long_state(), 700.0, AnalysisSettings(bins=300))
    (quoted,) = blocks(ASKING, "text")
    assert " ".join(quoted.split()) == f"settings.{caught.value}"


def test_the_kinetics_of_the_how_to(aiida_profile: object) -> None:
    inputs = (reduction_node(), Float(700), Dict({"rule": "core"}))
    parts = {part: CalculationFactory(f"cse.{part}")(*inputs).clone() for part in PARTS}
    # without a slope the shifts of the page would be refused: this system is too small for one
    parts["barrier"]["slope_li_K_per_A"] = 1850.0
    study = run_node("cse.study", {f"runs__T0700_r1__{part}": node for part, node in parts.items()})
    names: dict[str, Any] = {"PK": study.pk}
    exec(compile(question("cse.kinetics"), "reading-results.md", "exec"), names)
    assert names["found"]["excluded"] == {"T0700_r1": "not equilibrated"}
    assert names["found"]["rate_0300K_per_s"] is None


def test_imported_runs_enter_kinetics_as_the_how_to_says(aiida_profile: object) -> None:
    pks = []
    for kelvin in (650.0, 750.0):
        made = state()
        made = replace(made, config=made.config.model_copy(update={"temperature": kelvin}))
        reduction = CseReductionData(BytesIO(state_bytes(made)), label="run-600", description="imported: how-to")
        inputs = (reduction.store(), Float(kelvin), Dict({"rule": "core"}))
        analysis = WorkChainNode(process_type="aiida.workflows:cse.analysis")
        analysis.base.links.add_incoming(reduction, LinkType.INPUT_WORK, "reduction")
        returns(analysis.store(), {part: CalculationFactory(f"cse.{part}")(*inputs) for part in PARTS})
        finish(analysis, 0)
        pks.append(reduction.pk)
    names: dict[str, Any] = {}
    # of all imported runs in the profile only those of this test
    source = blocks(DOCS / "howto" / "own-trajectory.md", "python")[-1].replace("imported: %", "imported: how-to%")
    exec(compile(source, "own-trajectory.md", "exec"), names)
    labels = {f"T0650_{pks[0]}", f"T0750_{pks[1]}"}
    assert {one["run"] for one in names["found"]["observations"]} == labels


def test_the_keys_that_the_pages_name_are_written() -> None:
    written = analyse(state(), 700.0)
    for page, part in (("science/transitions.md", "transitions"), ("howto/reading-results.md", None)):
        text = (DOCS / page).read_text(encoding="utf-8")
        named = set(re.findall(r"\b(?:s_in|rate_in|exposure)_[a-z_]+\b", text)) - {"exposure_"}
        known = {key for name, content in written.items() if part in (name, None) for key in content}
        assert named - known == set(), page


def test_every_key_of_the_result_nodes_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    from reference_pages import results

    assert "rate_upper_bound_per_s" in results.page()


def test_every_model_that_the_reference_links_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    from reference_pages import models

    for page in (getattr(models, name) for name in models.__all__):
        text = page()
        headings = {title.lower() for title in re.findall(r"^#+ (\w+)$", text, re.M)}
        assert set(re.findall(r"\]\(#(\w+)\)", text)) <= headings


def test_the_page_on_the_published_protocol_has_values_and_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    from reference_pages import paper_protocol

    page = paper_protocol.page()
    for row in (
        "| relax | `duration_ps` | 20200 |  | 1000 | `published` |",
        "| larsen-2011 | `last_ps` | 10000 |  | 200 | `published` |",
        "| crystal | `duration_ps` | 1000 |  | 100 | `here` |",
        "| settings | `kspace_style` | ewald | pppm | pppm | `published` |",
    ):
        assert row in page


def test_the_gallery_shows_every_figure() -> None:
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    shown = re.findall(r"^`aiida-cse plot PK (\w+)`.*?\n\n```\{image\} (\S+)$", text, re.M | re.S)
    assert [name for name, _ in shown] == list(figures())
    assert all((DOCS / picture).is_file() for _, picture in shown)


def test_the_new_python_paths_exist() -> None:
    page = (DOCS / "python-paths.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `[\w.]+` \| `([\w.]+)` \| (.*) \|$", page, re.M)
    assert len(rows) > 100
    for path, names in rows:
        found = pkgutil.resolve_name(f"aiida_cse.{path}")
        assert all(hasattr(found, name) for name in re.findall(r"`(\w+)`", names)), path


def test_the_worked_example_of_an_own_trajectory_prints_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aiida_cse.cli import main

    shutil.copytree(ROOT / "tests" / "small_interface", tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    page = DOCS / "howto" / "own-trajectory.md"
    _, command = blocks(page, "console")[1].splitlines()
    words = command.replace("/tmp/found", f"{tmp_path}/found").split()[1:]
    result = CliRunner(env={"COLUMNS": "80"}).invoke(main, words)
    assert result.exit_code == 0, result.output
    printed = re.sub(r": \S*aiida-cse", ": aiida-cse", result.output.replace(f"{tmp_path}/found", "/tmp/found"))
    lines = "\n".join(line.rstrip() for line in printed.splitlines()) + "\n"
    # the page leaves parts out
    first, *others = blocks(page, "text")[0].split("…\n")
    assert lines.startswith(first)
    for part in others:
        assert part in lines[len(first) :]
    assert lines.endswith(others[-1])
