"""Faults planted by the author of the checks, by kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from aiida_cse.reduction.state import State
from benchmarks.mutations.faults import Patch, fault
from benchmarks.mutations.trajectories import Physics

__all__: list[str] = []

Results = dict[str, Any]


# -- counts ------------------------------------------------------------------------------------------------------


@fault("counts", "the snapshot rule loses every second event", where="state")
def _(state: State) -> None:
    track = state.tracks["snapshot"]
    track.events = track.events[::2]


@fault("counts", "every 20th core event is lost", where="state")
def _(state: State) -> None:
    track = state.tracks["core"]
    track.events = np.delete(track.events, np.s_[::20], axis=0)


@fault("counts", "an entry and the exit that follows are lost for every 20th ion", where="state")
def _(state: State) -> None:
    track = state.tracks["core"]
    keep = np.ones(len(track.events), dtype=bool)
    for ion in range(0, 250, 20):
        own = np.flatnonzero(track.events[:, 1] == ion)
        keep[own[: len(own) // 2 * 2]] = False
        if len(own) % 2 == 0 and len(own):
            track.last_labels[ion] = track.first_labels[ion]
    track.events = track.events[keep]


@fault("counts", "entries 3 % too many", where="results")
def _(results: Results) -> None:
    for where in (results["transitions"], results["transitions"]["by_rule"]["core"]):
        where["s_in_li_ceramic"] = round(where["s_in_li_ceramic"] * 1.03)


@fault("counts", "events of the first half of the window are left out", where="code")
def _(patch: Patch) -> None:
    def halved(self: Any, events: Any, rule: Any) -> Any:
        kept = original(self, events, rule)
        return kept[kept[:, 0] > (self.begin + self.stop) // 2]

    original = patch("aiida_cse.analysis.window", "Window.events", halved)


@fault("counts", "N(Li, slab) × 1.06", where="results")
def _(results: Results) -> None:
    results["populations"]["n_li_ceramic"] *= 1.06


@fault("counts", "N(TFSI, layer) × 1.5", where="results")
def _(results: Results) -> None:
    results["populations"]["n_tfsi_layer"] *= 1.5


# -- exposure ----------------------------------------------------------------------------------------------------


@fault("exposure", "exposure + 10 %", where="code")
def _(patch: Patch) -> None:
    def longer(*arguments: Any, **more: Any) -> Any:
        found = original(*arguments, **more)
        return replace(found, ion_time=found.ion_time * 1.1)

    original = patch("aiida_cse.analysis.transitions", "exposure_of", longer)
    patch("aiida_cse.analysis.barriers", "exposure_of", longer)


@fault("temperature", "the thermostat is 2 % too hot", where="physics")
def _(physics: Physics) -> Physics:
    return replace(physics, temperature=physics.temperature * 1.02)
