"""Contents of a state: format 3, values that no reduction gives, the temperature, and the sources."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State, TrajectorySource
from tests.reduction.synthetic import config, contents, make, write_dcd

NEW_FIELDS = ("bin_width", "streams", "atom_ids", "temperature")


def format_3(arrays: dict[str, Any], settings: ReductionConfig) -> dict[str, Any]:
    """Return the arrays of a file of format 3 with the same contents."""
    old = {name: array for name, array in arrays.items() if name not in ("stream_atoms", "edges", "sources")}
    fields = {
        name: value for name, value in json.loads(settings.model_dump_json()).items() if name not in NEW_FIELDS
    }
    return old | {
        "config": np.frombuffer(json.dumps(fields).encode(), np.uint8),
        "range": np.array([3, *arrays["range"][1:]]),
        "histograms": arrays["stream_atoms"],
        "lengths": arrays["edges"][:, 2],
    }


# -- format 3 ------------------------------------------------------------------------------------------------


def test_a_state_of_format_3_is_the_same_state(state: State, path: Path) -> None:
    np.savez(path, **format_3(contents(path), state.config))
    old = State.load(path)
    assert old.equals(state)
    assert (old.temperature, old.sources) == (None, ())
    assert str(analyse(old, 700.0)) == str(analyse(state, 700.0))


def test_a_configuration_of_format_3_means_one_stream(state: State) -> None:
    fields = {name: value for name, value in state.config.model_dump().items() if name not in NEW_FIELDS}
    assert ReductionConfig.model_validate_json(json.dumps(fields)) == state.config


def test_a_state_of_format_3_is_continued(tmp_path: Path) -> None:
    positions = make(5, 40, hop=0.1).positions
    whole = reduce_segments([write_dcd(tmp_path / "a.dcd", positions)], config())
    until = reduce_segments([tmp_path / "a.dcd"], config(), until_step=170)
    until.save(tmp_path / "until.npz")
    np.savez(tmp_path / "until.npz", **format_3(contents(tmp_path / "until.npz"), until.config))
    assert reduce_segments([tmp_path / "a.dcd"], config(), State.load(tmp_path / "until.npz")).equals(whole)


# -- values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "place", "value", "why"),
    [
        ("stream_atoms", (0, 2, 7), -1, "stream_atoms has the value -1; the smallest possible one is 0"),
        ("point_histograms", (0, 1, 7), -3, "point_histograms has the value -3"),
        ("region_counts", (3, 0, 1), -2, "region_counts has the value -2"),
        ("displacement_counts", (0, 0, 0), -1, "displacement_counts has the value -1"),
        ("displacement_squares", (0, 0, 0, 0), -1, "displacement_squares has the value -1"),
        ("centres", 3, np.nan, "centres has a value that is not finite"),
        ("edges", (3, 1), np.inf, "edges has a value that is not finite"),
        ("edges", (3, 1), 0.0, "edges has a value that is not above 0"),
        ("snapshot_bins", (1, 4), 110, "snapshot_bins has the value 110; the largest possible one is 109"),
        ("snapshot_first_labels", 0, 5, "snapshot_first_labels has the value 5; the largest possible one is 4"),
        ("core_last_labels", 0, -2, "core_last_labels has the value -2; the smallest possible one is -1"),
        ("core_0.5_first_frames", 0, 25, "core_0.5_first_frames has the value 25; the largest possible one is 24"),
        ("core_events", (0, 0), 25, "core_events has the value 25; the largest possible one is 24"),
        ("core_events", (0, 1), 20, "core_events has the value 20; the largest possible one is 19"),
        ("core_events", (0, 3), -1, "core_events has the value -1; the smallest possible one is 0"),
        ("core_events", (0, 0), 24, "core_events are not in the order of time"),
    ],
)
def test_values_that_no_reduction_gives_are_refused(
    path: Path, name: str, place: Any, value: float, why: str
) -> None:
    arrays = contents(path)
    arrays["core_events"] = np.array([[3, 1, 0, 1], [5, 2, 1, 2]])
    arrays[name] = arrays[name].copy()
    arrays[name][place] = value
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=rf"state.npz: is no state of a reduction: {why}"):
        State.load(path)


def test_counts_that_do_not_add_up_are_refused(path: Path) -> None:
    sound = contents(path)
    for name, place in (
        ("stream_atoms", (0, 2, 7)),
        ("point_histograms", (1, 1, 7)),
        ("region_counts", (3, 0, 1)),
    ):
        arrays = sound | {name: sound[name].copy()}
        arrays[name][place] += 1
        np.savez(path, **arrays)
        with pytest.raises(
            ValueError, match=rf"no state of a reduction: {name} counts \d+ in row {place[0]}; there"
        ):
            State.load(path)


def test_events_that_do_not_follow_from_each_other_are_refused(path: Path) -> None:
    sound = contents(path)
    events = sound["snapshot_events"]
    assert len(events) > 1
    turned = np.column_stack([events[:, :2], events[:, 3:1:-1]])
    for changed in (events[1:], np.concatenate([events, events[-1:]]), turned):
        np.savez(path, **(sound | {"snapshot_events": changed}))
        with pytest.raises(ValueError, match=r"snapshot_events of ion \d+ do not lead from its first label"):
            State.load(path)


def test_an_array_given_twice_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        content = archive.read("centres.npy")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("centres.npy", content)
    with pytest.raises(ValueError, match=r"state.npz: is no state of a reduction: holds centres.npy twice"):
        State.load(path)


@pytest.mark.parametrize("text", ["{}", '[{"name": "a"}]', '[["a", 1]]', "[" * 100_000, "x"])
def test_sources_that_are_none_are_refused(path: Path, text: str) -> None:
    np.savez(path, **(contents(path) | {"sources": np.frombuffer(text.encode(), np.uint8)}))
    with pytest.raises(ValueError, match=r"state.npz: is no state of a reduction"):
        State.load(path)


def test_a_number_of_ions_that_the_configuration_does_not_give_is_refused(path: Path, state: State) -> None:
    fewer = state.config.model_copy(update={"ions": {"Li": state.config.ions["Li"]}})
    text = np.frombuffer(fewer.model_dump_json().encode(), np.uint8)
    np.savez(path, **(contents(path) | {"config": text}))
    with pytest.raises(ValueError, match=r"state.npz: is no state of a reduction: .* but 12 ions in 25 frames"):
        State.load(path)


# -- temperature ---------------------------------------------------------------------------------------------


def at(state: State, temperature: float | None) -> State:
    """Return the state with a temperature."""
    return replace(state, config=state.config.model_copy(update={"temperature": temperature}))


def test_merged_states_are_of_one_temperature(tmp_path: Path) -> None:
    file = write_dcd(tmp_path / "a.dcd", make(3, 25).positions)
    first = reduce_segments([file], config(), until_step=100)
    later = reduce_segments([write_dcd(tmp_path / "b.dcd", make(3, 25).positions[10:], first_step=100)], config())
    for mine, other, merged in ((500.0, 500.0, 500), (None, 500.0, 500), (500.0, None, 500), (None, None, None)):
        assert at(first, mine).merge(at(later, other)).temperature == merged
    with pytest.raises(ValueError, match=r"temperature differs between the state and .*: 500.0 and 700.0"):
        at(first, 500.0).merge(at(later, 700.0))
    known = config().model_copy(update={"temperature": 500.0})
    assert reduce_segments([file], known, first).temperature == 500
    assert reduce_segments([file], known, until_step=100, previous=first).temperature == 500
    with pytest.raises(ValueError, match=r"temperature differs between the state and the new configuration"):
        reduce_segments([file], known, at(first, 700.0))


def test_a_known_temperature_is_the_default_and_no_other_is_taken(state: State) -> None:
    known = at(state, 500.0)
    assert ReducedProduction(known).temperature == ReducedProduction(known, 500.0).temperature == 500
    assert ReducedProduction(state, 700.0).temperature == 700
    assert analyse(known)["populations"]["temperature_K"] == 500
    with pytest.raises(ValueError, match=r"temperature = 700: the reduction is of a run at 500 K"):
        analyse(known, 700.0)
    with pytest.raises(ValueError, match=r"temperature: is missing; the reduction does not say that of"):
        analyse(state)


# -- sources -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_sources_are_the_files_that_were_read_each_once(tmp_path: Path, threads: int) -> None:
    positions = make(3, 25).positions
    first = write_dcd(tmp_path / "1.dcd", positions[:11])
    second = write_dcd(tmp_path / "2.dcd", positions[10:], first_step=100)
    sums = {str(first): hashlib.sha256(first.read_bytes()).hexdigest().upper()}
    state = reduce_segments([first], config(), threads=threads, checksums=sums)
    one = TrajectorySource("1.dcd", first.stat().st_size, sums[str(first)].lower(), 0, 11)
    assert state.sources == (one,)
    longer = reduce_segments([first, second], config(), state, threads=threads)
    other = TrajectorySource("2.dcd", second.stat().st_size, None, 100, 15)
    assert longer.sources == (one, other)
    again = reduce_segments([second], config(), longer, hash_sources=True)
    assert again.sources == (one, replace(other, sha256=hashlib.sha256(second.read_bytes()).hexdigest()))
    again.save(tmp_path / "state.npz")
    assert State.load(tmp_path / "state.npz").sources == again.sources
    assert again.equals(replace(again, sources=()))


def test_merged_states_name_their_sources_in_order() -> None:
    a, b = TrajectorySource("a.dcd", 10, None, 0, 5), TrajectorySource("a.dcd", 10, None, 500, 7)
    known = replace(a, sha256="0" * 64, frames=3)
    assert TrajectorySource.joined(a, b, known) == (replace(a, sha256="0" * 64), b)
    assert len(TrajectorySource.joined(known, replace(known, sha256="1" * 64))) == 2
