"""The input script: guards that skip what is done, and nothing in it that a name or a number could smuggle in."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.lammps.job.script import FINAL_DATA, render_script
from aiida_cse.lammps.protocol.stage import JobPlan, Recovery, Stage
from tests.lammps.jobs import plan

MINIMIZE: dict[str, Any] = {"name": "minimize", "kind": "minimize", "max_iterations": 50}
PUSHOFF: dict[str, Any] = {"name": "push", "kind": "pushoff", "duration_ps": 0.1, "temperature": 300}
NVT: dict[str, Any] = {
    "name": "heat",
    "kind": "nvt",
    "duration_ps": 1,
    "temperature": [100, 300],
    "velocities": 100,
}
NPT: dict[str, Any] = {
    "name": "relax",
    "kind": "npt",
    "duration_ps": 2,
    "temperature": 300,
    "pressure": [1, 500],
    "barostat": "xy-z",
}
HELD: dict[str, Any] = NPT | {"barostat": "z", "mobile": "electrolyte", "trajectory_ps": 0.1}

#: every command that a script of ours may use
COMMANDS = {
    *("units", "atom_style", "boundary", "atom_modify", "variable", "include", "kspace_style", "neighbor"),
    "kspace_modify",
    *("neigh_modify", "group", "compute", "thermo_style", "thermo_modify", "timer", "if", "print", "restart"),
    *("thermo", "fix", "fix_modify", "unfix", "min_style", "minimize", "write_restart", "label", "timestep"),
    *("run", "dump", "dump_modify", "undump", "pair_style", "pair_coeff", "write_data", "run_style", "velocity"),
    *("reset_timestep", "uncompute", "write_dump", "read_dump", "log", "shell", "jump"),
}
#: and every one that it may use if something is so
CONDITIONAL = {"jump", "velocity", "reset_timestep", "print", "quit", "fix", "unfix"}


ION: dict[str, Any] = {"atom": 65, "reference": [1, 2], "zero": 0.5}
WINDOW = NVT | {"bias": ION | {"centre": -7, "spring": 5, "inside": {"types": [3], "low": -6, "high": 5}}}
SHOTS: dict[str, Any] = {
    "name": "shots",
    "kind": "shots",
    "temperature": 300,
    "shots": ION | {"low": -8.5, "high": -5.5, "number": 3, "most_ps": 2, "followed": 2},
}


def lines(job: JobPlan) -> list[str]:
    return render_script(job).splitlines()


def block(job: JobPlan, name: str) -> list[str]:
    """Return the lines of one stage."""
    script = lines(job)
    start = next(number for number, line in enumerate(script) if line.startswith(f"# ---- {name}:"))
    return script[start : script.index(f"label after_{name}") + 1]


def test_a_completed_stage_is_skipped_and_an_interrupted_one_is_left() -> None:
    job = plan(MINIMIZE, NVT, NPT)
    for name, end in (("minimize", 1), ("heat", 501), ("relax", 1501)):
        found = block(job, name)
        assert found[1] == f'if "$(step) >= {end}" then "jump SELF after_{name}"'
        assert found[2].startswith(f'print "CSE begin={name} ')
        assert found[-3:] == [
            f'print "CSE end={name} step=$(step:%.0f)"',
            f'if "$(step) < {end}" then "jump SELF finish"',
            f"label after_{name}",
        ]
    assert lines(job)[-3:] == [
        "label finish",
        f"write_data {FINAL_DATA} nocoeff",
        'print "CSE finished step=$(step:%.0f) timeout=$(is_timeout():%.0f)"',
    ]


def test_a_segment_ends_at_its_stop_and_ramps_to_the_end_of_the_stage() -> None:
    found = block(plan(NVT, stop=200), "heat")
    run = next(line for line in found if line.startswith("run "))
    assert run.startswith("run 200 upto start 0 stop 500 ")
    assert found[1] == 'if "$(step) >= 200" then "jump SELF after_heat"'


def test_velocities_are_drawn_only_where_the_stage_starts() -> None:
    draw = 'if "$(step) == 1" then "velocity moving create 100 7 mom yes rot no dist gaussian loop geom"'
    assert draw in block(plan(MINIMIZE, NVT), "heat")
    assert not any("velocity" in line for line in lines(plan(NPT)))


def test_the_checkpoint_is_written_before_the_thermostat_is_deleted() -> None:
    found = block(plan(NVT), "heat")
    order = [
        next(i for i, line in enumerate(found) if line.startswith(word))
        for word in ("run", "write_restart", "unfix")
    ]
    assert order == sorted(order)


def test_checkpoints_are_counted_from_the_start_of_the_stage() -> None:
    assert "variable checkpoint equal stride(1,501,50)" in block(plan(MINIMIZE, NVT), "heat")


def test_only_an_exact_run_repeats_the_setup_at_every_checkpoint() -> None:
    exact, fast = (
        next(line for line in lines(plan(NVT, exact=exact)) if line.startswith("run ")) for exact in (True, False)
    )
    assert exact.startswith("run 500 upto start 0 stop 500 post no every 50 ")
    assert fast == exact.replace(" post no ", " pre no post no ")
    assert "atom_modify sort 1000000000 3" in lines(plan(NVT))
    assert "atom_modify sort 1000 3.5" in lines(plan(NVT, exact=False, cutoff=12, skin=2))


def test_the_electrolyte_moves_with_a_scaled_box() -> None:
    found = lines(plan(NVT | {"scale_z": 0.995}))
    opened = found.index("fix stage_heat_box electrolyte deform 1 z scale 0.995 remap x")
    assert opened < found.index("unfix stage_heat_box") < found.index("unfix stage_heat")


def test_a_bias_pulls_to_its_place_before_the_ceramic_is_held() -> None:
    found = block(plan(WINDOW | {"mobile": "electrolyte"}), "heat")
    target = "$(-(-7+0.5+v_bias_image):%.17g)"
    spring = f"fix stage_heat_bias tagged spring couple reference 5 NULL NULL {target} 0.0"
    assert found.index(spring) < next(
        at for at, line in enumerate(found) if line.startswith("fix stage_heat_hold")
    )
    columns = next(line for line in found if line.startswith("thermo_style"))
    assert columns.endswith(" c_held_shift v_bias_z v_bias_force v_inside")
    defined = [line.split()[1] for line in found if line.split()[0] in ("fix", "compute") and "bias" in line]
    for name in defined:
        assert {f"unfix {name}", f"uncompute {name}"} & set(found), "a later stage must not inherit it"


def test_each_start_of_shots_is_a_step_with_a_checkpoint() -> None:
    found = block(plan(NVT, SHOTS), "shots")
    loop = found[found.index("label shot_shots") : found.index("jump SELF shot_shots")]
    assert loop[-3:] == [
        'if "$(step) >= 503" then "jump SELF shot_all_shots"',
        "variable shot equal $(v_shot+1:%.0f)",
        "log none",
    ]
    assert [line for line in loop if line.startswith("run ")] == ["run 1000 post no"] * 2
    assert sum(line.startswith("read_dump") for line in loop) == 3
    assert loop.index("reset_timestep $(500+v_shot:%.0f)") < loop.index("write_restart restart.$(step:%.0f)")
    noisy = block(plan(SHOTS | {"thermostat": "langevin"}), "shots")
    assert [line.split()[7] for line in noisy if " langevin " in line] == [
        "$(v_shot_seed+0:%.0f)",
        "$(v_shot_seed+1:%.0f)",
    ]


@pytest.mark.parametrize(
    ("stage", "fix"),
    [
        (NVT, "fix stage_heat moving nvt temp 100 300 100"),
        (
            NPT,
            "fix stage_relax moving npt temp 300 300 100 x 1 500 1000 y 1 500 1000 z 1 500 1000 couple xy"
            " dilate moving fixedpoint 0.0 0.0 0.0",
        ),
        (
            NPT | {"barostat": "iso", "barostat_fs": 300},
            "fix stage_relax moving npt temp 300 300 100 iso 1 500 300 dilate moving fixedpoint 0.0 0.0 0.0",
        ),
        (
            NPT | {"barostat": "x-y-z"},
            "fix stage_relax moving npt temp 300 300 100 aniso 1 500 1000 dilate moving fixedpoint 0.0 0.0 0.0",
        ),
        (
            HELD,
            "fix stage_relax electrolyte npt temp 300 300 100 z 1 500 1000"
            " dilate electrolyte fixedpoint 0.0 0.0 0.0",
        ),
    ],
)
def test_thermostat_and_barostat_are_one_fix(stage: dict[str, Any], fix: str) -> None:
    group = "electrolyte" if stage is HELD else "moving"
    found = lines(plan(stage))
    assert fix in found
    assert f"fix_modify stage_{stage['name']} temp {group}_temp" in found, (
        "else it takes the held atoms for cold ones"
    )
    assert f"thermo_modify temp {group}_temp" in found


def test_held_atoms_are_not_integrated() -> None:
    assert any(line.startswith("fix stage_relax_hold ceramic ") for line in lines(plan(HELD)))
    assert "unfix stage_relax_hold" in lines(plan(HELD))
    assert "group frozen subtract all electrolyte" in lines(plan(MINIMIZE | {"mobile": "electrolyte"}))
    assert "group frozen subtract all moving" in lines(plan(MINIMIZE)), "the wall never moves"


def test_a_trajectory_is_unwrapped_and_ends_with_its_stage() -> None:
    found = block(plan(HELD), "relax")
    assert "dump trajectory all dcd 50 trajectory.dcd" in found
    assert "dump_modify trajectory unwrap yes sort id" in found
    assert "undump trajectory" in found
    assert not any("dump" in line for line in lines(plan(NPT)))


def test_the_force_field_is_restored_after_the_push_off() -> None:
    found = block(plan(PUSHOFF), "push")
    assert found.index("pair_style soft 2.5") < found.index("include forcefield.in")
    at = found.index("include forcefield.in") + 1
    assert found[at : at + 2] == ["kspace_style pppm 0.001", "kspace_modify order 6"]


def test_a_continued_job_never_restarts_silently() -> None:
    later = plan(NVT).model_copy(update={"first_step": 300})
    refusal = next(line for line in lines(later) if "no restart file" in line)
    assert refusal.startswith('if "$(step) < 300" then ')
    assert refusal.endswith('"quit 1"')
    assert not any("no restart file" in line for line in lines(plan(NVT)))


def test_settings_reach_the_script() -> None:
    found = lines(plan(NVT, cutoff=9.5, skin=1.5, kspace_style="ewald", kspace_accuracy=1e-4, restart_interval=70))
    for line in ("variable cutoff equal 9.5", "neighbor 1.5 bin", "kspace_style ewald 0.0001"):
        assert line in found
    assert "timer timeout ${timeout} every 70" in found
    assert not any(line.startswith("kspace_modify") for line in found), "an Ewald sum has no mesh"


@pytest.mark.parametrize(
    ("settings", "plain"),
    [
        ({}, False),
        ({"accelerator": "omp"}, True),
        ({"accelerator": "omp", "threads": 2, "exact": False}, False),
        ({"accelerator": "opt"}, False),
    ],
)
def test_the_mesh_of_a_single_thread_is_the_plain_one(settings: dict[str, Any], plain: bool) -> None:
    found = lines(plan(NVT, kspace_accuracy=2e-5, kspace_order=6, **settings))
    at = found.index("kspace_style pppm 2e-05")
    assert found[at + 1] == "kspace_modify order 6"
    assert (found[at - 1] == "suffix off", found[at + 2] == "suffix on") == (plain, plain)


numbers = st.floats(0.01, 1000, allow_nan=False)
stages = st.builds(
    lambda name, kind, duration, temperature, pressure, mobile, velocities, trajectory: Stage.model_validate(
        {"name": name, "kind": kind, "mobile": mobile}
        | ({"max_iterations": 10} if kind == "minimize" else {"duration_ps": duration, "temperature": temperature})
        | ({"pressure": pressure, "barostat": "z"} if kind == "npt" else {})
        | (
            {"velocities": velocities, "trajectory_ps": min(trajectory, round(500 * duration)) / 500}
            if kind in ("nvt", "npt")
            else {}
        )
    ),
    st.from_regex(r"\A[a-z][a-z0-9_]{0,39}\Z"),
    st.sampled_from(["minimize", "pushoff", "nvt", "npt"]),
    numbers,
    numbers | st.tuples(numbers, numbers),
    st.floats(-1e5, 1e5),
    st.sampled_from(["all", "electrolyte"]),
    numbers,
    st.integers(1, 1_000_000),
)


cares = st.builds(
    Recovery, until_step=st.integers(1, 10**6), substeps=st.integers(1, 16), rebuild_every_step=st.booleans()
)


@given(
    st.lists(stages, min_size=1, max_size=4, unique_by=lambda stage: stage.name),
    st.booleans(),
    st.none() | cares,
    st.integers(1, 1000),
)
def test_a_script_of_any_stages_contains_only_known_commands(
    found: list[Stage], exact: bool, care: Recovery | None, relax_steps: int
) -> None:
    written = [stage for stage in found if stage.trajectory_ps]
    found = [stage for stage in found if stage not in written[1:]]  # one job writes one trajectory
    if care is not None and not written:
        care = care.model_copy(update={"relax_steps": relax_steps})
    job = JobPlan.model_validate(
        {
            "stages": [stage.model_dump() for stage in found],
            "settings": {"exact": exact},
            "care": care and care.model_dump(),
        }
    )
    for line in lines(job):
        if line and not line.startswith("#"):
            assert line.split()[0] in COMMANDS
            assert {command.split()[0] for command in conditional(line)} <= CONDITIONAL
        assert line.isascii()
        assert "\r" not in line
        assert len(re.findall('"', line)) % 2 == 0
    assert lines(job).count("label finish") == 1


def conditional(line: str) -> list[str]:
    """Return the commands of an ``if`` line."""
    return re.findall('"([^"]*)"', line)[1:] if line.startswith("if ") else []


def test_stages_of_a_crossing_contain_only_known_commands() -> None:
    for line in lines(plan(WINDOW, SHOTS)):
        if line and not line.startswith("#"):
            assert line.split()[0] in COMMANDS
            assert {command.split()[0] for command in conditional(line)} <= CONDITIONAL
