"""The crossing: ladders there and back, F and rate from their jobs, and ladders that fail."""

import math
import re
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.plugins import WorkflowFactory

import aiida_cse.calculations.functions.crossing as calculations
import aiida_cse.workchains.crossing as crossings
from aiida_cse.analysis.crossing.documents import CROSSING, CROSSING_PROFILE, TRANSMISSION, crossing_rows
from aiida_cse.building.passage import passage_of, tag_ions
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.protocol.crossing import KELVIN_TO_KCAL, CrossingPlan, Side
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.report.processes import values_of
from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.common.costs import duration_of
from aiida_cse.workchains.common.speeds import Speed
from aiida_cse.workchains.forecast import forecast
from tests.nodes import finish, interface, job_node, returns
from tests.reduction.synthetic import HALF
from tests.workchains.conftest import Make

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

KELVIN, TOP, HEIGHT = 500.0, -23.5, 3000.0
PLAN = {
    "well": [24.5, 27.5],
    "span": [22.5, 27.5],
    "relax_ps": 0.2,
    "window_ps": 10,
    "sample_ps": 0.02,
    "structures": 2,
    "starts": 40,
    "error_kT": 1.0,
}


def free_energy(z: np.ndarray) -> np.ndarray:
    """Return a top at −23.5 Å and a wall at the end of the well, K."""
    return HEIGHT * np.exp(-(((z - TOP) / 1.2) ** 2)) + 500 * np.maximum(-27.3 - z, 0) ** 2


def draws(rng: np.random.Generator, centre: float, spring: float, number: int) -> np.ndarray:
    """Return independent z of a window, spring in kcal/mol/Å²."""
    z = np.linspace(-30, -20, 4001)
    energy = free_energy(z) + spring / KELVIN_TO_KCAL * (z - centre) ** 2 / 2
    weights = np.exp(-energy / KELVIN)
    return rng.choice(z, number, p=weights / weights.sum())


@pytest.fixture
def system() -> CseSystemData:
    """An interface with three ions in the first layer on the left, not stored."""
    system = interface()
    ions = np.flatnonzero(system.data.types == 3)
    positions = np.zeros((system.data.natoms, 3))
    positions[ions[:5], 2] = (-HALF - 6, -HALF - 5, -HALF - 7, HALF + 5, -HALF - 20)
    system.data.set_unwrapped(positions)
    return CseSystemData(system)


def launched(make: Make, codes: Codes, system: CseSystemData, **plan: Any) -> Any:
    chain: Any = WorkflowFactory("cse.crossing")
    overrides = {"plan": PLAN | plan}
    return make(
        chain.get_builder_from_protocol(
            codes, system, KELVIN, "left", {"seeds": {"velocities": 3}}, protocol="demo", overrides=overrides
        )
    )


@pytest.fixture
def crossing(make: Make, codes: Codes, system: CseSystemData) -> Any:
    return launched(make, codes, system)


def done(process: Any, computer: orm.Computer, submitted: dict[str, Any], *, fails: tuple[str, ...] = ()) -> None:
    """Put a finished run in the place of each submitted one, with z drawn from the known F."""
    for name, awaited in submitted.items():
        run = orm.WorkChainNode(process_type="aiida.workflows:cse.base")
        plan_node = awaited.inputs.lammps.plan
        run.base.links.add_incoming(plan_node, LinkType.INPUT_WORK, "lammps__plan")
        run.store()
        plan, rng = JobPlan.model_validate(plan_node.get_dict()), np.random.default_rng([awaited.pk])
        outputs = {"thermo": thermo(plan, rng)}
        if any(stage.shots for stage in plan.stages):
            outputs["shots"] = shots(plan, rng)
        stages = [{"name": stage.name} for stage in plan.stages]
        outputs["results"] = orm.Dict({"step": plan.target_step, "stages": stages, "restart_file": "none"})
        job = job_node("cse.lammps", computer, outputs=outputs, exit_status=0, caller=run)
        returns(run, {"remote_folder": job.outputs.remote_folder, "results": outputs["results"]})
        finish(run, 410 if name in fails else 0, "lost atoms" if name in fails else None)
        process.ctx[name] = run


def thermo(plan: JobPlan, rng: np.random.Generator) -> orm.ArrayData:
    steps, z = [], []
    for span in plan.spans:
        bias, every = span.stage.bias, span.stage.interval(span.stage.thermo_ps)
        own = np.arange(span.start, span.end + 1, every)
        steps.append(own)
        z.append(np.full(len(own), np.nan) if bias is None else draws(rng, bias.centre, bias.spring, len(own)))
    return orm.ArrayData({"step": np.concatenate(steps), "v_bias_z": np.concatenate(z)})


def shots(plan: JobPlan, rng: np.random.Generator) -> orm.ArrayData:
    """Return starts of both signs in two stages, of which every second one is reactive."""
    numbers = [index for index, stage in enumerate(plan.stages) if stage.shots]
    starts = np.tile(np.arange(1, 41), 2)
    velocity = rng.normal(0, 0.01, 80)
    reactive = starts % 4 < 2
    side = np.where(reactive, np.sign(velocity), 0).astype(np.int64)
    followed = (starts - 1) % 5 == 0
    return orm.ArrayData(
        {
            "stage": np.repeat(numbers, 40),
            "start": starts,
            "z_start": TOP + rng.normal(0, 0.05, 80),
            "velocity": velocity,
            "backward": np.where(reactive, 1, -1),
            "backward_steps": np.full(80, 20),
            "forward": np.where(followed & ~reactive, -np.sign(velocity), side).astype(np.int64),
            "forward_steps": np.full(80, 50),
            "followed": followed.astype(np.int64),
            "trace": np.where(followed[:, None], TOP + velocity[:, None] * np.arange(4) * 20, np.nan),
            "time": np.arange(4) * 20.0,
        }
    )


def test_a_crossing_goes_there_and_back_and_then_up(crossing: Any, aiida_localhost: orm.Computer) -> None:
    crossing.tag_ions()
    atoms = [one["ladder"]["coordinate"]["atom"] for one in crossing.ctx.ladders.values()]
    assert len(set(atoms)) == 4, "three in the layer, then the nearest one in the electrolyte"
    orders = []
    for number in (1, 2):
        assert crossing.has_rounds()
        nodes = crossing.run_round()
        plans = [node.inputs.lammps.plan.get_dict() for node in nodes.values()]
        orders.append([stage["bias"]["centre"] for stage in plans[0]["stages"] if "window" in stage["name"]])
        assert len({plan["seed"] for plan in plans}) == 4
        done(crossing, aiida_localhost, nodes, fails=("ladder_02",) if number == 2 else ())
        assert crossing.inspect_round() is None
        assert crossing.estimate_profile() is None
    assert orders[0] == orders[1][::-1] == sorted(orders[0])
    assert "ladder_02" in crossing.ctx.failed
    assert not crossing.has_rounds()
    assert crossing.fix_surface() is None

    nodes = crossing.run_short_trajectories()
    assert set(nodes) == {"ladder_01", "ladder_03", "ladder_04"}
    plan = nodes["ladder_01"].inputs.lammps.plan.get_dict()
    assert plan["first_step"] == crossing.ctx.runs["ladder_01"][-1].outputs.results["step"]
    surface = crossing.outputs["crossing_profile"].base.attributes.get("surface_z_A")
    assert surface == pytest.approx(TOP, abs=0.2)
    shooting, _ = (stage["shots"] for stage in plan["stages"] if stage["kind"] == "shots")
    assert (shooting["low"], shooting["high"]) == (surface - 1.5, surface + 1.5)
    done(crossing, aiida_localhost, nodes)
    assert crossing.inspect_short_trajectories() is None
    assert crossing.calculate_rate() is None
    assert crossing.finish() is None

    found = crossing.outputs["crossing"].get_dict()
    z = np.linspace(-27.5, -24.5, 3001)
    well = np.exp(-free_energy(z) / KELVIN).mean() * 3
    assert found["tst_barrier_K"] == pytest.approx(HEIGHT + KELVIN * np.log(well), abs=250)
    assert 0.3 < found["kappa_in"] < 0.7
    assert 0.3 < found["kappa_out"] < 0.7
    assert found["rate_in_interval_per_s"][0] < found["rate_in_per_s"] < found["rate_in_interval_per_s"][1]
    assert (found["failed_ladders"], found["ladders"], found["layer_ions"]) == (["ladder_02"], 3, 3)
    # the resistance has the error of the number of ions as well
    low, high = found["rate_in_interval_per_s"]
    least, most = found["resistance_interval_ohm_cm2"]
    scatter = 1.959964 / math.sqrt(found["layer_ions_counted"])
    expected = math.hypot(math.log(high / found["rate_in_per_s"]), scatter)
    assert math.log(found["resistance_ohm_cm2"] / least) == pytest.approx(expected, rel=1e-5)
    assert most / least > high / low
    assert not [one for one in found["reasons"] if "ladders differ" in one]
    shown = {row.key: row for row in crossing_rows(found)}
    assert shown["hysteresis_K"].value == pytest.approx(0, abs=250)
    assert 0.001 < shown["balance_p_value"].value < 1
    for documented in (CROSSING, CROSSING_PROFILE, TRANSMISSION):
        assert documented.mismatches(values_of(crossing.outputs[documented.name])) == []


def ended_production(system: CseSystemData, computer: orm.Computer, kelvin: float, tilt: float) -> None:
    """Make a system the last one of a production whose density of ions in the layer is known."""
    production, run = (
        orm.WorkChainNode(process_type=f"aiida.workflows:cse.{one}") for one in ("production", "base")
    )
    production.store()
    run.base.links.add_incoming(production, LinkType.CALL_WORK, "segment_001")
    run.store()
    job_node("cse.lammps", computer, outputs={"system": system}, exit_status=0, caller=run)
    z = np.arange(-29.9, 30, 0.2)
    energy = np.where(z < 0, free_energy(z) + tilt * (z + 26), 0.0)
    profile = {"z_A": z, "li_K": energy, "li_error_K": np.full(len(z), 25.0)}
    verdict = orm.Dict({"equilibrated": False, "temperature_K": kelvin})
    returns(production, {"equilibration": verdict, "free_energy_profiles": orm.ArrayData(profile)})
    finish(production, 500)


def test_f_in_the_layer_is_compared_with_the_density_of_the_run(
    make: Make, codes: Codes, system: CseSystemData, aiida_localhost: orm.Computer
) -> None:
    ended_production(system, aiida_localhost, KELVIN, 1200.0)
    assert set(crossings._density({"one": system}, KELVIN + 0.5)) == {"density"}
    assert crossings._density({"one": system}, KELVIN + 100) == {}
    crossing = launched(make, codes, system, rounds=1)
    crossing.tag_ions()
    done(crossing, aiida_localhost, crossing.run_round())
    assert crossing.inspect_round() is crossing.estimate_profile() is crossing.fix_surface() is None
    done(crossing, aiida_localhost, crossing.run_short_trajectories())
    assert crossing.inspect_short_trajectories() is crossing.calculate_rate() is None
    found = crossing.outputs["crossing"].get_dict()
    assert CROSSING.mismatches(found) == []
    assert "have not equilibrated" in found["off_equilibrium"]
    assert any("all ladders begin with one system" in one for one in found["reasons"])
    assert any("off the density of ions in the run" in one for one in found["reasons"])
    assert found["density_deviation_K"] > 0.3 * KELVIN
    places = found["density_z_A"]
    assert len(places) == len(found["density_free_energy_K"]) > 10
    assert -27.51 < min(places) < max(places) < -24.49
    row = next(row for row in crossing_rows(found) if row.key == "density_deviation_K")
    assert row.value == found["density_deviation_K"]


def test_a_sharp_top_gets_more_windows(
    crossing: Any, aiida_localhost: orm.Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the springs of the plan are too weak to hold an ion there
    monkeypatch.setattr("tests.workchains.test_crossing.HEIGHT", 16_000.0)
    crossing.tag_ions()
    first = list(crossing.ctx.times)
    while crossing.has_rounds():  # those of the plan, and more if the first new windows leave gaps
        done(crossing, aiida_localhost, crossing.run_round())
        crossing.inspect_round()
        crossing.estimate_profile()
    plan = crossing.ctx.runs["ladder_01"][-1].inputs.lammps.plan.get_dict()
    springs = {round(stage["bias"]["centre"], 2): stage["bias"]["spring"] for stage in plan["stages"]}
    assert len(springs) > len(first)
    assert springs[-23.5] > 2 * springs[-27.5]
    assert crossing.ctx.profile.base.attributes.get("surface_z_A") == pytest.approx(TOP, abs=0.15)


def test_two_ladders_are_too_few(crossing: Any, aiida_localhost: orm.Computer) -> None:
    crossing.tag_ions()
    nodes = crossing.run_round()
    done(crossing, aiida_localhost, nodes, fails=("ladder_01", "ladder_04"))
    failure = crossing.inspect_round()
    assert failure.status == 375
    assert "Only 2 of 4 ladders are complete" in failure.message
    assert "ladder_01: run <" in failure.message
    (system,) = crossing.inputs.systems.values()
    command = f"aiida-cse launch crossing --system {system.pk} --temperature 500 --side left --overrides FILE"
    assert failure.message.endswith(command)


def forged(nodes: dict[str, Any], table: str, **changes: Any) -> dict[str, Any]:
    """Return the nodes of a ladder whose last round has other arrays in a table; None leaves one out."""
    *_, last = sorted(name for name in nodes if name.startswith("round_"))
    node = nodes[last][table]
    arrays = {name: node.get_array(name) for name in node.get_arraynames()} | changes
    made = orm.ArrayData({name: np.asarray(value) for name, value in arrays.items() if value is not None})
    return {**nodes, last: {**nodes[last], table: made}}


ROWS = 80
#: arrays of the short trajectories, and of the profile, with what is said of them
FORGED_SHOTS: list[tuple[dict[str, Any], str]] = [
    ({"trace": np.zeros(ROWS)}, "ladder_01.round_02.shots_01.trace: has the shape (80,)"),
    ({"velocity": np.zeros(3)}, "shots_01.velocity: has the shape (3,)"),
    ({"velocity": np.full(ROWS, "fast")}, "shots_01.velocity: has the shape (80,) of <U4"),
    ({"velocity": None}, "ladder_01: the short trajectories have no velocity"),
    ({"stage": np.full(ROWS, np.nan)}, "shots_01.stage: has values that are no whole numbers"),
    ({"stage": np.full(ROWS, 99)}, "shots_01.stage: has stages that its job or its plan has not"),
    ({"backward_steps": np.full(ROWS, np.nan)}, "backward_steps of the short trajectories has values"),
]
FORGED_PROFILES: list[tuple[str, Any, str]] = [
    ("ladders_K", np.zeros(4), "profile.ladders_K: must be an array of numbers with 2 dimensions"),
    ("z_A", np.full(4, np.nan), "profile.z_A, ladders_K: must be ascending bins"),
    ("window_ps", np.zeros(0), "profile.window_z_A, window_ps, window_ions: must have a value for each window"),
    ("temperature_K", "hot", "profile.temperature_K = hot: must be a number"),
    ("well_range_A", [3.0], "profile.well_range_A = [3.0]: must be two ascending places"),
    ("thin", [1], "profile.thin = [1]: must be a list of a ladder and two places each"),
]


def test_no_node_of_a_crossing_is_trusted(crossing: Any, aiida_localhost: orm.Computer) -> None:
    crossing.tag_ions()
    done(crossing, aiida_localhost, crossing.run_round())
    assert crossing.inspect_round() is crossing.estimate_profile() is crossing.fix_surface() is None
    done(crossing, aiida_localhost, crossing.run_short_trajectories())
    assert crossing.inspect_short_trajectories() is None
    inputs: dict[str, Any] = {
        "plan": crossing.inputs.plan,
        "profile": crossing.ctx.profile,
        "side": crossing.inputs.side,
        "failed": orm.List([]),
        "off_equilibrium": orm.Str(""),
    }
    ladders = crossing._ladder_nodes()
    for changes, words in FORGED_SHOTS:
        first = {"ladder_01": forged(ladders["ladder_01"], "shots_01", **changes)}
        _, node = calculations.crossing.run_get_node(**inputs, **(ladders | first))
        assert node.exit_status == calculations.CANNOT_CROSS, words
        assert words in node.exit_message
    good = inputs["profile"]
    arrays = {name: good.get_array(name) for name in good.get_arraynames()}
    facts = {key: one for key, one in good.base.attributes.all.items() if not key.startswith("array|")}
    for name, value, words in FORGED_PROFILES:
        profile = orm.ArrayData(arrays | ({name: value} if name in arrays else {}))
        profile.base.attributes.set_many(facts | ({} if name in arrays else {name: value}))
        _, node = calculations.crossing.run_get_node(**(inputs | {"profile": profile}), **ladders)
        assert node.exit_status == calculations.CANNOT_CROSS, words
        assert words in node.exit_message


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"span": [25, 27]}, "plan.span = [25.0, 27.0]: must reach from within the slab to the end of the well"),
        ({"surface": 40.0}, "plan.surface = 40: must lie between the first and the last window"),
        ({"spacing_A": 2.0}, "spacing_A = 2: windows of spread_A = 0.4 overlap up to spacings of 1.6 Å"),
        ({"ladders": 3}, "ladders = 3: must be greater than or equal to 4"),
    ],
    ids=["span", "surface", "spacing", "ladders"],
)
def test_a_plan_that_does_not_fit_is_refused(make: Make, codes: Codes, plan: dict[str, Any], words: str) -> None:
    chain: Any = WorkflowFactory("cse.crossing")
    with pytest.raises(ValueError, match=re.escape(words)):
        make(
            chain.get_builder_from_protocol(
                codes,
                CseSystemData(interface()),
                KELVIN,
                "left",
                {"seeds": {"velocities": 3}},
                overrides={"plan": PLAN | plan},
            )
        )


def test_the_ladders_of_both_sides_begin_with_other_velocities() -> None:
    system = interface()
    ions = np.flatnonzero(system.data.types == 3)
    positions = np.zeros((system.data.natoms, 3))
    positions[ions[:2], 2] = (-HALF - 6, HALF + 6)
    system.data.set_unwrapped(positions)
    plan = CrossingPlan.model_validate(PLAN)
    sides: tuple[Side, Side] = ("left", "right")
    ladders = [
        ladder
        for side in sides
        for ladder in tag_ions({"a": system}, passage_of(system.info, plan, side), 4, 3)["a"]
    ]
    assert len({ladder.seed for ladder in ladders}) == 8


def test_the_forecast_tells_precision_and_condition(codes: Codes) -> None:
    chain: Any = WorkflowFactory("cse.crossing")
    recipe = {"seeds": {"velocities": 3}}
    builder = chain.get_builder_from_protocol(
        codes, CseSystemData(interface()), KELVIN, "left", recipe, overrides={"plan": PLAN}
    )
    found = forecast(builder)
    speed = Speed(7, 1000, "interface", 1, 1, "none", 0, "pppm", steps=10_000, seconds=100.0, reach=12.0)
    times = [duration_of(part, [speed]) for part in found.parts]
    rounds, shots = found.parts[0].jobs[:-1], found.parts[0].jobs[-1]
    assert len(times) == 4
    first = times[0]
    assert first is not None
    steps = [job.target_step for job in rounds]
    assert len(steps) > 2, "it may end after two rounds, and the trajectories"
    last = shots.target_step - steps[-1]
    assert first.least / first.most == pytest.approx((steps[1] + last) / (steps[-1] + last), rel=1e-6)
    said = " ".join(found.notes)
    # ln Γ: 1.0 from F, and 1/√8 from 0.05 × 160 reactive trajectories into the slab
    assert f"Γ is known to a factor of {np.exp(np.sqrt(1 + 1 / 8)):.3g} " in said
    assert "from 320 trajectories" in said
    assert "relax within 2 ps" in said
