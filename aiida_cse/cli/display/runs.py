"""The runs of a study while it runs: a line per temperature and replica, from what its processes left so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from aiida.orm import CalcJobNode, ProcessNode, WorkChainNode, load_node
from rich import box
from rich.table import Table

from aiida_cse.calculations.functions.records import look_record
from aiida_cse.cli.display.render import JobWatch
from aiida_cse.cli.display.tree import Branch
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.workchains.restart.lineage import results_of, step_of
from aiida_cse.workchains.study import run_label

__all__ = ["WIDTH", "RunState", "run_states", "run_table"]

_STUDY, _PRODUCTION = "aiida.workflows:cse.study", "aiida.workflows:cse.production"
_QUENCH = "aiida.workflows:cse.quench"
_REDUCE = "aiida.calculations:cse.reduce"


@dataclass(frozen=True)
class RunState:
    """Where a run stands.

    Attributes
    ----------
    label, stage
        Its name, and what happens now.
    done_ns, asked_ns
        The length of its production so far, and that which was asked for, ns.
    at_most
        Whether it may end before that.
    ns_per_day
        Speed of the newest job that tells it.
    look
        The record of the last look, None before the first.
    running
        Whether it gets on by itself.
    """

    label: str
    stage: str
    done_ns: float | None = None
    asked_ns: float | None = None
    at_most: bool = False
    ns_per_day: float | None = None
    look: dict[str, Any] | None = None
    running: bool = False

    @property
    def time_left(self) -> timedelta | None:
        """How long it takes to what was asked for, at the speed of now; None where that is not known."""
        if not self.running or not self.ns_per_day or self.done_ns is None or self.asked_ns is None:
            return None
        return timedelta(days=max(0.0, self.asked_ns - self.done_ns) / self.ns_per_day)


def run_states(root: Branch, watch: JobWatch) -> list[RunState]:
    """Return the runs of a study, those of a quench, or the one of a production; none for other processes."""
    if root.process_type == _PRODUCTION:
        return [_of_production("production", root, watch)]
    if root.process_type == _QUENCH:
        return [_of_quench(label, root, watch) for label in ("hot", "cooling", "cold")]
    if root.process_type != _STUDY:
        return []
    study = load_node(root.pk)
    assert isinstance(study, WorkChainNode)
    if "temperatures" not in study.inputs:
        return []
    parts = {child.call: child for child in root.children}
    return [_of_run(label, root, parts, watch) for label in _labels(study)]


def _labels(study: ProcessNode) -> Iterator[str]:
    replicas = study.inputs.replicas.value if "replicas" in study.inputs else 1
    for temperature in study.inputs.temperatures.get_list():
        for replica in range(1, replicas + 1):
            yield run_label(temperature, replica)


def _of_run(label: str, root: Branch, parts: dict[str, Branch], watch: JobWatch) -> RunState:
    production, interface = parts.get(f"production_{label}"), parts.get(f"interface_{label}")
    if production is not None:
        return _of_production(label, production, watch)
    if interface is not None and not interface.ended:
        return RunState(label, "interface")
    if interface is not None and interface.exit_status != 0:
        return RunState(label, f"interface: {_ending(interface)}")
    phases = [parts[name] for name in ("ceramic", "electrolyte") if name in parts]
    if root.ended:
        return RunState(label, "not begun")
    return RunState(label, phases[-1].call if phases and not phases[-1].ended else "waiting")


def _of_quench(label: str, root: Branch, watch: JobWatch) -> RunState:
    part = next((child for child in root.children if child.call == label), None)
    if part is None:
        return RunState(label, "not begun" if root.ended else "waiting")
    if part.process_type == _PRODUCTION:
        return _of_production(label, part, watch)
    return RunState(label, _cooling_stage(part))


def _cooling_stage(branch: Branch) -> str:
    if branch.ended:
        return "done" if branch.exit_status == 0 else _ending(branch)
    jobs = [child for child in branch.children if child.call.startswith("job_")]
    return jobs[-1].label if jobs else "cooling"


# -- a production -------------------------------------------------------------------------------------------


def _of_production(label: str, branch: Branch, watch: JobWatch) -> RunState:
    node = load_node(branch.pk)
    assert isinstance(node, WorkChainNode)
    plan = ProductionPlan.model_validate(node.inputs.plan.get_dict()).at(node.inputs.temperature.value)
    segments = [child for child in branch.children if child.call.startswith("segment_")]
    found = RunState(
        label,
        _stage(node, branch, plan),
        done_ns=plan.nanoseconds(_start(node)),
        asked_ns=plan.length_ps / 1000,
        at_most=plan.stop.rule == "equilibrated",
        look=_last_look(node, branch),
        running=not branch.ended and not node.paused,
    )
    for segment in reversed(segments):
        step, speed = _progress(segment, watch)
        if found.ns_per_day is None:
            found = replace(found, ns_per_day=speed)
        if step is not None:
            return replace(found, done_ns=plan.nanoseconds(step))
    return found


def _start(node: WorkChainNode) -> int:
    previous: Any = node.inputs.previous if "previous" in node.inputs else {}
    return (step_of(previous.folder) or 0) if "folder" in previous else 0


def _stage(node: WorkChainNode, branch: Branch, plan: ProductionPlan) -> str:
    if branch.ended:
        return "done" if branch.exit_status == 0 else _ending(branch)
    if node.paused:
        return "paused"
    at_work = [child for child in branch.children if not child.ended and not child.is_function]
    if not at_work:
        return "production"
    if at_work[-1].process_type == _REDUCE:
        return "reduction"
    kind, _, number = at_work[-1].call.partition("_")
    most = f" of {-(-plan.total_steps // plan.segment_steps)}" if kind == "segment" else ""
    return f"{kind} {int(number)}{most}" if number.isdigit() else at_work[-1].label


def _ending(branch: Branch) -> str:
    return f"ended [{branch.exit_status}]" if branch.state == "finished" else str(branch.state)


def _progress(segment: Branch, watch: JobWatch) -> tuple[int | None, float | None]:
    """Return the step that a segment has reached, and its speed in ns/day, as far as its jobs tell them."""
    for job in reversed(segment.children):
        seen = watch.look(job)
        if seen is not None:
            return seen.step, seen.ns_per_day
        node = load_node(job.pk)
        results = results_of(node) if isinstance(node, CalcJobNode) else {}
        if results.get("step") is not None:
            return results["step"], results.get("ns_per_day")
    return None, None


def _last_look(node: WorkChainNode, branch: Branch) -> dict[str, Any] | None:
    for child in reversed(branch.children):
        if child.call.startswith("look_") and child.exit_status == 0:
            outputs = load_node(child.pk).outputs
            return look_record(outputs.equilibration, outputs.transitions)
    previous: Any = node.inputs.previous if "previous" in node.inputs else {}
    looks = previous.looks.get_list() if "looks" in previous else []
    return looks[-1] if looks else None


# -- the table ----------------------------------------------------------------------------------------------

_COLUMNS = ("ns", "ns/day", "in / out", "EC", "equilibrated", "end")
#: characters that the table needs
WIDTH = 132


def run_table(states: list[RunState], now: datetime) -> Table:
    """Return the runs as a table; ``now`` is the time from which their ends are estimated."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    for heading in _COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    for state in states:
        table.add_row(state.label, state.stage, *_cells(state, now))
    return table


def _cells(state: RunState, now: datetime) -> Iterator[str]:
    most = "≤ " if state.at_most else ""
    yield "" if state.asked_ns is None else f"{state.done_ns:.4g} of {most}{state.asked_ns:.4g}"
    yield "" if state.ns_per_day is None else f"{state.ns_per_day:.3g}"
    look = state.look
    yield "" if look is None else f"{look['entries']} / {look['exits']}"
    yield "" if look is None else f"{look['ec']:.2f} (≥ {look['ec_lower_bound']:.2f})"
    yield "" if look is None else _verdict(look)
    left = state.time_left
    yield "" if left is None else f"{most}{now + left:%Y-%m-%d %H:%M}"


def _verdict(look: dict[str, Any]) -> str:
    return f"{'yes' if look['equilibrated'] else 'no'} at {look['end_ns']:.4g} ns"
