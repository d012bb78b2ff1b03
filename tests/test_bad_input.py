"""Wrong input is refused before a process exists, by name: the field, its value, and what would be right."""

from __future__ import annotations

import copy
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiida import orm
from aiida.plugins import CalculationFactory, WorkflowFactory
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.cli import main
from aiida_cse.cli.site.environment import ensure_code, ensure_computer, find_mpirun
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.job.records import prologue_lines
from aiida_cse.lammps.job.script import render_script
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.workchains.common.builders import Codes, refuse_invalid
from aiida_cse.workchains.common.options import checked_options
from aiida_cse.yaml_io import parse_mapping
from tests.bad_input import commands, jobs, protocols, recipes
from tests.building.test_recipe import changed
from tests.nodes import interface, reduction_node, system_node

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

DEMO = load_recipe(commands.RECIPE)


@pytest.fixture(scope="module", autouse=True)
def no_process(aiida_profile: object) -> Iterator[None]:
    """Check that these tests create no process."""
    before = orm.QueryBuilder().append(orm.ProcessNode).count()
    yield
    assert orm.QueryBuilder().append(orm.ProcessNode).count() == before


@pytest.fixture(scope="module")
def codes(aiida_profile: object, tmp_path_factory: pytest.TempPathFactory, environment_bin: Path) -> Codes:
    """The codes of a study by role."""
    computer = ensure_computer(
        tmp_path_factory.getbasetemp() / "work", mpirun=find_mpirun(environment_bin / "lmp")
    ).entity
    lammps = ensure_code(computer, "lmp", environment_bin / "lmp", "cse.lammps", with_mpi=None).entity
    cse = ensure_code(computer, "cse", environment_bin / "aiida-cse", "cse.build", with_mpi=False).entity
    return {"lammps": lammps, "cse": cse}


@pytest.fixture
def refusal(codes: Codes) -> Callable[..., str]:
    """Return a function that gives the refusal of wrong inputs of a WorkChain."""

    def ask(name: str, overrides: Any = None, **more: Any) -> str:
        own: dict[str, Callable[[], dict[str, Any]]] = {
            "cse.electrolyte": lambda: {"ceramic": system_node()},
            "cse.interface": lambda: {"ceramic": system_node(), "electrolyte": system_node(), "temperature": 700},
            "cse.production": lambda: {"system": CseSystemData(interface()), "temperature": 700},
            "cse.quench": lambda: {"system": CseSystemData(interface()), "temperature": 400},
        }
        chain: Any = WorkflowFactory(name)
        given = {"codes": codes, "recipe": DEMO.model_dump(mode="json"), "protocol": "demo"}
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            refuse_invalid(
                chain.get_builder_from_protocol(**given | own.get(name, dict)() | more, overrides=overrides)
            )
        return str(caught.value)

    return ask


def names(value: Any) -> str:
    return ascii(value)[:60]


def holds(answer: str, words: tuple[str, ...]) -> None:
    """Check that an answer contains all words, no internals, and is short enough to read."""
    missing = [word for word in words if word not in answer]
    assert not missing, f"no {missing} in: {answer}"
    assert "Traceback" not in answer
    assert "pydantic" not in answer
    assert len(answer) < 1500


# -- recipes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", recipes.RECIPES, ids=[f"{r.path}={names(r.value)}" for r in recipes.RECIPES])
def test_wrong_recipes_are_refused_with_field_value_and_remedy(
    refusal: Callable[..., str], wrong: recipes.Wrong
) -> None:
    holds(refusal("cse.ceramic", recipe=changed(DEMO, wrong.path, wrong.value)), wrong.words)


@pytest.mark.parametrize("recipe", [None, "llzo", [], 3, {}, {"name": "x"}], ids=names)
def test_values_that_are_no_recipe_are_refused(refusal: Callable[..., str], recipe: Any) -> None:
    answer = refusal("cse.study", recipe=recipe)
    assert answer.startswith(("recipe: ", "recipe.name: is missing", "recipe.ceramic: is missing"))
    holds(answer, ("is missing",) if isinstance(recipe, dict) else (repr(recipe), "must be a mapping"))


def test_a_chain_that_does_not_fit_into_its_layer_is_refused(refusal: Callable[..., str]) -> None:
    few = changed(DEMO, "salt.pairs", 1) | {"electrolyte": {"density": 1.5}}
    few["polymer"] |= {"chains": 1, "length": 30}
    few["ceramic"]["repeat"] = [3, 3, 1]
    holds(
        refusal("cse.study", recipe=few), ("electrolyte.density", "1.5", "PEO does not fit", "lower the density")
    )


@pytest.mark.parametrize("chain", ["cse.interface", "cse.production"])
@pytest.mark.parametrize("seeds", [None, {}, {"velocities": 0}, {"velocities": "1"}], ids=names)
def test_a_recipe_without_a_seed_of_velocities_is_refused(
    refusal: Callable[..., str], chain: str, seeds: Any
) -> None:
    holds(refusal(chain, recipe={"seeds": seeds}), ("recipe.seeds", "velocities"))


def own_set(path: str, value: Any) -> dict[str, Any]:
    """Return the recipe with its own force-field set, changed at ``path``."""
    place = "forcefield.own_sets"
    content = changed(load_recipe("llzo-ppo-litfsi-demo"), place, {"opls-aa-ppo": copy.deepcopy(recipes.OWN_SET)})
    node: Any = content["forcefield"]["own_sets"]["opls-aa-ppo"]
    *parents, last = path.split(".")
    for key in parents:
        node = node[int(key) if isinstance(node, list) else key]
    node[int(last) if isinstance(node, list) else last] = value
    return content


@pytest.mark.parametrize("wrong", recipes.OWN_SETS, ids=[f"{r.path}={names(r.value)}" for r in recipes.OWN_SETS])
def test_wrong_sets_of_a_recipe_are_refused(refusal: Callable[..., str], wrong: recipes.Wrong) -> None:
    field, *words = wrong.words
    if wrong.right != "must be 0":
        words.append(field)
    holds(refusal("cse.ceramic", recipe=own_set(wrong.path, wrong.value)), tuple(words))


@pytest.mark.parametrize("path", recipes.FREE_TEXT)
def test_free_text_of_a_force_field_reaches_no_script(path: str) -> None:
    usual, strange = (
        chemistry_of(Recipe.model_validate(own_set(path, text))).forcefield.splitlines()
        for text in ("a", "\n".join(recipes.SYNTAX))
    )
    different = [pair for pair in zip(usual, strange, strict=True) if len(set(pair)) > 1]
    assert all(one.startswith("# set opls-aa-ppo: md5 ") for one, _ in different)
    assert all(re.fullmatch("# set opls-aa-ppo: md5 [0-9a-f]{32}", other) for _, other in different)


# -- protocols, overrides, options, codes ---------------------------------------------------------------------

#: every third of them is in make test, the others are in make test-long
REFUSED = (
    *protocols.STAGES,
    *protocols.SCHEDULES,
    *protocols.PRODUCTIONS,
    *protocols.STUDIES,
    *protocols.QUENCHES,
)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(row, id=f"{row.chain}:{names(row.overrides)}", marks=pytest.mark.long if number % 3 else ())
        for number, row in enumerate(REFUSED)
    ],
)
def test_wrong_overrides_are_refused(refusal: Callable[..., str], wrong: protocols.Refused) -> None:
    holds(refusal(wrong.chain, wrong.overrides), wrong.words)


@pytest.mark.parametrize(("key", "value", "right"), protocols.OPTIONS, ids=names)
def test_wrong_options_are_refused(refusal: Callable[..., str], key: str, value: Any, right: str) -> None:
    words = (key, right) if "known key" in right or "mean" in right else (f"options.{key}", repr(value), right)
    holds(refusal("cse.ceramic", options={key: value}), words)
    holds(refusal("cse.ceramic", {"base": {"options": {key: value}}}), words)


@pytest.mark.parametrize("options", ["x", [], 3], ids=names)
def test_values_that_are_no_options_are_refused(refusal: Callable[..., str], options: Any) -> None:
    holds(refusal("cse.production", options=options), (f"options = {options!r}", "must be a mapping"))


@pytest.mark.parametrize("protocol", ["modrate", "", 5, "demo\n", "../demo"], ids=names)
def test_unknown_protocols_are_refused(refusal: Callable[..., str], protocol: Any) -> None:
    holds(refusal("cse.study", protocol=protocol), ("protocol", str(protocol), "is not known"))


def test_codes_for_another_role_are_refused(refusal: Callable[..., str], codes: Codes) -> None:
    lammps, cse = codes["lammps"], codes["cse"]
    for wrong, words in (
        ({"lammps": cse, "cse": cse}, ("codes.lammps = cse@localhost", "is one for codes.cse")),
        ({"lammps": lammps, "cse": lammps}, ("codes.cse = lmp@localhost", "is one for codes.lammps")),
        ({"lammps": lammps}, ("codes = lammps", "the codes lammps and cse")),
        ({"lammps": "lmp@localhost", "cse": cse}, ("codes.lammps = 'lmp@localhost'", "as load_code returns it")),
        (None, ("codes = None", "must be a mapping")),
    ):
        holds(refusal("cse.study", codes=wrong), words)


@pytest.mark.parametrize("chain", ["cse.interface", "cse.production"])
def test_a_wall_time_before_the_first_checkpoint_is_refused(refusal: Callable[..., str], chain: str) -> None:
    rare = {"restart_interval": 50_000_000}
    overrides = {
        "cse.interface": {
            "schedule": {"settings": rare, "stages": [protocols.STAGE | {"duration_ps": 1_000_000}]}
        },
        "cse.production": {"plan": {"settings": rare, "segment_ps": 100_000, "length_ps": 100_000}},
    }
    answer = refusal(chain, overrides[chain], options={"max_wallclock_seconds": 100})
    holds(answer, ("options.max_wallclock_seconds = 100", "50000000 steps", "settings.restart_interval"))


@pytest.mark.parametrize("value", [float("nan"), -1, 1e9, "hot", True, [700]], ids=names)
def test_wrong_temperatures_of_a_run_are_refused(refusal: Callable[..., str], value: Any) -> None:
    for chain in ("cse.interface", "cse.production"):
        holds(refusal(chain, temperature=value), ("temperature", "give a number"))


def test_a_charged_system_is_refused(refusal: Callable[..., str]) -> None:
    words = ("'interface'", "charge = 42 e", "must be neutral")
    holds(refusal("cse.production", system=charged()), words)
    holds(refusal("cse.interface", ceramic=charged()), words)


def charged() -> CseSystemData:
    """Return a system whose La and Zr have the charges of other sets."""
    system = interface()
    types = [
        one.model_copy(update={"charge": {"La": 2.1, "Zr": 2.8}.get(one.label, one.charge)})
        for one in system.info.types
    ]
    system.data.charges[:] = [types[number - 1].charge for number in system.data.types]
    return CseSystemData(
        type(system).create(
            system.data,
            "# none\n",
            phase="interface",
            types=tuple(types),
            slab=system.info.slab,
            seeds={"test": 1},
        )
    )


# -- jobs by themselves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("job", "port", "value", "words"), jobs.JOBS, ids=names)
def test_wrong_inputs_of_a_job_are_refused(job: str, port: str, value: Any, words: tuple[str, ...]) -> None:
    builder = CalculationFactory(job).get_builder()
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        setattr(builder, port, value)
    holds(str(caught.value), words)


# -- the command line -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the calls."""
    made = tmp_path_factory.mktemp("files")
    demo = yaml.safe_dump(DEMO.model_dump(mode="json"))
    for name, content in commands.FILES.items():
        text, *change = content.replace(b"DEMO", demo.encode()).split(b"|") if b"DEMO" in content else [content]
        (made / name).write_bytes(text.replace(*change) if change else text)
    (made / "folder.yaml").mkdir()
    return made


@pytest.mark.parametrize(
    "call", commands.CALLS, ids=[names(" ".join(call.words)[-50:]) for call in commands.CALLS]
)
def test_wrong_calls_are_refused_in_one_line(
    call: commands.Call, folder: Path, codes: Codes, monkeypatch: pytest.MonkeyPatch
) -> None:

    def word(text: str) -> str:
        return str(pk_of(text)) if text[:1] == "%" else str(folder / text[1:]) if text[:1] == "@" else text

    monkeypatch.chdir(folder)
    # a call that is accepted would run for minutes
    for module in ("aiida_cse.engine.embedded", "aiida_cse.cli.running"):
        monkeypatch.setattr(f"{module}.run_embedded", lambda *_, **__: pytest.fail("was not refused"))
    before = {path.name for path in folder.iterdir()}
    result = CliRunner().invoke(main, [word(text) for text in call.words])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (1, 2), result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert result.output.splitlines()[-1] == line, "nothing comes after the answer"
    holds(line, call.answer)
    assert {path.name for path in folder.iterdir()} == before


@cache
def pk_of(kind: str) -> int:
    """Return the PK of a node of this kind."""
    made: dict[str, Callable[[], orm.Data]] = {
        "%system": lambda: CseSystemData(interface()),
        "%slab": system_node,
        "%reduction": reduction_node,
        "%charged": charged,
    }
    pk: int = made[kind]().store().pk
    return pk


# -- text that is no name never reaches a script ----------------------------------------------------------------

MARK = "qqqqzzzz"
texts = st.text(max_size=12) | st.sampled_from(recipes.SYNTAX) | st.from_regex(r"\A[a-zA-Z][\w.\-]{0,9}\Z")
quickly = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def script(**change: Any) -> str:
    return render_script(JobPlan.model_validate({"stages": [protocols.STAGE | {"temperature": 300} | change]}))


@quickly
@given(texts)
def test_a_stage_has_a_name_or_is_refused(text: str) -> None:
    try:
        found = script(name=text)
    except ValidationError:
        return
    assert re.fullmatch("[a-z][a-z0-9_]*", text)
    assert found == script(name=MARK).replace(MARK, text)


@quickly
@given(
    st.sampled_from(["kind", "barostat", "mobile", "temperature", "velocities", "thermo_ps", "timestep_fs"]), texts
)
def test_other_text_of_a_stage_is_refused(field: str, text: str) -> None:
    with pytest.raises(ValidationError):
        script(**{field: text})
    with pytest.raises(ValidationError):
        JobPlan.model_validate(jobs.PLAN | {"settings": {"kspace_style": text}})


@quickly
@given(st.sampled_from(["name", "polymer.name", "salt.name", "salt.anion.name"]), texts)
def test_names_of_a_recipe_reach_the_include_file_unchanged_or_are_refused(field: str, text: str) -> None:
    try:
        recipe = Recipe.model_validate(changed(DEMO, field, text))
    except ValidationError:
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text)
    assert chemistry_of(recipe).forcefield == marked(field).replace(MARK, text)


@cache
def marked(field: str) -> str:
    """Return the include file of the demo with the mark as a name."""
    return chemistry_of(Recipe.model_validate(changed(DEMO, field, MARK))).forcefield


@quickly
@given(texts)
def test_a_path_is_one_word_of_the_job_s_script(text: str) -> None:
    path = f"/opt/{text}/lmp"
    assert path in shlex.split(prologue_lines("0", path, None))


@quickly
@given(st.sampled_from(["queue_name", "account", "qos", "priority"]), texts)
def test_an_option_in_the_header_of_a_script_is_one_word(key: str, text: str) -> None:
    try:
        checked_options({key: text})
    except ValueError:
        return
    assert re.fullmatch(r"[A-Za-z0-9._,:+@%/=-]+", text)
    assert shlex.split(text) == [text]


@quickly
@given(st.text(max_size=60))
def test_any_text_is_a_mapping_or_refused(text: str) -> None:
    try:
        content: Any = parse_mapping(text, "mine.yaml", "a recipe")
    except ValueError as error:
        content = str(error)
    assert isinstance(content, dict) or content.startswith("mine.yaml: ")
