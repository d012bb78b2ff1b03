"""The validation WorkChain: its protocols, runs and exit codes."""

from __future__ import annotations

from typing import Any

import pytest
from aiida import orm

from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.validate import CrossingValidationWorkChain, ValidationWorkChain
from tests.nodes import finish
from tests.workchains.conftest import Make


def builder(codes: Codes, **changes: Any) -> Any:
    return ValidationWorkChain.get_builder_from_protocol(codes, **changes)


@pytest.mark.parametrize("protocol", ["full", "quick"])
def test_a_protocol_has_all_inputs(codes: Codes, make: Make, protocol: str) -> None:
    one = builder(codes, seed=5, protocol=protocol)
    assert make(one).inputs.seed.value == 5
    assert one.production.plan["thermostat"] == "langevin"
    # the checks use the intervals of the analysis
    assert one.production.analysis.settings["level"] == one.settings["level"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 0}, "seed = 0: give a whole number from 1"),
        ({"protocol": "fast"}, "protocol 'fast' of ValidationWorkChain is not known"),
        ({"overrides": {"setings": {}}}, "did you mean 'settings'"),
        ({"overrides": {"settings": {"planted": {"bar": 2}}}}, "did you mean 'barrier'"),
        ({"overrides": {"settings": {"reduced_barriers": [4, 3, 2]}}}, "must ascend, the hottest run first"),
        ({"overrides": {"settings": {"second_start": 0.45}}}, "second_start = 0.45: is that of ions.inside"),
        ({"overrides": {"production": {"plan": {"frame_ps": 0.3}}}}, "production.*frame_ps = 0.3"),
    ],
)
def test_wrong_input_is_refused_by_its_place(codes: Codes, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        builder(codes, **change)


def test_every_run_has_its_own_temperature_and_seed(codes: Codes, make: Make) -> None:
    validation = make(builder(codes, seed=2**31 - 1))
    submitted: list[dict[str, Any]] = []
    validation.submit = lambda _, **inputs: submitted.append(inputs) or orm.Int(1).store()  # type: ignore[method-assign]
    validation.draw()
    validation.run_productions()
    temperatures = [one["temperature"].value for one in submitted]
    assert temperatures == sorted(temperatures, reverse=True)
    assert len({one["seed"].value for one in submitted}) == len(submitted) == 6
    # the hottest one runs from two starts
    filled = submitted.pop(1)
    assert filled["temperature"] == submitted[0]["temperature"]
    assert filled["system"].uuid == validation.ctx.drawn["filled"].uuid
    assert {one["system"].uuid for one in submitted} == {validation.outputs["system"].uuid}


def test_failed_checks_are_named_by_the_exit_code(codes: Codes, make: Make) -> None:
    validation = make(builder(codes))
    found = {"checks": [{}, {}], "failed": ["ΔF of T1003_r1"], "holds": False}
    validation.out("checks", orm.Dict(found).store())
    answer = validation.judge()
    assert answer.status == 361
    assert answer.message == "1 of 2 checks failed: ΔF of T1003_r1"


def test_runs_without_results_end_the_validation(codes: Codes, make: Make) -> None:
    validation = make(builder(codes))
    validation.draw()
    failed = orm.WorkChainNode().store()
    for label in (*validation.ctx.temperatures, "filled"):
        validation.ctx[label] = failed
    answer = validation.attach_runs()
    assert answer.status == 360
    assert answer.message.startswith("6 of 6 runs failed: T1003_r1")


def test_the_crossing_runs_where_no_ion_crosses_by_itself(codes: Codes, make: Make) -> None:
    validation = make(CrossingValidationWorkChain.get_builder_from_protocol(codes, seed=7))
    submitted: list[dict[str, Any]] = []
    validation.submit = lambda _, **inputs: submitted.append(inputs) or orm.Int(1).store()  # type: ignore[method-assign]
    validation.draw()
    validation.run_crossing()
    (inputs,) = submitted
    assert inputs["temperature"].value == round((4230.3 + 4019.8) / 2 / 16)
    assert inputs["systems"]["landscape"].uuid == validation.outputs["system"].uuid
    assert inputs["plan"].uuid == validation.inputs.plan.uuid


def test_a_crossing_without_a_rate_ends_the_validation(codes: Codes, make: Make) -> None:
    validation = make(CrossingValidationWorkChain.get_builder_from_protocol(codes))
    run = orm.WorkChainNode().store()
    finish(run, 377, "F(z) has no top")
    validation.ctx.run = run
    answer = validation.compare()
    assert answer.status == 362
    assert f"its run <{run.pk}> failed with [377] F(z) has no top" in answer.message
