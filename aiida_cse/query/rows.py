"""Rows of the tables of studies and runs, assembled from what :mod:`aiida_cse.query.reading` reads."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any

from aiida_cse.query.reading import LAMMPS, Called, Given, Process, Reader
from aiida_cse.query.states import Engine, State, changed_at, has_ended, state_of
from aiida_cse.workchains.common.protocol import ProtocolMixin
from aiida_cse.workchains.common.starts import AS_BUILT, FILLED, run_label

__all__ = ["KINDS", "RunRow", "StudyRow", "read_rows"]

_PRODUCTION, _ANALYSIS = "aiida.workflows:cse.production", "aiida.workflows:cse.analysis"
#: kinds of processes with results, by the name of their entry point; an analysis of its own is one of two kinds
_BY_TYPE = {
    "cse.study": "study",
    "cse.quench": "quench",
    "cse.validate": "validation",
    "cse.validate_crossing": "validation",
    "cse.production": "production",
    "cse.crossing": "crossing",
}
KINDS = (*_BY_TYPE.values(), "reanalysis", "imported")

#: results of a run without those that name an ion
_VERDICT = (
    "temperature_K",
    "time_ns",
    "end_ns",
    "equilibrated",
    "kind",
    "decided_by",
    "ec",
    "ec_lower_bound",
    "rate_upper_bound_per_s",
)
#: results of a run that name an ion, by observable
_OF_IONS = {
    "populations": ("n_{}_excess", "n_{}_excess_error", "n_{}_excess_interval"),
    "barrier": (
        "barrier_{}_K",
        "barrier_{}_error_K",
        "barrier_{}_interval_K",
        "barrier_{}_lower_bound_K",
        "kappa_{}",
        "kappa_{}_interval",
    ),
    "transitions": (
        "s_in_{}_ceramic",
        "s_out_{}_ceramic",
        "rate_in_{}_ceramic_per_ion_per_s",
        "rate_in_{}_ceramic_per_ion_per_s_interval",
    ),
}
#: results of the joint kinetics that are shown
_RATES = re.compile(r"energy_(interval_)?K|rate_\d{4}K_(interval_|upper_bound_)?per_s")
#: ions of one profile; more are not asked for
_MOST_IONS = 12
_MOST_RUNS = 10_000


@dataclass(frozen=True)
class RunRow:
    """A run: a production at one temperature, or an analysis.

    Attributes
    ----------
    pk, uuid, kind, state
        Of the process in :class:`StudyRow` that it belongs to.
    run
        Label of the run, as ``T0700_r1``, ``hot``, or the temperature where there is one run.
    temperature_K
        K.
    done_ns, asked_ns
        Simulated length, and that which was asked for, ns.
    time_ns
        Analysed time, ns.
    equilibrated, verdict
        The verdict, None before the first one, and in words.
    ion
        The ion that decided it.
    ec, ec_lower_bound
        Equilibration coefficient and its one-sided lower bound.
    rate_upper_bound_per_s
        Upper bound of the rate of entries, s⁻¹.
    quantities
        Further numbers by their keys in the results; of an interval, ``low`` and ``high`` stand in the place of
        ``interval``.
    """

    pk: int
    uuid: str
    kind: str
    state: State
    run: str
    temperature_K: float | None = None  # noqa: N815 - the key of the result node
    done_ns: float | None = None
    asked_ns: float | None = None
    time_ns: float | None = None
    equilibrated: bool | None = None
    verdict: str = ""
    ion: str = ""
    ec: float | None = None
    ec_lower_bound: float | None = None
    rate_upper_bound_per_s: float | None = None
    quantities: Mapping[str, float | None] = field(default_factory=dict)

    def of_ion(self, key: str) -> float | None:
        """Return a further number of the ion that decided, as ``n_{}_excess``."""
        return self.quantities.get(key.format(self.ion.lower()))


@dataclass(frozen=True)
class StudyRow:
    """A study, quench, validation, production, reanalysis or imported run that no process of this plugin called.

    Attributes
    ----------
    pk, uuid, label
        Of its process. A process without a label has that of the system or of the reduction which it took.
    kind
        One of :data:`KINDS`, else the entry point of the phase that was launched alone.
    recipe
        Name of the recipe; empty if it took none.
    protocol
        Name of the protocol with this plan of a production, apart from its length; empty if there is none.
    temperatures_K
        Temperatures of the runs, K, the highest first.
    runs, runs_judged, runs_equilibrated
        Number of runs, of those with a verdict, and of those that have equilibrated.
    equilibrated
        Whether all runs have equilibrated; None if no run was judged.
    done_ns, asked_ns
        Simulated length of all runs, and that which was asked for, ns.
    may_stop_early
        Whether a run may end before the length that was asked for.
    state
        One of :data:`~aiida_cse.query.states.STATES`.
    created, changed
        Creation, and last change of the state.
    process_state, exit_status, exit_message
        As AiiDA has them.
    rows
        The runs.
    quantities
        Numbers of the joint kinetics by their keys.
    """

    pk: int
    uuid: str
    kind: str
    label: str
    recipe: str
    protocol: str
    temperatures_K: tuple[float, ...]  # noqa: N815 - as in the results
    runs: int
    runs_judged: int
    runs_equilibrated: int
    equilibrated: bool | None
    done_ns: float | None
    asked_ns: float | None
    may_stop_early: bool
    state: State
    created: datetime
    changed: datetime
    process_state: str
    exit_status: int | None
    exit_message: str
    rows: tuple[RunRow, ...]
    quantities: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def since(self) -> datetime:
        """Time of the launch of a running process; of any other, the time at which its state began."""
        return self.created if self.state == "running" else self.changed


def read_rows() -> list[StudyRow]:
    """Return the studies, quenches, validations, productions and analyses of the profile, the newest first."""
    reader, engine = Reader(), Engine()
    processes = reader.processes()
    given = reader.inputs()
    plans = reader.attributes(
        {one.pk for inputs in given.values() for name, one in inputs.items() if "plan" in name}
    )
    unfinished = [one.pk for one in processes if not has_ended(one)]
    root_of = {pk: pk for pk in unfinished}
    below: dict[int, list[Called]] = {}
    # callers stand before those that they called
    for one in reader.called(unfinished) if unfinished else []:
        below.setdefault(root_of.setdefault(one.pk, root_of[one.caller]), []).append(one)
    found = _Results(reader, below)
    steps = reader.steps([one.pk for group in below.values() for one in group if one.process_type == LAMMPS])
    rows = []
    for process in processes:
        inputs, called = given.get(process.pk, {}), below.get(process.pk, [])
        asked = _Asked.of(process, inputs, plans)
        runs = dict(asked.runs)
        for place, values in found.of(process.pk).items():
            label = _label(process, place, values)
            run = runs.get(label, _Run())
            kelvin = _number(values.get("temperature_K"))
            temperature = run.temperature if kelvin is None else kelvin
            asked_ns = run.asked_ns if run.asked_ns is not None else _asked_ns(asked.plan, temperature)
            last_step = _number(values.get("last_step"))
            runs[label] = _Run(temperature, asked_ns, run.step if last_step is None else last_step, values)
        for label, step in _reached(process, called, steps).items():
            runs[label] = replace(runs.get(label, _Run()), step=step)
        state = state_of(process, called, engine)
        rows.append(
            _study_row(process, asked, runs, state, changed_at(process, called), found.kinetics(process.pk))
        )
    return rows


# -- what was asked for --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """A run before it becomes a row: its temperature, its length, its last step, and its results by key."""

    temperature: float | None = None
    asked_ns: float | None = None
    step: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    """What the inputs of a process ask for."""

    kind: str
    label: str
    recipe: str
    plan: Mapping[str, Any]
    runs: Mapping[str, _Run]

    @classmethod
    def of(cls, process: Process, inputs: Mapping[str, Given], plans: Mapping[int, Mapping[str, Any]]) -> _Asked:
        entry_point = process.process_type.rpartition(":")[2]
        kind = _BY_TYPE.get(entry_point, entry_point.removeprefix("cse."))
        if process.process_type == _ANALYSIS:
            reduction = inputs.get("reduction")
            kind = "reanalysis" if reduction is None or reduction.made else "imported"
        named = {name: plans.get(one.pk, {}) for name, one in inputs.items() if "plan" in name}
        first = next((one for name in ("production__plan", "plan", "hot__plan") if (one := named.get(name))), {})
        taken = next((inputs[name].label for name in ("reduction", "system") if name in inputs), "")
        recipe = inputs["recipe"].name if "recipe" in inputs else None
        return cls(
            kind,
            _one_line(process.label) or _one_line(taken),
            _one_line(recipe),
            first,
            _planned(kind, inputs, named, first),
        )


def _planned(
    kind: str, inputs: Mapping[str, Given], plans: Mapping[str, Mapping[str, Any]], first: Mapping[str, Any]
) -> dict[str, _Run]:
    """Return the runs that the inputs of a process name, by label."""
    temperature = _number(inputs["temperature"].value) if "temperature" in inputs else None
    if kind == "quench":
        hot = _number(inputs["hot_temperature"].value) if "hot_temperature" in inputs else None
        return {
            name: _Run(kelvin, _asked_ns(plans.get(f"{name}__plan", {}), kelvin))
            for name, kelvin in (("hot", hot), ("cold", temperature))
        }
    if kind == "crossing":
        return {"": _Run(temperature)}
    if kind in ("production", "reanalysis", "imported"):
        before = inputs.get("previous__reduction")
        step = None if before is None else _number(before.last_step)
        return {"": _Run(temperature, _asked_ns(first, temperature), step)}
    if kind != "study":
        return {}
    listed = inputs["temperatures"].list if "temperatures" in inputs else None
    kelvins = [kelvin for one in listed if (kelvin := _number(one))] if isinstance(listed, list) else []
    replicas = inputs["replicas"].value if "replicas" in inputs else 1
    starts = inputs["starts"].list if "starts" in inputs else [AS_BUILT]
    if not isinstance(replicas, int) or not isinstance(starts, list):
        return {}
    if len(kelvins) * replicas * len(starts) > _MOST_RUNS:
        return {}
    runs = {}
    for kelvin in kelvins:
        for replica in range(1, replicas + 1):
            for start in starts:
                label = run_label(kelvin, replica, str(start))
                done = inputs.get(f"done__runs__{label}__reduction")
                step = None if done is None else _number(done.last_step)
                runs[label] = _Run(kelvin, _asked_ns(first, kelvin), step)
    return runs


def _asked_ns(plan: Mapping[str, Any], kelvin: float | None) -> float | None:
    """Return the length of a production at a temperature, ns; see ``ProductionPlan.at``."""
    length, lengths = _number(plan.get("length_ps")), plan.get("lengths")
    if kelvin is not None and isinstance(lengths, list):
        pairs = (pair for pair in lengths if isinstance(pair, list) and len(pair) == 2)
        special = {round(given): _number(there) for one, there in pairs if (given := _number(one)) is not None}
        length = special.get(round(kelvin), length)
    return None if length is None else length / 1000


class _Production(ProtocolMixin):
    """The protocols of a production."""

    protocol_name = "production"


class _Validation(ProtocolMixin):
    """The protocols of a validation."""

    protocol_name = "validate"


@cache
def _known_plans() -> dict[str, dict[str, Any]]:
    known = {name: _Production.get_protocol_inputs(name)["plan"] for name in _Production.get_available_protocols()}
    for name in _Validation.get_available_protocols():
        # a validation gives its plan as overrides
        plan = _Validation.get_protocol_inputs(name)["production"]["plan"]
        known[name] = _Production.get_protocol_inputs(None, {"plan": plan})["plan"]
    return known


# -- what came out -------------------------------------------------------------------------------------------


class _Results:
    """The results of all outermost processes, of those that have not ended from their last looks."""

    def __init__(self, reader: Reader, below: Mapping[int, list[Called]]) -> None:
        self._reader = reader
        self._found: dict[int, dict[tuple[str, ...], dict[str, Any]]] = {}
        # process that holds the results, and place in them, by the PK of the process that returned them
        self._looks = {
            look.pk: (root, place)
            for root, called in below.items()
            for place, look in _last_looks(root, called).items()
        }
        self._read("equilibration", _VERDICT)
        ions = {ion.lower() for runs in self._found.values() for values in runs.values() if (ion := _ion(values))}
        chosen = sorted(ions)[:_MOST_IONS]
        for observable, keys in _OF_IONS.items():
            if chosen:
                self._read(observable, [key.format(ion) for ion in chosen for key in keys])
        self._read("reduction", ("last_step",))
        kinetics = {one.process: one.pk for one in reader.results("kinetics", ()) if len(one.parts) == 1}
        contents = reader.attributes(set(kinetics.values()))
        self._kinetics = {process: contents.get(pk, {}) for process, pk in kinetics.items()}

    def _read(self, name: str, keys: Iterable[str]) -> None:
        """Add the results of one name, of ended processes and of the last looks of the others."""
        listed = list(keys)
        found = [(one.process, one.parts[:-1], one.values) for one in self._reader.results(name, listed)]
        if self._looks:
            looks = self._reader.results(name, listed, self._looks)
            found += [(*self._looks[one.process], one.values) for one in looks]
        for process, place, values in found:
            self._found.setdefault(process, {}).setdefault(place, {}).update(values)

    def of(self, process: int) -> dict[tuple[str, ...], dict[str, Any]]:
        """Return the results by place: the parts of the label of the link before the name of the result."""
        return self._found.get(process, {})

    def kinetics(self, process: int) -> dict[str, float | None]:
        """Return the numbers of the joint kinetics."""
        found = self._kinetics.get(process, {})
        keys = (key for key in found if _RATES.fullmatch(key))
        # a number stands before its interval and its bound; PostgreSQL does not keep the order
        ordered = sorted(keys, key=lambda key: (re.sub("_(interval|upper_bound)", "", key), len(key)))
        return _flat({key: found[key] for key in ordered})


def _last_looks(root: int, called: Iterable[Called]) -> dict[tuple[str, ...], Called]:
    """Return the last finished look of each production of an unfinished process, by the place of its results."""
    places: dict[int, tuple[str, ...]] = {root: ()}
    places |= {
        one.pk: ("runs", one.call.removeprefix("production_"))
        if one.call.startswith("production_")
        else (one.call,)
        for one in called
        if one.caller == root and one.process_type == _PRODUCTION
    }
    found: dict[tuple[str, ...], Called] = {}
    for one in sorted(called, key=lambda other: (other.created, other.pk)):
        if one.process_type == _ANALYSIS and one.state == "finished" and one.caller in places:
            found[places[one.caller]] = one
    return found


def _label(process: Process, place: tuple[str, ...], values: Mapping[str, Any]) -> str:
    """Return the label of the run at a place of the results, see :func:`_planned`."""
    kelvin = _number(values.get("temperature_K"))
    if place[:1] == ("second_start",):
        return run_label(kelvin or 0, 1, FILLED)
    return place[-1] if place else ""


def _reached(process: Process, called: Iterable[Called], steps: Mapping[int, Any]) -> dict[str, float]:
    """Return the last step that the productions of an unfinished process have finished, by label of the run."""
    productions = {process.pk: ""} if process.process_type == _PRODUCTION else {}
    listed = list(called)
    for one in listed:
        if one.caller == process.pk and one.process_type == _PRODUCTION:
            productions[one.pk] = one.call.removeprefix("production_")
    segments = {one.pk: productions[one.caller] for one in listed if one.caller in productions}
    found: dict[str, float] = {}
    for one in listed:
        step = _number(steps.get(one.pk)) if one.caller in segments else None
        if step is not None:
            label = segments[one.caller]
            found[label] = max(step, found.get(label, 0.0))
    return found


# -- rows ----------------------------------------------------------------------------------------------------


def _study_row(
    process: Process,
    asked: _Asked,
    runs: Mapping[str, _Run],
    state: State,
    changed: datetime,
    kinetics: Mapping[str, float | None],
) -> StudyRow:
    timestep = _number(asked.plan.get("timestep_fs"))
    rows = [
        _run_row(process, asked.kind, state, label, run, timestep)
        for label, run in sorted(runs.items(), key=lambda item: (-(item[1].temperature or 0), item[0]))
    ]
    judged = [row.equilibrated for row in rows if row.equilibrated is not None]
    done = [row.done_ns for row in rows if row.done_ns is not None]
    wanted = [row.asked_ns for row in rows if row.asked_ns is not None]
    stop = asked.plan.get("stop")
    kept = {key: value for key, value in asked.plan.items() if key not in ("length_ps", "lengths")}
    plans = _known_plans() if kept else {}
    return StudyRow(
        pk=process.pk,
        uuid=str(process.uuid),
        kind=asked.kind,
        label=asked.label,
        recipe=asked.recipe,
        protocol=next((name for name, known in plans.items() if kept.items() <= known.items()), ""),
        temperatures_K=tuple(
            sorted({row.temperature_K for row in rows if row.temperature_K is not None}, reverse=True)
        ),
        runs=len(rows),
        runs_judged=len(judged),
        runs_equilibrated=sum(judged),
        equilibrated=all(judged) and len(judged) == len(rows) if judged else None,
        done_ns=sum(done) if done else None,
        asked_ns=sum(wanted) if wanted else None,
        may_stop_early=isinstance(stop, Mapping) and stop.get("rule") == "equilibrated",
        state=state,
        created=process.created,
        changed=changed,
        process_state=process.state if isinstance(process.state, str) else "",
        exit_status=process.exit_status if isinstance(process.exit_status, int) else None,
        exit_message=_one_line(process.exit_message),
        rows=tuple(rows),
        quantities=kinetics,
    )


def _run_row(process: Process, kind: str, state: State, label: str, run: _Run, timestep: float | None) -> RunRow:
    values = run.values
    equilibrated = values.get("equilibrated")
    # SQLite has 0 and 1 for false and true
    known = bool(equilibrated) if equilibrated in (0, 1) else None
    if timestep is None or run.step is None:
        done = _number(values.get("end_ns"))
        done = _number(values.get("time_ns")) if done is None else done
    else:
        done = run.step * timestep * 1e-6
    ion = _ion(values)
    further = {key: value for key, value in values.items() if key not in (*_VERDICT, "last_step")}
    return RunRow(
        pk=process.pk,
        uuid=str(process.uuid),
        kind=kind,
        state=state,
        run=_one_line(label) or ("" if run.temperature is None else f"{run.temperature:g} K"),
        temperature_K=run.temperature,
        done_ns=done,
        asked_ns=run.asked_ns,
        time_ns=_number(values.get("time_ns")),
        equilibrated=known,
        verdict=_one_line(values.get("kind"))
        or {None: "", True: "equilibrated", False: "not equilibrated"}[known],
        ion=ion,
        ec=_number(values.get("ec")),
        ec_lower_bound=_number(values.get("ec_lower_bound")),
        rate_upper_bound_per_s=_number(values.get("rate_upper_bound_per_s")),
        quantities=_flat(further),
    )


def _flat(values: Mapping[str, Any]) -> dict[str, float | None]:
    """Return numbers by key; an interval becomes ``low`` and ``high`` in the place of that word."""
    flat: dict[str, float | None] = {}
    for key, value in values.items():
        if "interval" in key:
            ends = value if isinstance(value, list) and len(value) == 2 else (None, None)
            flat |= {
                key.replace("interval", word): _number(end)
                for word, end in zip(("low", "high"), ends, strict=True)
            }
        else:
            flat[key] = _number(value)
    return flat


def _ion(values: Mapping[str, Any]) -> str:
    """Return the first ion that decided the verdict; earlier versions, which do not name it, mean lithium."""
    decided_by = values.get("decided_by")
    if decided_by is None and values.get("ec") is None:
        return ""
    first = decided_by[0] if isinstance(decided_by, list) and decided_by else "Li"
    return first if isinstance(first, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", first) else ""


def _number(value: Any) -> float | None:
    """Return a finite number, None for anything else."""
    try:
        return value if isinstance(value, int | float) and math.isfinite(value) else None
    except OverflowError:
        return None


def _one_line(text: Any) -> str:
    """Return a text in one line without control characters, which a terminal would obey."""
    if not isinstance(text, str):
        return ""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
