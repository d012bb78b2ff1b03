"""Sampling: times become whole numbers of frames, and wrong fields are named."""

from __future__ import annotations

import re
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


def test_streams_and_layers_are_read_and_written() -> None:
    given = sampling(
        streams={"density": {"every_ps": 0.04}, "charge": {"every_ps": 0.1, "bin_width": 0.326}},
        layers={"Li": {"names": ["left", "right"], "edges": [0.0]}},
    )
    assert Sampling.model_validate(given.model_dump(mode="json")) == given
    assert given.stream_frames == {"density": (2, 1), "charge": (5, 1)}
    assert sampling().streams is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"streams": {"a": {"every_ps": 0.055}}},
            "streams.a.every_ps = 0.055: must be a multiple of half of the 0.02 ps",
        ),
        ({"streams": {"a": {"every_ps": 0.01}}}, "streams.a.every_ps = 0.01: .* and at least one frame"),
        ({"bin_width": 0.2, "ion_bin_width": 0.2, "lags_ps": []}, "ion_bin_width = 0.2: the bins of the ions are"),
        ({"streams": {"a b": {"every_ps": 4}}}, "streams.a b"),
        (
            {"streams": {"a": {"every_ps": 4, "bins": 20, "bin_width": 1}}},
            "streams.a.bins = 20: bin_width is given",
        ),
        ({"streams": {"a": {"every": 4}}}, "streams.a: unknown key 'every'; did you mean 'every_ps'"),
        (
            {"bin_width": 0.2, "lags_ps": [], "streams": {"a": {"every_ps": 4, "bins": 20}}},
            "streams.a.bins = 20: with bin_width = 0.2 the box may change, so that bins have a width",
        ),
        ({"bin_width": 0.2}, r"lags_ps = 1000: with bin_width = 0.2 the box may change, .* it must be \[\]"),
        ({"bin_width": 0.0}, "bin_width = 0.0"),
        ({"layers": {"Li": {"names": ["a", "b"]}}}, "layers.Li.edges = none: 2 layers have 1 edges between them"),
        (
            {"layers": {"Li": {"names": ["a", "a"], "edges": [1.0]}}},
            "layers.Li.names = a, a: each must occur once",
        ),
        (
            {"layers": {"Li": {"names": ["a", "b", "c"], "edges": [2.0, 1.0]}}},
            "layers.Li.edges = 2, 1: they must ascend",
        ),
    ],
)
def test_wrong_streams_bins_and_layers_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        sampling(**changes)
    assert re.search(message, explain(error.value))
