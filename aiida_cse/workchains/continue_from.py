"""A study or a production that goes on from what an earlier one left: longer, and a study with more runs too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida import orm
from aiida.engine import WorkChain

from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.workchains.common.builders import whole
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.study import MOST_REPLICAS, RUN_OUTPUTS, StudyWorkChain, previous_of

__all__ = ["get_builder_from", "get_builder_from_production", "get_builder_from_study"]


def get_builder_from(process: orm.WorkChainNode, *, length_ns: float | None = None, **runs: Any) -> Any:
    """Return the builder of what goes on with a study or a production, see the two functions below.

    Raises
    ------
    ValueError
        As below, or a production is asked for further temperatures or replicas.
    """
    if not _is(process, ProductionWorkChain):
        return get_builder_from_study(process, length_ns=length_ns, **runs)
    if any(value is not None for value in runs.values()):
        raise ValueError(
            f"{process.pk} is a production, one run: give a length; temperatures and replicas need a study"
        )
    return get_builder_from_production(process, length_ns=length_ns)


def get_builder_from_production(production: orm.WorkChainNode, *, length_ns: float | None) -> Any:
    """Return the builder of a production that goes on with another one, from its last checkpoint.

    Parameters
    ----------
    production
        A production that has ended, whether well or not.
    length_ns
        Its length, or its budget, in all; at least what it was.

    Raises
    ------
    ValueError
        It is no production, it still runs, no segment of it is whole, or it would be shorter than before.
    """
    _refuse_other(production, ProductionWorkChain)
    builder: Any = production.get_builder_restart()
    previous = previous_of(_results(production, {name: production.outputs[name] for name in production.outputs}))
    if not previous:
        raise ValueError(f"production: {production.pk} ended before its first segment was whole; launch it again")
    if length_ns is not None:
        inputs = production.inputs
        builder.plan = orm.Dict(_longer(inputs.plan.get_dict(), [inputs.temperature.value], length_ns))
    builder.previous = previous
    builder.metadata.label = f"continues {production.uuid}"
    return builder


def get_builder_from_study(
    study: orm.WorkChainNode,
    temperatures: Sequence[float] | None = None,
    replicas: int | None = None,
    length_ns: float | None = None,
) -> Any:
    """Return the builder of a study that goes on with another one; what that one has is not run again.

    Parameters
    ----------
    study
        A study that has ended, whether well or not.
    temperatures
        K; further temperatures, those of the study stay.
    replicas
        Runs at each temperature, old and new, at least as many as there are.
    length_ns
        Length of each run, or its budget, at least what it was; runs that are shorter go on from their checkpoint.

    Raises
    ------
    ValueError
        It is no study, it still runs, nothing more is asked for, or there would be less than before.
    """
    _refuse_other(study, StudyWorkChain)
    builder: Any = study.get_builder_restart()
    if temperatures is None and replicas is None and length_ns is None:
        raise ValueError("nothing more is asked for: give temperatures, replicas or a length")
    if temperatures is not None:
        builder.temperatures = orm.List(_more_temperatures(study.inputs.temperatures.get_list(), temperatures))
    if replicas is not None:
        builder.replicas = whole("replicas", replicas, study.inputs.replicas.value, MOST_REPLICAS)
    if length_ns is not None:
        plan, there = study.inputs.production.plan.get_dict(), study.inputs.temperatures.get_list()
        builder.production.plan = orm.Dict(_longer(plan, there, length_ns))
    builder.done = _what_is_done(study)
    builder.metadata.label = f"continues {study.uuid}"
    return builder


def _is(process: Any, kind: type[WorkChain]) -> bool:
    return isinstance(process, orm.WorkChainNode) and process.process_type == kind.build_process_type()


def _refuse_other(process: Any, kind: type[WorkChain]) -> None:
    name = "study" if kind is StudyWorkChain else "production"
    if not _is(process, kind):
        raise ValueError(
            f"{name}: node {process.pk} is a {type(process).__name__}, it must be the process of a {name}"
        )
    if not process.is_terminated:
        raise ValueError(f"{name}: {process.pk} still runs; it can be continued when it has ended")


def _more_temperatures(there: list[float], more: Sequence[float]) -> list[float]:
    known = {round(temperature) for temperature in there}
    return [*there, *(temperature for temperature in more if round(temperature) not in known)]


def _longer(plan: dict[str, Any], temperatures: Sequence[float], length_ns: float) -> dict[str, Any]:
    """Return the plan with another length, at least that of the longest run at these temperatures (K)."""
    given = ProductionPlan.model_validate(plan)
    longest = max(given.at(temperature).length_ps for temperature in temperatures)
    if length_ns * 1000 < longest:
        raise ValueError(f"length_ns = {length_ns:g}: there are {longest / 1000:g} so far, give at least that")
    return plan | {"length_ps": length_ns * 1000, "lengths": []}


# -- what an earlier study left -----------------------------------------------------------------------------


def _what_is_done(study: orm.WorkChainNode) -> dict[str, Any]:
    outputs = study.outputs
    done: dict[str, Any] = {phase: outputs[phase] for phase in ("ceramic", "electrolyte") if phase in outputs}
    runs = dict(outputs.runs.items()) if "runs" in outputs else {}
    done["runs"] = {label: _run(study, label, dict(run.items())) for label, run in runs.items()}
    return done


def _run(study: orm.WorkChainNode, label: str, outputs: dict[str, orm.Data]) -> dict[str, orm.Data]:
    """Return what a run left, with the folder to go on from."""
    calls = study.base.links.get_outgoing(link_label_filter=f"production_{label}").first()
    return _results(None if calls is None else calls.node, outputs)


def _results(production: orm.ProcessNode | None, outputs: dict[str, orm.Data]) -> dict[str, orm.Data]:
    """Return the results of a production, with the folder to go on from."""
    run = {name: outputs[name] for name in ("interface", *RUN_OUTPUTS) if name in outputs}
    folder = _last_folder(production, outputs.get("system"))
    return run if folder is None else run | {"folder": folder}


def _last_folder(production: orm.ProcessNode | None, system: orm.Data | None) -> orm.RemoteData | None:
    """Return the folder of the job that made the last system, or of the last whole segment of what failed."""
    if system is not None and isinstance(system.creator, orm.CalcJobNode):
        folder: orm.RemoteData = system.creator.outputs.remote_folder
        return folder
    segments = (
        [] if production is None else production.base.links.get_outgoing(link_label_filter="segment_%").all()
    )
    whole_ones = [
        link.node for link in sorted(segments, key=lambda link: link.link_label) if link.node.is_finished_ok
    ]
    return whole_ones[-1].outputs.remote_folder if whole_ones else None
