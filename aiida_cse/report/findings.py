"""Findings: the results of one process, or of analysed folders, in the form from which everything is shown.

Views, figures, pages and exports take :class:`Findings` and nothing else, so that they work on a process, on an
imported archive and on the files of ``aiida-cse analyse`` alike. What is large is read on first use. Processes are
read by :func:`aiida_cse.report.processes.findings_of`, folders by
:func:`aiida_cse.report.sources.findings_of_folders`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.system import System
from aiida_cse.report.results import ObservableResult, Results
from aiida_cse.report.words import of_form

__all__ = [
    "Change",
    "Findings",
    "Job",
    "Kind",
    "NodeRecord",
    "Origin",
    "Provenance",
    "RunFindings",
    "Scalars",
    "ThermoTable",
    "TimeShare",
    "by_temperature",
]

Kind = Literal["study", "production", "analysis", "quench", "validation", "kinetics", "crossing", "folders"]
#: results by observable and key, without arrays
Scalars = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Origin:
    """Origin of findings: a process or folders.

    Attributes
    ----------
    kind
        What was done.
    label
        Label of the process, or names of the folders; never empty.
    pk, uuid
        Of the process; None for folders.
    state
        In words, as ``finished [0]``; empty for folders.
    message
        Message of the exit code, empty without one.
    began, ended
        Time at which the process was created, and at which it changed last; None for folders.
    version
        Version of aiida-cse that ran the process or wrote the files.
    description
        Description of the process.
    """

    kind: Kind
    label: str
    pk: int | None = None
    uuid: str | None = None
    state: str = ""
    message: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    version: str = ""
    description: str = ""


@dataclass(frozen=True)
class ThermoTable:
    """Thermo table of one LAMMPS job.

    Attributes
    ----------
    part
        The part of the work, as ``ceramic`` or ``production T0700_r1``.
    stages
        Records of its stages, see :data:`~aiida_cse.calculations.functions.records.STAGE_RECORD`.
    columns
        By name of the thermo column of LAMMPS, the values in each row, in LAMMPS' units; ``stage`` is the index
        into ``stages``.
    pk
        Of the job.
    plan
        Plan of the job, as its input ``plan``; empty if it had a script instead.
    limits
        Limits of the plausibility check, as the input ``sanity`` of its restart chain; empty for the defaults.
    """

    part: str
    stages: tuple[Mapping[str, Any], ...]
    columns: Mapping[str, NDArray[np.float64]]
    pk: int
    plan: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One job: where it ran, with what, and how it ended.

    Attributes
    ----------
    part
        The part of the work, as ``ceramic`` or ``production_T0700_r1``.
    kind
        Name of its process, as ``LammpsStageCalculation``.
    pk, uuid
        Of the job.
    state, message
        In words, as ``finished [0]``, and the message of its exit code.
    computer, code
        Their labels.
    ranks
        MPI ranks.
    program
        The program with the version that it printed; empty if unknown.
    host
        The machine that ran it; empty if unknown.
    seconds
        Wall time of the program, s; None if unknown.
    restart_file
        Restart file from which it started; ``none`` from none, empty if unknown.
    exact
        Whether its run can be continued bit for bit, None if unknown.
    exact_reason
        Why not.
    cached_from
        UUID of the job whose results it has from the cache, else empty.
    warnings
        Warnings of the program, the first 20.
    """

    part: str
    kind: str
    pk: int
    uuid: str
    state: str
    message: str = ""
    computer: str = ""
    code: str = ""
    ranks: int = 1
    program: str = ""
    host: str = ""
    seconds: float | None = None
    restart_file: str = ""
    exact: bool | None = None
    exact_reason: str = ""
    cached_from: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """A recovery: a change that a restart chain made to a job.

    Attributes
    ----------
    part
        The part of the work.
    run
        The run of that part, as ``segment_001``.
    record
        What was changed and why, see :data:`~aiida_cse.calculations.functions.records.CHANGE_RECORD`.
    """

    part: str
    run: str
    record: Mapping[str, Any]


@dataclass(frozen=True)
class NodeRecord:
    """A node that a process used or made: name of its link, class, PK, UUID and label."""

    name: str
    kind: str
    pk: int
    uuid: str
    label: str


@dataclass(frozen=True)
class Provenance:
    """Where, from what and with what findings were computed.

    Attributes
    ----------
    versions
        By name of the Python package its version.
    jobs
        All jobs in the order of their calls.
    changes
        The recoveries.
    settings
        By name of the input, as ``production.plan``, the settings that were used.
    inputs, outputs
        The nodes.
    citations
        Sources of the force fields, each once.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    changes: tuple[Change, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: tuple[NodeRecord, ...] = ()
    outputs: tuple[NodeRecord, ...] = ()
    citations: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimeShare:
    """Time of the LAMMPS jobs of a process.

    Attributes
    ----------
    jobs
        Number of jobs that ended.
    cached
        Number of these whose results are from the cache.
    seconds
        Time of the others from their creation to their end, s.
    program_seconds
        Time of LAMMPS in these, s.
    """

    jobs: int
    cached: int
    seconds: float
    program_seconds: float

    @property
    def ran(self) -> int:
        """Number of jobs that ran."""
        return self.jobs - self.cached


@dataclass(frozen=True)
class RunFindings:
    """Results of one run: a production at one temperature.

    Attributes
    ----------
    label
        Name of the run within the findings, as ``T0700_r1``.
    temperature
        K.
    scalars
        Results by observable and key, without arrays: quick to read.
    missing
        For each observable without a result the reason.
    looks
        The results of the looks of an adaptive run, the first one first.
    uuids
        UUID of each result node by observable; empty for a folder.
    load_trajectory
        Reads the identities of the reduction and of the trajectory files, by their content.
    """

    label: str
    temperature: float
    scalars: Scalars
    missing: Mapping[str, str]
    load_results: Callable[[], Results]
    load_system: Callable[[], System | None] = lambda: None
    looks: Sequence[Mapping[str, Any]] = ()
    uuids: Mapping[str, str] = field(default_factory=dict)
    load_trajectory: Callable[[], frozenset[str]] = frozenset

    @cached_property
    def trajectory(self) -> frozenset[str]:
        """Identities of the reduction and of the trajectory files, by their content; empty if not known."""
        with of_form(f"runs.{self.label}.trajectory"):
            return self.load_trajectory()

    @cached_property
    def results(self) -> Results:
        """All results with arrays, units and meanings, populations and transitions in time."""
        with of_form(f"runs.{self.label}"):
            return self.load_results()

    @cached_property
    def system(self) -> System | None:
        """The interface at the end of the run, None if it was not kept."""
        with of_form(f"runs.{self.label}.system"):
            return self.load_system()

    def observable(self, name: str) -> ObservableResult | None:
        """Return a result with its arrays, None if the run has none of this name."""
        return self.results.observables.get(name)

    @property
    def equilibrated(self) -> bool | None:
        """The verdict; None without one, and if it is neither true nor false."""
        verdict = self.scalars.get("equilibration", {}).get("equilibrated")
        return bool(verdict) if isinstance(verdict, bool | np.bool_) else None


@dataclass(frozen=True)
class Findings:
    """Everything that one process, or some analysed folders, have found.

    Attributes
    ----------
    origin
        Where they are from.
    runs
        The runs by label, the hottest first.
    kinetics, shifts
        The joint kinetics and the shifts Δz; None without them.
    starts
        By temperature label, as ``T0700``, the judgement of runs with different starts.
    comparison
        Hot against cold of a quench.
    crossing, crossing_profile, transmission
        Rate, F(z) and κ(t) of a crossing.
    crossings
        By label, as ``T0400_left``, the rates of the crossings of a study.
    crossing_profiles
        F(z) of the crossings of a study, or of those whose rates the joint kinetics took.
    validation
        Of a validation: the nodes ``expected``, ``checks`` and ``landscape`` as mappings, and its ``settings``.
    stages
        By part of the work the records of its stages.
    recipe, protocol
        The recipe, and the protocol's settings as they were used; empty if they are not known.
    load_thermo
        Reads the thermo tables of all LAMMPS jobs, in the order of time.
    load_phases
        Reads the systems of the phases by name, as ``ceramic``.
    load_provenance
        Reads where and with what they were computed.
    load_time
        Reads the time of the LAMMPS jobs.
    load_settings
        Reads the settings that a user chose.
    load_ancestors
        Reads the systems from which the results came.
    """

    origin: Origin
    runs: Mapping[str, RunFindings]
    kinetics: ObservableResult | None = None
    shifts: ObservableResult | None = None
    starts: Mapping[str, ObservableResult] = field(default_factory=dict)
    comparison: ObservableResult | None = None
    crossing: ObservableResult | None = None
    crossing_profile: ObservableResult | None = None
    transmission: ObservableResult | None = None
    crossings: Mapping[str, ObservableResult] = field(default_factory=dict)
    crossing_profiles: Sequence[ObservableResult] = ()
    validation: Mapping[str, Any] = field(default_factory=dict)
    stages: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    load_thermo: Callable[[], Sequence[ThermoTable]] = tuple
    load_phases: Callable[[], Mapping[str, System]] = dict
    load_provenance: Callable[[], Provenance] = Provenance
    load_time: Callable[[], TimeShare | None] = lambda: None
    load_settings: Callable[[], Mapping[str, Any]] = dict
    load_ancestors: Callable[[], Mapping[str, str]] = dict

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Settings that a user chose, by name of the input in a study, as ``production.plan``."""
        with of_form("settings"):
            return self.load_settings()

    @cached_property
    def ancestors(self) -> Mapping[str, str]:
        """Systems from which the results came: by identity of the content phase and PK, as ``slab <12>``."""
        with of_form("ancestors"):
            return self.load_ancestors()

    @cached_property
    def thermo(self) -> Sequence[ThermoTable]:
        """Thermo tables of all LAMMPS jobs, in the order of time; empty if they are not known."""
        with of_form("thermo"):
            return self.load_thermo()

    @cached_property
    def provenance(self) -> Provenance:
        """Jobs, recoveries, settings, nodes and sources; empty for folders."""
        with of_form("provenance"):
            return self.load_provenance()

    @cached_property
    def phases(self) -> Mapping[str, System]:
        """The systems of the phases by name."""
        with of_form("phases"):
            return self.load_phases()

    @cached_property
    def time(self) -> TimeShare | None:
        """Time of the LAMMPS jobs; None without a job."""
        return self.load_time()

    @property
    def temperatures(self) -> list[float]:
        """The temperatures of the runs, K, each once, the highest first."""
        return sorted({run.temperature for run in self.runs.values()}, reverse=True)


def by_temperature(runs: Mapping[str, RunFindings]) -> dict[str, RunFindings]:
    """Return the runs by label, the hottest first, those of one temperature in the order of their labels."""
    return dict(sorted(runs.items(), key=lambda item: (-item[1].temperature, item[0])))
