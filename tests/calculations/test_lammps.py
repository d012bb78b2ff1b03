"""The LAMMPS job: what it uploads, how it is called, what comes back, and what it refuses."""

import io
import re
from typing import Any

import pytest
from aiida import orm
from aiida.common.datastructures import StashMode
from aiida.plugins import CalculationFactory

from aiida_cse.calculations.lammps import LammpsStageCalculation
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.job.records import job_scripts
from aiida_cse.lammps.job.script import render_script
from aiida_cse.lammps.protocol.stage import JobPlan
from tests.calculations.conftest import Prepare
from tests.lammps.make_logs import SHOOT, SPRING, WINDOW
from tests.nodes import forged_system, imported, system_node

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

PLAN: dict[str, Any] = {
    "stages": [{"name": "heat", "kind": "nvt", "duration_ps": 1, "temperature": 300, "velocities": 300}],
    "seed": 7,
}


@pytest.fixture
def inputs(lmp: orm.InstalledCode) -> dict[str, Any]:
    return {"code": lmp, "system": system_node(), "plan": PLAN}


def option(**options: Any) -> dict[str, Any]:
    return {"metadata": {"options": options}}


def test_the_entry_point() -> None:
    assert CalculationFactory("cse.lammps") is LammpsStageCalculation


def test_script_system_and_what_is_around_lammps_are_uploaded(prepare: Prepare, inputs: dict[str, Any]) -> None:
    info, files = prepare("cse.lammps", **inputs)
    scripts = job_scripts()
    assert set(scripts) == {"prologue.sh", "epilogue.sh", "lock.sh", "record.sh"}
    assert files == {"input.in": render_script(JobPlan.model_validate(PLAN))} | scripts
    uuid = inputs["system"].uuid
    assert info.local_copy_list == [(uuid, "system.data", "system.data"), (uuid, "forcefield.in", "forcefield.in")]
    assert set(info.provenance_exclude_list) == set(scripts), (
        "the input stays with the node, what is ours does not"
    )
    assert info.append_text == "CSE_STATUS=$?\nunset CSE_JOB\nsh epilogue.sh $CSE_STATUS"
    assert not info.remote_symlink_list


@pytest.mark.parametrize(("seconds", "limit"), [(None, "off"), (1, "1"), (3600, "3420"), (100_000, "95000")])
def test_lammps_stops_before_the_wall_time(
    prepare: Prepare, inputs: dict[str, Any], seconds: int | None, limit: str
) -> None:
    options = {} if seconds is None else option(max_wallclock_seconds=seconds)
    info, _ = prepare("cse.lammps", **inputs, **options)
    name, prologue = info.prepend_text.splitlines()
    assert re.fullmatch("export CSE_JOB=[0-9a-f-]{36}", name)
    executable = inputs["code"].get_executable()
    assert prologue == f"sh prologue.sh {executable} {limit} || exit 75"
    later, _ = prepare("cse.lammps", **inputs | {"plan": PLAN | {"latest_checkpoint": 300}}, **options)
    assert later.prepend_text.endswith(f"\nsh prologue.sh {executable} {limit} 300 || exit 75")
    segment = PLAN | {"stages": [PLAN["stages"][0] | {"trajectory_ps": 0.1}]}
    written, _ = prepare("cse.lammps", **inputs | {"plan": segment}, **options)
    assert written.prepend_text.endswith(f"\nsh prologue.sh {executable} {limit} any frames || exit 75")
    (code,) = info.codes_info
    assert code.cmdline_params == ["-in", "input.in", "-log", "log.lammps", "-nb"]
    assert code.code_uuid == inputs["code"].uuid
    assert code.stdout_name == "lammps.out"


def test_an_impossible_wall_time_is_refused(prepare: Prepare, inputs: dict[str, Any]) -> None:
    stage = PLAN["stages"][0] | {"duration_ps": 10_000}
    plan = {"stages": [stage], "settings": {"restart_interval": 1_000_000}}
    with pytest.raises(ValueError, match="max_wallclock_seconds = 5: no machine makes the 1000000 steps"):
        prepare("cse.lammps", **(inputs | {"plan": plan}), **option(max_wallclock_seconds=5))


def test_a_hostile_system_is_refused_before_a_job_is_made(
    prepare: Prepare, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = inputs["system"].forcefield + "shell touch owned\n"
    hostile = imported(forged_system(forcefield=text))
    problem = rf"cse\.system {hostile.pk}: forcefield\.in: line {text.count(chr(10))}: 'shell' is not a command"
    with pytest.raises(ValueError, match=problem):
        prepare("cse.lammps", **inputs | {"system": hostile})
    # the job looks as well, in case that the engine has not
    monkeypatch.setattr(LammpsStageCalculation.spec().inputs["system"], "validator", None)
    with pytest.raises(ValueError, match=problem):
        prepare("cse.lammps", **inputs | {"system": hostile})


def test_what_is_retrieved(prepare: Prepare, inputs: dict[str, Any]) -> None:
    info, _ = prepare("cse.lammps", **inputs)
    log = ["log.lammps.gz", ("unfinished.log", "log.lammps", 0)]
    assert info.retrieve_list == [*log, "start.json", "end.json"]
    assert info.retrieve_temporary_list == ["lammps.out", "log.lammps"], "whole for the parser alone"
    settings = {
        "keep_system": True,
        "additional_retrieve_list": ["restart.500", ["dump.*", ".", None]],
        "additional_cmdline_params": ["-sf", "gpu"],
    }
    shots, _ = prepare("cse.lammps", **inputs | {"plan": orm.Dict({"stages": [WINDOW, SHOOT]})})
    assert shots.retrieve_list == [*log, "start.json", "end.json", "shots.txt"]
    info, _ = prepare("cse.lammps", **inputs, settings=orm.Dict(settings))
    assert info.retrieve_list == [*log, "start.json", "end.json", "restart.500", ["dump.*", ".", None]]
    assert info.retrieve_temporary_list == ["lammps.out", "log.lammps", "final.data"]
    assert info.codes_info[0].cmdline_params[-2:] == ["-sf", "gpu"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"accelerator": "none"}, ""),
        ({"accelerator": "omp"}, "-sf omp -pk omp 1"),
        ({"accelerator": "omp", "threads": 4, "exact": False}, "-sf omp -pk omp 4"),
        ({"accelerator": "opt"}, "-sf opt"),
        ({"accelerator": "intel", "threads": 2, "exact": False}, "-sf intel -pk intel 0 omp 2"),
        ({"accelerator": "gpu", "gpus": 2, "exact": False}, "-sf gpu -pk gpu 2 neigh no"),
        ({"accelerator": "kokkos", "threads": 8, "exact": False}, "-k on t 8 -sf kk"),
        ({"accelerator": "kokkos", "gpus": 1, "exact": False}, "-k on g 1 t 1 -sf kk"),
    ],
)
def test_an_accelerator_is_words_of_the_command_line(
    prepare: Prepare, inputs: dict[str, Any], settings: dict[str, Any], words: str
) -> None:
    extra = orm.Dict({"additional_cmdline_params": ["-var", "x", "1"]})
    info, _ = prepare("cse.lammps", **inputs | {"plan": PLAN | {"settings": settings}}, settings=extra)
    assert info.codes_info[0].cmdline_params[5:] == [*words.split(), "-var", "x", "1"]


def test_an_accelerator_that_is_not_exact_is_refused_before_anything_runs(
    prepare: Prepare, inputs: dict[str, Any]
) -> None:
    plan = PLAN | {"settings": {"accelerator": "gpu", "gpus": 1}}
    with pytest.raises(ValueError, match="accelerator = 'gpu': contradicts exact = true"):
        prepare("cse.lammps", **inputs | {"plan": plan})


def test_the_parent_is_linked(prepare: Prepare, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    remote = orm.RemoteData(computer=localhost, remote_path="/scratch/earlier")
    info, _ = prepare("cse.lammps", **inputs, parent_folder=remote)
    assert info.remote_symlink_list == [(localhost.uuid, "/scratch/earlier", "parent")]


def test_a_stash_is_a_parent_too(prepare: Prepare, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    stash = orm.RemoteStashFolderData(
        computer=localhost,
        stash_mode=StashMode.COPY,
        target_basepath="/archive/earlier",
        source_list=["restart.*"],
    )
    info, _ = prepare("cse.lammps", **inputs, parent_folder=stash)
    assert info.remote_symlink_list == [(localhost.uuid, "/archive/earlier", "parent")]


def test_a_script_of_the_users_own(prepare: Prepare, lmp: orm.InstalledCode) -> None:
    script = orm.SinglefileData(io.BytesIO(b"units lj\n"), filename="mine.in")
    settings = orm.Dict({"additional_cmdline_params": ["-var", "x", "1"], "additional_retrieve_list": ["out.xyz"]})
    info, files = prepare("cse.lammps", code=lmp, script=script, settings=settings)
    assert files == {"input.in": "units lj\n"}
    assert info.codes_info[0].cmdline_params == ["-in", "input.in", "-log", "log.lammps", "-var", "x", "1"]
    assert set(info.retrieve_list) == {"lammps.out", "log.lammps", "out.xyz"}


def test_defaults_of_the_options(inputs: dict[str, Any]) -> None:
    ports = LammpsStageCalculation.spec().inputs["metadata"]["options"]
    assert ports["parser_name"].default == "cse.lammps"
    assert ports["withmpi"].default is True
    assert ports["resources"].default() == {"num_machines": 1, "num_mpiprocs_per_machine": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plan": {"stages": []}}, "plan.stages = []"),
        ({"plan": PLAN | {"stop_step": 10**6}}, "plan.stop_step: 1000000 lies outside the last stage"),
        (
            {"plan": {"stages": [PLAN["stages"][0] | {"name": "a\nshell rm"}]}},
            r"plan.stages.0.name = 'a\nshell rm'",
        ),
        (
            {"plan": {"stages": [SHOOT | {"shots": SHOOT["shots"] | {"atom": 5000}}]}},
            "plan.stages.0.shots.atom = 5000: the system has atoms 1 to 113",
        ),
        (
            {"plan": {"stages": [WINDOW | {"bias": SPRING | {"reference": [9]}}]}},
            "plan.stages.0.bias: the system has atom types 1 to 5, not 9",
        ),
        ({"plan": PLAN | {"settings": {"cutof": 9}}}, "unknown key 'cutof'; did you mean 'cutoff'?"),
        (
            {"settings": {"keep_systm": True}},
            "settings: 'keep_systm' is no known key: did you mean 'keep_system'?",
        ),
        ({"settings": {"keep_system": "yes"}}, "settings.keep_system = 'yes': must be true or false"),
        (
            {"settings": {"additional_cmdline_params": "-sf gpu"}},
            "settings.additional_cmdline_params = '-sf gpu': must be a list",
        ),
    ],
)
def test_wrong_inputs_are_refused_by_their_field(
    prepare: Prepare, inputs: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        prepare("cse.lammps", **(inputs | {key: orm.Dict(value) for key, value in change.items()}))
    assert message in str(caught.value)


@pytest.mark.parametrize(("missing", "message"), [("system", "inputs system are"), ("plan", "inputs plan are")])
def test_missing_inputs_are_named(prepare: Prepare, inputs: dict[str, Any], missing: str, message: str) -> None:
    del inputs[missing]
    with pytest.raises(ValueError, match=f"{message} missing: give system and plan, or a whole script"):
        prepare("cse.lammps", **inputs)


def test_a_script_and_a_plan_exclude_each_other(prepare: Prepare, inputs: dict[str, Any]) -> None:
    script = orm.SinglefileData(io.BytesIO(b"units lj\n"), filename="mine.in")
    with pytest.raises(ValueError, match="a whole script and system, plan exclude each other"):
        prepare("cse.lammps", **inputs, script=script)


def test_a_parent_elsewhere_is_refused(
    prepare: Prepare, inputs: dict[str, Any], other_computer: orm.Computer
) -> None:
    remote = orm.RemoteData(computer=other_computer, remote_path="/scratch/earlier")
    with pytest.raises(ValueError, match="parent_folder lies on elsewhere, the code on localhost"):
        prepare("cse.lammps", **inputs, parent_folder=remote)


def test_an_unknown_input_is_refused(prepare: Prepare, inputs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Unexpected ports"):
        prepare("cse.lammps", **inputs, parent=CseSystemData())
