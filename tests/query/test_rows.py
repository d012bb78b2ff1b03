"""Rows of studies and of their runs, on graphs like those of WorkChains."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pytest
from aiida.common.links import LinkType
from aiida.engine import ProcessState
from aiida.orm import CalcFunctionNode, CalcJobNode, Computer, Dict, Float, Int, List, WorkChainNode

from aiida_cse.engine.locks import EMBEDDED, ENGINE_EXTRA, process_lock
from aiida_cse.query import runs, studies
from aiida_cse.query.rows import StudyRow, read_rows

pytestmark = [
    pytest.mark.usefixtures("aiida_profile"),
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]

PLAN = {"length_ps": 100_000, "lengths": [[600, 40_000]], "timestep_fs": 2, "stop": {"rule": "equilibrated"}}
VERDICT = {
    "temperature_K": 700.0,
    "time_ns": 80.0,
    "end_ns": 100.0,
    "equilibrated": True,
    "decided_by": ["Li"],
    "ec": 0.8,
    "ec_lower_bound": 0.6,
}


def workchain(
    name: str, inputs: dict[str, Any] | None = None, caller: WorkChainNode | None = None, call: str = "CALL"
) -> WorkChainNode:
    """Store a waiting WorkChain of this plugin."""
    node = WorkChainNode(process_type=f"aiida.workflows:cse.{name}")
    node.set_process_state(ProcessState.WAITING)
    for label, value in (inputs or {}).items():
        node.base.links.add_incoming(value.store(), LinkType.INPUT_WORK, label)
    if caller is not None:
        node.base.links.add_incoming(caller, LinkType.CALL_WORK, call)
    return node.store()


def finish(node: Any, status: int = 0, **outputs: Any) -> Any:
    for label, content in outputs.items():
        Dict(content).store().base.links.add_incoming(node, LinkType.RETURN, label)
    node.set_exit_status(status)
    node.set_process_state(ProcessState.FINISHED)
    return node


def study(label: str = "") -> WorkChainNode:
    """Store a study of two temperatures with two replicas each."""
    given = {
        "recipe": Dict({"name": "llzo-test"}),
        "temperatures": List([700, 600]),
        "replicas": Int(2),
        "production__plan": Dict(PLAN),
    }
    node = workchain("study", given)
    node.label = label
    node.base.extras.set(ENGINE_EXTRA, EMBEDDED)
    return node


def row_of(node: Any) -> StudyRow:
    (found,) = [row for row in read_rows() if row.pk == node.pk]
    return found


def test_a_finished_study_is_one_row_with_the_ranges_of_its_runs() -> None:
    node = finish(
        study("both"),
        510,
        runs__T0700_r1__equilibration=VERDICT,
        runs__T0700_r1__populations={
            "n_li_excess": 12.0,
            "n_li_excess_error": 1.5,
            "n_li_excess_interval": [9, 15],
        },
        runs__T0700_r1__barrier={"barrier_li_K": 6000.0, "barrier_li_interval_K": None},
        runs__T0700_r1__reduction={"last_step": 50_000_000},
        runs__T0600_r1__equilibration=VERDICT
        | {"temperature_K": 600.0, "equilibrated": False, "ec": 0.2, "ec_lower_bound": 0.1},
        runs__T0600_r1__populations={"n_li_excess": 4.0},
        kinetics={"rate_0400K_per_s": 1e4, "rate_0400K_interval_per_s": [1e3, 1e5], "level": 0.95},
    )
    row = row_of(node)
    assert (row.kind, row.label, row.recipe, row.state) == ("study", "both", "llzo-test", "finished")
    assert (row.temperatures_K, row.runs, row.runs_judged, row.runs_equilibrated) == ((700.0, 600.0), 4, 2, 1)
    assert (row.equilibrated, row.may_stop_early, row.asked_ns) == (False, True, 280.0)
    frame = studies().set_index("pk").loc[node.pk]
    assert (frame.ec_min, frame.ec_max, frame.ec_lower_bound_min) == (0.2, 0.8, 0.1)
    assert (frame.n_excess_min, frame.n_excess_max, frame.barrier_min_K) == (4.0, 12.0, 6000.0)
    assert (frame.rate_0400K_per_s, frame.rate_0400K_low_per_s, frame.rate_0400K_high_per_s) == (1e4, 1e3, 1e5)
    table = runs()
    mine = table[table.pk == node.pk].set_index("run")
    assert list(mine.index) == ["T0700_r1", "T0700_r2", "T0600_r1", "T0600_r2"]
    assert list(mine.asked_ns) == [100.0, 100.0, 40.0, 40.0]
    assert (mine.done_ns["T0700_r1"], mine.n_li_excess_low["T0700_r1"]) == (100.0, 9.0)
    assert mine.equilibrated.isna().to_list() == [False, True, False, True]
    assert pd.isna(mine.barrier_li_low_K["T0700_r1"])


def test_a_running_study_shows_its_last_looks_and_finished_segments(localhost: Computer) -> None:
    node = study()
    production = workchain("production", {"temperature": Float(700)}, node, "production_T0700_r1")
    for number, ec in (("001", 0.1), ("002", 0.4)):
        look = workchain("analysis", {}, production, f"look_{number}")
        finish(look, equilibration=VERDICT | {"ec": ec, "equilibrated": False})
    segment = workchain("base", {}, production, "segment_001")
    job = CalcJobNode(computer=localhost, process_type="aiida.calculations:cse.lammps")
    job.base.links.add_incoming(segment, LinkType.CALL_CALC, "iteration_01")
    job.store()
    Dict({"step": 5_000_000}).store().base.links.add_incoming(job, LinkType.CREATE, "results")
    found = {run.run: run for run in row_of(node).rows}["T0700_r1"]
    assert (found.ec, found.equilibrated, found.done_ns) == (0.4, False, 10.0)
    assert row_of(node).state == "stopped"
    with process_lock(node):
        assert row_of(node).state == "running"
    assert row_of(node).changed == job.ctime
    assert not [row for row in read_rows() if row.pk == production.pk]


def test_an_analysis_is_imported_if_nothing_here_made_its_reduction(localhost: Computer) -> None:
    foreign, own = Dict({"last_step": 10}), Dict({"last_step": 10})
    foreign.label = "of another program"
    job = CalcFunctionNode(process_type="aiida.calculations:cse.reduce").store()
    own.base.links.add_incoming(job, LinkType.CREATE, "reduction")
    found = [
        row_of(finish(workchain("analysis", {"reduction": one, "temperature": Float(500)}), equilibration=VERDICT))
        for one in (foreign, own)
    ]
    assert [row.kind for row in found] == ["imported", "reanalysis"]
    assert (found[0].label, found[0].done_ns, found[0].asked_ns) == ("of another program", 100.0, None)
    assert found[0].rows[0].run == "700 K"


@pytest.fixture
def hostile() -> WorkChainNode:
    """A study from somewhere, whose inputs and results are of any form."""
    given = {
        "recipe": Dict({"name": {"no": "name"}}),
        "temperatures": List(["hot", None, -3, 1e300, [], 700]),
        "replicas": Int(10**9),
        "starts": List([None, {}, "as-built"]),
        "production__plan": Dict(
            {"length_ps": "long", "lengths": [[], ["a", 1], 3], "stop": 7, "timestep_fs": []}
        ),
    }
    node = workchain("study", given)
    node.label = "bell\x07\nand line"
    content: dict[str, Any] = {"ec": "high", "equilibrated": [], "decided_by": {"a": 1}, "temperature_K": "700"}
    finish(
        node,
        0,
        runs__T0700_r1__equilibration=content,
        runs__x__equilibration={"decided_by": ["'; --", 3], "ec": 10**400, "equilibrated": None},
        runs__T0700_r1__populations={"n_li_excess": None, "n_li_excess_interval": [1]},
        second_start__run__equilibration={},
        kinetics={"rate_0400K_per_s": "fast", "energy_interval_K": 3},
    )
    return node


def test_inputs_and_results_of_any_form_become_a_row(hostile: WorkChainNode) -> None:
    row = row_of(hostile)
    assert (row.label, row.recipe, row.asked_ns, row.equilibrated) == ("bell and line", "", None, None)
    assert len(studies()) == len(read_rows())
    assert hostile.pk in set(runs().pk)


def test_the_newest_row_is_the_first() -> None:
    nodes = [study(), study()]
    found = [row.pk for row in read_rows() if row.pk in {node.pk for node in nodes}]
    assert found == [nodes[1].pk, nodes[0].pk]
    assert abs(read_rows()[0].since - datetime.now(timezone.utc)) < timedelta(minutes=5)
