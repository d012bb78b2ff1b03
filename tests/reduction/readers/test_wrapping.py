"""Simulated diffusion: wrapped coordinates are found by their jumps, and no sound ones are refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from aiida_cse.reduction.readers.base import Frames
from aiida_cse.reduction.readers.unwrapping import AmbiguousMoveError, Unwrapper
from aiida_cse.reduction.readers.wrapping import MoveWatch, Tracers

Positions = NDArray[np.float64]
Move = Callable[[np.random.Generator, Positions], Positions]


def gaussian(size: float) -> Move:
    return lambda rng, places: places + rng.normal(0, size, places.shape)


def long_tails(size: float) -> Move:
    return lambda rng, places: places + rng.laplace(0, size / np.sqrt(2), places.shape)


def lattice(rate: float, spacing: float) -> Move:
    """Hops between sites, some of them a box edge apart, with vibrations."""

    def move(rng: np.random.Generator, places: Positions) -> Positions:
        hops = rng.poisson(rate, places.shape)
        steps = 2 * rng.binomial(hops, 0.5) - hops
        return places + spacing * steps + rng.normal(0, 0.3, places.shape)

    return move


def between_slabs(size: float) -> Move:
    """Diffusion that slabs reflect along z, at 10 and 74 Å of a box of 84 Å."""

    def move(rng: np.random.Generator, places: Positions) -> Positions:
        moved = places + rng.normal(0, size, places.shape)
        inside = np.mod(moved[:, 2] - 10, 128)
        moved[:, 2] = 10 + np.minimum(inside, 128 - inside)
        return moved

    return move


def run(
    seed: int, move: Move, edge: float, ions: int, frames: int, *, wrapped: bool = False, drift: float = 0.5
) -> tuple[Positions, Positions]:
    """Return unwrapped or wrapped positions (F, ions + 20, 3) of ions and framework in a drifting box (3,)."""
    rng, box = np.random.default_rng([seed, ions]), np.array([edge, edge, 84.0])
    places, slab = rng.uniform(0, 1, (ions, 3)) * box, rng.uniform(0, 1, (20, 3)) * box
    places[:, 2] = 10 + 64 * places[:, 2] / 84
    slab[:, 2] *= 20 / 84
    found, centre = [], np.zeros(3)
    for number in range(frames):
        if number:
            places, centre = move(rng, places), centre + rng.normal(0, drift, 3)
        found.append(np.concatenate([places, slab + rng.normal(0, 0.3, slab.shape)]) + centre)
    return np.mod(found, box) if wrapped else np.array(found), box


def watched(positions: Positions, box: Positions, pieces: int = 1, every: int = 1) -> MoveWatch:
    """Return the moves of the first atoms against the last 20, in pieces that are merged, last ones first.

    The numbers of consecutive frames differ by ``every``.
    """
    atoms = positions.shape[1]
    tracers = Tracers(np.arange(atoms, dtype=np.int32), atoms - 20, np.full(atoms - 20, 4.0))
    found, start, parts = MoveWatch(tracers, every), 0, []
    for piece in np.array_split(positions, pieces):
        one = found if pieces == 1 else MoveWatch(tracers)
        table = piece.transpose(0, 2, 1).reshape(len(piece), -1).astype(np.float32)
        numbers = every * np.arange(start, start + len(piece))
        columns = (0, atoms, 2 * atoms)
        one.add(table, columns, range(len(piece)), numbers, np.broadcast_to(box, (len(piece), 3)).copy())
        parts += [one] if pieces > 1 else []
        start += len(piece)
    for one in parts[::-1]:
        found.merge(one, box)
    found.join(box)
    return found


MOVES = [model(size) for model in (gaussian, long_tails, between_slabs) for size in (0.5, 2, 5, 10, 20, 40)]
MOVES += [lattice(rate, 3.5) for rate in (0.01, 0.3, 5.0)]


@pytest.mark.parametrize(("ions", "frames"), [(3, 3), (16, 11), (16, 100), (100, 5), (100, 60)])
@pytest.mark.parametrize("edge", [14.0, 39.0])
def test_sound_coordinates_are_never_refused(edge: float, ions: int, frames: int) -> None:
    for number, move in enumerate(MOVES):
        for seed in range(3):
            watch = watched(*run(seed, move, edge, ions, frames))
            assert watch.find_wrap(np.array([edge, edge, 84.0])) is None, (number, seed)


@pytest.mark.parametrize(("ions", "frames"), [(16, 60), (100, 20), (100, 60)])
@pytest.mark.parametrize("edge", [14.0, 39.0])
def test_wrapped_coordinates_are_found(edge: float, ions: int, frames: int) -> None:
    for number, move in enumerate(MOVES):
        positions, box = run(1, move, edge, ions, frames, wrapped=True)
        for pieces in (1, 3):
            jump = watched(positions, box, pieces).find_wrap(box)
            assert jump is not None, number
        before, after = (positions[number, jump.atom, jump.axis] for number in (jump.frame - 1, jump.frame))
        assert abs(after - before) == pytest.approx(jump.halves * box[jump.axis] / 2, abs=3)


@pytest.mark.parametrize("every", [1, 7])
def test_moves_between_pieces_count(every: int) -> None:
    positions, box = run(1, gaussian(0.5), 14.0, 16, 24, wrapped=True)
    whole, pieces = watched(positions, box, every=every), watched(positions, box, 24, every)
    assert pieces.moves == whole.moves > 0
    np.testing.assert_array_equal(pieces.found.quarters, whole.found.quarters)
    np.testing.assert_array_equal(pieces.found.jump, whole.found.jump)


def test_a_framework_that_crosses_the_end_of_the_box_shows_wrapping() -> None:
    positions, box = run(2, gaussian(0.0), 39.0, 3, 20, wrapped=True, drift=1.0)
    jump = watched(positions, box).find_wrap(box)
    assert jump is not None
    assert jump.why == "atoms of the framework, which do not diffuse, jump"


def test_a_run_that_is_resumed_in_another_image_is_found() -> None:
    positions, box = run(3, gaussian(0.5), 39.0, 100, 40)
    positions[20:, 7, 0] += 2 * 39
    jump = watched(positions, box).find_wrap(box)
    assert jump is not None
    assert (jump.frame, jump.atom, jump.axis) == (20, 7, 0)
    assert jump.halves == pytest.approx(4, abs=0.2)


@pytest.mark.parametrize("breathing", [0.0, 0.02])
def test_unwrapping_gives_the_moves_back(breathing: float) -> None:
    sound, box = run(4, gaussian(1.0), 39.0, 50, 60)
    boxes = box * (1 + breathing * np.sin(np.arange(60))[:, None])
    sound = sound * (boxes / box)[:, None]
    table = np.mod(sound, boxes[:, None]).transpose(0, 2, 1).reshape(60, -1).astype(np.float32)
    unwrapper, shifts = Unwrapper(70, np.ones(70, bool)), np.zeros((70, 3), np.int64)
    for first in range(0, 60, 7):
        piece = slice(first, first + 7)
        unwrapper.follow(Frames(table[piece], 70, (0, 70, 140), boxes[piece].copy()), first, shifts)
    found = table.reshape(60, 3, 70).transpose(0, 2, 1) - table.reshape(60, 3, 70).transpose(0, 2, 1)[:1]
    expected = sound - sound[0] + (boxes[0] - boxes)[:, None] * np.floor(sound[0] / box)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert 0 < unwrapper.largest < 0.8


def test_moves_of_half_a_box_are_not_unwrapped() -> None:
    sound, box = run(5, gaussian(14.0), 39.0, 50, 10)
    table = np.mod(sound, box).transpose(0, 2, 1).reshape(10, -1).astype(np.float32)
    frames = Frames(table, 70, (0, 70, 140), np.broadcast_to(box, (10, 3)).copy())
    with pytest.raises(AmbiguousMoveError, match=r"moves by (0\.[89]\d|1.00) L/2 along [xyz]"):
        Unwrapper(70, np.ones(70, bool)).follow(frames, 0, np.zeros((70, 3), np.int64))


@pytest.mark.parametrize("place", [np.nan, np.inf, 1e30])
def test_a_place_that_is_none_is_a_long_move(place: float) -> None:
    positions, box = run(1, gaussian(0.5), 14.0, 16, 3)
    positions[1, -1, 2] = place
    found = watched(positions, box).found.quarters
    assert found[1, 2, -1] > 0
    assert not found[:, :2].any()
