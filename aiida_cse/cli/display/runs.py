"""Table of the runs of an unfinished study: one line per temperature, replica and start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from aiida.orm import CalcJobNode, WorkChainNode, load_node
from rich.table import Table

from aiida_cse.calculations.functions.records import look_record
from aiida_cse.cli.display.fitting import Column, fitted_table
from aiida_cse.cli.display.tree import JobWatch
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.report.process_tree import Branch
from aiida_cse.workchains.common.starts import planned_runs
from aiida_cse.workchains.restart.lineage import results_of, step_of

__all__ = ["RunState", "run_states", "run_table"]

_STUDY, _PRODUCTION = "aiida.workflows:cse.study", "aiida.workflows:cse.production"
_QUENCH = "aiida.workflows:cse.quench"
_REDUCE = "aiida.calculations:cse.reduce"


@dataclass(frozen=True)
class RunState:
    """Present state of a run.

    Attributes
    ----------
    label, stage
        Name of the run, and its present stage.
    done_ns, asked_ns
        Simulated and requested length of the production, ns.
    at_most
        True if the run may stop before the requested length.
    ns_per_day
        Speed of the newest job that reports it.
    look
        Record of the last look, None before the first.
    running
        True if the run advances without the user.
    """

    label: str
    stage: str
    done_ns: float | None = None
    asked_ns: float | None = None
    at_most: bool = False
    ns_per_day: float | None = None
    look: dict[str, Any] | None = None
    running: bool = False

    def end(self, now: datetime) -> str:
        """Return when the requested length is reached at the present speed, in words; empty if this is unknown."""
        if not self.running or not self.ns_per_day or self.done_ns is None or self.asked_ns is None:
            return ""
        left = timedelta(days=max(0.0, self.asked_ns - self.done_ns) / self.ns_per_day)
        return f"{'≤' if self.at_most else ''}{now + left:%Y-%m-%d %H:%M}"


def run_states(root: Branch, watch: JobWatch) -> list[RunState]:
    """Return the runs of a study, the parts of a quench, or the one run of a production; else an empty list."""
    if root.process_type == _PRODUCTION:
        return [_of_production("production", root, watch)]
    parts = {child.call: child for child in root.children}
    if root.process_type == _QUENCH:
        return [_of_quench(label, root, parts.get(label), watch) for label in ("hot", "cooling", "cold")]
    if root.process_type != _STUDY:
        return []
    inputs: Any = load_node(root.pk).inputs
    if "temperatures" not in inputs:
        return []
    return [_of_run(label, root, parts, watch) for label, _, _ in planned_runs(inputs)]


def _of_run(label: str, root: Branch, parts: dict[str, Branch], watch: JobWatch) -> RunState:
    production, interface = parts.get(f"production_{label}"), parts.get(f"interface_{label}")
    if production is not None:
        return _of_production(label, production, watch)
    if interface is not None and not interface.ended:
        return RunState(label, "interface")
    if interface is not None and interface.exit_status != 0:
        return RunState(label, f"interface: {_ending(interface)}")
    if root.ended:
        return RunState(label, "not started")
    running = [name for name in ("ceramic", "electrolyte") if name in parts and not parts[name].ended]
    return RunState(label, running[-1] if running else "waiting")


def _of_quench(label: str, root: Branch, part: Branch | None, watch: JobWatch) -> RunState:
    if part is None:
        return RunState(label, "not started" if root.ended else "waiting")
    if part.process_type == _PRODUCTION:
        return _of_production(label, part, watch)
    if part.ended:
        return RunState(label, _ending(part))
    jobs = [child for child in part.children if child.call.startswith("job_")]
    return RunState(label, jobs[-1].label if jobs else "cooling")


def _ending(branch: Branch) -> str:
    if branch.exit_status == 0:
        return "done"
    return f"ended [{branch.exit_status}]" if branch.state == "finished" else str(branch.state)


# -- a production --------------------------------------------------------------------------------------------


def _of_production(label: str, branch: Branch, watch: JobWatch) -> RunState:
    node = load_node(branch.pk)
    assert isinstance(node, WorkChainNode)
    plan = ProductionPlan.model_validate(node.inputs.plan.get_dict()).at(node.inputs.temperature.value)
    previous: Any = node.inputs.previous if "previous" in node.inputs else {}
    first = (step_of(previous.folder) or 0) if "folder" in previous else 0
    looks = [child for child in branch.children if child.call.startswith("look_") and child.exit_status == 0]
    look: dict[str, Any] | None
    if looks:
        outputs = load_node(looks[-1].pk).outputs
        look = look_record(outputs.equilibration, outputs.transitions)
    else:
        earlier = previous.looks.get_list() if "looks" in previous else []
        look = earlier[-1] if earlier else None
    found = RunState(
        label,
        _stage(node, branch, plan),
        done_ns=plan.nanoseconds(first),
        asked_ns=plan.length_ps / 1000,
        at_most=plan.stop.rule == "equilibrated",
        look=look,
        running=not (branch.ended or branch.stopped or node.paused),
    )
    for segment in reversed([child for child in branch.children if child.call.startswith("segment_")]):
        step, speed = _progress(segment, watch)
        if found.ns_per_day is None:
            found = replace(found, ns_per_day=speed)
        if step is not None:
            return replace(found, done_ns=plan.nanoseconds(step))
    return found


def _stage(node: WorkChainNode, branch: Branch, plan: ProductionPlan) -> str:
    if branch.ended:
        return _ending(branch)
    if branch.stopped or node.paused:
        return "stopped" if branch.stopped else "paused"
    running = [child for child in branch.children if not child.ended and not child.is_function]
    if not running:
        return "production"
    if running[-1].process_type == _REDUCE:
        return "reduction"
    kind, _, number = running[-1].call.partition("_")
    total = f" of {-(-plan.total_steps // plan.segment_steps)}" if kind == "segment" else ""
    return f"{kind} {int(number)}{total}" if number.isdigit() else running[-1].label


def _progress(segment: Branch, watch: JobWatch) -> tuple[int | None, float | None]:
    """Return the last step of a segment and its speed in ns/day; None where its jobs do not contain them.

    They are those of the newest job that has a step: one that has just started has none.
    """
    for job in reversed(segment.children):
        seen = watch.look(job)
        if seen is not None:
            return seen.step, seen.ns_per_day
        node = load_node(job.pk)
        results = results_of(node) if isinstance(node, CalcJobNode) else {}
        if results.get("step") is not None:
            return results["step"], results.get("ns_per_day")
    return None, None


# -- the table ----------------------------------------------------------------------------------------------


def run_table(states: list[RunState], now: datetime, width: int) -> Table:
    """Return the runs as a table of at most ``width`` characters; ends are estimated from the time ``now``."""
    columns = (
        Column("run", lambda state: state.label, 0, "left"),
        Column("stage", lambda state: state.stage, 0, "left"),
        Column("ns", _length, 1),
        Column("ns/day", lambda state: f"{state.ns_per_day:.3g}" if state.ns_per_day else "", 4),
        Column("in / out", _of_look("{entries} / {exits}"), 7),
        Column("EC (≥)", _of_look("{ec:.2f} ({ec_lower_bound:.2f})"), 2),
        Column("equil.", _verdict, 5),
        Column("look at ns", _of_look("{end_ns:.4g}"), 8),
        Column("end", lambda state: state.end(now), 3),
    )
    return fitted_table(columns, states, width, name=0, styles={})


def _length(state: RunState) -> str:
    if state.asked_ns is None:
        return ""
    return f"{state.done_ns:.4g}/{'≤' if state.at_most else ''}{state.asked_ns:.4g}"


def _of_look(form: str) -> Callable[[RunState], str]:
    """Return a function that gives values of the last look in words, nothing before the first."""
    return lambda state: "" if state.look is None else form.format(**state.look)


def _verdict(state: RunState) -> str:
    if state.look is None:
        return ""
    return "yes" if state.look["equilibrated"] else "no"
