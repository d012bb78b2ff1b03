"""Bound of the verdict: bursts of one ion lower it, ions deep in the crystal do not."""

from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.equilibration import equilibration
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.physics.exchange.equilibration import equilibration_lower_bound, exchange_interval
from aiida_cse.reduction.state import State
from aiida_cse.reduction.system import IonDescription
from tests.reduction.synthetic import config

DEEP, OUTSIDE, ANIONS, FRAMES = 1500, 30, 8, 3000
LAYER, CERAMIC = 1, 2


def state(crossings: list[tuple[int, int, int]]) -> State:
    """Return a state of many Li deep in the ceramic and some outside; a crossing is frame, ion, new label."""
    settings = config(
        types=np.array([1, 2, 3, 3, *[3] * (DEEP + OUTSIDE - 2), *[4] * ANIONS]),
        molecules=np.array([1, 1, *range(2, 2 + DEEP + OUTSIDE + ANIONS)]),
        anion=IonDescription("TFSI", (4,)),
        initial_cations=DEEP,
        snapshot_ps=0.02,
    )
    made = State.empty(settings, 0, FRAMES, ions=DEEP + OUTSIDE + ANIONS)
    made.region_counts[:, 0, LAYER], made.region_counts[:, 0, CERAMIC] = OUTSIDE, DEEP
    for track in made.tracks.values():
        track.first_frames[:] = 0
        track.first_labels[:DEEP] = CERAMIC
        track.first_labels[DEEP:] = LAYER
        now = track.first_labels.astype(np.int64)
        events = []
        for frame, ion, label in sorted(crossings):
            events.append((frame, ion, now[ion], label))
            now[ion] = label
        track.events = np.array(events, dtype=np.int64).reshape(-1, 4)
        track.last_labels[:] = now
    return made


def judged(crossings: list[tuple[int, int, int]], **settings: Any) -> dict[str, Any]:
    return equilibration(ReducedProduction(state(crossings), 700.0, AnalysisSettings.model_validate(settings)))


def test_independent_events_count_fully() -> None:
    """Seven ions go in, seven others come out, in turn; one of the first goes in a second time."""
    entering = [(50 + 400 * number, DEEP + number, CERAMIC) for number in range(6)]
    again = [(2500, DEEP, LAYER), (2700, DEEP, CERAMIC)]
    leaving = [(250 + 400 * number, number, LAYER) for number in range(6)]
    found = judged(entering + again + leaving)
    assert found["s_total_li_ceramic"] == 14
    assert found["burst_index_li_ceramic"] == 1
    assert found["ec_lower_bound"] == pytest.approx(equilibration_lower_bound(7, 7))
    assert found["s_total_li_ceramic_interval"] == pytest.approx(exchange_interval(7, 7))


def test_one_ion_that_crosses_to_and_fro_does_not_count_fully() -> None:
    found = judged([(100 * step, DEEP, CERAMIC if step % 2 else LAYER) for step in range(1, 15)])
    assert found["s_total_li_ceramic"] == 14
    assert found["burst_index_li_ceramic"] == pytest.approx(7, rel=0.05)
    assert found["ec_lower_bound"] < 0.1 < equilibration_lower_bound(7, 7)
    assert "bursts" in found["reasons"][1]
    weight = found["burst_index_li_ceramic"]
    assert found["s_total_li_ceramic_interval"] == pytest.approx(exchange_interval(7, 7, burst_index=weight))


def test_ions_that_left_before_the_window_could_enter() -> None:
    """The positions of the ions at the start of the window count."""
    left = [(10 + ion, ion, LAYER) for ion in range(20)]
    production = ReducedProduction(state(left), 700.0, AnalysisSettings(start_ns=100 * 2e-5))
    labels = production.labels_at_start("snapshot")
    assert (labels[:20] == LAYER).all()
    assert (labels[20:DEEP] == CERAMIC).all()
    assert (ReducedProduction(state(left), 700.0).labels_at_start("snapshot")[:20] == CERAMIC).all()


def test_no_ion_outside_gives_no_counts() -> None:
    made = state([])
    for track in made.tracks.values():
        track.first_labels[:] = CERAMIC
    found = equilibration(ReducedProduction(made, 700.0))
    assert found["ec_lower_bound"] == 0
    assert found["burst_index_li_ceramic"] == 1


def test_entries_and_exits_per_ion() -> None:
    production = ReducedProduction(state([(10, DEEP, CERAMIC), (20, DEEP, LAYER), (30, 5, LAYER)]), 700.0)
    found = production.transitions("snapshot")["Li"]
    counts = production.ions["Li"].exchange_counts(found.events)
    assert counts.sum(axis=0).tolist() == [found.both.entries, found.both.exits] == [1, 2]
    assert counts[DEEP].tolist() == [1, 1]
    assert counts[5].tolist() == [0, 1]


def to_and_fro(frames: range, ions: range) -> list[tuple[int, int, int]]:
    """Return crossings by which each ion goes in and out again, one after the other."""
    ways = (CERAMIC, LAYER)
    return [(frame + ion, DEEP + ion, ways[turn % 2]) for turn, frame in enumerate(frames) for ion in ions]


def test_the_remaining_deviation_is_judged_by_cores() -> None:
    """All ions outside go in and out under the snapshot rule, but never into a core of the ceramic."""
    crossings = to_and_fro(range(50, FRAMES, 150), range(OUTSIDE))
    trembling, moving = state(crossings), state(crossings)
    trembling.tracks["core"].events = np.zeros((0, 4), dtype=np.int64)
    found = [equilibration(ReducedProduction(made, 700.0)) for made in (trembling, moving)]
    assert found[0]["ec"] == found[1]["ec"] > 0.5
    times = [one["relaxation_times_li_ceramic"] for one in found]
    assert times[0] < 0.1 < times[1]
    assert not found[0]["equilibrated"]
    assert "deviation remaining from the start" in found[0]["reasons"][4]
    assert found[0]["remaining_deviation_li_ceramic_upper_bound"] > 1


def test_the_remaining_deviation_is_optional() -> None:
    made = state(to_and_fro(range(50, FRAMES, 150), range(OUTSIDE)))
    found = equilibration(ReducedProduction(made, 700.0, AnalysisSettings(maximum_remaining=None)))
    assert len(found["reasons"]) == 4
    assert found["remaining_deviation_li_ceramic"] is None
