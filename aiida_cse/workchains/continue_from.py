"""Continuation of an earlier study or production, of this profile or imported: longer runs, and more runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida import orm
from aiida.engine import WorkChain

from aiida_cse.calculations.discard import is_discarded
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.hints import aiida_cse
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.workchains.common.availability import folder_error, refuse_unusable_codes, use_codes
from aiida_cse.workchains.common.builders import whole
from aiida_cse.workchains.common.crossings import CROSSING_OUTPUTS, crossing_label
from aiida_cse.workchains.common.exit_status import ended_normally
from aiida_cse.workchains.common.starts import planned_runs, starts_of
from aiida_cse.workchains.crossing import CrossingWorkChain
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.restart.lineage import (
    covered_jobs,
    folder_to_continue,
    lineage,
    path_of,
    reductions_of,
    step_of,
)
from aiida_cse.workchains.study import (
    MOST_REPLICAS,
    RUN_OUTPUTS,
    StudyWorkChain,
    is_complete,
    previous_of,
)

__all__ = ["get_builder_from", "get_builder_from_production", "get_builder_from_study"]


def get_builder_from(
    process: orm.WorkChainNode,
    *,
    length_ns: float | None = None,
    codes: Mapping[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    notes: list[str] | None = None,
    **runs: Any,
) -> Any:
    """Return the builder that continues a study or a production; see the functions for either.

    Raises
    ------
    ValueError
        The process cannot be continued in this way; further temperatures, replicas, starts and rates of
        crossings need a study.
    """
    if getattr(process, "process_type", None) != ProductionWorkChain.build_process_type():
        return get_builder_from_study(
            process, length_ns=length_ns, codes=codes, options=options, notes=notes, **runs
        )
    if any(value is not None for value in runs.values()):
        raise ValueError(
            f"production {process.pk}: is a single run; give a length (temperatures, replicas, starts and "
            "crossings need a study)"
        )
    return get_builder_from_production(process, length_ns=length_ns, codes=codes, options=options, notes=notes)


def get_builder_from_production(
    production: orm.WorkChainNode,
    *,
    length_ns: float | None,
    codes: Mapping[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    notes: list[str] | None = None,
) -> Any:
    """Return the builder of a production that continues another one from its last checkpoint.

    Parameters
    ----------
    production
        A terminated production, successful or not.
    length_ns
        Total length or budget, at least the previous one; None completes a failed production.
    codes
        Codes in place of those of the production, by role: ``lammps`` and ``cse``.
    options
        Scheduler options of the LAMMPS jobs, over those of the production.
    notes
        To which a sentence is added if the run continues from before its end.

    Raises
    ------
    ValueError
        The process is no production, has not ended, is complete, or would become shorter; a code cannot run in
        this profile, or the folder with the last checkpoint is not here.
    """
    _refuse_other(production, ProductionWorkChain)
    builder: Any = production.get_builder_restart()
    previous = previous_of(_results(production, {name: production.outputs[name] for name in production.outputs}))
    if length_ns is None and ended_normally(production):
        raise ValueError(f"production {production.pk}: is complete; give a longer length")
    if length_ns is not None:
        inputs = production.inputs
        builder.plan = orm.Dict(_longer(inputs.plan.get_dict(), [inputs.temperature.value], length_ns))
    if previous:
        builder.previous = previous
    use_codes(builder, codes or {}, options)
    # without a complete segment of its own it starts as it did before
    previous = previous or (dict(production.inputs.previous) if "previous" in production.inputs else {})
    earlier = _to_last_checkpoint(previous, builder.base.lammps.code, builder.plan, production.inputs.temperature)
    if earlier is not None:
        builder.previous = previous = earlier
        if notes is not None:
            notes.append(f"production {production.pk} {_shortened(previous['folder'])}")
    error = folder_error(previous["folder"], builder.base.lammps.code) if previous else None
    if error is not None:
        place = f"production {production.pk}: previous.folder = {path_of(previous['folder'])}: {error}"
        end = production.outputs.system if "system" in production.outputs else None
        raise ValueError(place + _instead([(end, production.inputs.temperature.value)]))
    refuse_unusable_codes(builder)
    _name_continuation(builder, production)
    return builder


def get_builder_from_study(
    study: orm.WorkChainNode,
    temperatures: Sequence[float] | None = None,
    replicas: int | None = None,
    starts: Sequence[str] | None = None,
    length_ns: float | None = None,
    crossings: Sequence[orm.WorkChainNode] | None = None,
    codes: Mapping[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    notes: list[str] | None = None,
) -> Any:
    """Return the builder of a study that continues another one without repeating its runs.

    A study that failed may be continued as it is, to complete it.

    Parameters
    ----------
    study
        A terminated study, successful or not.
    temperatures
        K; further temperatures. Those of the study stay.
    replicas
        Total number of runs at each temperature and from each start, at least the previous one.
    starts
        Further starts: ``as-built``, ``filled`` or ``emptied``. Those of the study stay.
    length_ns
        Length or budget of each run, at least the previous one. Shorter runs continue from their checkpoints.
    crossings
        Crossings of systems of the study, whose rates join the kinetics. One takes the place of that of the study
        at the same temperature and side.
    codes
        Codes in place of those of the study, by role: ``lammps``, ``cse``, and those of other programs it used.
    options
        Scheduler options of the LAMMPS jobs, over those of the study.
    notes
        To which a sentence is added for each crossing, and for each run that continues from before its end.

    Raises
    ------
    ValueError
        The process is no study, has not ended, or nothing would be added; a crossing has no rate or is of
        another system; a code cannot run in this profile, or a run that would become longer has its last
        checkpoint in a folder that is not here.
    """
    _refuse_other(study, StudyWorkChain)
    builder: Any = study.get_builder_restart()
    added = (temperatures, replicas, starts, length_ns, crossings)
    unchanged = all(one is None for one in added)
    if unchanged and ended_normally(study):
        raise ValueError(
            "nothing is added to the study; give temperatures, replicas, starts, a length or crossings"
        )
    if temperatures is not None:
        there = study.inputs.temperatures.get_list()
        known = {round(temperature) for temperature in there}
        builder.temperatures = orm.List([*there, *(more for more in temperatures if round(more) not in known)])
    if replicas is not None:
        builder.replicas = whole("replicas", replicas, study.inputs.replicas.value, MOST_REPLICAS)
    if starts is not None:
        earlier = starts_of(study.inputs)
        builder.starts = orm.List([*earlier, *(start for start in starts if start not in earlier)])
    if length_ns is not None:
        plan, there = study.inputs.production.plan.get_dict(), study.inputs.temperatures.get_list()
        builder.production.plan = orm.Dict(_longer(plan, there, length_ns))
    outputs, runs = study.outputs, {}
    for label, run in outputs.runs.items() if "runs" in outputs else ():
        call = study.base.links.get_outgoing(link_label_filter=f"production_{label}").first()
        runs[label] = _results(None if call is None else call.node, dict(run.items()))
    phases = {phase: outputs[phase] for phase in ("ceramic", "electrolyte") if phase in outputs}
    measured = (
        {label: dict(one) for label, one in outputs.crossings.items() if "crossing" in one}
        if "crossings" in outputs
        else {}
    )
    joining = _measured(crossings or (), runs)
    said = [
        f"{label}: the rate of <{crossing.pk}> goes into the kinetics"
        + (" in place of that of the study" if label in measured else "")
        for label, crossing in zip(joining, crossings or (), strict=True)
    ]
    measured |= joining
    rates = {"crossings": measured} if measured else {}
    builder.done = {**phases, **rates, "runs": runs}
    use_codes(builder, codes or {}, options)
    if length_ns is not None or unchanged:
        said += _use_last_checkpoints(builder, runs)
        builder.done = {**phases, **rates, "runs": runs}
    if notes is not None:
        notes.extend(said)
    joined = all("interface" in runs.get(label, {}) for label, _, _ in planned_runs(builder))
    refuse_unusable_codes(builder, (*phases, "interface") if joined else tuple(phases))
    _name_continuation(builder, study)
    return builder


def _measured(
    crossings: Sequence[orm.WorkChainNode], runs: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, orm.Data]]:
    """Return the results of crossings by label, as ``T0400_left``, for the kinetics of a study with these runs.

    Raises
    ------
    ValueError
        One is no crossing that has ended, has no rate or is of a system of another composition or force field, or
        two are of one temperature and side.
    """
    own = [run[name] for run in runs.values() for name in ("system", "interface") if name in run]
    found: dict[str, dict[str, orm.Data]] = {}
    for crossing in crossings:
        _refuse_other(crossing, CrossingWorkChain)
        if "crossing" not in crossing.outputs:
            raise ValueError(f"crossing {crossing.pk}: has no rate; give a crossing that has ended with one")
        if own:
            _refuse_other_systems(crossing, own[0])
        label = crossing_label(crossing.inputs.temperature.value, crossing.inputs.side.value)
        if label in found:
            raise ValueError(f"crossing {crossing.pk}: is the second one of {label}; give one of the two")
        found[label] = {name: crossing.outputs[name] for name in CROSSING_OUTPUTS if name in crossing.outputs}
    return found


def _refuse_other_systems(crossing: orm.WorkChainNode, own: CseSystemData) -> None:
    """Refuse a crossing of another composition or force field than a system of the study."""
    instead = "give a crossing of a system of the study"
    for system in crossing.inputs.systems.values():
        place = f"crossing {crossing.pk}: its system {system.pk} has"
        if system.info.composition != own.info.composition:
            raise ValueError(
                f"{place} {system.info.natoms:,} atoms of another composition than those of the study, "
                f"{own.info.natoms:,} as in <{own.pk}>; {instead}"
            )
        if (system.info.types, system.forcefield) != (own.info.types, own.forcefield):
            raise ValueError(f"{place} another force field than <{own.pk}> of the study; {instead}")


def _name_continuation(builder: Any, process: orm.ProcessNode) -> None:
    """Give a continuation the label of its process with a number, as ``test+1``; labels find one process each."""
    said = f"continues {process.uuid}"
    builder.metadata.description = said
    label, _, number = process.label.rpartition("+")
    if not label or not number.isdecimal():
        label, number = process.label, "0"
    named = label and not label.startswith("continues ")
    builder.metadata.label = f"{label}+{int(number) + 1}" if named else said


def _refuse_other(process: Any, kind: type[WorkChain]) -> None:
    name = {StudyWorkChain: "study", CrossingWorkChain: "crossing"}.get(kind, "production")
    if getattr(process, "process_type", None) != kind.build_process_type():
        raise ValueError(
            f"{name}: node {process.pk} is a {type(process).__name__}; it must be the process of a {name}"
        )
    if not process.is_terminated:
        later = "its rate is known" if kind is CrossingWorkChain else "it can be continued"
        stopped = f"if it was stopped, continue it with: {aiida_cse('resume', process.pk)}"
        raise ValueError(f"{name} {process.pk}: has not ended; {later} when it has; {stopped}")


def _use_last_checkpoints(builder: Any, runs: dict[str, dict[str, Any]]) -> list[str]:
    """Let the runs that become longer continue from their last checkpoints here; return what they leave out.

    Raises
    ------
    ValueError
        A run has no checkpoint here.
    """
    plan, settings = builder.production.plan.get_dict(), builder.production.analysis.settings.get_dict()
    code = builder.production.base.lammps.code
    lost: dict[str, list[str]] = {}
    ends: list[tuple[orm.Data | None, float]] = []
    shortened: list[str] = []
    for label, temperature, _ in planned_runs(builder):
        run = runs.get(label, {})
        if not previous_of(run) or is_complete(run, plan, temperature, settings):
            continue
        earlier = _to_last_checkpoint(run, code, builder.production.plan, orm.Float(temperature))
        if earlier is not None:
            runs[label] = run = earlier
            shortened.append(f"run {label} {_shortened(run['folder'])}")
        error = folder_error(run["folder"], code)
        if error is not None:
            lost.setdefault(error, []).append(f"runs.{label}.folder = {path_of(run['folder'])}")
            ends.append((run.get("system"), temperature))
    if lost:
        reasons = "; ".join(f"{', '.join(places)}: {error}" for error, places in lost.items())
        raise ValueError(f"{reasons}{_instead(ends)}")
    return shortened


def _to_last_checkpoint(
    run: Mapping[str, Any], code: orm.AbstractCode, plan: orm.Dict, temperature: orm.Float
) -> dict[str, Any] | None:
    """Return a run up to its newest segment whose checkpoint is here; None if its end has one, or no segment.

    Its looks and its reduction are those of the kept segments. Without such a reduction it has none, and the kept
    trajectory is reduced again. A segment is passed over if a trajectory up to its end was deleted and no
    reduction of kept segments alone holds it.
    """
    if "folder" not in run or folder_error(run["folder"], code) is None:
        return None
    production = ProductionPlan.model_validate(plan.get_dict()).at(temperature.value)
    jobs = lineage(run["folder"])
    for number in range(len(jobs) - 1, 0, -1):
        outputs: Any = jobs[number - 1].outputs
        step = step_of(outputs.remote_folder) if "remote_folder" in outputs else None
        if not step or folder_error(outputs.remote_folder, code) is not None:
            continue
        kept: dict[str, Any] = {key: value for key, value in run.items() if key not in ("reduction", "looks")}
        kept["folder"] = outputs.remote_folder
        last, covered = production.last_frame(step), 0
        for reduction, _ in reductions_of(run["reduction"]) if "reduction" in run else ():
            count = covered_jobs(reduction, outputs.remote_folder)
            if count and reduction.base.attributes.get("last_step") <= last:
                kept["reduction"], covered = reduction, count
                break
        if any(is_discarded(job) for job in jobs[covered:number]):
            continue
        if "looks" in run:
            end = production.nanoseconds(step) * (1 + 1e-9)
            kept["looks"] = orm.List([look for look in run["looks"].get_list() if look["end_ns"] <= end])
        return kept
    return None


def _shortened(folder: orm.RemoteData) -> str:
    """Return that a run continues from an earlier folder, because there is no checkpoint at its end."""
    return (
        f"continues from step {step_of(folder)}, because the folders of what it ran after that are gone; the "
        "frames after that step are dropped and run again"
    )


def _instead(ends: Sequence[tuple[orm.Data | None, float]]) -> str:
    """Return how runs go on without their checkpoints, from their last systems and temperatures in K."""
    calls = [
        aiida_cse("launch", "production", "--system", system.pk, "--temperature", f"{temperature:g}")
        for system, temperature in ends
        if system is not None
    ]
    words = (
        "; a stored node is no checkpoint, but a new production, with a trajectory and a reduction of its own, "
        "can start from the positions and velocities at the end of the run: "
    )
    return words + "; ".join(calls) if calls else ""


def _longer(plan: dict[str, Any], temperatures: Sequence[float], length_ns: float) -> dict[str, Any]:
    """Return the plan with another length, at least that of the longest run at these temperatures (K)."""
    given = ProductionPlan.model_validate(plan)
    longest = max(given.at(temperature).length_ps for temperature in temperatures)
    if length_ns * 1000 < longest:
        raise ValueError(f"length_ns = {length_ns:g}: is shorter than before; give at least {longest / 1000:g}")
    return plan | {"length_ps": length_ns * 1000, "lengths": []}


def _results(production: orm.ProcessNode | None, outputs: dict[str, orm.Data]) -> dict[str, orm.Data]:
    """Return the results of a production with the ``folder`` to continue from.

    This is the folder of the job that made the last system or, after a failure, of the last complete segment.
    """
    run = {name: outputs[name] for name in ("interface", *RUN_OUTPUTS) if name in outputs}
    system = outputs.get("system")
    creator = None if system is None else system.creator
    if isinstance(creator, orm.CalcJobNode) and "remote_folder" in creator.outputs:
        return run | {"folder": creator.outputs.remote_folder}
    if production is None:
        return run
    folder = folder_to_continue(production)
    return run if folder is None else run | {"folder": folder}
