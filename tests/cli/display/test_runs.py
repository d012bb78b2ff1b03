"""The line of each run in ``aiida-cse status`` while a study runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from aiida.common.links import LinkType
from aiida.engine import ProcessState
from aiida.orm import CalcJobNode, Computer, Dict, Float, Int, List, WorkChainNode
from rich.console import Console

from aiida_cse.cli.display.runs import RunState, run_states, run_table
from aiida_cse.cli.display.tree import JobWatch
from aiida_cse.report.process_tree import ProcessTree

pytestmark = pytest.mark.usefixtures("aiida_profile")

NOW = datetime(2030, 1, 1, 12, 0)
PLAN = {
    "length_ps": 20000,
    "segment_ps": 2000,
    "frame_ps": 2,
    "settings": {"restart_interval": 50000},
    "stop": {"rule": "equilibrated", "first_look_ns": 4},
}
SEEN = {"end_ns": 4.0, "equilibrated": False, "ec": 0.62, "ec_lower_bound": 0.41, "rate_upper_bound_per_s": 1e9}


def chain(
    name: str, caller: WorkChainNode | None, call: str, inputs: dict[str, Any] | None = None
) -> WorkChainNode:
    """Return a WorkChain that runs."""
    node = WorkChainNode(process_type=f"aiida.workflows:cse.{name}")
    for label, value in (inputs or {}).items():
        node.base.links.add_incoming(value.store(), LinkType.INPUT_WORK, label)
    if caller is not None:
        node.base.links.add_incoming(caller, LinkType.CALL_WORK, call)
    node.set_process_state(ProcessState.WAITING)
    node.store()
    return node


def end(node: Any, status: int = 0) -> None:
    node.set_exit_status(status)
    node.set_process_state(ProcessState.FINISHED)


def segment(production: WorkChainNode, number: int, computer: Computer) -> WorkChainNode:
    """Return a segment of 1,000,000 steps whose job has ended."""
    run = chain("base", production, f"segment_{number:03d}")
    job = CalcJobNode(computer=computer, process_type="aiida.calculations:cse.lammps")
    job.base.links.add_incoming(run, LinkType.CALL_CALC, "iteration_01")
    job.store()
    made = Dict({"step": 1_000_000 * number, "ns_per_day": 4.0})
    made.base.links.add_incoming(job, LinkType.CREATE, "results")
    made.store()
    end(job)
    return run


@pytest.fixture
def study() -> WorkChainNode:
    return chain("study", None, "", {"temperatures": List([600, 700]), "replicas": Int(2)})


def states(node: WorkChainNode) -> dict[str, RunState]:
    return {state.label: state for state in run_states(ProcessTree(node).root, JobWatch())}


def test_the_phase_is_shown_before_the_runs_start(study: WorkChainNode) -> None:
    chain("ceramic", study, "ceramic")
    assert {state.stage for state in states(study).values()} == {"ceramic"}
    assert list(states(study)) == ["T0600_r1", "T0600_r2", "T0700_r1", "T0700_r2"]
    assert run_states(ProcessTree(chain("base", None, "")).root, JobWatch()) == []


def test_every_start_has_a_line() -> None:
    starts = List(["as-built", "filled"])
    found = states(chain("study", None, "", {"temperatures": List([700]), "replicas": Int(1), "starts": starts}))
    assert list(found) == ["T0700_r1", "T0700_r1_filled"]


def test_each_run_shows_its_progress(study: WorkChainNode, localhost: Computer) -> None:
    end(chain("interface", study, "interface_T0600_r1"), 341)
    chain("interface", study, "interface_T0600_r2")
    for label in ("T0700_r1", "T0700_r2"):
        end(chain("interface", study, f"interface_{label}"))
    first = chain("production", study, "production_T0700_r1", {"plan": Dict(PLAN), "temperature": Float(700)})
    for number in (1, 2):
        end(segment(first, number, localhost))
    look = chain("analysis", first, "look_001")
    equilibration = Dict(SEEN | {"reasons": [], "criteria": {}, "decided_by": ["Li"]})
    counts = Dict({"s_in_li_ceramic": 9, "s_out_li_ceramic": 8})
    for label, made in (("equilibration", equilibration), ("transitions", counts)):
        made.store().base.links.add_incoming(look, LinkType.RETURN, label)
    end(look)
    segment(first, 3, localhost)
    second = chain("production", study, "production_T0700_r2", {"plan": Dict(PLAN), "temperature": Float(700)})
    second.pause()

    found = states(study)
    assert found["T0600_r1"].stage == "interface: ended [341]"
    assert found["T0600_r2"].stage == "interface"
    assert (found["T0700_r1"].stage, found["T0700_r2"].stage) == ("segment 3 of 10", "paused")

    assert lines_of(found, 132)[1] == ("T0700_r1 segment 3 of 10 6/≤20 4 9 / 8 0.62 (0.41) no 4 ≤2030-01-05 00:00")
    assert lines_of(found, 80)[0] == "run stage ns ns/day EC (≥) end"


def lines_of(states: dict[str, RunState], width: int) -> list[str]:
    """Return the heading of the table and the line of the first production, none wider than the terminal."""
    console = Console(width=width)
    with console.capture() as shown:
        console.print(run_table(list(states.values()), NOW, width))
    lines = shown.get().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in shown.get()
    return [" ".join(line.split()) for line in lines if line.startswith(("run", "T0700_r1"))]


def test_a_continued_production_shows_the_last_look_of_the_first(localhost: Computer) -> None:
    before = List([SEEN | {"entries": 1, "exits": 2}])
    production = chain(
        "production", None, "", {"plan": Dict(PLAN), "temperature": Float(700), "previous__looks": before}
    )
    (state,) = run_states(ProcessTree(production).root, JobWatch())
    assert (state.done_ns, state.asked_ns, state.stage) == (0, 20, "production")
    assert state.look == before[0]
    end(production, 500)
    (state,) = run_states(ProcessTree(production).root, JobWatch())
    assert state.stage == "ended [500]"


def test_a_quench_has_a_line_for_each_part(localhost: Computer) -> None:
    quench = chain("quench", None, "")
    hot = chain("production", quench, "hot", {"plan": Dict(PLAN), "temperature": Float(700)})
    segment(hot, 1, localhost)
    found = states(quench)
    assert [(state.label, state.stage) for state in found.values()] == [
        ("hot", "segment 1 of 10"), ("cooling", "waiting"), ("cold", "waiting"),
    ]  # fmt: skip
    assert found["hot"].done_ns == 2
    end(hot)
    cooling = chain("cooling", quench, "cooling")
    assert states(quench)["cooling"].stage == "cooling"
    chain("base", cooling, "job_02")
    assert states(quench)["cooling"].stage == "job_02"
    end(cooling, 341)
    end(quench, 372)
    assert [state.stage for state in states(quench).values()] == ["done", "ended [341]", "not started"]
