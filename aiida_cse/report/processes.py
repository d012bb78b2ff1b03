"""Findings of a process of AiiDA: of a study, production, analysis, quench, crossing, validation or kinetics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timezone
from functools import partial
from typing import Any

from aiida.orm import ArrayData, CalcJobNode, Dict, Node, ProcessNode, QueryBuilder, load_node

from aiida_cse.analysis.comparison import COMPARISON
from aiida_cse.analysis.crossing.documents import CROSSING, CROSSING_PROFILE, TRANSMISSION
from aiida_cse.analysis.kinetics import KINETICS
from aiida_cse.analysis.registry import Documented, observables
from aiida_cse.analysis.shifts import SHIFTS
from aiida_cse.analysis.starts import STARTS
from aiida_cse.data.lookup import find_node
from aiida_cse.data.reduction import production_of
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System
from aiida_cse.report.findings import Findings, Kind, Origin, RunFindings, ThermoTable, TimeShare, by_temperature
from aiida_cse.report.process_tree import ProcessTree
from aiida_cse.report.provenance import ancestors_of, contents_of, provenance_of, settings_of
from aiida_cse.report.results import ObservableResult, Results, collect_results, describe_result
from aiida_cse.report.words import of_form, printable
from aiida_cse.workchains.import_run import SYSTEM_EXTRA

__all__ = ["findings_of", "has_findings", "values_of"]

_LAMMPS = "aiida.calculations:cse.lammps"
_PRODUCTION = "aiida.workflows:cse.production"
_KINDS: dict[str, Kind] = {
    "aiida.workflows:cse.study": "study",
    "aiida.workflows:cse.production": "production",
    "aiida.workflows:cse.analysis": "analysis",
    "aiida.workflows:cse.quench": "quench",
    "aiida.workflows:cse.validate": "validation",
    "aiida.workflows:cse.validate_crossing": "validation",
    "aiida.calculations:cse.kinetics": "kinetics",
    "aiida.workflows:cse.crossing": "crossing",
}
_PHASES = ("ceramic", "electrolyte", "interface", "relaxed", "system")

#: the outputs of one run by name
Outputs = Mapping[str, Any]


def findings_of(process: ProcessNode | int | str) -> Findings:
    """Return the findings of a process, also of one that has not finished: what it has so far.

    Parameters
    ----------
    process
        The process, or its PK, UUID or label.

    Raises
    ------
    ValueError
        There is no such process, or it is of a kind without results of its own; names those that have.
    """
    node = process if isinstance(process, ProcessNode) else find_node(process, ProcessNode)
    kind = _KINDS.get(node.process_type or "")
    if kind is None:
        known = ", ".join(_KINDS.values())
        raise ValueError(
            f"<{node.pk}>: a {node.process_label or node.process_type} has no results of its own; give a process "
            f"of one of these kinds: {known}"
        )
    with of_form(f"<{node.pk}>"):
        found = _READERS[kind](node)
        made = {uuid for run in found.runs.values() for uuid in run.uuids.values()}
        return replace(
            found,
            load_provenance=partial(provenance_of, node),
            load_settings=partial(settings_of, node),
            load_ancestors=partial(ancestors_of, made),
        )


def has_findings(node: ProcessNode) -> bool:
    """Return whether the process is of a kind that has results of its own."""
    return node.process_type in _KINDS


# -- one kind of process each --------------------------------------------------------------------------------


def _study(node: Any) -> Findings:
    outputs = node.outputs
    inputs = node.inputs
    crossings = dict(sorted(outputs.crossings.items())) if "crossings" in outputs else {}
    return Findings(
        origin=_origin("study", node),
        runs=_runs(outputs.runs if "runs" in outputs else {}),
        kinetics=_described(KINETICS, outputs, "kinetics"),
        shifts=_described(SHIFTS, outputs, "shifts"),
        starts={
            label: describe_result(STARTS, starts.get_dict())
            for label, starts in sorted((outputs.starts if "starts" in outputs else {}).items())
        },
        crossings={
            label: describe_result(CROSSING, values_of(one["crossing"]))
            for label, one in crossings.items()
            if "crossing" in one
        },
        crossing_profiles=[
            describe_result(CROSSING_PROFILE, values_of(one["crossing_profile"]))
            for one in crossings.values()
            if "crossing_profile" in one
        ],
        stages=_stages(outputs.stages if "stages" in outputs else {}),
        recipe=inputs.recipe.get_dict() if "recipe" in inputs else {},
        load_thermo=partial(_thermo, node),
        load_time=partial(_time, node),
        load_phases=partial(_phases, outputs),
    )


def _single(kind: Kind, node: Any) -> Findings:
    """Return the findings of a production or an analysis, whose outputs are those of its one run."""
    outputs = {name: node.outputs[name] for name in node.outputs}
    stages = {"production": outputs["stages"]} if "stages" in outputs else {}
    return Findings(
        origin=_origin(kind, node),
        runs=_runs({f"{_temperature_of(outputs):g} K": outputs}),
        stages=_stages(stages),
        load_thermo=partial(_thermo, node),
        load_time=partial(_time, node),
        load_phases=partial(_phases, outputs),
    )


def _quench(node: Any) -> Findings:
    outputs = node.outputs
    parts = {name: outputs[name] for name in ("hot", "cooling", "cold") if name in outputs}
    return Findings(
        origin=_origin("quench", node),
        runs=_runs({name: part for name, part in parts.items() if name != "cooling"}),
        comparison=_described(COMPARISON, outputs, "comparison"),
        stages=_stages({name: part.stages for name, part in parts.items() if "stages" in part}),
        load_thermo=partial(_thermo, node),
        load_time=partial(_time, node),
        load_phases=partial(_phases, parts.get("cooling", {})),
    )


def _crossing(node: Any) -> Findings:
    return Findings(
        origin=_origin("crossing", node),
        runs={},
        **_crossing_results(node.outputs),
        load_thermo=partial(_thermo, node),
        load_time=partial(_time, node),
    )


def _crossing_results(outputs: Any) -> dict[str, Any]:
    """Return by field of the findings the results of a crossing among outputs."""
    return {
        one.name: describe_result(one, values_of(outputs[one.name]))
        for one in (CROSSING, CROSSING_PROFILE, TRANSMISSION)
        if one.name in outputs
    }


def _validation(node: Any) -> Findings:
    outputs, inputs = node.outputs, node.inputs
    second = outputs.second_start if "second_start" in outputs else {}
    runs = dict(outputs.runs) if "runs" in outputs else {}
    label = f"T{round(max((_temperature_of(run) for run in runs.values()), default=0.0)):04d}"
    return Findings(
        origin=_origin("validation", node),
        runs=_runs(runs),
        kinetics=_described(KINETICS, outputs, "kinetics"),
        starts={label: describe_result(STARTS, second["starts"].get_dict())} if "starts" in second else {},
        validation={name: outputs[name].get_dict() for name in _KNOWN if name in outputs}
        | ({"settings": inputs.settings.get_dict()} if "settings" in inputs else {})
        | ({"seed": inputs.seed.value} if "seed" in inputs else {}),
        **_crossing_results(outputs),
        stages=_stages({name: run["stages"] for name, run in runs.items() if "stages" in run}),
        load_thermo=partial(_thermo, node),
        load_time=partial(_time, node),
        load_phases=partial(_phases, outputs),
    )


#: outputs of a validation that tell what is known
_KNOWN = ("expected", "checks", "landscape")


def _kinetics(node: Any) -> Findings:
    inputs = node.inputs
    runs = {name: _whole_analysis(inputs[name]) for name in inputs if isinstance(inputs[name], Mapping)}
    return Findings(
        origin=_origin("kinetics", node),
        runs=_runs(runs),
        kinetics=_described(KINETICS, node.outputs, "result"),
        shifts=_described(SHIFTS, inputs, "shifts"),
        crossing_profiles=[
            describe_result(CROSSING_PROFILE, values_of(made.inputs["profile"]))
            for run in runs.values()
            if "crossing" in run and (made := run["crossing"].creator) is not None and "profile" in made.inputs
        ],
        load_phases=lambda: _phases({"runs": runs}),
    )


def _whole_analysis(results: Outputs) -> Outputs:
    """Return all outputs of the analysis, or production, that made the results which joint kinetics took.

    The results themselves if no process returns them.
    """
    made: Any = results["transitions"].creator if "transitions" in results else None
    analysis = None if made is None else made.caller
    if analysis is None:
        return results
    production = analysis.caller
    if production is not None and production.process_type == _PRODUCTION and "transitions" in production.outputs:
        analysis = production
    outputs = {name: analysis.outputs[name] for name in analysis.outputs}
    uuid = made.inputs.reduction.base.extras.get(SYSTEM_EXTRA, None)
    found: Any = (
        None if uuid is None else QueryBuilder().append(CseSystemData, filters={"uuid": uuid}).first(flat=True)
    )
    # the system was imported with the reduction
    system = {"system": found} if isinstance(found, CseSystemData) else {}
    return system | outputs | dict(results)


_READERS: dict[Kind, Callable[[Any], Findings]] = {
    "study": _study,
    "production": partial(_single, "production"),
    "analysis": partial(_single, "analysis"),
    "quench": _quench,
    "validation": _validation,
    "kinetics": _kinetics,
    "crossing": _crossing,
}


# -- parts of findings ---------------------------------------------------------------------------------------


def _origin(kind: Kind, node: ProcessNode) -> Origin:
    state = "created" if node.process_state is None else node.process_state.value
    version: Any = node.base.attributes.get("version", {})
    return Origin(
        kind=kind,
        label=" ".join(printable(node.label).split()) or f"{node.process_label} <{node.pk}>",
        pk=node.pk,
        uuid=node.uuid,
        state=f"{state} [{node.exit_status}]" if node.is_finished else state,
        message=printable(node.exit_message or ""),
        # a database may give them in its own time zone
        began=node.ctime.astimezone(timezone.utc),
        ended=node.mtime.astimezone(timezone.utc),
        version=str(version.get("plugin", "")) if isinstance(version, Mapping) else "",
        description=printable(node.description),
    )


def _described(documented: Documented, nodes: Any, name: str) -> ObservableResult | None:
    return describe_result(documented, nodes[name].get_dict()) if name in nodes else None


def _stages(nodes: Mapping[str, Any]) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return the stage records of each part of the work, in the order of their creation."""
    return {part: node["stages"] for part, node in sorted(nodes.items(), key=lambda item: item[1].ctime)}


def _phases(outputs: Mapping[str, Any]) -> dict[str, System]:
    """Return the systems among outputs by name, those of runs as ``interface T0700_r1``."""
    found = {
        name: outputs[name].get_system()
        for name in _PHASES
        if name in outputs and isinstance(outputs[name], CseSystemData)
    }
    runs = dict(outputs["runs"]) if "runs" in outputs else {}
    for label, run in runs.items():
        found |= {f"{name} {label}": system for name, system in _phases(run).items()}
    return found


def _thermo(node: ProcessNode) -> list[ThermoTable]:
    """Return the thermo tables of all LAMMPS jobs below a process, in the order of their creation."""
    found = []
    for part, job in ProcessTree(node).root.parts():
        if job.process_type != _LAMMPS:
            continue
        calculation: Any = load_node(job.pk)
        if not isinstance(calculation, CalcJobNode) or "thermo" not in calculation.outputs:
            continue
        table: ArrayData = calculation.outputs.thermo
        stages = calculation.outputs.results["stages"] if "results" in calculation.outputs else []
        columns = {name: table.get_array(name) for name in table.get_arraynames()}
        plan = calculation.inputs.plan.get_dict() if "plan" in calculation.inputs else {}
        caller: Any = calculation.caller
        limits = caller.inputs.sanity.get_dict() if caller is not None and "sanity" in caller.inputs else {}
        found.append((job.started, ThermoTable(part, tuple(stages), columns, job.pk, plan, limits)))
    return [table for _, table in sorted(found, key=lambda one: (one[0], one[1].pk))]


def _time(node: ProcessNode) -> TimeShare | None:
    """Return the time of the LAMMPS jobs below a process that ended with results; None without one.

    Those from the cache took no time here: their results hold that of the job that ran.
    """
    jobs = [job for job in ProcessTree(node).root.descendants() if job.process_type == _LAMMPS and job.ended]
    query = QueryBuilder().append(
        CalcJobNode, filters={"id": {"in": [job.pk for job in jobs]}}, tag="job", project="id"
    )
    query.append(Dict, with_incoming="job", edge_filters={"label": "results"}, project="attributes.wall_seconds")
    seconds: dict[int, float | None] = dict(query.all()) if jobs else {}
    counted = [job for job in jobs if seconds.get(job.pk) is not None]
    ran = [job for job in counted if not job.cached]
    if not counted:
        return None
    return TimeShare(
        jobs=len(counted),
        cached=len(counted) - len(ran),
        seconds=sum(job.duration.total_seconds() for job in ran),
        program_seconds=sum(seconds[job.pk] or 0.0 for job in ran),
    )


# -- runs ----------------------------------------------------------------------------------------------------


def _runs(outputs: Mapping[str, Outputs]) -> dict[str, RunFindings]:
    found = {}
    for label, one in outputs.items():
        results = _results_in(one)
        if not results:
            continue
        missing = {}
        for name, observable in observables().items():
            need = observable.need
            if name in results:
                continue
            missing[name] = "the process has no such output"
            if "reduction" in one and need is not None and not need.met(one["reduction"].get_config()):
                missing[name] = f"the reduction has no {need.words}"
        found[label] = RunFindings(
            label=label,
            temperature=_temperature_of(one),
            scalars={name: _scalars(node) for name, node in results.items()},
            missing=missing,
            load_results=partial(_load_results, label, results, missing),
            load_system=partial(_load_system, one),
            looks=one["looks"].get_list() if "looks" in one else (),
            uuids={name: node.uuid for name, node in results.items()},
            load_trajectory=partial(_trajectory, results),
        )
    return by_temperature(found)


def _results_in(outputs: Outputs) -> dict[str, Any]:
    return {name: outputs[name] for name in observables() if name in outputs}


def _temperature_of(outputs: Outputs) -> float:
    found = (node.base.attributes.get("temperature_K", None) for node in _results_in(outputs).values())
    return next((float(kelvin) for kelvin in found if kelvin is not None), 0.0)


def _scalars(node: Any) -> dict[str, Any]:
    """Return what a result holds besides arrays."""
    return {key: value for key, value in node.base.attributes.all.items() if not key.startswith("array|")}


def values_of(node: Dict | ArrayData) -> dict[str, Any]:
    """Return all that a result node holds by key, arrays as such."""
    values = _scalars(node)
    if isinstance(node, ArrayData):
        values |= {name: node.get_array(name) for name in node.get_arraynames()}
    return values


def _load_system(outputs: Outputs) -> System | None:
    node = outputs.get("system")
    return node.get_system() if isinstance(node, CseSystemData) else None


def _trajectory(results: Mapping[str, Any]) -> frozenset[str]:
    """Return the identities of the reduction that was analysed, and of the files that it read."""
    first: Any = next(iter(results.values())).creator
    reduction = None if first is None or "reduction" not in first.inputs else first.inputs.reduction
    if reduction is None:
        return frozenset()
    read = (source.get("sha256") for source in reduction.base.attributes.get("sources", None) or ())
    files = reduction.base.repository.metadata
    return frozenset({*contents_of(files), *(checksum for checksum in read if checksum)})


def _load_results(label: str, results: Mapping[str, Any], missing: Mapping[str, str]) -> Results:
    """Return the results of a run, with populations and transitions in time from its reduction.

    The results are those of the nodes; only what no node holds is read from the reduction, with the settings of
    the analysis that made them.
    """
    first: Node = next(iter(results.values()))
    analysis: Any = first.creator
    production = production_of(
        analysis.inputs.reduction, analysis.inputs.temperature.value, analysis.inputs.settings.get_dict()
    )
    found = {name: values_of(node) for name, node in results.items()}
    return collect_results(production, found, missing, label=label)
