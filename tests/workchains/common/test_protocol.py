"""Protocols: valid inputs, overrides, and refusals that name the nearest known key."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm
from aiida.engine import WorkChain
from aiida.plugins import WorkflowFactory

from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.schedule import job_plans
from aiida_cse.workchains.common.builders import Codes, recipe_node
from aiida_cse.workchains.common.protocol import check_keys, merge
from aiida_cse.workchains.common.starts import run_label
from aiida_cse.workchains.study import StudyWorkChain
from tests.nodes import interface, long_state, reduction_node, system_node
from tests.workchains.conftest import Make

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

PROTOCOLS = ("paper", "moderate", "fast", "demo")
CHAINS = (
    "cse.ceramic",
    "cse.electrolyte",
    "cse.interface",
    "cse.production",
    "cse.analysis",
    "cse.quench",
    "cse.study",
)
#: the parts of a study that take a schedule
PHASES = ("cse.ceramic", "cse.electrolyte", "cse.interface")

Builder = Callable[..., Any]


@pytest.fixture
def builder(codes: Codes, recipe: dict[str, Any]) -> Builder:
    """Return a function that makes a WorkChain's builder, including the inputs outside the protocol."""

    def build(name: str, protocol: str | None = None, overrides: dict[str, Any] | None = None, **more: Any) -> Any:
        chain: Any = WorkflowFactory(name)
        own: dict[str, Callable[[], dict[str, Any]]] = {
            "cse.electrolyte": lambda: {"ceramic": system_node()},
            "cse.interface": lambda: {
                "ceramic": system_node(),
                "electrolyte": system_node(),
                "temperature": 700.0,
            },
            "cse.production": lambda: {"system": CseSystemData(interface()), "temperature": 700.0},
            "cse.quench": lambda: {"system": CseSystemData(interface()), "temperature": 400.0},
        }
        if name == "cse.analysis":
            reduction = reduction_node(long_state())
            return chain.get_builder_from_protocol(reduction, 700.0, protocol=protocol, overrides=overrides)
        arguments = {"codes": codes, "recipe": recipe} | own.get(name, dict)() | more
        return chain.get_builder_from_protocol(protocol=protocol, overrides=overrides, **arguments)

    return build


def refusal(builder: Builder, make: Make, name: str, overrides: dict[str, Any], **more: Any) -> str:
    """Return the message of the refusal of inputs before submission."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        make(builder(name, "demo", overrides, **more))
    return str(caught.value)


# -- valid inputs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        # study and quench contain the others
        pytest.param(name, protocol, marks=() if name in CHAINS[-2:] or protocol == "demo" else pytest.mark.long)
        for name in CHAINS
        for protocol in PROTOCOLS
    ],
)
def test_every_protocol_gives_valid_inputs(builder: Builder, make: Make, name: str, protocol: str) -> None:
    assert isinstance(make(builder(name, protocol)), WorkChain)


@pytest.mark.parametrize("name", CHAINS)
def test_protocols_and_their_descriptions(name: str) -> None:
    chain: Any = WorkflowFactory(name)
    protocols = chain.get_available_protocols()
    assert tuple(protocols) == PROTOCOLS
    assert all(description.endswith(".") for description in protocols.values())
    assert chain.get_default_protocol() == "moderate"
    assert chain.get_protocol_inputs() == chain.get_protocol_inputs("moderate")


#: stages of all atoms that only the paper has: from 1000 K to the pressure of the last run
COMPRESSION = re.compile(r"cool|rest_\d|(de)?compress_\d")


@pytest.mark.parametrize("name", [*PHASES, "cse.production"])
def test_the_paper_differs_from_moderate_by_ewald_sums_compression_and_frames(name: str) -> None:
    chain: Any = WorkflowFactory(name)
    paper, moderate = (chain.get_protocol_inputs(protocol) for protocol in ("paper", "moderate"))
    where = "plan" if name == "cse.production" else "schedule"
    assert (
        paper[where]["settings"] | {"kspace_style": "pppm", "kspace_accuracy": 7e-6} == moderate[where]["settings"]
    )
    assert paper[where]["settings"]["kspace_style"] == "ewald"
    if "stages" in paper[where]:
        stages = paper[where]["stages"]
        paper[where]["stages"] = [stage for stage in stages if not COMPRESSION.fullmatch(stage.get("name", ""))]
    other = {"settings", "stop", "frame_ps", "all_atoms_ps"}
    assert {key: value for key, value in paper[where].items() if key not in other} == {
        key: value for key, value in moderate[where].items() if key not in other
    }


def test_all_atoms_of_the_paper_are_compressed_at_the_temperature_of_the_production() -> None:
    chain: Any = WorkflowFactory("cse.interface")
    plans = job_plans(chain.get_protocol_inputs("paper")["schedule"], seed=1, temperature=600)
    stages = [stage for plan in plans for stage in plan["stages"] if stage["mobile"] == "all"]
    dynamics = [stage for stage in stages if stage["kind"] in ("nvt", "npt")]
    (hot,) = (stage for stage in dynamics if stage["temperature"] != 600)
    assert (hot["temperature"], hot["kind"], hot["duration_ps"]) == (1000, "nvt", 100)
    pressures = [stage["pressure"] for stage in dynamics if stage["kind"] == "npt"]
    assert pressures == [100, 3000, 5000, 2500, 500, 50, 1]
    assert (dynamics[-1]["duration_ps"], dynamics[-1]["kind"]) == (20_200, "npt")


def test_only_paper_and_demo_have_fixed_lengths() -> None:
    chain: Any = WorkflowFactory("cse.production")
    rules = {
        name: ProductionPlan.model_validate(chain.get_protocol_inputs(name)["plan"]).stop for name in PROTOCOLS
    }
    assert {name for name, stop in rules.items() if stop.rule == "fixed"} == {"paper", "demo"}
    for name in ("moderate", "fast"):
        settings = WorkflowFactory("cse.analysis").get_protocol_inputs(name)["settings"]
        assert rules[name].first_look_ns == 2 * settings["start_ns"]


def test_the_published_production() -> None:
    chain: Any = WorkflowFactory("cse.production")
    plan = ProductionPlan.model_validate(chain.get_protocol_inputs("paper")["plan"])
    assert (plan.length_ps, plan.frame_ps, plan.timestep_fs) == (580_000, 2, 2)
    assert plan.total_steps == 290_000_000
    assert StudyWorkChain.get_protocol_inputs("paper")["temperatures"] == [400, 500, 600, 700]
    assert {at: plan.at(at).length_ps for at in (400, 500, 600, 700)} == {
        400: 400_000,
        500: 400_000,
        600: 580_000,
        700: 580_000,
    }


def test_an_overridden_length_holds_at_every_temperature(codes: Codes, recipe: dict[str, Any]) -> None:
    def lengths(plan: dict[str, Any]) -> list[Any]:
        overrides = {"production": {"plan": plan}}
        study = StudyWorkChain.get_builder_from_protocol(codes, recipe, "paper", overrides=overrides)
        found: list[Any] = study.production.plan["lengths"]
        return found

    assert lengths({}) == [[400, 400_000], [500, 400_000]]
    assert lengths({"length_ps": 300_000}) == []
    assert lengths({"length_ps": 300_000, "lengths": [[500, 200_000]]}) == [[500, 200_000]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_interface_holds_the_ceramic_first(protocol: str) -> None:
    chain: Any = WorkflowFactory("cse.interface")
    plans = job_plans(chain.get_protocol_inputs(protocol)["schedule"], seed=1, temperature=700)
    mobile = [stage["mobile"] for plan in plans for stage in plan["stages"]]
    assert mobile == sorted(mobile, reverse=True), "the electrolyte moves alone, then all atoms"
    assert set(mobile) == {"electrolyte", "all"}


def test_overrides_of_a_study_reach_its_parts(codes: Codes, recipe: dict[str, Any]) -> None:
    study = StudyWorkChain.get_builder_from_protocol(
        codes,
        recipe,
        "demo",
        overrides={
            "temperatures": [500, 650.5],
            "replicas": 3,
            "ceramic": {
                "temperature": 750,
                "base": {"max_failures": 7, "max_changes": 0, "sanity": {"drift": {"fail": 99}}},
            },
            "electrolyte": {"schedule": {"settings": {"cutoff": 8.5}}},
            "interface": {"gap": 3.0},
            "production": {
                "plan": {"length_ps": 24},
                "sampling": {"block_ps": 2},
                "analysis": {"settings": {"minimum_coefficient": 0.8}},
            },
        },
    )
    assert study.temperatures.get_list() == [500, 650.5]
    assert study.replicas == 3
    assert study.ceramic.temperature == 750
    assert study.ceramic.base.max_failures == 7
    assert study.ceramic.base.max_changes == 0
    assert study.ceramic.base.sanity["drift"] == {"warn": 200, "fail": 99}
    assert study.ceramic.base.sanity["density"]["fail"] == [1, 10]
    assert (study.electrolyte.base.max_failures, study.electrolyte.base.max_changes) == (3, 4)
    settings = study.electrolyte.schedule["settings"]
    assert (settings["cutoff"], settings["kspace_accuracy"], settings["restart_interval"]) == (8.5, 1e-4, 500)
    assert study.interface.gap == 3.0
    assert (study.production.plan["length_ps"], study.production.plan["segment_ps"]) == (24, 4)
    assert study.production.sampling["block_ps"] == 2
    assert study.production.analysis.settings["minimum_coefficient"] == 0.8
    assert study.production.analysis.settings["rule"] == "core", "the demo's own"


def test_overrides_of_a_quench_reach_its_parts(builder: Builder) -> None:
    quench = builder(
        "cse.quench",
        "demo",
        {
            "hot_temperature": 650,
            "require_equilibrated": True,
            "hot": {"plan": {"length_ps": 24}},
            "cold": {"analysis": {"settings": {"lam": 5}}},
            "cooling": {"base": {"max_failures": 7}, "plan": {"rate_K_per_ns": 1000}},
        },
    )
    assert (quench.hot_temperature, quench.temperature) == (650, 400)
    assert quench.require_equilibrated.value is True
    assert (quench.hot.plan["length_ps"], quench.cold.plan["length_ps"]) == (24, 12)
    assert (quench.hot.analysis.settings["lam"], quench.cold.analysis.settings["lam"]) == (10, 5)
    assert quench.cooling.base.max_failures == 7
    assert (quench.cooling.plan["rate_K_per_ns"], quench.cooling.plan["step_K"]) == (1000, 50)


def test_a_quench_equilibrates_until_its_verdict(builder: Builder) -> None:
    assert builder("cse.quench", "moderate").hot.plan["stop"]["rule"] == "equilibrated"
    assert builder("cse.quench", "moderate").cold.plan["stop"]["rule"] == "fixed"
    assert builder("cse.quench", "moderate").require_equilibrated.value is True


def test_a_recipe_may_be_a_mapping_a_model_or_a_node(codes: Codes, recipe: dict[str, Any]) -> None:
    model: Recipe = load_recipe("llzo-peo-litfsi-demo")
    node = orm.Dict(recipe).store()
    assert isinstance(node, orm.Dict)
    assert recipe_node(model).get_dict() == recipe_node(recipe).get_dict() == recipe
    assert recipe_node(node) is node, "a complete node is returned itself"
    shorter = {key: value for key, value in recipe.items() if key != "electrolyte"}
    assert recipe_node(shorter)["electrolyte"]["density"] == 0.5, "every default is written out"
    with pytest.raises(ValueError, match="recipe: unknown key 'polymr'; did you mean 'polymer'"):
        StudyWorkChain.get_builder_from_protocol(codes, recipe | {"polymr": {}}, "demo")


def test_merging_replaces_lists_and_leaves_its_arguments() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge(base, {"a": {"c": [3]}, "d": {"e": 2}}) == {"a": {"b": 1, "c": [3]}, "d": {"e": 2}}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


# -- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAINS)
def test_an_unknown_protocol_is_refused(builder: Builder, name: str) -> None:
    with pytest.raises(ValueError, match=r"protocol 'modrate' of \w+ is not known: did you mean 'moderate'\?"):
        builder(name, "modrate")


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("cse.ceramic", {"schedul": {}}, "'schedul' is no known key: did you mean 'schedule'?"),
        ("cse.ceramic", {"schedule": {"setings": {}}}, "overrides of CeramicWorkChain.schedule: 'setings'"),
        ("cse.ceramic", {"schedule": {"settings": {"cut": 1}}}, "'cut' is no known key: did you mean 'cutoff'?"),
        ("cse.ceramic", {"schedule": 3}, "schedule: 3 must be a mapping with keys of: settings, stages"),
        ("cse.ceramic", {"base": {"max_failure": 1}}, "did you mean 'max_failures'?"),
        ("cse.electrolyte", {"temprature": 1}, "did you mean 'temperature'?"),
        (
            "cse.interface",
            {"gapp": 1},
            "overrides of InterfaceWorkChain: 'gapp' is no known key: did you mean 'gap'?",
        ),
        ("cse.production", {"plan": {"lenght_ps": 1}}, "did you mean 'length_ps'?"),
        ("cse.production", {"sampling": {"bin": 1}}, "did you mean 'bins'?"),
        ("cse.production", {"analysis": {"settings": {"rul": 1}}}, "did you mean 'rule'?"),
        ("cse.analysis", {"settings": {"lamda": 1}}, "overrides of AnalysisWorkChain.settings: 'lamda'"),
        ("cse.quench", {"cooling": {"plan": {"rate": 1}}}, "QuenchWorkChain.cooling.plan: 'rate'"),
        ("cse.quench", {"hot": {"plan": {"lenght_ps": 1}}}, "ProductionWorkChain.plan: 'lenght_ps'"),
        ("cse.quench", {"cold": 3}, "cold: overrides of ProductionWorkChain: 3 must be a mapping"),
        ("cse.quench", {"warm": {}}, "overrides of QuenchWorkChain: 'warm'"),
        ("cse.study", {"temperature": [700]}, "did you mean 'temperatures'?"),
        ("cse.study", {"ceramics": {}}, "overrides of StudyWorkChain: 'ceramics'"),
        ("cse.study", {"interface": {"gapp": 1}}, "did you mean 'gap'?"),
    ],
)
def test_an_unknown_override_is_refused(
    builder: Builder, make: Make, name: str, overrides: dict[str, Any], message: str
) -> None:
    assert message in refusal(builder, make, name, overrides)


STAGE = {"name": "heat", "kind": "nvt", "duration_ps": 1, "temperature": "target"}


@pytest.mark.parametrize("name", PHASES)
def test_own_stages_replace_those_of_the_protocol(builder: Builder, make: Make, name: str) -> None:
    process = make(builder(name, "demo", {"schedule": {"stages": [STAGE]}}))
    assert process.inputs.schedule["stages"] == [STAGE]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("cse.ceramic", {"name": "a\nshell rm -rf ."}, r"name = 'a\nshell rm -rf .'"),
        ("cse.electrolyte", {"name": "a\nshell rm -rf ."}, r"name = 'a\nshell rm -rf .'"),
        ("cse.interface", {"name": "a\nshell rm -rf ."}, r"name = 'a\nshell rm -rf .'"),
        ("cse.ceramic", {"name": "${HOME}"}, "name = '${HOME}'"),
        ("cse.ceramic", {"temperature": "target; shell rm"}, "temperature.value = 'target; shell rm'"),
        ("cse.electrolyte", {"temperature": -1}, "temperature.value = -1"),
        ("cse.interface", {"kind": "shell"}, "kind = 'shell'"),
        ("cse.ceramic", {"duration_ps": float("inf")}, "duration_ps = inf"),
        ("cse.electrolyte", {"timestep_fs": 20}, "timestep_fs = 20"),
        ("cse.interface", {"durations": 1}, "unknown key 'durations'; did you mean 'duration_ps'?"),
    ],
)
def test_a_wrong_stage_is_refused_before_anything_runs(
    builder: Builder, make: Make, name: str, change: dict[str, Any], message: str
) -> None:
    assert message in refusal(builder, make, name, {"schedule": {"stages": [STAGE | change]}})


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("cse.ceramic", {"temperature": -5}, "temperature = -5: give a number between 0 and 5000 K"),
        ("cse.electrolyte", {"temperature": 1e6}, "temperature = 1e+06: give a number"),
        ("cse.study", {"ceramic": {"temperature": 0}}, "temperature = 0: give a number"),
        ("cse.ceramic", {"temperature": "hot"}, "temperature = 'hot': give a number"),
        ("cse.ceramic", {"temperature": True}, "temperature = True: give a number"),
        ("cse.interface", {"gap": -1}, "gap = -1: give a distance between 0 and 100 Å"),
        ("cse.quench", {"hot_temperature": 0}, "hot_temperature = 0: give a number between 0 and 5000 K"),
        ("cse.quench", {"hot_temperature": 300}, "temperature = 400: must be below hot_temperature = 300 K"),
        ("cse.quench", {"cooling": {"plan": {"step_K": 1}}}, "cooling.plan.step_K = 1: makes 200 steps"),
        ("cse.quench", {"cooling": {"plan": {"box": "scaled"}}}, "cooling.plan.expansion_per_K = None"),
        ("cse.quench", {"cooling": {"plan": {"hold_ps": "1"}}}, "hold_ps = '1'"),
        ("cse.quench", {"cold": {"plan": {"frame_ps": 0.03}}}, "must be a multiple of frame_ps = 0.03"),
        ("cse.quench", {"comparison": {"max_shift": -1}}, "comparison.max_shift = -1"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_runs(
    builder: Builder, make: Make, name: str, overrides: dict[str, Any], message: str
) -> None:
    assert message in refusal(builder, make, name, overrides)


def test_a_whole_number_is_a_number(builder: Builder) -> None:
    assert builder("cse.interface", "demo", {"gap": 3}, temperature=700).gap == 3.0
    assert builder("cse.production", "demo", temperature=700).temperature == 700.0
    assert builder("cse.ceramic", "demo", {"temperature": orm.Int(900)}).temperature == 900.0


@pytest.mark.parametrize("name", ["cse.interface", "cse.production"])
def test_a_wrong_temperature_of_a_run_is_refused(builder: Builder, make: Make, name: str) -> None:
    assert "temperature = nan: give a number" in refusal(builder, make, name, {}, temperature=float("nan"))


@pytest.mark.parametrize(("seed", "valid"), [(0, False), (2**31, False), (2**31 - 1, True)])
def test_a_seed_is_in_the_range_of_lammps(builder: Builder, seed: int, valid: bool) -> None:
    inputs = builder("cse.ceramic", "demo")
    if valid:
        inputs.seed = seed
    else:
        with pytest.raises(ValueError, match=f"seed = {seed}: give a whole number from 1 to 2147483647"):
            inputs.seed = seed


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"plan": {"segment_ps": 4.5}}, "must be a multiple of the checkpoint cadence"),
        ({"plan": {"frame_ps": 0.03}}, "segment_ps = 4 must be a multiple of frame_ps = 0.03"),
        ({"plan": {"length_ps": 2}}, "length_ps = 2 is shorter than one segment"),
        ({"plan": {"timestep_fs": 10}}, "timestep_fs = 10"),
        ({"plan": {"settings": {"cutoff": 99}}}, "settings.cutoff = 99"),
        ({"sampling": {"block_ps": 0.05}}, "block_ps = 0.05: must be a multiple of all_atoms_ps = 0.2"),
        ({"sampling": {"bins": 1}}, "sampling.bins = 1"),
        ({"analysis": {"settings": {"minimum_coefficient": 2}}}, "minimum_coefficient = 2"),
        ({"analysis": {"settings": {"start_ns": float("inf")}}}, "start_ns = inf"),
        (
            {"analysis": {"settings": {"start_ns": 0.012}}},
            "start_ns = 0.012: leaves nothing of the 0.012 ns of plan.length_ps",
        ),
        ({"plan": {"velocities": "new"}}, "velocities = 'new'"),
        ({"plan": {"stop": {"rule": "equilibrated"}}}, "rule = equilibrated: needs first_look_ns"),
        ({"plan": {"stop": {"growth": 0.5}}}, "stop.growth = 0.5"),
        ({"plan": {"stop": {"confirmations": 0}}}, "stop.confirmations = 0"),
        (
            {"plan": {"stop": {"first_look_ns": 0.001}}, "analysis": {"settings": {"start_ns": 0.004}}},
            "first_look_ns: at the first look, 0.004 ns, analysis.settings.start_ns = 0.004: leaves nothing",
        ),
    ],
)
def test_a_wrong_production_is_refused_before_anything_runs(
    builder: Builder, make: Make, overrides: dict[str, Any], message: str
) -> None:
    assert message in refusal(builder, make, "cse.production", overrides)
    assert message in refusal(builder, make, "cse.study", {"production": overrides})


def test_a_trajectory_is_reduced_on_its_computer(builder: Builder, make: Make, lmp: orm.InstalledCode) -> None:
    elsewhere = orm.Computer(
        label="far-away", hostname="far-away", transport_type="core.local", scheduler_type="core.direct"
    ).store()
    far = orm.InstalledCode(
        computer=elsewhere, filepath_executable="/opt/lmp", default_calc_job_plugin="cse.lammps"
    )
    far.label = "far"
    inputs = builder("cse.production", "demo")
    inputs.base.lammps.code = far.store()
    with pytest.raises(ValueError, match=r"is on another computer than base\.lammps\.code far@far-away"):
        make(inputs)


@pytest.mark.parametrize(
    ("name", "stage", "message"),
    [
        (
            "cse.electrolyte",
            {"name": "press", "kind": "npt", "pressure": 1, "barostat": "iso"},
            "stage 'press': barostat = iso: changes a fixed cross-section; give z",
        ),
        (
            "cse.electrolyte",
            {"name": "settle", "kind": "nvt", "mobile": "electrolyte"},
            "stage 'settle': mobile = electrolyte: needs both phases of an interface",
        ),
        (
            "cse.ceramic",
            {"name": "settle", "kind": "nvt", "mobile": "electrolyte"},
            "stage 'settle': mobile = electrolyte: needs both phases of an interface",
        ),
    ],
)
def test_a_stage_that_does_not_fit_its_phase_is_refused(
    builder: Builder, make: Make, name: str, stage: dict[str, Any], message: str
) -> None:
    overrides = {"schedule": {"stages": [stage | {"duration_ps": 1, "temperature": 300}]}}
    assert message in refusal(builder, make, name, overrides)


@pytest.mark.parametrize("name", ["cse.ceramic", "cse.electrolyte", "cse.interface", "cse.production"])
def test_inputs_set_by_the_workchain_are_no_ports(builder: Builder, name: str) -> None:
    """Cleaned folders or another script would break the chain of jobs."""
    base = builder(name, "demo").base
    for key in ("clean_workdir", "script"):
        assert key not in base
        assert key not in base.lammps


def test_fields_that_follow_from_the_plan_are_refused(builder: Builder, make: Make) -> None:
    inputs = builder("cse.production", "demo")
    inputs.sampling = {"frame_ps": 0.02}
    with pytest.raises(
        ValueError, match=r"sampling\.frame_ps = 0\.02: follows from the plan of the production; remove it"
    ):
        make(inputs)


def test_a_system_without_anions_is_refused(builder: Builder, make: Make) -> None:
    message = refusal(builder, make, "cse.production", {}, system=system_node())
    assert "the system must have exactly one species with negative molecules" in message


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"temperatures": []}, "temperatures = []: give numbers between 0 and 5000 K, one or more"),
        ({"temperatures": [-700]}, "temperatures = [-700]"),
        ({"temperatures": [700, 6000]}, "temperatures = [700, 6000]"),
        ({"temperatures": ["700; shell"]}, "temperatures = ['700; shell']"),
        ({"temperatures": [True]}, "temperatures = [True]"),
        ({"temperatures": [700, 700.2]}, "give different temperatures, at least 1 K apart"),
        ({"replicas": 0}, "replicas = 0: give a whole number from 1 to 99"),
        ({"replicas": 100}, "replicas = 100"),
        ({"starts": ["full"]}, "starts = ['full']: 'full' is no start; did you mean 'filled'?"),
        ({"starts": []}, "starts = []: give one or more of as-built, filled, emptied, each once"),
        ({"starts": ["filled", "filled"]}, "each once"),
        ({"start_excess": {"filled": -3}}, "start_excess.filled = -3: give a whole number from 1 to 100000"),
        ({"start_excess": {"emptied": 3}}, "start_excess.emptied = 3: give a whole number from -100000 to -1"),
        (
            {"starts": ["filled"], "start_excess": {"filled": 8}},
            "start_excess.filled = 8: the salt has 7 pairs; give at most that",
        ),
        ({"interface": {"initial_excess": 3}}, "interface.initial_excess: follows from the start of each run"),
    ],
)
def test_wrong_runs_are_refused_before_anything_runs(
    builder: Builder, make: Make, overrides: dict[str, Any], message: str
) -> None:
    assert message in refusal(builder, make, "cse.study", overrides)


def test_stages_with_target_need_a_temperature(builder: Builder, make: Make) -> None:
    inputs = builder("cse.interface", "demo", temperature=None)
    with pytest.raises(
        ValueError, match="temperature = 'target': needs the temperature of the run, which is not given"
    ):
        make(inputs)


def test_a_value_for_a_mapping_is_refused() -> None:
    with pytest.raises(ValueError, match=r"here\.a: 1 must be a mapping with keys of: b"):
        check_keys({"a": 1}, {"a": {"b": 1}}, "here")


def test_a_run_is_labelled_by_temperature_replica_and_start() -> None:
    assert run_label(700, 1) == "T0700_r1"
    assert run_label(299.6, 12) == "T0300_r12"
    assert run_label(700, 1, "filled") == "T0700_r1_filled"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_phases_share_settings_and_budgets_but_checkpoints_and_density(protocol: str) -> None:
    chains: dict[str, Any] = {name: WorkflowFactory(name) for name in (*PHASES, "cse.production", "cse.quench")}
    inputs = {name: chain.get_protocol_inputs(protocol) for name, chain in chains.items()}
    inputs["cse.quench"] = inputs["cse.quench"]["cooling"]
    settings, bases, intervals, densities = [], [], {}, {}
    for name, values in inputs.items():
        own = dict((values["schedule"] if name in PHASES else values["plan"])["settings"])
        intervals[name] = own.pop("restart_interval")
        sanity = dict(values["base"]["sanity"])
        densities[name] = sanity.pop("density")["fail"]
        settings.append(own)
        bases.append(values["base"] | {"sanity": sanity})
    assert all(own == settings[0] for own in settings)
    assert all(base == bases[0] for base in bases)
    assert intervals["cse.electrolyte"] == 500
    assert densities["cse.ceramic"] == [1, 10]
    assert densities["cse.interface"] == densities["cse.quench"] == [0.3, 9]
