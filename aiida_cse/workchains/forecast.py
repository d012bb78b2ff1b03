"""Forecast of a process from its builder: its system, its jobs, what they cost, and what speaks against it."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.manage import get_manager

from aiida_cse.building.forecast import InterfaceForecast, LayerFit, forecast_interface, layers_fit
from aiida_cse.building.interface.excess import LEAST_GAP, population_deviation, refused_excess
from aiida_cse.building.passage import passage_into, passage_of
from aiida_cse.building.recipe import Recipe, available_recipes
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.engine.daemon import adding_workers, daemon_hint, slots_in_use, worker_slots
from aiida_cse.lammps.files.system import SystemInfo
from aiida_cse.lammps.protocol.cooling import CoolingPlan
from aiida_cse.lammps.protocol.crossing import CrossingPlan, Passage
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.schedule import job_plans
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.landscape.model import draw_landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.landscape.system import landscape_system
from aiida_cse.physics.crossing.umbrella import LEAST_CORRELATION_TIMES
from aiida_cse.reduction.layers import SURFACE_OFFSETS
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.workchains.common.availability import local_work_folder
from aiida_cse.workchains.common.costs import Duration, Part, duration_of, folder_bytes, stored_bytes
from aiida_cse.workchains.common.crossings import planned_crossings
from aiida_cse.workchains.common.speeds import measured_speeds
from aiida_cse.workchains.common.starts import AS_BUILT, FILLED, planned_runs, run_label, starts_of
from aiida_cse.workchains.crossing import LEAST_ROUNDS, MORE_ROUNDS, crossing_jobs
from aiida_cse.workchains.production import sampling_of
from aiida_cse.workchains.restart.lineage import step_of
from aiida_cse.workchains.study import is_complete

__all__ = ["Disk", "Forecast", "forecast", "slots_of"]

#: s and bytes from which a process is started only after a question
_LONG, _LARGE = 86_400.0, 10e9
#: ps of simulation at constant pressure after which a layer counts as relaxed
_RELAXED_PS = 100.0
#: nodes of a LAMMPS job, of a look, and of everything else of a process, measured with the demo and the validation
_NODES_OF_JOB, _NODES_OF_LOOK, _OTHER_NODES = 9, 30, 60
#: ps; mean length of a short trajectory from the top of a barrier, backward and forward together
_SHOT_PS = 0.5
#: κ for which the precision of Γ is forecast, about that which Kozdra et al., PCCP 27, 24918 (2025), fit
_KAPPA = 0.05
#: fraction of the wall time that a job uses
_USED = 0.95
_LOCAL = "core.local"


@dataclass(frozen=True)
class Disk:
    """Bytes that a process needs at most, and those that are free; None where that cannot be known."""

    folders: float
    repository: float
    folders_free: int | None = None
    repository_free: int | None = None


@dataclass(frozen=True)
class Forecast:
    """What a process will do, need and cost.

    Attributes
    ----------
    title
        The process and what it is about.
    phases
        Its parts in order of time; the parts of a phase run at the same time.
    disk
        What it writes.
    interface
        The interface that it builds, None if it builds none.
    subject
        The option of ``aiida-cse calibrate`` that measures the speed of this system.
    layers
        The room for the layers of the ions at each temperature (K) of an interface that is built.
    durations
        Wall time of each part by its name, None if no speed was measured.
    above
        Number of processes that wait for those of the parts.
    refusals, warnings, notes
        Reasons why it cannot give what it is started for, what may be wrong, and what is worth knowing.
    """

    title: str
    phases: tuple[tuple[Part, ...], ...]
    disk: Disk
    interface: InterfaceForecast | None = None
    subject: tuple[str, ...] = ()
    layers: Mapping[float, LayerFit] = field(default_factory=dict)
    durations: Mapping[str, Duration | None] = field(default_factory=dict)
    above: int = 1
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts."""
        return tuple(part for phase in self.phases for part in phase)

    @property
    def jobs(self) -> int:
        """Number of LAMMPS jobs at most."""
        return sum(len(part.jobs) for part in self.parts)

    @property
    def nodes(self) -> int:
        """Number of nodes at most, roughly."""
        looks = sum(len(part.looks) for part in self.parts)
        return self.jobs * _NODES_OF_JOB + looks * _NODES_OF_LOOK + _OTHER_NODES

    @property
    def slots(self) -> int:
        """Number of processes that run at the same time, each of which takes a slot of a worker."""
        return self.above + max((sum(part.processes for part in phase) for phase in self.phases), default=3)

    @property
    def seconds(self) -> tuple[float, float] | None:
        """Wall time until the earliest and until the latest end, s; None if a speed is not known."""
        least = most = 0.0
        for phase in self.phases:
            found = [(part, self.durations.get(part.name)) for part in phase]
            known = [(part, one) for part, one in found if one is not None]
            if len(known) < len(found):
                return None
            least += _together(known, [one.least for _, one in known])
            most += _together(known, [one.most for _, one in known])
        return (least, most) if self.phases else None

    @property
    def needs_consent(self) -> bool:
        """Whether the process should be started only after a question: it has warnings, or it is large."""
        most = math.inf if self.phases and self.seconds is None else (self.seconds or (0.0, 0.0))[1]
        unknown_length = math.isinf(most) and sum(part.picoseconds for part in self.parts) > 1000
        return bool(self.warnings) or (_LONG < most < math.inf) or unknown_length or self.disk.folders > _LARGE


def forecast(builder: Any) -> Forecast:
    """Return the forecast of a process from its valid builder; nothing is stored or started."""
    name = builder.process_class.__name__
    found = (
        _FORECASTS[name](builder)
        if name in _FORECASTS
        else Forecast(name.removesuffix("WorkChain").lower(), (), Disk(0.0, 0.0))
    )
    speeds = {part.code.uuid: measured_speeds(part.code) for part in found.parts if part.code.is_stored}
    durations = {
        part.name: duration_of(part, speeds.get(part.code.uuid, []), _cores_here(part)) for part in found.parts
    }
    places = (local_work_folder(part.code.computer) for part in found.parts)
    folders = next((place for place in places if place is not None), None)
    profile = get_manager().get_profile()
    repository = None if profile is None else Path(str(get_manager().get_config().dirpath))
    found = replace(
        found,
        durations=durations,
        disk=Disk(
            sum(folder_bytes(part) for part in found.parts),
            stored_bytes(found.parts),
            _free(folders),
            _free(repository),
        ),
    )
    return replace(found, warnings=(*found.warnings, *_warnings(found)), notes=(*found.notes, *_notes(found)))


def slots_of(process: orm.ProcessNode) -> int | None:
    """Return how many slots of workers a stored process holds at most; None if there is no forecast of it."""
    made = _FORECASTS.get(process.process_label or "")
    try:
        return None if made is None else made(process.get_builder_restart()).slots
    except Exception:  # inputs of another version; all else about the process can be told nevertheless
        return None


# -- the parts of each process -----------------------------------------------------------------------------


def _schedule(
    name: str, inputs: Any, atoms: int, temperature: float | None = None, *, bonded: bool = True
) -> Part:
    """Return the part of a phase from its inputs."""
    if temperature is None and "temperature" in inputs:
        temperature = inputs.temperature.value
    plans = job_plans(inputs.schedule.get_dict(), seed=1, temperature=temperature)
    return Part(name, tuple(JobPlan.model_validate(plan) for plan in plans), inputs.base, atoms, bonded)


def _production(
    name: str, inputs: Any, temperature: float, size: _Size, previous: orm.RemoteData | None = None
) -> Part:
    """Return the part of a production from its inputs, after the job with the folder ``previous``."""
    plan = ProductionPlan.model_validate(inputs.plan.get_dict()).at(temperature)
    start = 0 if previous is None else step_of(previous) or 0
    looks = plan.looks(start)
    sampling = Sampling.model_validate(sampling_of(inputs.plan.get_dict(), inputs.sampling.get_dict()))
    earliest = None if plan.stop.rule == "fixed" else looks[min(plan.stop.confirmations, len(looks)) - 1]
    return Part(
        name,
        tuple(JobPlan.model_validate(segment) for segment in plan.segments(temperature, 1, start)),
        inputs.base,
        size.atoms,
        followed=size.followed,
        looks=tuple(looks),
        until_reduced=plan.keep_trajectory != "always",
        earliest=earliest,
        counts_per_ps=size.counts_per_ps(sampling),
        coordinates=size.coordinates(sampling),
    )


@dataclass(frozen=True)
class _Size:
    """Numbers of ``atoms``, of those of framework and ions, and of atom ``types``; ``length`` of the box, Å."""

    atoms: int
    followed: int
    types: int
    length: float

    @classmethod
    def of(cls, info: SystemInfo) -> _Size:
        """Return the size of an interface."""
        low, high = info.box[2]
        return cls(info.natoms, info.atoms_of(info.ion_types()), len(info.types), high - low)

    def coordinates(self, sampling: Sampling) -> int:
        """Return how many coordinates a reduction keeps at both ends, for displacements across them, at most."""
        between = sampling.displacement_ps or min(10 * sampling.frame_ps, *sampling.lags_ps, math.inf)
        return math.ceil(max(sampling.lags_ps, default=0.0) / between) * 3 * self.followed

    def counts_per_ps(self, asked: Sampling) -> float:
        """Return how many numbers a reduction with this sampling counts per ps of a trajectory."""
        width = asked.ion_bin_width or asked.bin_width
        ions = self.length / width if width else asked.bins
        streams = [
            stream.bins or (self.length / stream.bin_width if stream.bin_width else ions)
            for stream in (asked.streams or {}).values()
        ]
        return (self.types * sum(streams or [ions]) + 2 * ions) / asked.block_ps


def _of_study(builder: Any) -> Forecast:
    recipe = Recipe.model_validate(builder.recipe.get_dict())
    built = forecast_interface(recipe)
    done, types = builder.get("done", {}), len(chemistry_of(recipe).types)
    phases = []
    if "ceramic" not in done:
        phases.append((_schedule("ceramic", builder.ceramic, built.slab, bonded=False),))
    if "electrolyte" not in done:
        phases.append((_schedule("electrolyte", builder.electrolyte, built.electrolyte + built.wall),))
    plan, settings = builder.production.plan.get_dict(), builder.production.analysis.settings.get_dict()
    interfaces, productions = [], []
    for label, temperature, _ in planned_runs(builder):
        run = done.get("runs", {}).get(label, {})
        size = _Size(built.atoms, built.followed, types, built.thickness + (built.layer(temperature) or 0.0))
        if "interface" not in run:
            interfaces.append(_schedule(f"interface {label}", builder.interface, built.atoms, temperature))
        if not is_complete(run, plan, temperature, settings):
            name, folder = f"production {label}", run.get("folder")
            productions.append(_production(name, builder.production, temperature, size, folder))
    crossings, said = _crossings_of_study(builder, built)
    found = Forecast(
        f"study of {recipe.name}",
        tuple(phase for phase in (*phases, tuple(interfaces), tuple(productions), crossings) if phase),
        Disk(0.0, 0.0),
        built,
        ("--recipe", recipe.name if recipe.name in available_recipes() else "FILE"),
        **said,
    )
    if not interfaces:
        return found
    found = _with_layers(found, builder, recipe, interfaces[0])
    refusals, warnings = _starts(builder, recipe, built)
    return replace(found, refusals=(*found.refusals, *refusals), warnings=(*found.warnings, *warnings))


def _crossings_of_study(builder: Any, built: InterfaceForecast) -> tuple[tuple[Part, ...], dict[str, Any]]:
    """Return the ladders of the crossings that a study will run, and what is worth knowing of them.

    The system does not exist yet: slab and electrolyte are those of the forecast.
    """
    planned, done = planned_crossings(builder), builder.get("done", {}).get("crossings", {})
    waiting = [one for one in planned if "crossing" not in done.get(one[0], {})]
    if not waiting:
        return (), {}
    plan, there = CrossingPlan.model_validate(builder.crossing.plan.get_dict()), builder.temperatures.get_list()
    parts: list[Part] = []
    for label, kelvin, side in waiting:
        nearest = min(there, key=lambda other: abs(other - kelvin))
        layer = built.layer(nearest)
        if layer is None:
            return (), {"warnings": ("crossing: windows are not known, as the electrolyte's volume is not",)}
        try:
            passage = passage_into(built.thickness, built.thickness + layer, built.cation, plan, side)
        except ValueError as error:
            return (), {"refusals": (f"crossing.plan.{error}",)}
        first, *others = _ladders(f"crossing {label} ", plan, passage, kelvin, builder.crossing.base, built.atoms)
        # the process of the crossing, above those of its ladders
        parts += (replace(first, processes=first.processes + 1), *others)
    return tuple(parts), {"notes": tuple(_said_of_crossings(plan, len(waiting), parts))}


def _starts(builder: Any, recipe: Recipe, built: InterfaceForecast) -> tuple[list[str], list[str]]:
    """Return why starts of a study cannot be made, and what may be wrong with them."""
    given = builder.start_excess.get_dict() if "start_excess" in builder else {}
    excess = {start: 0 if start == AS_BUILT else given.get(start, 0) for start in starts_of(builder)}
    moved = {start: number for start, number in excess.items() if number}
    if not moved:
        return [], []
    if recipe.forcefield.lithium != "one":
        return [
            f"forcefield.lithium = {recipe.forcefield.lithium}: an ion that changes phase, as in the start "
            f"{next(iter(moved))}, would keep the wrong potential; give one"
        ], []
    pairs = recipe.salt.pairs
    found = {
        start: refused_excess(number, built.cation, in_slab=built.initial_cations, in_salt=pairs)
        for start, number in moved.items()
    }
    refusals = [f"start_excess.{start}: {error}" for start, error in found.items() if error]
    gap = (max(excess.values()) - min(excess.values())) / population_deviation(pairs)
    if refusals or len(excess) == 1 or gap >= LEAST_GAP:
        return refusals, []
    names = " and ".join(excess)
    return [], [f"starts = {', '.join(excess)}: {names} are {gap:.1f} σ of N apart; needs ≥ {LEAST_GAP:g}"]


def _with_layers(found: Forecast, builder: Any, recipe: Recipe, relaxation: Part) -> Forecast:
    """Return the forecast of a study with the room for the layers of its ions, and refusals because of it."""
    built = found.interface
    assert built is not None
    sampling = Sampling.model_validate(
        sampling_of(builder.production.plan.get_dict(), builder.production.sampling.get_dict())
    )
    unknown = [
        ion for ion in (built.cation, built.anion) if ion not in sampling.offsets and ion not in SURFACE_OFFSETS
    ]
    if unknown:
        return replace(found, refusals=tuple(_no_offsets(ion) for ion in unknown))
    at_pressure = sum(
        stage.duration_ps or 0.0 for job in relaxation.jobs for stage in job.stages if stage.kind == "npt"
    )
    layers: dict[float, LayerFit] = {}
    try:
        for temperature in builder.temperatures.get_list():
            fit = layers_fit(built, temperature, sampling.offsets, relaxed=at_pressure >= _RELAXED_PS)
            if fit is not None:
                layers[temperature] = fit
    except ValueError as error:
        reason = f"ceramic.repeat = {list(recipe.ceramic.repeat)}: {error}; repeat it more often along z"
        return replace(found, refusals=(reason,))
    refused = [_too_thin(recipe, kelvin, fit) for kelvin, fit in layers.items() if fit.fits is False]
    doubtful = [_too_thin(recipe, kelvin, fit) for kelvin, fit in layers.items() if fit.fits is None]
    if not layers:
        doubtful = ["electrolyte: its thickness is not known, because the volume of one of its elements is not"]
    return replace(found, layers=layers, refusals=tuple(refused[:1]), warnings=tuple(doubtful[:1]))


def _no_offsets(ion: str) -> str:
    known = " and ".join(SURFACE_OFFSETS)
    return (
        f"production.sampling.offsets lacks {ion}: only the first layers of {known} are known; give inner and "
        f"outer in --overrides, such as {{production: {{sampling: {{offsets: {{{ion}: {{inner: -0.5, outer: 6.0}}"
        "}}}}"
    )


def _too_thin(recipe: Recipe, temperature: float, fit: LayerFit) -> str:
    """Return in words that the layers of an ion do not fit, or may not, and a recipe in which they do."""
    factor = 1.05 * fit.needed / fit.least
    chains, pairs = (math.ceil(number * factor) for number in (recipe.polymer.chains, recipe.salt.pairs))
    may = "do not fit" if fit.fits is False else "may not fit"
    return (
        f"polymer.chains = {recipe.polymer.chains}: at {temperature:g} K the electrolyte will be some "
        f"{fit.thickness:.0f} Å thick ({fit.least:.0f} to {fit.most:.0f}), into which the layers of {fit.ion} "
        f"{may}: they need more than {fit.needed:g} Å; give at least {chains} chains and {pairs} pairs of salt"
    )


def _of_production(builder: Any) -> Forecast:
    folder, size = builder.get("previous", {}).get("folder"), _Size.of(builder.system.info)
    part = _production("production", builder, builder.temperature.value, size, folder)
    return replace(_of_system("production", builder.system, ((part,),)), above=0)


def _of_quench(builder: Any) -> Forecast:
    hot, cold, size = builder.hot_temperature.value, builder.temperature.value, _Size.of(builder.system.info)
    schedule = CoolingPlan.model_validate(builder.cooling.plan.get_dict()).schedule(hot, cold)
    cooling = tuple(JobPlan.model_validate(plan) for plan in job_plans(schedule, seed=1))
    phases = (
        (_production("hot", builder.hot, hot, size),),
        (Part("cooling", cooling, builder.cooling.base, size.atoms),),
        (_production("cold", builder.cold, cold, size),),
    )
    return _of_system("quench", builder.system, phases)


def _of_crossing(builder: Any) -> Forecast:
    """Return the forecast of a crossing: each ladder a part, which ends early if F is known well enough."""
    plan = CrossingPlan.model_validate(builder.plan.get_dict())
    systems = list(builder.systems.values())
    kelvin, info = builder.temperature.value, systems[0].info
    passage = passage_of(info, plan, builder.side.value)
    parts = _ladders("", plan, passage, kelvin, builder.base, info.natoms)
    found = _of_system("crossing", systems[0], (parts,))
    return replace(found, notes=tuple(_said_of_crossings(plan, 1, parts)))


def _said_of_crossings(plan: CrossingPlan, number: int, parts: Sequence[Part]) -> Iterator[str]:
    """Yield what is worth knowing of ``number`` crossings: length, precision, and when they are right.

    Γ = κ k_TST, so the squares of the relative errors add: that of F in k_BT, and 1 over the number of reactive
    trajectories. Half of the trajectories begin towards the slab.
    """
    total, shots = sum(part.picoseconds for part in parts) / 1000, plan.ladders * plan.structures * plan.starts
    crossings = "one crossing" if number == 1 else f"{number} crossings"
    yield (
        f"{crossings} of {plan.ladders} ladders: {plan.rounds} rounds at most, {total:.3g} ns in all, and up to "
        f"{MORE_ROUNDS} further rounds where windows overlap too little; each ends once F is known to "
        f"{plan.error_kT:g} k_BT"
    )
    factor = math.exp(math.sqrt(plan.error_kT**2 + 1 / (_KAPPA * shots / 2)))
    relaxation = plan.window_ps / LEAST_CORRELATION_TIMES
    yield (
        f"once F is that precise, Γ is known to a factor of {factor:.3g} (one standard error, and of "
        f"{factor**2:.3g} with two; at κ = {_KAPPA:g}, from {shots:,} trajectories), if the ion's surroundings "
        f"relax within {relaxation:.3g} ps, so that one round can follow them; else take a longer window_ps"
    )


def _ladders(
    prefix: str, plan: CrossingPlan, passage: Passage, temperature: float, base: Any, atoms: int
) -> tuple[Part, ...]:
    """Return the ladders of a crossing, with the jobs of their rounds and of their short trajectories."""
    rounds, shots = crossing_jobs(plan, passage, temperature)
    # most trajectories end at their first recrossing; a stage of so many steps stands for them
    shot_ps = plan.structures * (plan.structure_ps + plan.starts * min(_SHOT_PS, plan.most_ps))
    last = JobPlan.model_validate(shots[0])
    stages = (last.stages[0].model_copy(update={"name": "trajectories", "duration_ps": shot_ps, "bias": None}),)
    jobs = (*map(JobPlan.model_validate, rounds), last.model_copy(update={"stages": stages}))
    first = jobs[min(LEAST_ROUNDS, plan.rounds) - 1].target_step
    return tuple(
        Part(f"{prefix}ladder_{number:02d}", jobs, base, atoms, earliest=first, needed=1, processes=2)
        for number in range(1, plan.ladders + 1)
    )


def _of_system(name: str, system: Any, phases: tuple[tuple[Part, ...], ...]) -> Forecast:
    title = f"{name} of system {system.pk}, {system.info.natoms:,} atoms"
    used = tuple(phase for phase in phases if phase[0].jobs)
    return Forecast(title, used, Disk(0.0, 0.0), subject=("--system", str(system.pk)))


def _of_validation(builder: Any) -> Forecast:
    asked = ValidationSettings.model_validate(builder.settings.get_dict())
    landscape = draw_landscape(builder.seed.value, asked.world)
    temperatures = asked.temperatures(landscape)
    runs = [(run_label(temperature, 1), temperature) for temperature in temperatures]
    if asked.second_start is not None:
        runs.insert(1, (run_label(temperatures[0], 1, FILLED), temperatures[0]))
    info = landscape_system(landscape, asked.ions, builder.seed.value).info
    size = _Size.of(info)
    parts = tuple(_production(f"production {label}", builder.production, kelvin, size) for label, kelvin in runs)
    return Forecast(f"validation of seed {builder.seed.value}, {size.atoms:,} atoms", (parts,), Disk(0.0, 0.0))


_FORECASTS: dict[str, Callable[[Any], Forecast]] = {
    "StudyWorkChain": _of_study,
    "ProductionWorkChain": _of_production,
    "QuenchWorkChain": _of_quench,
    "ValidationWorkChain": _of_validation,
    "CrossingWorkChain": _of_crossing,
}


# -- what it costs -----------------------------------------------------------------------------------------


def _cores_here(part: Part) -> int | None:
    """Return the number of cores of the computer of a part, None if it is not this machine."""
    computer = part.code.computer
    if computer is None or computer.transport_type != _LOCAL:
        return None
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _together(phase: list[tuple[Part, Duration]], times: list[float]) -> float:
    """Return the time of parts that run at once, from that of LAMMPS in each, s; on this machine they share it."""
    longest = max(time + one.waiting for (_, one), time in zip(phase, times, strict=True))
    cores = _cores_here(phase[0][0])
    if cores is None:
        return longest
    shared = sum(time * min(part.cores, cores) for (part, _), time in zip(phase, times, strict=True)) / cores
    return max(longest, shared + max(one.waiting for _, one in phase))


def _free(folder: Path | None) -> int | None:
    """Return the free bytes where a folder is or will be, None if that cannot be known."""
    there = None if folder is None else next((one for one in (folder, *folder.parents) if one.exists()), None)
    try:
        return None if there is None else shutil.disk_usage(there).free
    except OSError:
        return None


def _warnings(found: Forecast) -> list[str]:
    """Return what may be wrong with cores, slots of workers, and disk."""
    sentences = [*_shared_cores(found.phases, waiting=True), *_slots(found)]
    for name, needed, free in (
        ("work folder", found.disk.folders, found.disk.folders_free),
        ("repository", found.disk.repository, found.disk.repository_free),
    ):
        if free is not None and needed > 0.9 * free:
            sentences.append(f"disk: the {name} needs up to {needed / 1e9:.3g} GB; {free / 1e9:.3g} GB are free")
    return sentences


def _shared_cores(phases: tuple[tuple[Part, ...], ...], *, waiting: bool) -> list[str]:
    """Return in words whether the jobs of a phase need more cores than this machine has.

    Jobs of several ranks or threads, which wait for each other, or jobs of one core each are considered.
    """
    crowded = []
    # a study that is completed may have nothing left to run
    for phase in [running for parts in phases if (running := tuple(part for part in parts if part.jobs))]:
        cores, used = _cores_here(phase[0]), sum(part.cores for part in phase)
        if cores is not None and used > cores and (max(part.cores for part in phase) > 1) == waiting:
            crowded.append((used, cores, phase))
    if not crowded:
        return []
    used, cores, phase = max(crowded, key=lambda one: one[0])
    threads = phase[0].settings.threads
    each = (
        f" of {phase[0].ranks} MPI ranks" + (f" with {threads} threads" if threads > 1 else "") if waiting else ""
    )
    jobs = f"{len(phase)} jobs at once{each} need" if len(phase) > 1 else f"each job{each} needs"
    share = "on which they wait for each other" if waiting else "which they share"
    return [f"{phase[0].name.split()[0]}: {jobs} {used} cores; this machine has {cores}, {share}"]


def _slots(found: Forecast) -> list[str]:
    """Return in words whether the daemon is ready and has slots for the processes that run at the same time."""
    if not found.phases:
        return []
    if (hint := daemon_hint()) is not None:
        return [hint]
    slots = worker_slots()
    if slots is None:
        return []
    free = slots[1] - slots_in_use()
    if found.slots <= free:
        return []
    return [
        f"{found.slots} processes run at once, each in a slot of a worker, also while it waits; {max(0, free)} of "
        f"{slots[1]} are free; {adding_workers(found.slots - free, slots)}"
    ]


def _notes(found: Forecast) -> list[str]:
    """Return what is worth knowing about cores and wall times."""
    sentences = _shared_cores(found.phases, waiting=False)
    if any(part.until_reduced and len(part.looks) == 1 and len(part.jobs) > 1 for part in found.parts):
        sentences.append(
            "plan.keep_trajectory = until-reduced: the only look is at the end, so that all trajectories are kept "
            "until then; plan.stop.rule = equilibrated has more"
        )
    limits: dict[int, dict[str, float]] = {}
    for part in found.parts:
        limit = part.base.get("lammps", {}).get("metadata", {}).get("options", {}).get("max_wallclock_seconds")
        duration = found.durations.get(part.name)
        if limit is not None and duration is not None and duration.longest > _USED * limit:
            longest = limits.setdefault(limit, {})
            name = part.name.split()[0]
            longest[name] = max(duration.longest / limit, longest.get(name, 0.0))
    for limit, longest in limits.items():
        sentences.append(
            f"wall time of {limit} s: the longest job of {' and of '.join(longest)} needs up to "
            f"{max(longest.values()):.2g} times as long; it stops there and continues from its checkpoint"
        )
    return sentences
