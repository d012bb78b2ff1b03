"""The analysis: its steps one after the other, and what stays of them when one has no answer."""

from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import WorkflowFactory

from aiida_cse.trajectory.analysis.everything import ANALYSES
from tests.nodes import reduction_node, state
from tests.workchains.conftest import Make

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.fixture
def analysis(make: Make) -> Callable[..., Any]:
    """Return a function that makes an analysis with these settings."""

    def run(**settings: Any) -> Any:
        inputs = {"reduction": reduction_node(), "temperature": orm.Float(700)}
        return make(WorkflowFactory("cse.analysis"), **inputs, settings=orm.Dict(settings))

    return run


def test_each_step_attaches_what_it_found(aiida_profile: object) -> None:
    inputs = {"reduction": reduction_node(), "temperature": orm.Float(700), "settings": orm.Dict({"rule": "core"})}
    found, node = run_get_node(WorkflowFactory("cse.analysis"), **inputs)
    assert node.is_finished_ok
    assert set(found) == set(ANALYSES)
    called = [
        link.node.process_label for link in node.base.links.get_outgoing().all() if "CALL" in link.link_label
    ]
    assert len(called) == len(ANALYSES)
    made_by = {name: output.base.links.get_incoming().all_nodes()[0] for name, output in found.items()}
    assert len({str(maker.uuid) for maker in made_by.values()}) == len(ANALYSES), "one calculation per result"


def test_the_steps_share_one_reading_of_the_file(analysis: Callable[..., Any]) -> None:
    process = analysis()
    state = process.inputs.reduction.get_state()
    assert process.populations() is None
    assert process.inputs.reduction.get_state() is state


def test_a_step_without_an_answer_ends_it_and_what_came_before_stays(aiida_profile: object) -> None:
    """No ion was ever seen in a bin, so that there is no density to take a free energy of."""
    made = state()
    made.point_histograms[:] = 0
    inputs = {"reduction": reduction_node(made), "temperature": orm.Float(700), "settings": orm.Dict({})}
    found, node = run_get_node(WorkflowFactory("cse.analysis"), **inputs)
    assert node.exit_status == 342
    assert node.exit_message.startswith("the reduction cannot be analysed: counts are all zero")
    assert set(found) == {"populations", "transitions", "equilibration", "density_profiles"}
    assert node.called[-1].exit_status == 336


@pytest.mark.parametrize("step", ["populations", "transitions", "equilibration"])
def test_nothing_to_analyse_is_said(analysis: Callable[..., Any], step: str) -> None:
    answer = getattr(analysis(start_ns=1000), step)()
    assert answer.status == 342
    assert answer.message.startswith("the reduction cannot be analysed: start_ns is 1000")


def test_the_verdict_is_reported_with_its_reasons(
    analysis: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = analysis()
    said: list[str] = []
    monkeypatch.setattr(process, "report", said.append)
    assert process.equilibration() is None
    process.say_verdict()
    assert said[0].startswith("EC 0.")
    assert said[0].endswith("not equilibrated")
    assert len(said) == 5
