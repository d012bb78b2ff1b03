"""The one entrance for trajectories: every file is checked against the system, repaired aloud or refused.

An analysis relies on unwrapped coordinates, whole molecules, a slab in one piece, atoms in the order of their IDs,
and the units and times of the sampling. When a reduction is planned, the first frames of each file and its last
one are looked at; moves and the shape of the slab are watched while it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from aiida_cse.physics.periodic import join_by_gap, whole_molecules
from aiida_cse.reduction.config import LENGTH_TOLERANCE, ReductionConfig
from aiida_cse.reduction.kernels.shape import DISORDERED, TORN_SLAB, Shape, find_torn
from aiida_cse.reduction.readers.base import Frames, Source, TrajectoryError, TrajectoryReader
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.reduction.readers.unwrapping import AmbiguousMoveError, Unwrapper, unwrapping_advice
from aiida_cse.reduction.readers.wrapping import WATCH_FRAMES, Jump, MoveWatch, Tracers
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.system import SystemDescription, select_atoms

__all__ = ["CheckedTrajectory", "Entrance", "TrajectoryChecks", "atoms_of_files"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: frames at the start of a file that are looked at
_LOOK = 8
#: least number of moves in them from which those of ions are judged
_LEAST_MOVES = 100
#: rms deviation from the shape of the slab that is refused, as a share of that of a random order; vibrations and
#: rotating groups stay below a quarter, and an order by place, by processor or by type is near 1
_DISORDER = 0.6
#: Å; where the deviation of a random order is smaller the shape says nothing
_SHAPELESS = 3.0
#: Å; longest extent of a molecule of two atoms, and what each further atom adds in a stretched chain
_PAIR, _PER_ATOM = 2.5, 1.3
#: Å; by how much the framework may extend beyond the surface planes of the slab, both sides together
_THICKNESS = 10.0
#: relative difference of times that are equal up to rounding in a file
_ROUNDING = 1e-3


@dataclass(frozen=True)
class Entrance:
    """Options for reading the files of a trajectory.

    Attributes
    ----------
    system
        Description of the system with its bonds and positions, None if there is only the configuration.
    unwrap
        Unwrap the coordinates by the nearest image from frame to frame.
    frame_ps
        Time between frames, ps, whatever the files say; None for what they say.
    """

    system: SystemDescription | None = None
    unwrap: bool = False
    frame_ps: float | None = None


def atoms_of_files(
    paths: Sequence[str | Path], system: SystemDescription, sampling: Sampling
) -> SystemDescription:
    """Return the description of the atoms in the files, which may be some of the system's by their IDs.

    A constant box that the file of the system rounds is that of the first frame, with a note.

    Raises
    ------
    TrajectoryError
        The file cannot be read, or lacks atoms that a reduction needs; names them.
    """
    for path in paths:
        with open_trajectory(path) as file:
            ids, frames = file.ids, file.frames
            if frames and sampling.bin_width is None:
                system = _with_exact_box(system, file)
        if not frames:
            continue
        if ids is None or len(ids) == len(system.types):
            return system
        try:
            return select_atoms(system, ids, whole_anions=sampling.anion_point == "centre_of_mass")
        except ValueError as error:
            raise TrajectoryError(f"{path}: {error}") from error
    return system


def _with_exact_box(system: SystemDescription, file: TrajectoryReader) -> SystemDescription:
    """Return the system with the box of the first frame, if its own is that one rounded."""
    if not system.box_precision:
        return system
    own, found = np.array(system.box), np.array(file.read_xyz(0, 1).boxes[0], np.float64)
    differences, rounding = np.abs(found - own), LENGTH_TOLERANCE * own
    if (differences <= rounding).all() or not (differences <= system.box_precision + rounding).all():
        return system
    exact, rounded = (
        " × ".join(form.format(edge) for edge in box) for form, box in (("{:.6f}", found), ("{:g}", own))
    )
    note = f"{file.path.name}: its box of {exact} Å is taken; the system file rounds it to {rounded} Å"
    return replace(system, box=(float(found[0]), float(found[1]), float(found[2])), notes=(*system.notes, note))


class TrajectoryChecks:
    """Reference against which all files of a trajectory are checked, and the observations so far.

    Parameters
    ----------
    config, entrance
        The system with its sampling, and how its files come in.

    Attributes
    ----------
    tracers
        Atoms whose moves are watched.
    watch
        Their moves in the frames that were reduced.
    unwrapper
        Images of the atoms, None unless coordinates are unwrapped here.
    unwraps
        Whether a file that was opened needs that.
    distrusted
        Whether a file that is unwrapped by its own words is not.
    files
        The files that are reduced, by the number that their first frame would have.
    reduced_to
        Number of the frame after those that were reduced, None before the first. Moves to it are watched.
    """

    def __init__(self, config: ReductionConfig, entrance: Entrance) -> None:
        self.config, self.entrance = config, entrance
        layout = Selection.from_config(config).layout
        self.framework = layout.framework.astype(np.int64)
        self.box = np.array(config.box)
        sizes = np.diff(layout.ion_starts)
        several = np.repeat(sizes > 1, sizes)
        # a chain longer than half the box may extend over more than that without a tear
        judged = (sizes > 1) & (_longest(sizes) < self.box[2] / 2)
        #: (N,) whether an atom belongs to an ion of several atoms
        self.members = np.zeros(config.natoms, bool)
        self.members[layout.ion_atoms[several]] = True
        self._starts = np.concatenate([[0], np.cumsum(sizes[judged])]).astype(np.int32)
        self._molecule_atoms = layout.ion_atoms[np.repeat(judged, sizes)].astype(np.int32)
        self.molecules = np.array(config.molecules, np.int64)
        self.links, self.linked_axes = self._links()
        self.reduced_to: int | None = None
        self.tracers = Tracers.of(layout.ion_starts, layout.ion_atoms, layout.framework, 0.1 * self.box[2])
        self.watch = MoveWatch(self.tracers, 2 * max(config.displacement_frames or 1, WATCH_FRAMES))
        self._lock = Lock()
        self.unwrapper: Unwrapper | None = None
        self.unwraps = self.distrusted = False
        self.files: dict[int, Path] = {}
        if entrance.unwrap:
            watched = np.zeros(config.natoms, bool)
            watched[layout.ion_atoms] = watched[self.framework] = True
            self.unwrapper = Unwrapper(config.natoms, watched)
        #: halfway between a slab in one piece and one that lies across the end of the box
        self.widest_slab = config.half_thickness + self.box[2] / 2
        #: (K, 3) places of the framework in a frame that is in order, in boxes
        self._reference: Floats | None = None
        system = entrance.system
        if system is not None and system.positions is not None:
            given = system.positions[self.framework] / self.box
            self._random = self._deviation(given)
            if self._random > _SHAPELESS:
                self._reference = given

    def _links(self) -> tuple[Integers, list[int]]:
        """Return pairs of atoms (M, 2) of ions that are never half a box edge apart, and along which axes.

        They are the bonds of the ions of several atoms or, if these are unknown, the first atom with each other
        one, along edges longer than twice the ions.
        """
        system = self.entrance.system
        if system is not None and system.bonds is not None:
            bonds = system.bonds[self.members[system.bonds].all(axis=1)]
            if len(bonds):
                return bonds, [0, 1, 2]
        firsts = np.repeat(self._molecule_atoms[self._starts[:-1]], np.diff(self._starts))
        longest = _longest(np.diff(self._starts).max(initial=2))
        axes = np.flatnonzero(longest < self.box / 2).tolist()
        return np.column_stack([firsts, self._molecule_atoms]).astype(np.int64), axes

    @property
    def ids(self) -> Integers:
        """IDs of the atoms, (N,)."""
        given = self.config.atom_ids
        return np.arange(1, self.config.natoms + 1) if given is None else np.array(given)

    # -- order -----------------------------------------------------------------------------------------

    def disorder(self, places: Floats) -> tuple[float, bool]:
        """Return the rms deviation (Å) of the framework from the reference, and whether atoms are out of order.

        The first places (K, 3), in boxes, become the reference unless the system gave it.
        """
        if self._reference is None:
            self._reference = places
            self._random = self._deviation(places)
        found = self._deviation(self._reference, places)
        return found, self._random > _SHAPELESS and found > _DISORDER * self._random

    def _deviation(self, reference: Floats, places: Floats | None = None) -> float:
        """Return the rms (Å) of the nearest images of the differences, without the drift.

        Without places it is that of the reference from itself in a random order.
        """
        if places is None:
            places = reference[np.random.default_rng(0).permutation(len(reference))]
        turns = places - reference
        drift = np.angle(np.exp(2j * np.pi * turns).mean(axis=0)) / (2 * np.pi)
        turns -= drift
        return float(np.sqrt((((turns - np.round(turns)) * self.box) ** 2).sum(axis=1).mean()))

    def shape(self) -> Shape:
        """Return the shape of the slab and of the molecules along z that frames are inspected for."""
        framework, heights, order = self.framework.astype(np.int32), np.zeros(len(self.framework)), np.inf
        if self._reference is not None:
            # along z alone, and in one piece
            z = self._reference[:, 2]
            heights = (z + join_by_gap(z, 1.0)[0]) * self.box[2]
            heights = heights - heights.mean()
            random = np.sqrt(2) * heights.std()
            order = (_DISORDER * random) ** 2 if random > _SHAPELESS else np.inf
        return Shape(framework, heights, self.widest_slab, float(order), self._starts, self._molecule_atoms, 0.5)

    # -- moves -----------------------------------------------------------------------------------------

    def add_moves(self, watch: MoveWatch) -> None:
        """Add the moves that a pass over some frames has seen."""
        with self._lock:
            self.watch.merge(watch, self.box)

    def refuse_wrapped(self, *, least_moves: int = 0) -> None:
        """Refuse coordinates that are wrapped according to all moves, if there are ``least_moves`` of ions.

        Raises
        ------
        TrajectoryError
            Names file, frame, atom, axis and size of the first jump.
        """
        self.watch.join(self.box)
        jump = self.watch.find_wrap(self.box, least_moves=least_moves)
        if jump is not None:
            start = max(first for first in self.files if first <= jump.frame)
            refuse_jump(self.files[start], jump.frame - start, jump, self)

    def refuse_unknown_images(self, path: Path, start: int, continued: bool) -> None:
        """Refuse to unwrap frames from number ``start`` on that continue others whose images are not known."""
        if continued and (self.unwrapper is None or self.unwrapper.expected != start):
            raise TrajectoryError(
                f"{path}: --unwrap: continues an earlier state, at whose end the images of the atoms are not "
                "known; reduce all files together, or give files with image flags or unwrapped coordinates"
            )

    def notes(self) -> tuple[str, ...]:
        """Return what is to be said about the moves of the ions after the trajectory was read."""
        if self.unwrapper is not None and self.unwrapper.expected is not None:
            return (
                f"unwrapped by the nearest image from frame to frame; the largest move was "
                f"{self.unwrapper.largest:.2f} L/2 (half the box)",
            )
        if not self.watch.moves:
            return ()
        halves, axis = self.watch.largest_move()
        words = f"the largest move of an ion between displacement frames is {halves:.2f} L/2 along {'xyz'[axis]}"
        if halves <= 1:
            return (words,)
        beyond = self.watch.beyond(self.box)[axis]
        why = "ions cover more than the box, so that they are unwrapped" if beyond else "wrapping is not excluded"
        return (f"{words}; {why}",)


def refuse_jump(path: Path, frame: int, jump: Jump, checks: TrajectoryChecks) -> NoReturn:
    """Refuse wrapped coordinates, shown by a jump to frame ``frame`` of a file."""
    axis, step = "xyz"[jump.axis], jump.frame * checks.config.frame_steps
    raise TrajectoryError(
        f"{path}: frame {frame} (step {step}): atom {checks.ids[jump.atom]} jumps by {jump.halves:.2f} L/2 along "
        f"{axis} (L = {checks.box[jump.axis]:g} Å); {jump.why}: the coordinates are wrapped; "
        f"{unwrapping_advice(path)}"
    )


class CheckedTrajectory:
    """An open trajectory whose frames have passed the checks, or were repaired; notes say what was done.

    Parameters
    ----------
    path
        The file.
    checks
        What it is checked against.
    shifts
        (N, 3) box edges to add to all frames, as :meth:`look` found them; None for no look so far.

    Attributes
    ----------
    path, natoms, frames, leftover_bytes
        As those of a :class:`~aiida_cse.reduction.readers.base.TrajectoryReader`.
    first_step
        Step of the first frame in the steps of the configuration, whether the file counts steps, frames or time.
    notes
        What a user should know about the file, one sentence each.

    Raises
    ------
    TrajectoryError
        The file cannot be read, or its header does not fit the system or the sampling.
    """

    def __init__(self, path: str | Path, checks: TrajectoryChecks, shifts: Integers | None = None) -> None:
        self._checks, self._config = checks, checks.config
        self._file = open_trajectory(path)
        self.path, self.natoms, self.frames = self._file.path, self._file.natoms, self._file.frames
        self.leftover_bytes = self._file.leftover_bytes
        self.notes = [f"{self.path.name}: {note}" for note in self._file.notes]
        self.first_step = 0
        self.shifts = None if shifts is None or not shifts.any() else shifts
        self._unwrapper: Unwrapper | None = None
        if self._file.unwrapped is not True or checks.distrusted:
            self._unwrapper = checks.unwrapper
        checks.unwraps |= self._unwrapper is not None
        try:
            if self.natoms:
                self._check_atoms()
                if self._file.units not in (None, "real"):
                    self._refuse(f"units = {self._file.units}: must be real: Å, fs, kcal/mol, e")
                if self._file.unwrapped is False and self._unwrapper is None:
                    self._refuse(
                        "its coordinates are wrapped into the box, without image flags; "
                        f"{unwrapping_advice(self.path)}"
                    )
            if self.frames:
                self.first_step = self._steps()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # -- header ----------------------------------------------------------------------------------------

    def _refuse(self, why: str) -> NoReturn:
        raise TrajectoryError(f"{self.path}: {why}")

    def _check_atoms(self) -> None:
        """Refuse other atoms than those of the system."""
        file, expected = self._file, self._checks.ids
        if file.ids is not None and not np.array_equal(file.ids, expected):
            missing, unknown = np.setdiff1d(expected, file.ids), np.setdiff1d(file.ids, expected)
            if len(unknown):
                self._refuse(f"has an atom of ID {unknown[0]}, which the system does not have")
            self._refuse(f"has {file.natoms} atoms, the system has {len(expected)}; ID {missing[0]} is missing")
        if file.natoms != self._config.natoms:
            hint = (
                "" if file.ids is not None else "; its format has no IDs, so that it must hold all atoms in order"
            )
            self._refuse(f"has {file.natoms} atoms, the system has {self._config.natoms}{hint}")
        types = np.array(self._config.atom_types)
        if file.atom_types is not None and not np.array_equal(file.atom_types, types):
            atom = int(np.argmax(file.atom_types != types))
            found = file.atom_types[atom]
            self._refuse(f"atom {expected[atom]} is of type {found}, in the system it is of type {types[atom]}")

    def _steps(self) -> int:
        """Return the step of the first frame; refuse another time between frames than that of the sampling."""
        file, config, given = self._file, self._config, self._checks.entrance.frame_ps
        by_steps = file.frame_steps in (0, config.frame_steps) and (
            file.timestep_fs is None or abs(file.timestep_fs - config.timestep_fs) <= 1e-5 * config.timestep_fs
        )
        fits = by_steps
        if file.frame_ps is not None:
            fits = abs(file.frame_ps - config.frame_ps) <= _ROUNDING * config.frame_ps
        first, place = file.first_step / (file.frame_steps or config.frame_steps), f"step {file.first_step}"
        if given is not None:
            if abs(given - config.frame_ps) > _ROUNDING * config.frame_ps:
                self._refuse(
                    f"--frame-ps = {given:g}: the sampling has frame_ps = {config.frame_ps:g}; give one of them"
                )
        elif not fits:
            said = [f"every {file.frame_steps} steps"] if file.frame_steps else []
            said += [] if file.timestep_fs is None else [f"with a timestep of {file.timestep_fs:g} fs"]
            said += [] if file.frame_ps is None else [f"every {file.frame_ps:g} ps"]
            self._refuse(
                f"has a frame {', '.join(said)}; the sampling has frame_ps = {config.frame_ps:g}, "
                f"{config.frame_steps} steps of timestep_fs = {config.timestep_fs:g}; correct the sampling, or "
                "give --frame-ps if the file is wrong"
            )
        elif file.frame_ps is None:
            first = file.first_step / config.frame_steps
        elif file.first_ps is not None and not by_steps:
            first, place = file.first_ps / config.frame_ps, f"{file.first_ps:g} ps"
        if abs(first - round(first)) > _ROUNDING:
            steps, ps = config.frame_steps, config.frame_ps
            self._refuse(f"starts at {place}, no multiple of frame_steps {steps} (frame_ps = {ps:g})")
        return round(first) * config.frame_steps

    # -- look ------------------------------------------------------------------------------------------

    def look(self) -> Integers:
        """Check the first frames and the last one; return the box edges (N, 3) that make slab and molecules whole.

        Raises
        ------
        TrajectoryError
            Atoms are not in the order of their IDs, coordinates are wrapped or not finite, or slab or molecules
            are torn and cannot be made whole.
        """
        self.shifts = np.zeros((self.natoms, 3), np.int64)
        count = min(self.frames, _LOOK)
        pieces = [(0, count), (self.frames - 1, 1)] if self.frames > count else [(0, count)]
        for first, number in pieces:
            frames = self._file.read_xyz(first, number)
            low, high = self._config.box_limits
            if not ((low <= frames.boxes) & (frames.boxes <= high)).all():
                break
            for axis in range(3):
                wrong = ~np.isfinite(frames.along(axis))
                if wrong.any():
                    row, atom = np.argwhere(wrong)[0].tolist()
                    raise TrajectoryError(
                        f"{self._place(first + row)} has a coordinate that is not finite: {'xyz'[axis]} of atom "
                        f"{self._checks.ids[atom]}"
                    )
            for row in range(len(frames.table)):
                places = _positions(frames, row)[self._checks.framework] / frames.boxes[row]
                found, disordered = self._checks.disorder(places)
                if disordered:
                    raise TrajectoryError(
                        f"{self._place(first + row)}: the framework, which does not diffuse, is {found:.1f} Å "
                        "(rms) off the shape of the slab: atoms are not in the order of their IDs (LAMMPS: "
                        "dump_modify sort id), or the file is of another system"
                    )
            if first == 0:
                self._check_moves(frames)
                self.shifts = self._whole_slab(frames) + self._whole_molecules(frames)
        return self.shifts

    def _place(self, frame: int) -> str:
        step = self.first_step + frame * self._config.frame_steps
        return f"{self.path}: frame {frame} (step {step})"

    def _check_moves(self, frames: Frames) -> None:
        if self._unwrapper is not None:
            return
        checks, start = self._checks, self.first_step // self._config.frame_steps
        watch = MoveWatch(checks.tracers)
        rows = range(len(frames.table))
        watch.add(frames.table, frames.columns, rows, start + np.arange(len(rows), dtype=np.int64), frames.boxes)
        jump = watch.find_wrap(checks.box, least_moves=_LEAST_MOVES)
        if jump is not None and checks.unwrapper is None:
            refuse_jump(self.path, jump.frame - start, jump, checks)
        if jump is not None:
            checks.distrusted = checks.unwraps = True
            self.notes.append(f"{self.path.name}: calls its coordinates unwrapped, but ions jump by a box edge")
        elif checks.unwrapper is not None:
            self.notes.append(f"{self.path.name}: is unwrapped already, by its columns or its image flags")

    def _whole_slab(self, frames: Frames) -> Integers:
        """Return the box edges (N, 3) that put a slab across the end of the box in one piece."""
        checks = self._checks
        shifts, length = np.zeros((self.natoms, 3), np.int64), float(frames.boxes[0, 2])
        heights = frames.along(2)[0, checks.framework].astype(np.float64)
        extent, thickness = float(np.ptp(heights)), 2 * self._config.half_thickness
        if extent > checks.widest_slab:
            edges, _ = join_by_gap(heights, length)
            shifts[checks.framework, 2] = edges
            extent = float(np.ptp(heights + edges * length))
        if extent > checks.widest_slab:
            raise TrajectoryError(
                f"{self._place(0)}: the framework extends over {extent:.1f} Å along z, the slab is "
                f"{thickness:.1f} Å thick; correct the types of the framework or thickness"
            )
        if extent > thickness + _THICKNESS:
            self.notes.append(
                f"{self.path.name}: the framework extends over {extent:.1f} Å along z, the slab is {thickness:g} "
                "Å thick; check thickness and the types of the framework, which must be one slab"
            )
        if shifts.any() and self._unwrapper is None:
            self.notes.append(
                f"{self.path.name}: repaired: the slab lies across the end of the box along z; "
                f"{np.count_nonzero(shifts)} atoms of its framework were moved by a box edge in every frame"
            )
        return shifts

    def _whole_molecules(self, frames: Frames) -> Integers:
        """Return the box edges (N, 3) that make ions of several atoms whole, along their bonds."""
        checks, none = self._checks, np.zeros((self.natoms, 3), np.int64)
        if not checks.members.any():
            return none
        positions, system = _positions(frames, 0), checks.entrance.system
        bonds = None if system is None else system.bonds
        if bonds is not None and checks.members[bonds].all(axis=1).any():
            found = whole_molecules(
                positions, frames.boxes[0], bonds, checks.molecules, checks.members, checks.ids
            )
            problems = [problem for problem in found.problems if "bond of atoms" in problem]
            if problems:
                raise TrajectoryError(f"{self._place(0)}: {problems[0]}")
            if self._unwrapper is None:
                self.notes += [f"{self.path.name}: repaired: {note}" for note in found.notes]
            return found.shifts
        numbers = checks.molecules[checks.members]
        for molecule in np.unique(numbers):
            own = np.flatnonzero(checks.members & (checks.molecules == molecule))
            extent = np.ptp(positions[own], axis=0)
            for axis, half in enumerate(frames.boxes[0] / 2):
                if extent[axis] > half > _longest(len(own)):
                    self._refuse_molecule(0, int(own[0]), float(extent[axis]), axis)
        return none

    def _refuse_molecule(self, frame: int, atom: int, extent: float, axis: int) -> NoReturn:
        checks, system = self._checks, self._checks.entrance.system
        unbound = system is None or system.bonds is None
        bonds = ", or give the bonds by which it can be made whole (--system)" if unbound else ""
        raise TrajectoryError(
            f"{self._place(frame)}: molecule {checks.molecules[atom]} (atom {checks.ids[atom]}) extends over "
            f"{extent:.1f} Å along {'xyz'[axis]}, more than half the box of {checks.box[axis]:.1f} Å: it is torn "
            f"by the box; {unwrapping_advice(self.path)}{bonds}"
        )

    def refuse_shape(self, frame: int, problem: int, z: NDArray[np.float32]) -> NoReturn:
        """Refuse a frame that is not of the shape of the system; ``problem`` is that of ``inspect``, z (N,) Å."""
        checks = self._checks
        if problem == TORN_SLAB:
            extent = float(np.ptp(z[checks.framework]))
            raise TrajectoryError(
                f"{self._place(frame)}: the framework extends over {extent:.1f} Å along z, the slab is "
                f"{2 * self._config.half_thickness:.1f} Å thick: it is torn by the end of the box; "
                f"{unwrapping_advice(self.path)}"
            )
        if problem == DISORDERED:
            raise TrajectoryError(
                f"{self._place(frame)}: the framework, which does not diffuse, has lost its shape along z: atoms "
                "are not in the order of their IDs (LAMMPS: dump_modify sort id)"
            )
        shape = checks.shape()
        pieces = zip(shape.starts, shape.starts[1:], strict=False)
        extents = [float(np.ptp(z[shape.atoms[start:stop]])) for start, stop in pieces]
        molecule = int(np.argmax(extents))
        self._refuse_molecule(frame, int(shape.atoms[shape.starts[molecule]]), extents[molecule], 2)

    def refuse_torn(self, frames: Frames, rows: range, numbers: Integers) -> None:
        """Refuse the ``rows`` of frames, all axes of which were read, in which an ion is torn by the box.

        ``numbers`` (rows,) are those of the frames in the file.
        """
        checks, links = self._checks, self._checks.links
        axes = np.array(checks.linked_axes, np.int64)
        ends = (rows.start, rows.stop, rows.step)
        row, link, axis = find_torn(frames.table, frames.columns, frames.boxes, ends, links, axes)
        if row >= 0:
            own = np.flatnonzero(checks.members & (checks.molecules == checks.molecules[links[link, 0]]))
            frame = int(numbers[(row - rows.start) // rows.step])
            self._refuse_molecule(frame, int(own[0]), float(np.ptp(frames.along(axis)[row, own])), axis)

    # -- frames ----------------------------------------------------------------------------------------

    @property
    def frame_bytes(self) -> int:
        """Size of what :meth:`read_xyz` reads of a frame."""
        return self._file.frame_bytes

    @property
    def z_bytes(self) -> int:
        """Size of what :meth:`read` reads of a frame."""
        return self._file.frame_bytes if self._unwrapper is not None else self._file.z_bytes

    def read(self, first: int, count: int) -> Frames:
        """Read ``count`` consecutive frames; see :meth:`TrajectoryReader.read`."""
        if self._unwrapper is not None:
            return self.read_xyz(first, count)
        return self._repaired(self._file.read(first, count))

    def read_xyz(self, first: int, count: int, stride: int = 1) -> Frames:
        """Read all coordinates of ``count`` frames; see :meth:`TrajectoryReader.read_xyz`.

        Raises
        ------
        TrajectoryError
            A frame is damaged, or a move is too long to be unwrapped.
        """
        frames = self._file.read_xyz(first, count, stride)
        if self._unwrapper is None:
            return self._repaired(frames)
        number = self.first_step // self._config.frame_steps + first
        try:
            shifts = np.zeros((self.natoms, 3), np.int64) if self.shifts is None else self.shifts
            self._unwrapper.follow(frames, number, shifts)
        except AmbiguousMoveError as error:
            raise TrajectoryError(
                f"{self._place(first + error.row)}: atom {self._checks.ids[error.atom]} moves by "
                f"{error.halves:.2f} L/2 along {'xyz'[error.axis]}, too far to tell which image it is; unwrap the "
                "trajectory with the program that wrote it, or write frames more often"
            ) from error
        return frames

    def _repaired(self, frames: Frames) -> Frames:
        """Add the box edges that make slab and molecules whole, in place."""
        if self.shifts is not None and self.shifts.any():
            for axis, column in enumerate(frames.columns):
                if column >= 0 and self.shifts[:, axis].any():
                    edges = frames.boxes[:, axis, None] * self.shifts[:, axis]
                    frames.table[:, column : column + self.natoms] += edges.astype(np.float32)
        return frames

    def source(self, size: int, sample: int = 0, atoms: Integers | None = None) -> Source | None:
        """Return the file's layout for compiled loops, None if frames are repaired or the format has none.

        Parameters are those of :meth:`TrajectoryReader.source`.
        """
        if self._unwrapper is not None or (self.shifts is not None and self.shifts.any()):
            return None
        return self._file.source(size, sample, atoms)


def _longest(atoms: Any) -> Any:
    """Return the longest extent (Å) of a whole molecule of so many atoms, a number or an array of them."""
    return _PAIR + _PER_ATOM * (atoms - 2)


def _positions(frames: Frames, row: int) -> Floats:
    """Return the positions (N, 3) of a frame, Å."""
    return np.column_stack([frames.along(axis)[row] for axis in range(3)]).astype(np.float64)
