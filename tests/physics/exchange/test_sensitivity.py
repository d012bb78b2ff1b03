"""Recounts from events against counts of labels, and the dependence on rule and stride."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aiida_cse.physics.exchange.regions import Region, RegionSet
from aiida_cse.physics.exchange.sensitivity import labels_from_events, recount_at_stride, transition_sensitivity
from aiida_cse.physics.exchange.transitions import Exchange, count_transitions
from aiida_cse.reduction.layers import surface_regions
from tests.physics.chains import two_state_chain
from tests.physics.fuzzing import modest, returned_or_named, spoiled

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 4))
REGION_LABELS = hnp.arrays(np.int64, SHAPES, elements=st.integers(0, 4))
CORE_LABELS = hnp.arrays(np.int64, SHAPES, elements=st.integers(-1, 4))
REGIONS = surface_regions(19.5, 55.0, "Li")


def first_known(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first label of each ion that is not −1, and its frame; −1 where there is none."""
    known = labels >= 0
    frame = np.where(known.any(axis=0), known.argmax(axis=0), -1)
    return np.where(frame >= 0, labels[frame, np.arange(labels.shape[1])], -1), frame


def remembered(labels: np.ndarray) -> np.ndarray:
    """Fill each −1 with the label that the ion had before."""
    filled = labels.copy()
    for frame in range(1, len(labels)):
        filled[frame] = np.where(labels[frame] >= 0, labels[frame], filled[frame - 1])
    return filled


@modest
@given(REGION_LABELS, st.integers(1, 6), st.integers(0, 5))
def test_recounted_snapshots_equal_a_count_at_that_stride(labels: np.ndarray, stride: int, start: int) -> None:
    start = min(start, len(labels) - 1)
    events = count_transitions(labels).events
    found = recount_at_stride(labels[0], events, start=start, stop=len(labels), stride=stride)
    direct = count_transitions(labels[start:], stride=stride)
    assert (found.events - [start, 0, 0, 0]).tolist() == direct.events.tolist()
    assert found.matrix.tolist() == direct.matrix.tolist()
    assert (found.rule, found.stride, found.names) == (direct.rule, direct.stride, direct.names)


@modest
@given(CORE_LABELS, st.integers(1, 6), st.integers(0, 5))
def test_recounted_cores_equal_a_count_of_the_state_at_that_stride(
    labels: np.ndarray, stride: int, start: int
) -> None:
    start = min(start, len(labels) - 1)
    events = count_transitions(labels, "core").events
    first, _ = first_known(labels)
    found = recount_at_stride(first, events, "core", start=start, stop=len(labels), stride=stride)
    direct = count_transitions(remembered(labels)[start:], "core", stride=stride)
    assert (found.events - [start, 0, 0, 0]).tolist() == direct.events.tolist()
    if stride == 1 and start == 0:
        assert found.events.tolist() == events.tolist()


@modest
@given(CORE_LABELS, st.integers(1, 7))
def test_events_give_the_labels_back(labels: np.ndarray, stride: int) -> None:
    first, since = first_known(labels)
    events = count_transitions(labels, "core").events
    frames = np.arange(0, len(labels), stride)
    found = labels_from_events(first, events, frames, first_frames=since)
    assert found.dtype == np.int8
    assert found.tolist() == remembered(labels)[::stride].tolist()


def test_the_latest_event_before_a_look_counts() -> None:
    events = [[3, 0, 2, 3], [5, 0, 3, 4], [5, 1, 1, 2], [9, 0, 4, 3]]
    assert labels_from_events([2, 1, -1], events, [2, 5, 8, 9]).tolist() == [
        [2, 1, -1], [4, 2, -1], [4, 2, -1], [3, 2, -1],
    ]  # fmt: skip
    assert labels_from_events([2, 1], events, []).shape == (0, 2)


def test_a_recount_of_a_long_run_needs_little_memory() -> None:
    events = [[10**9, 0, 2, 3], [10**9 + 1, 0, 3, 2], [2 * 10**9, 0, 2, 3]]
    found = recount_at_stride([2], events, start=0, stop=10**10, stride=1000)
    assert found.events.tolist() == [[10**9, 0, 2, 3], [10**9 + 1000, 0, 3, 2], [2 * 10**9, 0, 2, 3]]


def test_every_rule_stride_and_core_width_is_counted() -> None:
    rng = np.random.default_rng(1)
    z = np.cumsum(rng.normal(scale=2.0, size=(300, 5)), axis=0) % 110 - 55
    found = transition_sensitivity(z, REGIONS, strides=(1, 3), core_scales=(0.0, 1.0), target="layer")
    assert [(one.rule, one.stride, one.core_scale) for one in found] == [
        ("snapshot", 1, None), ("snapshot", 3, None),
        ("core", 1, 0.0), ("core", 3, 0.0), ("core", 1, 1.0), ("core", 3, 1.0),
    ]  # fmt: skip
    for one in found:
        labels = REGIONS.label(z) if one.core_scale is None else REGIONS.scaled_cores(one.core_scale).core_label(z)
        sides = count_transitions(labels, one.rule, stride=one.stride).exchange("layer")
        assert (one.left, one.right) == (sides["left"], sides["right"])
    # without buffers the two rules are one
    assert found[0].left == found[2].left


def test_recrossings_at_the_boundary_show_in_the_sensitivity() -> None:
    """Ions that hop now and then, and that tremble by 1.2 Å around a place 1 Å from the boundary."""
    rng = np.random.default_rng(7)
    labels = two_state_chain(rng, ions=40, frames=2000, enter=0.002, leave=0.002)
    hops = count_transitions(labels).exchange("ceramic")["right"]
    z = np.where(labels == 2, 22.0, 24.0) + rng.normal(scale=1.2, size=labels.shape)
    z[::5] = np.where(labels[::5] == 2, 19.0, 28.0)
    found = transition_sensitivity(z, REGIONS, strides=(1, 5))
    counted = {(one.rule, one.stride, one.core_scale): one.right for one in found}
    assert counted["snapshot", 1, None].total > 20 * hops.total
    assert counted["snapshot", 5, None].total == pytest.approx(hops.total, rel=0.05)
    assert counted["core", 5, 1.0] == counted["snapshot", 5, None]
    assert counted["core", 1, 1.5].total < 0.2 * counted["core", 1, 0.5].total
    assert all(one.left == Exchange(0, 0) for one in found)


@pytest.mark.filterwarnings("error")
@modest
@given(spoiled(z=np.zeros((3, 2)), strides=(1, 2), core_scales=(0.5, 1.0), target="ceramic"))
def test_any_sensitivity_is_counted_or_named(call: tuple[str, dict[str, Any]]) -> None:
    name, arguments = call
    if name in ("strides", "core_scales") and not isinstance(arguments[name], list | tuple):
        arguments[name] = (arguments[name],)
    found = returned_or_named(lambda: transition_sensitivity(regions=REGIONS, **arguments), name)
    assert found is None or all(one.left.total >= 0 for one in found)


@pytest.mark.filterwarnings("error")
@modest
@given(
    spoiled(
        first_labels=[2, 1, -1], events=[[3, 0, 2, 3], [5, 1, 1, 2]], frames=[0, 4, 8], first_frames=[0, 1, -1]
    )
)
def test_any_labels_are_returned_or_named(call: tuple[str, dict[str, Any]]) -> None:
    name, arguments = call
    found = returned_or_named(lambda: labels_from_events(**arguments), name)
    assert found is None or found.shape[1] == 3


@pytest.mark.filterwarnings("error")
@modest
@given(
    spoiled(first_labels=[2, 1, -1], events=[[3, 0, 2, 3]], rule="core", start=0, stop=9, stride=2),
)
def test_any_recount_is_returned_or_named(call: tuple[str, dict[str, Any]]) -> None:
    name, arguments = call
    found = returned_or_named(lambda: recount_at_stride(**arguments), name)
    assert found is None or len(found.events) <= 1


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"first_labels": [2, 1.5]}, "first_labels.* = .*: must be"),
        ({"first_labels": [2, -2]}, "first_labels.* = .*: must be"),
        ({"events": [[3, 0, 2]]}, "events has 3 columns: must have 4"),
        ({"events": [[3, 5, 2, 3]]}, "events are of ion 5, first_labels has 2 ions"),
        ({"events": [[3, 0, 2, 300]]}, "events go from or to region 300"),
        ({"events": [[3, 0, 2, 3], [2, 1, 1, 2]]}, "events must ascend in the frame"),
        ({"events": [[3, 1, 1, 2], [4, 0, 4, 3]]}, r"events\[1\] leaves region 4, but ion 0 is in region 2"),
        ({"events": [[3, 0, 2, 3], [4, 0, 2, 3]]}, r"events\[1\] leaves region 2, but ion 0 is in region 3"),
        ({"frames": [0, 0]}, "frames must ascend"),
        ({"first_frames": [0]}, "first_frames has 1 values, first_labels has 2"),
    ],
)
def test_bad_events_are_named(changed: dict[str, Any], match: str) -> None:
    good: dict[str, Any] = {"first_labels": [2, 1], "events": [[3, 0, 2, 3]], "frames": [0, 4]}
    with pytest.raises(ValueError, match=match):
        labels_from_events(**(good | changed))


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"stride": 0}, "stride = 0: must be a whole number from 1"),
        ({"stop": 2, "start": 2}, "stop = 2: must be a whole number from 3"),
        ({"start": -1}, "start = -1"),
        ({"stop": 1e300}, "stop = 1e\\+300: must be"),
        ({"rule": "cores"}, "rule = 'cores'"),
        ({"names": ("a", "b")}, "labels.* = .*: must be"),
    ],
)
def test_bad_strides_and_ranges_are_named(changed: dict[str, Any], match: str) -> None:
    good: dict[str, Any] = {"first_labels": [2], "events": [[3, 0, 2, 3]], "start": 0, "stop": 9, "stride": 2}
    with pytest.raises(ValueError, match=match):
        recount_at_stride(**(good | changed))


def test_bad_strides_scales_and_targets_are_named() -> None:
    z = np.zeros((3, 2))
    with pytest.raises(ValueError, match="strides = 0: must be a whole number from 1"):
        transition_sensitivity(z, REGIONS, strides=(0,))
    with pytest.raises(ValueError, match=r"core_scales\.scale = 9: layer_left of Li would have no core"):
        transition_sensitivity(z, REGIONS, core_scales=(9.0,))
    with pytest.raises(ValueError, match="target = 'bulk': must be one of ceramic, layer"):
        transition_sensitivity(z, REGIONS, target="bulk")  # type: ignore[arg-type]
    two = RegionSet("X", (Region("ceramic", -1, 0, (-1, 0)), Region("layer_right", 0, 1, (0, 1))))
    with pytest.raises(ValueError, match="regions of X lack layer_left, which the target 'layer' needs"):
        transition_sensitivity(z, two, target="layer")
