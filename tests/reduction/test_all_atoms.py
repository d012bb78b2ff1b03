"""Two trajectories of one run, the ions often and all atoms less often, give the state of one of all atoms."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.reduction.all_atoms import TwoTrajectories, reduce_two
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from aiida_cse.reduction.system import IonDescription
from tests.reduction.synthetic import FRAME_STEPS, FRAMEWORK, LENGTH, config, make, write_dcd

FRAMES = 61
#: atoms of the polymer in the middle of the system, which the trajectory of the ions lacks
CHAIN = 6
#: frames between frames of all atoms
STRIDE = 5
STREAMS = {"density": {"every_ps": 0.1}, "charge": {"every_ps": 0.2, "bins": 55}}
WITH_CHAIN: dict[str, Any] = {
    "types": np.array([1, 2] * (FRAMEWORK // 2) + [6] * CHAIN + [3] * 12 + [4, 5, 5] * 8),
    "molecules": np.array(
        [1] * FRAMEWORK + [99] * CHAIN + [2 + ion for ion in range(12)] + [14 + k // 3 for k in range(24)]
    ),
    "labels": ("La", "Zr", "Li", "N", "F", "C"),
    "masses": (138.9, 91.2, 6.94, 14.0, 19.0, 12.0),
    "charges": (2.1, 2.8, 0.7, -0.5, -0.1, 0.0),
}


def settings(**changes: Any) -> Any:
    return config(**(WITH_CHAIN | {"streams": STREAMS} | changes))


@pytest.fixture(scope="module")
def positions() -> np.ndarray:
    """Positions of all atoms, those of the chain among them."""
    found = make(7, FRAMES, hop=0.1).positions
    chain = np.random.default_rng(3).uniform(0, LENGTH, (FRAMES, CHAIN, 3)).astype(np.float32)
    return np.concatenate([found[:, :FRAMEWORK], chain, found[:, FRAMEWORK:]], axis=1)


@pytest.fixture(scope="module")
def whole(positions: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> State:
    path = write_dcd(tmp_path_factory.mktemp("whole") / "whole.dcd", positions)
    return reduce_segments([path], settings())


def write_two(
    folder: Path, positions: np.ndarray, first: int = 0, stop: int = FRAMES, stride: int = STRIDE
) -> TwoTrajectories:
    """Write what a job writes that runs from one frame to the frame before another one."""
    folder.mkdir()
    few = np.delete(positions, np.s_[FRAMEWORK : FRAMEWORK + CHAIN], axis=1)
    ions = write_dcd(folder / "ions.dcd", few[first:stop], first_step=first * FRAME_STEPS)
    start = -(-first // stride) * stride
    if start >= stop:
        return TwoTrajectories((ions,), ())
    step, every = start * FRAME_STEPS, stride * FRAME_STEPS
    path = write_dcd(folder / "trajectory.dcd", positions[start:stop:stride], first_step=step, frame_steps=every)
    return TwoTrajectories((ions,), (path,))


def joined(*parts: TwoTrajectories) -> TwoTrajectories:
    return TwoTrajectories(
        *(tuple(path for part in parts for path in getattr(part, one)) for one in ("ions", "all_atoms"))
    )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("cut", [None, 1, 5, 33])
def test_two_files_give_the_state_of_one(
    cut: int | None, threads: int, positions: np.ndarray, whole: State, tmp_path: Path
) -> None:
    bounds = [0, FRAMES] if cut is None else [0, cut, FRAMES]
    # as LAMMPS, each job writes the frame at which the one before it ended once more
    parts = [
        write_two(tmp_path / str(first), positions, first, min(stop + 1, FRAMES))
        for first, stop in pairwise(bounds)
    ]
    state, read = reduce_two(joined(*parts), settings(), threads=threads)
    assert state.equals(whole)
    assert read == FRAMES + 13
    assert {source.name for source in state.sources} == {"ions.dcd", "trajectory.dcd"}


@pytest.mark.parametrize("cut", [1, 5, 33, 58])
def test_a_state_of_two_files_is_extended_as_if_it_were_one(
    cut: int, positions: np.ndarray, whole: State, tmp_path: Path
) -> None:
    earlier, _ = reduce_two(write_two(tmp_path / "a", positions, 0, cut + 1), settings())
    assert earlier.stop == cut + 1
    later = write_two(tmp_path / "b", positions, max(cut - 7, 0))
    state, _ = reduce_two(later, settings(), earlier)
    assert state.equals(whole)
    increment, _ = reduce_two(later, settings(), earlier, increment=True)
    assert earlier.merge(increment).equals(whole)
    state.save(tmp_path / "state.npz")
    assert State.load(tmp_path / "state.npz").equals(whole)


@pytest.mark.parametrize(
    "changes", [{"anion_point": "atom", "anion": IonDescription("TFSI", (4,))}, {"lags_ps": ()}]
)
def test_the_file_of_the_ions_may_have_more_atoms_than_are_counted(
    changes: dict[str, Any], positions: np.ndarray, tmp_path: Path
) -> None:
    files = write_two(tmp_path / "a", positions)
    files = TwoTrajectories(files.ions, files.all_atoms, (1, 2, 3, 4, 5))
    expected = reduce_segments([write_dcd(tmp_path / "whole.dcd", positions)], settings(**changes))
    assert reduce_two(files, settings(**changes))[0].equals(expected)


def test_all_atoms_may_be_written_between_frames_of_the_ions(positions: np.ndarray, tmp_path: Path) -> None:
    """25 ps with frames every 2 ps: histograms are of these times, not of the nearest frames."""
    given = settings(streams={"density": {"every_ps": 0.05}}, block_ps=0.2)
    few = np.delete(positions, np.s_[FRAMEWORK : FRAMEWORK + CHAIN], axis=1)
    ions = write_dcd(tmp_path / "ions.dcd", few)
    between = write_dcd(
        tmp_path / "trajectory.dcd",
        np.stack([positions[5 * n // 2] for n in range(25)]),
        frame_steps=25,
    )
    state, _ = reduce_two(TwoTrajectories((ions,), (between,)), given)
    state.save(tmp_path / "state.npz")
    assert State.load(tmp_path / "state.npz").equals(state)
    types = np.array(given.atom_types)
    assert state.streams["density"].sum(axis=(1, 2)).tolist() == [4 * len(types)] * 6 + [len(types)]


@pytest.mark.parametrize(
    ("ions", "atoms", "stop"), [(44, FRAMES, 44), (FRAMES, 44, 45), (FRAMES, 31, 35), (41, 40, 40)]
)
def test_the_shorter_file_limits_what_is_reduced(
    ions: int, atoms: int, stop: int, positions: np.ndarray, whole: State, tmp_path: Path
) -> None:
    """A job was killed between the writing of the two, or one of them was cut."""
    one, other = write_two(tmp_path / "a", positions, 0, ions), write_two(tmp_path / "b", positions, 0, atoms)
    notes: list[str] = []
    state, _ = reduce_two(TwoTrajectories(one.ions, other.all_atoms), settings(), notes=notes)
    assert state.stop == stop
    assert any("were left out" in note for note in notes) == (stop != ions or atoms > ions + STRIDE)
    rest = write_two(tmp_path / "c", positions, 30)
    assert reduce_two(rest, settings(), state)[0].equals(whole)


def test_a_frame_cut_within_is_no_frame(positions: np.ndarray, tmp_path: Path) -> None:
    for name, stop in (("trajectory.dcd", 60), ("ions.dcd", 60)):
        files = write_two(tmp_path / name, positions)
        path = (tmp_path / name) / name
        path.write_bytes(path.read_bytes()[:-5])
        assert reduce_two(files, settings())[0].stop == stop


def test_files_of_different_runs_are_refused(positions: np.ndarray, tmp_path: Path) -> None:
    files = write_two(tmp_path / "a", positions)
    shifted = positions.copy()
    shifted[20:, :, 2] += 1.0
    other = write_two(tmp_path / "b", shifted)
    with pytest.raises(TrajectoryError, match=r"at step 200 the slab is 1 Å from where .*ions.dcd has it"):
        reduce_two(TwoTrajectories(files.ions, other.all_atoms), settings())
    swapped = positions.copy()
    swapped[:, FRAMEWORK + CHAIN :, 2] += 40.0
    other = write_two(tmp_path / "c", swapped)
    with pytest.raises(TrajectoryError, match=r"at step 0 ions are in other regions"):
        reduce_two(TwoTrajectories(files.ions, other.all_atoms), settings())


def test_ions_in_another_order_in_one_file_are_refused(positions: np.ndarray, tmp_path: Path) -> None:
    files, swapped = write_two(tmp_path / "a", positions), positions.copy()
    lithium = slice(FRAMEWORK + CHAIN, FRAMEWORK + CHAIN + 12)
    swapped[:, lithium] = swapped[:, lithium][:, ::-1]
    other = write_two(tmp_path / "b", swapped)
    with pytest.raises(TrajectoryError, match=r"at step 0 \d+ of 12 Li are not where .*ions.dcd has them"):
        reduce_two(TwoTrajectories(other.ions, files.all_atoms), settings())


def test_missing_frames_of_all_atoms_are_refused(positions: np.ndarray, tmp_path: Path) -> None:
    first, second = write_two(tmp_path / "a", positions, 0, 21), write_two(tmp_path / "b", positions, 20)
    with pytest.raises(TrajectoryError, match=r"from step 200.* lacks the frame of step 0"):
        reduce_two(TwoTrajectories((*first.ions, *second.ions), second.all_atoms), settings())
    with pytest.raises(TrajectoryError, match=r"without a complete frame.* lacks the frame of step 0"):
        reduce_two(TwoTrajectories(first.ions, ()), settings())
    earlier, _ = reduce_two(first, settings())
    with pytest.raises(TrajectoryError, match="lacks the frame of step 250"):
        reduce_two(TwoTrajectories(second.ions, ()), settings(), earlier)
    state, _ = reduce_two(write_two(tmp_path / "c", positions, 21, 25), settings(), earlier)
    assert state.stop == 25


def test_strides_that_do_not_fit_are_refused(positions: np.ndarray, tmp_path: Path) -> None:
    files = write_two(tmp_path / "a", positions)
    with pytest.raises(ValueError, match=r"streams.density.every_ps = 0.06: must be a multiple of the 0.1 ps"):
        reduce_two(files, settings(streams={"density": {"every_ps": 0.06}}))
    with pytest.raises(ValueError, match=r"block_ps = 0.24: must be a multiple of the 0.1 ps"):
        reduce_two(files, settings(block_ps=0.24))
    with pytest.raises(ValueError, match="lacks atoms of type N"):
        reduce_two(TwoTrajectories(files.ions, files.all_atoms, (1, 2, 3)), settings())
