"""Reduction of two trajectories of one run: framework and ions often, all atoms less often.

Populations, transitions, profiles and displacements of the ions need the framework and the ions alone. All atoms
are needed for the streams of the atom types, which have frames of their own. Each file is read once, and the state
is that of one trajectory of all atoms. At steps that both files hold, slab and ions must agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.continuity import refuse_other_run
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.checked import Entrance
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.reduction.reduce import Progress, ReductionSummary, reduce_plan
from aiida_cse.reduction.segments import SegmentPlan, plan_segments
from aiida_cse.reduction.state import State, TrajectorySource
from aiida_cse.reduction.system import select_atoms

__all__ = ["TwoTrajectories", "all_atoms_config", "ions_config", "reduce_two", "run_reduction_of_two"]


@dataclass(frozen=True)
class TwoTrajectories:
    """Files of a run, each in the order of time, in formats and with checks as for one trajectory.

    Attributes
    ----------
    ions
        Files of the framework and the ions, with the frames of the sampling.
    all_atoms
        Files of all atoms.
    ion_types
        Atom types in the first ones; None for those of the framework and the ions of the configuration.
    """

    ions: tuple[Path, ...]
    all_atoms: tuple[Path, ...]
    ion_types: tuple[int, ...] | None = None


def ions_config(config: ReductionConfig, types: Sequence[int] | None = None) -> ReductionConfig:
    """Return the configuration of a trajectory of the atoms of some types, without streams.

    Without types, they are those of the framework and the ions.

    Raises
    ------
    ValueError
        A type of the framework or of an ion is missing.
    """
    needed = {*config.framework, *(one for species in config.ions.values() for one in species.types)}
    kept = needed if types is None else set(types)
    if missing := sorted(needed - kept):
        raise ValueError(f"the trajectory of the ions lacks atoms of type {config.labels[missing[0] - 1]}")
    own = np.flatnonzero(np.isin(config.atom_types, sorted(kept)))
    ids = np.arange(1, config.natoms + 1) if config.atom_ids is None else np.array(config.atom_ids)
    changes = {
        "atom_types": [config.atom_types[atom] for atom in own],
        "molecules": [config.molecules[atom] for atom in own],
        "atom_ids": ids[own].tolist(),
        "streams": {},
    }
    return ReductionConfig.model_validate(config.model_dump() | changes)


def all_atoms_config(config: ReductionConfig, frame_steps: int) -> ReductionConfig:
    """Return the configuration of a trajectory of all atoms with so many steps between frames, without lags.

    Raises
    ------
    ValueError
        A block or the time between two histograms of a stream is no whole number of such frames.
    """

    def frames(name: str, steps: float) -> int:
        if steps % frame_steps:
            there, given = (number * config.timestep_fs / 1000 for number in (frame_steps, steps))
            raise ValueError(
                f"{name} = {given:g}: must be a multiple of the {there:g} ps between the frames of all atoms"
            )
        return int(steps // frame_steps)

    block = frames("block_ps", config.block_frames * config.frame_steps)
    streams = {
        name: stream.model_dump()
        | {"every_frames": frames(f"streams.{name}.every_ps", stream.interval * config.frame_steps), "per": 1}
        for name, stream in config.streams.items()
    }
    changes = {"frame_steps": frame_steps, "block_frames": block, "snapshot_frames": block, "streams": streams}
    none = {"core_scales": (), "displacement_frames": None, "lags": ()}
    return ReductionConfig.model_validate(config.model_dump() | changes | none)


def run_reduction_of_two(
    files: TwoTrajectories,
    config: ReductionConfig,
    out: str | Path,
    previous: str | Path | None = None,
    progress: Progress | None = None,
    *,
    until_step: int | None = None,
    threads: int = 1,
    checksums: Mapping[str, str] | None = None,
    hash_sources: bool = False,
    entrance: Entrance | None = None,
    increment: bool = False,
) -> ReductionSummary:
    """Reduce two trajectories of one run and write the state to ``out``, which appears when it is complete.

    Parameters and errors are those of :func:`reduce_two`; ``previous`` is the file of a state.
    """
    earlier = None if previous is None else State.load(previous)
    notes: list[str] = []
    state, read = reduce_two(
        files,
        config,
        earlier,
        progress,
        until_step=until_step,
        threads=threads,
        checksums=checksums,
        hash_sources=hash_sources,
        entrance=entrance,
        increment=increment,
        notes=notes,
    )
    state.save(out)
    return ReductionSummary(state.frames, state.first_step, state.last_step, read, tuple(notes))


def reduce_two(
    files: TwoTrajectories,
    config: ReductionConfig,
    previous: State | None = None,
    progress: Progress | None = None,
    *,
    until_step: int | None = None,
    threads: int = 1,
    checksums: Mapping[str, str] | None = None,
    hash_sources: bool = False,
    entrance: Entrance | None = None,
    increment: bool = False,
    notes: list[str] | None = None,
) -> tuple[State, int]:
    """Reduce two trajectories of one run; return the state and the number of frames that were read.

    Parameters
    ----------
    files
        The files. A trajectory that ends before the other one limits what is reduced.
    config
        Configuration for a trajectory of all atoms with the frames of the ions.
    previous, progress, until_step, threads, checksums, hash_sources, entrance
        As for :func:`~aiida_cse.reduction.reduce.reduce_segments`; frames are those of both trajectories.
    increment
        Return the state of the frames after ``previous``, not merged with it.
    notes
        Takes what is to be said about the files.

    Raises
    ------
    TrajectoryError
        As :func:`~aiida_cse.reduction.reduce.reduce_segments`; or the two are of different runs, or frames of all
        atoms are missing.
    ValueError
        ``previous`` was made with another configuration, or blocks or streams do not fit the frames of all atoms.
    """
    said = [] if notes is None else notes
    final = config if previous is None else previous.joined_config(config)
    entrance, sums = entrance or Entrance(), dict(checksums or {})
    few = ions_config(config, files.ion_types)
    every = all_atoms_config(config, _steps_between(files.all_atoms, config))
    known = {str(path) for path in files.all_atoms}
    inside = entrance
    if entrance.system is not None and few.atom_ids is not None:
        anions = any(species.point == "centre_of_mass" for species in config.ions.values())
        selected = select_atoms(entrance.system, np.array(few.atom_ids), whole_anions=anions)
        inside = replace(entrance, system=selected)
    plan, whole = (
        plan_segments(
            paths, one, until_step, {path: sums[path] for path in sums if (path in known) == is_all}, way
        )
        for paths, one, is_all, way in ((files.ions, few, False, inside), (files.all_atoms, every, True, entrance))
    )
    plan, part, more = _fitted(plan, whole, few, every, previous)
    said += [*plan.notes, *whole.notes, *more]
    total = plan.frames + part.frames

    def shown(done: int) -> Progress | None:
        return None if progress is None else lambda frames, _: progress(done + frames, total)

    earlier = None if previous is None else replace(previous, config=few, streams={})
    ways: dict[str, Any] = {"threads": threads, "checksums": sums, "hash_sources": hash_sources}
    ions = reduce_plan(plan, few, earlier, shown(0), increment=increment, **ways)
    said += [] if plan.checks is None else plan.checks.notes()
    states, sources = [] if previous is None or increment else [previous], list(ions.sources)
    if part.segments:
        atoms = reduce_plan(part, every, None, shown(plan.frames), **ways)
        refuse_other_run(ions, atoms, part.segments[0].path, plan.segments[0].path)
        states.append(atoms)
        sources += atoms.sources
    streams = {}
    for name in config.streams:
        shape = (ions.blocks, len(config.labels), config.stream_grid(name).bins)
        streams[name] = np.zeros(shape, np.int64)
        for state in states:
            row = state.first_block - ions.first_block
            streams[name][row : row + state.blocks] += state.streams[name]
    return replace(ions, config=final, streams=streams, sources=TrajectorySource.joined(*sources)), total


def _steps_between(paths: Sequence[Path], config: ReductionConfig) -> int:
    """Return the steps between the frames of all atoms, as the files or, without frames, the streams have them."""
    for path in paths:
        with open_trajectory(path) as file:
            if file.frames and file.frame_ps is not None:
                return max(1, round(file.frame_ps * 1000 / config.timestep_fs))
            if file.frames and file.frame_steps:
                return file.frame_steps
    if not config.streams:
        raise ValueError("streams = {}: nothing needs the trajectory of all atoms; give that of the ions alone")
    return round(min(stream.interval for stream in config.streams.values()) * config.frame_steps)


def _fitted(
    plan: SegmentPlan, whole: SegmentPlan, few: ReductionConfig, every: ReductionConfig, previous: State | None
) -> tuple[SegmentPlan, SegmentPlan, list[str]]:
    """Return the frames of the ions, and those of all atoms that belong to them and are new, with notes.

    A frame of all atoms between two of the ions belongs to the nearest one, the later of two, as in the streams.
    """
    own, others, notes = few.frame_steps, every.frame_steps, []

    def first_from(frame: int) -> int:
        """Return the first frame of all atoms that belongs to a frame of the ions, or to a later one."""
        return max(0, -(-(2 * frame - 1) * own // (2 * others)))

    begin = plan.start if previous is None else previous.stop
    stop, needed = plan.start + plan.frames, first_from(begin)
    end = whole.start + whole.frames if whole.frames else needed
    if needed < first_from(stop) and (not whole.frames or whole.start > needed or end <= needed):
        where = f"from step {whole.start * others}" if whole.frames else "without a complete frame"
        raise TrajectoryError(
            f"the trajectory of all atoms ({where}) lacks the frame of step {needed * others}, which the "
            "trajectory of the ions covers"
        )
    if end < first_from(stop):
        last = (2 * end * others + own) // (2 * own)
        plan, omitted = plan.split(last)
        notes.append(
            f"{omitted.segments[0].path.name}: {omitted.frames} frame(s) of the ions from step {last * own} on "
            "were left out; the trajectory of all atoms ends before"
        )
        stop = last
    _, rest = whole.split(needed)
    part, omitted = rest.split(max(first_from(stop), needed))
    if omitted.frames:
        notes.append(
            f"{omitted.segments[0].path.name}: {omitted.frames} frame(s) of all atoms from step "
            f"{omitted.start * others} on were left out; the trajectory of the ions ends before"
        )
    return plan, part, notes
