"""Counts of transitions under other rules, strides and cores, against counts of the known regions."""

from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.transitions import MULTIPLES, sensitivity
from aiida_cse.physics.exchange.transitions import count_transitions, exchange, transition_matrix
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import FRAME_STEPS, TIMESTEP, Synthetic, config, make, write_dcd

FRAMES = 305
FIRST = 4
FRAME_PS = FRAME_STEPS * TIMESTEP / 1000
STRIDE = 3
TARGETS = {"Li": "ceramic", "TFSI": "layer"}


@pytest.fixture(scope="module")
def trajectory() -> Synthetic:
    return make(23, FRAMES, hop=0.08)


@pytest.fixture(scope="module")
def state(trajectory: Synthetic, tmp_path_factory: pytest.TempPathFactory) -> State:
    path = write_dcd(tmp_path_factory.mktemp("a") / "a.dcd", trajectory.positions, first_step=FIRST * FRAME_STEPS)
    return reduce_segments([path], config(core_scales=(0.5, 1.5)))


def records(state: State, begin: int = FIRST) -> dict[tuple[str, int, float | None], dict[str, Any]]:
    """Return the records by rule, stride in frames and width, without the first frames."""
    start = (begin - FIRST) * FRAME_PS / 1000
    found = sensitivity(ReducedProduction(state, 700.0, AnalysisSettings(start_ns=start)))
    return {(one["rule"], round(one["stride_ps"] / FRAME_PS), one["core_scale"]): one for one in found}


def expected(trajectory: Synthetic, begin: int, stride: int) -> dict[str, int]:
    """Count the labels of every stride-th frame from the first snapshot on, with stride 1 from the first frame."""
    first = begin if stride == 1 else -(-begin // STRIDE) * STRIDE
    counts = {}
    for name, target in TARGETS.items():
        sides = count_transitions(trajectory.regions[name][first - FIRST :: stride]).exchange(target)
        for side, found in sides.items():
            counts[f"s_in_{name.lower()}_{target}_{side}"] = found.entries
            counts[f"s_out_{name.lower()}_{target}_{side}"] = found.exits
    return counts


@pytest.mark.parametrize("begin", [FIRST, 50])
@pytest.mark.parametrize("multiple", MULTIPLES)
def test_snapshots_are_counted_at_longer_strides(
    state: State, trajectory: Synthetic, begin: int, multiple: int
) -> None:
    stride = multiple * STRIDE
    found = records(state, begin)["snapshot", stride, None]
    assert found.items() >= expected(trajectory, begin, stride).items()
    first = -(-begin // STRIDE) * STRIDE
    looks = len(range(first, FIRST + FRAMES, stride))
    assert found["observed_ns"] == pytest.approx((looks - 1) * stride * FRAME_PS / 1000)


@pytest.mark.parametrize("begin", [FIRST, 50])
@pytest.mark.parametrize("stride", [1, *(multiple * STRIDE for multiple in MULTIPLES)])
def test_labels_of_cores_are_counted_at_strides(
    state: State, trajectory: Synthetic, begin: int, stride: int
) -> None:
    """The ions hop from core to core, so that the state is the region."""
    assert records(state, begin)["core", stride, 1.0].items() >= expected(trajectory, begin, stride).items()


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_cores_of_other_widths_have_their_own_events(state: State, scale: float) -> None:
    found = records(state)["core", 1, scale]
    ions = ReducedProduction(state, 700.0).ions
    events = state.core_tracks[scale].events
    for name, target in TARGETS.items():
        own = events[np.isin(events[:, 1], ions[name].numbers)]
        for side, counted in exchange(transition_matrix(own), target).items():
            assert found[f"s_in_{name.lower()}_{target}_{side}"] == counted.entries
            assert found[f"s_out_{name.lower()}_{target}_{side}"] == counted.exits


def test_each_way_of_counting_has_one_record(state: State) -> None:
    found = sensitivity(ReducedProduction(state, 700.0))
    assert len(found) == len(records(state)) == len(MULTIPLES) + 3 * (1 + len(MULTIPLES))
    assert {one["core_scale"] for one in found} == {None, 0.5, 1.0, 1.5}


def test_longer_strides_see_less(state: State) -> None:
    """Ions that go and come back between two looks are not seen."""
    found = records(state)
    crossings = [
        sum(value for key, value in found["snapshot", multiple * STRIDE, None].items() if key.startswith("s_"))
        for multiple in MULTIPLES
    ]
    assert crossings == sorted(crossings, reverse=True)
    assert crossings[0] > 2 * crossings[-1]


def test_strides_longer_than_the_window_are_left_out(trajectory: Synthetic, tmp_path: Any) -> None:
    path = write_dcd(tmp_path / "a.dcd", trajectory.positions[:20])
    found = sensitivity(ReducedProduction(reduce_segments([path], config(core_scales=())), 700.0))
    strides = {round(one["stride_ps"] / FRAME_PS) for one in found}
    assert strides == {1, 3, 6, 15}
    nothing = sensitivity(
        ReducedProduction(reduce_segments([path], config(snapshot_ps=0.6, core_scales=())), 700.0)
    )
    assert [(one["rule"], one["stride_ps"]) for one in nothing] == [("core", pytest.approx(FRAME_PS))]


def test_snapshots_at_every_frame_have_no_stride_twice(trajectory: Synthetic, tmp_path: Any) -> None:
    path = write_dcd(tmp_path / "a.dcd", trajectory.positions)
    found = sensitivity(
        ReducedProduction(reduce_segments([path], config(snapshot_ps=0.02, core_scales=())), 700.0)
    )
    strides = [round(one["stride_ps"] / FRAME_PS) for one in found]
    assert strides == [*MULTIPLES, *MULTIPLES]
