"""Events and their exposure under a condition, against a loop over the looks and against known rates."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_cse.physics.exchange.exposure import Exposure, IonHistories, count_exposed


def test_without_a_condition_everything_counts() -> None:
    assert count_exposed([1, 3, 3], [5, 4, 4, 2], 2.0) == Exposure(events=3, time=6.0, ion_time=26.0)


def test_the_condition_applies_to_the_look_before() -> None:
    """The entry that brings the condition about does not count, the one that ends it does."""
    excess = np.array([40, 42, 41, 41])
    found = count_exposed([1, 2], [5, 4, 6, 6], 1.0, condition=excess >= 42)
    assert found == Exposure(events=1, time=1.0, ion_time=4.0)


@pytest.mark.parametrize("looks", [0, 1])
def test_one_look_observes_nothing(looks: int) -> None:
    if looks == 0:
        with pytest.raises(ValueError, match="donors has 0 values"):
            count_exposed([], [], 1.0)
    else:
        assert count_exposed([], [7], 1.0) == Exposure(0, 0.0, 0.0)


def test_the_published_condition_restricts_events_and_exposure() -> None:
    """2 entries in the last 300 of 380 ns: section 3.4 of the study, looked at every 1 ns."""
    excess = np.where(np.arange(381) >= 80, 42, 41)
    found = count_exposed([20, 81, 200], np.full(381, 15), 1.0, condition=excess >= 42)
    assert found == Exposure(events=2, time=300.0, ion_time=4500.0)


@settings(derandomize=True, max_examples=100)
@given(data=st.data())
def test_the_count_agrees_with_a_loop_over_the_looks(data: st.DataObject) -> None:
    looks = data.draw(st.integers(2, 30))
    donors = data.draw(st.lists(st.integers(0, 9), min_size=looks, max_size=looks))
    condition = data.draw(st.lists(st.booleans(), min_size=looks, max_size=looks))
    seen = data.draw(st.lists(st.integers(1, looks - 1), max_size=20))
    events, time, ion_time = 0, 0.0, 0.0
    for look in range(1, looks):
        if condition[look - 1]:
            events += seen.count(look)
            time += 0.5
            ion_time += 0.5 * donors[look - 1]
    assert count_exposed(seen, donors, 0.5, condition=np.array(condition)) == Exposure(events, time, ion_time)


def test_the_rate_of_a_chain_is_unbiased_under_a_condition() -> None:
    """Ions enter at a rate per donor that does not depend on the number inside: no condition biases it."""
    rng = np.random.default_rng(20251)
    inside, ions, rate = 20, 40, 0.002
    donors, excess, events = [], [], []
    for look in range(60_000):
        donors.append(ions - inside)
        excess.append(inside)
        entries = rng.binomial(ions - inside, rate)
        events += [look + 1] * int(entries)
        inside += int(entries) - int(rng.binomial(inside, rate))
    looks = np.array(excess)
    found = count_exposed(
        [look for look in events if look < len(looks)], donors, 1.0, condition=looks >= int(looks.mean()) + 2
    )
    assert 200 < found.events < len(events) / 2
    assert found.events / found.ion_time == pytest.approx(rate, abs=4 * np.sqrt(found.events) / found.ion_time)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event_looks": [0]}, r"event_looks\[0\] = 0: must be at least 1"),
        ({"event_looks": [1, 4]}, r"event_looks\[1\] = 4"),
        ({"event_looks": [1.5]}, r"event_looks\[0\] = 1.5"),
        ({"event_looks": [np.nan]}, "event_looks"),
        ({"donors": [1, 2, -1, 2]}, r"donors\[2\] = -1"),
        ({"interval": 0.0}, "interval = 0.0"),
        ({"condition": np.array([True, False])}, r"condition has shape \(2,\)"),
        ({"condition": np.array([1, 0, 1, 1])}, "type int64: must have"),
    ],
)
def test_wrong_arguments_are_named(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"event_looks": [1, 2], "donors": [1, 2, 3, 2], "interval": 1.0, "condition": None}
    with pytest.raises(ValueError, match=message):
        count_exposed(**(arguments | changes))


@settings(derandomize=True, max_examples=50)
@given(data=st.data())
def test_the_histories_agree_with_a_loop_over_the_looks(data: st.DataObject) -> None:
    """Labels 0 to 3 of four ions: 2 is the region, 1 and 3 are next to it."""
    looks = data.draw(st.integers(2, 12))
    labels = np.array(data.draw(st.lists(st.tuples(*4 * [st.integers(0, 3)]), min_size=looks, max_size=looks)))
    counts = np.array(data.draw(st.lists(st.booleans(), min_size=looks - 1, max_size=looks - 1)))
    moved = np.argwhere(np.diff(labels, axis=0) != 0)
    moves = np.array([(look + 1, ion, labels[look, ion], labels[look + 1, ion]) for look, ion in moved])
    histories = IonHistories(labels[0], moves.reshape(-1, 4).astype(np.int64), (2,), (1, 3))
    before, after = labels[:-1][counts], labels[1:][counts]
    assert histories.entries(counts).tolist() == ((before != 2) & (after == 2)).sum(axis=0).tolist()
    for chosen in ((2,), (1, 3)):
        assert histories.intervals(chosen, counts).tolist() == np.isin(before, chosen).sum(axis=0).tolist()


def test_an_ion_that_makes_all_entries_is_a_burst_unless_it_alone_could_enter() -> None:
    looks = np.arange(1, 41)
    to_and_fro = np.stack([looks, np.zeros(40, dtype=np.int64), looks % 2 + 1, 2 - looks % 2], axis=1)
    # ion 0 starts in the region, the others beside it or far from it
    found = {}
    for name, others in (("beside", 1), ("far", 0)):
        histories = IonHistories(np.array([2, *[others] * 19]), to_and_fro, (2,), (1,))
        entering = to_and_fro[to_and_fro[:, 3] == 2, 0]
        found[name] = count_exposed(entering, np.full(41, 20), 1.0, histories=histories)
        assert found[name].events == 20
    assert found["beside"].dispersion > 10
    assert found["far"].dispersion == 1
    assert found["far"].time_dispersion > 10, "for the rate per time, all ions could have entered"
