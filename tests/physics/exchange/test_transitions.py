"""Transitions under both rules: small tables, against a plain loop, and for a chain of known rates."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.transitions import Exchange, count_transitions, exchange, transition_matrix
from tests.physics.chains import two_state_chain
from tests.physics.fuzzing import modest, returned_or_named, spoiled

LABELS = hnp.arrays(np.int64, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.integers(-1, 4))


def test_the_snapshot_rule_counts_changes_of_region() -> None:
    # ion 0 enters from the right and leaves to the left, ion 1 goes through the bulk, ion 2 visits no region
    labels = [[3, 1, -1], [2, 0, -1], [2, 4, 2], [1, 3, 2]]
    found = count_transitions(labels, "snapshot")
    assert found.events.tolist() == [[1, 0, 3, 2], [1, 1, 1, 0], [2, 1, 0, 4], [3, 0, 2, 1], [3, 1, 4, 3]]
    assert found.exchange("ceramic") == {"left": Exchange(0, 1), "right": Exchange(1, 0)}
    assert found.exchange("layer") == {"left": Exchange(1, 1), "right": Exchange(1, 1)}


def test_the_core_rule_keeps_the_state_in_a_buffer() -> None:
    core = np.array([[2, 3, 2, -1, 3, -1, -1, 2]]).T
    recrossing = np.array([[2, -1, 2, -1, -1, 2, -1, 3]]).T
    assert count_transitions(core, "core").events[:, 0].tolist() == [1, 2, 4, 7]
    assert count_transitions(recrossing, "core").events.tolist() == [[7, 0, 2, 3]]


def test_stride_uses_every_nth_frame() -> None:
    labels = np.array([[2, 3, 2, 3, 3, 2]]).T
    assert len(count_transitions(labels, stride=1).events) == 4
    assert count_transitions(labels, stride=2).events.tolist() == [[4, 0, 2, 3]]


@given(LABELS, st.integers(1, 4))
def test_both_rules_agree_with_a_plain_loop(labels: np.ndarray, stride: int) -> None:
    for rule in ("snapshot", "core"):
        expected = []
        for ion in range(labels.shape[1]):
            memory = -1
            for frame in range(0, len(labels), stride):
                label = int(labels[frame, ion])
                if label >= 0 and memory >= 0 and label != memory:
                    expected.append([frame, ion, memory, label])
                if rule == "snapshot" or label >= 0:
                    memory = label
        found = count_transitions(labels, rule, stride=stride)
        assert found.events.tolist() == sorted(expected)
        assert found.matrix.sum() == len(expected)


@given(LABELS)
def test_net_exchange_is_the_change_of_the_population(labels: np.ndarray) -> None:
    labels = np.abs(labels)
    change = int((labels[-1] == 2).sum() - (labels[0] == 2).sum())
    sides = count_transitions(labels).exchange("ceramic")
    assert sum(side.entries - side.exits for side in sides.values()) == change


def test_the_count_gives_the_rates_of_a_chain() -> None:
    labels = two_state_chain(np.random.default_rng(5), ions=60, frames=4000, enter=0.004, leave=0.006)
    both = sum(count_transitions(labels).exchange("ceramic").values(), Exchange(0, 0))
    inside = (labels[:-1] == 2).sum()
    outside = (labels[:-1] == 3).sum()
    assert both.entries / outside == pytest.approx(0.004, rel=4 / np.sqrt(both.entries))
    assert both.exits / inside == pytest.approx(0.006, rel=4 / np.sqrt(both.exits))


def test_matrix_of_no_events_is_zero() -> None:
    assert transition_matrix(np.zeros((0, 4))).tolist() == [[0] * 5] * 5


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="rule = 'cores': must be one of snapshot, core"):
        count_transitions([[0]], "cores")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="stride = 0"):
        count_transitions([[0]], stride=0)
    with pytest.raises(ValueError, match=r"labels.* = .*: must be at most 4"):
        count_transitions([[5]])
    with pytest.raises(ValueError, match="labels has 1 axes"):
        count_transitions([0, 1])
    with pytest.raises(ValueError, match="target = 'bulk': must be one of ceramic, layer"):
        exchange(np.zeros((5, 5)), "bulk")


@pytest.mark.parametrize("stride", [1.5, float("nan"), "a", None, [1]])
def test_a_stride_is_a_whole_number(stride: object) -> None:
    with pytest.raises(ValueError, match=r"^stride = .*: must be a whole number from 1"):
        count_transitions([[0]], stride=stride)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: transition_matrix([[1, 0, 2, 5]]), "events go from or to region 5: must be below regions = 5"),
        (lambda: transition_matrix([[1, 0, 2]]), "events has 3 columns: must have 4"),
        (lambda: transition_matrix([], 0), "regions = 0: must be a whole number from 1 to 128"),
        (lambda: exchange(np.zeros((4, 4)), "ceramic"), r"matrix has the shape \(4, 4\), names has 5 regions"),
        (lambda: exchange(np.zeros((1, 1)), "layer", ("ceramic",)), "names .* must hold layer_left, layer_right"),
        (lambda: count_transitions([[0]], names=("a", "a")), "names = .*: must be names that differ"),
        (lambda: count_transitions([["a"]]), "labels must be numbers"),
    ],
)
def test_invalid_tables_are_named(call: Callable[[], object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        call()


GOOD_CALLS: dict[Callable[..., object], dict[str, object]] = {
    count_transitions: {"labels": [[2, 3], [3, -1]], "rule": "core", "stride": 1, "names": REGION_NAMES},
    transition_matrix: {"events": [[1, 0, 2, 3]], "regions": 5},
    exchange: {"matrix": np.ones((5, 5)), "target": "ceramic", "names": REGION_NAMES},
}


@pytest.mark.parametrize("function", GOOD_CALLS, ids=lambda function: function.__name__)
@pytest.mark.filterwarnings("error")
@modest
@given(st.data())
def test_anything_is_counted_or_named(function: Callable[..., object], data: st.DataObject) -> None:
    name, arguments = data.draw(spoiled(**GOOD_CALLS[function]))
    # labels and matrix may be good, and not go with other names
    returned_or_named(lambda: function(**arguments), name, *({"labels", "matrix"} if name == "names" else ()))
