"""How the count of entries and exits depends on the way of counting: rule, stride, width of the cores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import Subject
from aiida_cse.physics.exchange.sensitivity import recount_at_stride
from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.reduction.tracks import Track

__all__ = ["sensitivity"]

#: strides that are tried, over that of the snapshots
MULTIPLES = (1, 2, 5, 10)


@dataclass(frozen=True)
class _Way:
    """One way of counting: a rule, the track that it left, and the stride (frames) at which that is looked at."""

    rule: Rule
    track: Track
    stride: int
    core_scale: float | None = None


def sensitivity(subject: Subject) -> list[dict[str, Any]]:
    """Count the entries and exits of each ion in other ways.

    The published rule at 1, 2, 5 and 10 times the stride of the snapshots; cores, as wide as the regions say and
    as the reduction was asked for, followed at every frame, and their state looked at with these strides.

    Returns
    -------
    list of dict
        One record per way: ``rule``, ``stride_ps``, ``core_scale`` (None without cores), ``observed_ns``, and the
        entries and exits of each ion per side. A stride at which there are no two looks is left out.
    """
    return [record for way in _ways(subject) if (record := _record(subject, way)) is not None]


def _ways(subject: Subject) -> Iterator[_Way]:
    strides = [multiple * subject.state.config.snapshot_frames for multiple in MULTIPLES]
    for stride in strides:
        yield _Way("snapshot", subject.tracks["snapshot"], stride)
    for scale, track in sorted(subject.core_tracks.items()):
        for stride in dict.fromkeys([1, *strides]):
            yield _Way("core", track, stride, scale)


def _record(subject: Subject, way: _Way) -> dict[str, Any] | None:
    looks = subject.window.looks("core" if way.stride == 1 else "snapshot")
    observed = (subject.window.stop - 1 - looks[0]) // way.stride if len(looks) else 0
    if observed < 1:
        return None
    record: dict[str, Any] = {
        "rule": way.rule,
        "stride_ps": way.stride * subject.state.config.frame_ps,
        "core_scale": way.core_scale,
        "observed_ns": int(observed) * way.stride * subject.window.frame_ns,
    }
    events = _events(subject, way, int(looks[0]))
    for ion in subject.ions.values():
        for side, found in ion.transitions(events).sides.items():
            record[f"s_in_{ion.exchange_key}_{side}"] = found.entries
            record[f"s_out_{ion.exchange_key}_{side}"] = found.exits
    return record


def _events(subject: Subject, way: _Way, start: int) -> NDArray[np.int64]:
    """Return the events (E, 4) in the window as they are seen at the stride."""
    window, track = subject.window, way.track
    if way.stride == window.look_frames(way.rule):
        return window.events(track.events, way.rule)
    # ions that never change would only make the table of labels larger
    moving, columns = np.unique(track.events[:, 1], return_inverse=True)
    events = track.events.copy()
    events[:, 1] = columns
    recounted = recount_at_stride(
        track.first_labels[moving], events, way.rule, start=start, stop=window.stop, stride=way.stride
    )
    seen: NDArray[np.int64] = recounted.events.copy()
    seen[:, 1] = moving[seen[:, 1]]
    return seen
