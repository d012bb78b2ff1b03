"""Sampling: times become whole numbers of frames, and wrong fields are named."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from aiida_cse.reduction.sampling import Sampling
from aiida_cse.schema import explain

LAYER = {"inner": 0.5, "outer": 8.0}


def sampling(**changes: Any) -> Sampling:
    given = {"timestep_fs": 2.0, "frame_ps": 0.02, "block_ps": 0.2, "snapshot_ps": 0.06, "bins": 110}
    return Sampling.model_validate(given | changes)


def test_times_become_numbers_of_frames() -> None:
    found = sampling(lags_ps=[0.06, 0.12], displacement_ps=0.06)
    assert (found.frame_steps, found.block_frames, found.snapshot_frames) == (10, 10, 3)
    assert (found.lags, found.displacement_frames) == ((3, 6), 3)
    assert sampling(block_ps=1000.0, frame_ps=0.1).block_frames == 10_000


@pytest.mark.parametrize(
    ("lags", "given", "stride"),
    [
        ((500,), None, 10),
        ((50, 200), None, 10),
        ((24, 36), None, 6),
        ((7,), None, 7),
        ((500,), 4, 4),
        ((), 4, None),
    ],
)
def test_by_default_origins_are_ten_frames_apart_or_divide_every_lag(
    lags: tuple[int, ...], given: int | None, stride: int | None
) -> None:
    displacement = None if given is None else given * 0.02
    found = sampling(lags_ps=[lag * 0.02 for lag in lags], displacement_ps=displacement)
    assert (found.lags, found.displacement_frames) == (lags, stride)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ({"inner": 1}, "offsets.FSI.outer: is missing"),
        (LAYER | {"margin": 1}, "offsets.FSI: unknown key 'margin'; did you mean 'margins'?"),
        (LAYER | {"outer": 2.5}, "offsets.FSI: the core of the layer from 1.5 to 1.5 Å is empty"),
        (LAYER | {"inner": float("nan")}, "offsets.FSI.inner = nan"),
        (LAYER | {"margins": [1, 1, 1, -1]}, "offsets.FSI.margins.3 = -1"),
        (LAYER | {"margins": [1, 1]}, "offsets.FSI.margins.2: is missing"),
    ],
)
def test_wrong_offsets_are_refused_by_their_field(layer: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        sampling(offsets={"FSI": layer})
    assert sentence in explain(caught.value)


def test_offsets_survive_a_round_trip_through_a_node() -> None:
    given = sampling(offsets={"FSI": LAYER})
    assert Sampling.model_validate(given.model_dump(mode="json")) == given


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"lags_ps": [0.05]}, "lags_ps = 0.05: must be a multiple of the 0.02 ps between frames"),
        ({"lags_ps": [0.2, 0.1]}, "lags_ps = 0.2, 0.1: lags must ascend"),
        ({"lags_ps": [0.1, 0.1]}, "lags_ps = 0.1, 0.1: lags must ascend"),
        ({"lags_ps": [-1]}, "lags_ps.0 = -1"),
        ({"lags_ps": [1e300]}, "lags_ps.0 = 1e+300"),
        ({"lags_ps": ["1"]}, "lags_ps.0 = '1'"),
        ({"displacement_ps": 0.03}, "displacement_ps = 0.03: must be a multiple"),
        ({"displacement_ps": 0}, "displacement_ps = 0"),
        ({"displacement_ps": 0.06, "lags_ps": [0.1]}, "lags_ps = 0.1: no multiple of displacement_ps = 0.06"),
        ({"core_scales": [0]}, "core_scales.0 = 0"),
        ({"core_scales": [float("nan")]}, "core_scales.0 = nan"),
    ],
)
def test_wrong_samplings_are_refused_by_their_field(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        sampling(**changes)
    assert sentence in explain(caught.value)
