"""Faults planted by a person who has not read the checks, by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from aiida_cse.reduction.state import State
from benchmarks.mutations.faults import Patch, fault

__all__: list[str] = []

Results = dict[str, Any]


def _scaled(found: Results, factor: float, *parts: str) -> None:
    """Multiply every number whose key contains all ``parts``, and both ends of an interval."""
    for key in [key for key in found if all(part in key for part in parts)]:
        value = found[key]
        if isinstance(value, list):
            found[key] = [None if end is None else factor * end for end in value]
        elif value is not None and not isinstance(value, bool):
            found[key] = factor * value


# -- sides -------------------------------------------------------------------------------------------------------


@fault("sides", "a tenth of the entries on the right are told as left", where="results")
def _(results: Results) -> None:
    for found in (results["transitions"], *results["transitions"]["by_rule"].values()):
        moved = max(1, found["s_in_li_ceramic_right"] // 10)
        found["s_in_li_ceramic_right"] -= moved
        found["s_in_li_ceramic_left"] += moved


@fault("sides", "the left barrier stands on both sides", where="results")
def _(results: Results) -> None:
    found = results["barrier"]
    for key in [key for key in found if "_left" in key]:
        found[key.replace("_left", "_right")] = found[key]


@fault("sides", "the profile of the left half stands on both sides", where="state")
def _(state: State) -> None:
    points = state.point_histograms
    half = points.shape[-1] // 2
    points[..., -half:] = points[..., half - 1 :: -1][..., :half]


# -- mirror ------------------------------------------------------------------------------------------------------


@fault("mirror", "the points of the anions are mirrored, those of the cations are not", where="state")
def _(state: State) -> None:
    anion = list(state.config.ions).index("TFSI")
    state.point_histograms[:, anion] = state.point_histograms[:, anion, ::-1].copy()


@fault("mirror", "the axis of the profiles has the opposite sign", where="results")
def _(results: Results) -> None:
    for name in ("free_energy_profiles", "density_profiles"):
        for key in [key for key in results[name] if key.startswith("z") or key.endswith("_z_A")]:
            results[name][key] = -np.asarray(results[name][key])


# -- counts ------------------------------------------------------------------------------------------------------


@fault("counts", "exits 5 % too few", where="results")
def _(results: Results) -> None:
    for found in (results["transitions"], *results["transitions"]["by_rule"].values()):
        found["s_out_li_ceramic"] = int(found["s_out_li_ceramic"] * 0.95)


@fault("counts", "the events of the last tenth of the run are lost", where="state")
def _(state: State) -> None:
    last = state.stop - (state.stop - state.start) // 10
    for track in state.tracks.values():
        track.events = track.events[track.events[:, 0] < last]


@fault("counts", "the events of an ion in ten are those of the next ion", where="state")
def _(state: State) -> None:
    for track in state.tracks.values():
        track.events = track.events.copy()
        mine = track.events[:, 1] % 10 == 0
        track.events[mine, 1] += 1


@fault("counts", "an ion that returns within ten frames has not crossed", where="code")
def _(patch: Patch) -> None:
    def without_returns(self: Any, events: Any, rule: Any) -> Any:
        found = original(self, events, rule)
        order = np.lexsort((found[:, 0], found[:, 1]))
        found = found[order]
        pair = (np.diff(found[:, 1]) == 0) & (np.diff(found[:, 0]) <= 10)
        lost = np.zeros(len(found), dtype=bool)
        lost[:-1] |= pair
        lost[1:] |= pair
        kept = found[~lost]
        return kept[np.argsort(kept[:, 0], kind="stable")]

    original = patch("aiida_cse.analysis.production", "Window.events", without_returns)


# -- exposure ----------------------------------------------------------------------------------------------------


@fault("exposure", "the number of donors is that of the first look", where="code")
def _(patch: Patch) -> None:
    def constant(events: Any, donors: Any, *arguments: Any, **more: Any) -> Any:
        first = np.full_like(donors, donors[0]) if len(donors) else donors
        return original(events, first, *arguments, **more)

    original = patch("aiida_cse.analysis.transitions", "count_exposed", constant)


@fault("exposure", "the rate per ion is 8 % too low beside its own exposure", where="results")
def _(results: Results) -> None:
    for found in (results["transitions"], *results["transitions"]["by_rule"].values()):
        _scaled(found, 0.92, "rate_in_li_ceramic_per_ion_per_s")


@fault("exposure", "the time that was observed is that of one look more in ten", where="results")
def _(results: Results) -> None:
    for found in (results["transitions"], *results["transitions"]["by_rule"].values()):
        found["observed_ns"] *= 1.1


# -- histograms --------------------------------------------------------------------------------------------------


@fault("histograms", "every tenth block of the points is empty", where="state")
def _(state: State) -> None:
    state.point_histograms[::10] = 0


@fault("histograms", "the densities of all types are two bins too far to the left", where="state")
def _(state: State) -> None:
    state.streams["density"] = np.roll(state.streams["density"], -2, axis=-1)


@fault("histograms", "the densities are 5 % too high", where="results")
def _(results: Results) -> None:
    found = results["density_profiles"]
    for key in [key for key in found if key.endswith("_A3")]:
        found[key] = found[key] * 1.05


# -- displacements -----------------------------------------------------------------------------------------------


@fault("displacements", "an eleventh of the displacements is lost, that of the longest", where="state")
def _(state: State) -> None:
    moved = state.displacements
    moved.squares = (moved.squares * 0.9).astype(moved.squares.dtype)


@fault("displacements", "the layers are in the opposite order", where="results")
def _(results: Results) -> None:
    found = results["displacement_variance"]
    found["li_variance_A2"] = np.flip(found["li_variance_A2"], axis=0)


@fault("displacements", "lags are 10 % too long", where="results")
def _(results: Results) -> None:
    found = results["displacement_variance"]
    found["lags_ps"] = (1.1 * np.asarray(found["lags_ps"])).tolist()


# -- charges -----------------------------------------------------------------------------------------------------


@fault("charges", "all charges are 6 % too large", where="state")
def _(state: State) -> None:
    charges = tuple(1.06 * charge for charge in state.config.charges)
    state.config = state.config.model_copy(update={"charges": charges})


@fault("charges", "the integral begins at the surface of the slab", where="results")
def _(results: Results) -> None:
    found = results["charge_integral"]
    for side in ("left", "right"):
        integral = np.asarray(found[f"{side}_e_per_A2"])
        found[f"{side}_e_per_A2"] = integral - integral[len(integral) // 2]


@fault("charges", "the left half is integrated without its sign", where="code")
def _(patch: Patch) -> None:
    def unsigned(z: Any, density: Any, start: Any, **more: Any) -> Any:
        found = original(z, density, start, **more)
        return replace(found, integral=np.abs(found.integral)) if start == "left" else found

    original = patch("aiida_cse.analysis.profiles", "charge_integral", unsigned)


# -- barriers ----------------------------------------------------------------------------------------------------


@fault("barriers", "the TST barrier is 150 K too high", where="results")
def _(results: Results) -> None:
    found = results["barrier"]
    for key in [key for key in found if key.startswith("tst_barrier_li") and not key.endswith("error_K")]:
        value = found[key]
        if value is not None:
            found[key] = [end + 150 for end in value] if isinstance(value, list) else value + 150


@fault("barriers", "the thermal flux lacks the factor two pi", where="code")
def _(patch: Patch) -> None:
    def unscaled(*arguments: Any, **more: Any) -> Any:
        return original(*arguments, **more) * np.sqrt(2 * np.pi)

    original = patch("aiida_cse.analysis.barriers", "thermal_flux", unscaled)


@fault("barriers", "one in four counts around the right boundary is lost", where="state")
def _(state: State) -> None:
    cation = list(state.config.ions).index("Li")
    boundary = state.config.ions["Li"].edges[3]
    near = np.abs(state.config.grid.centres - boundary) < 1.5
    points = state.point_histograms
    points[:, cation, near] -= points[:, cation, near] // 4


# -- kinetics ----------------------------------------------------------------------------------------------------


@fault("kinetics", "rates are those of a temperature 20 K higher", where="code")
def _(patch: Patch) -> None:
    def hotter(observations: Sequence[Any], temperatures: Sequence[float], **more: Any) -> Any:
        return original(observations, [kelvin + 20 for kelvin in temperatures], **more)

    original = patch("aiida_cse.analysis.kinetics", "joint_kinetics", hotter)


@fault("kinetics", "the hottest run takes part twice", where="code")
def _(patch: Patch) -> None:
    def doubled(runs: Mapping[str, Any], *arguments: Any, **more: Any) -> Any:
        hottest = max(runs, key=lambda label: runs[label]["transitions"]["temperature_K"])
        return original({**runs, "again": runs[hottest]}, *arguments, **more)

    original = patch("benchmarks.mutations.world", "kinetics", doubled)


@fault("kinetics", "counts are weighed with the exposure in ps", where="code")
def _(patch: Patch) -> None:
    def in_ps(*arguments: Any, **more: Any) -> Any:
        found = original(*arguments, **more)
        return replace(found, exposure=found.exposure * 1e3)

    original = patch("aiida_cse.analysis.kinetics", "_observation", in_ps)


@fault("kinetics", "the barriers of the runs stand for the activation energy", where="kinetics")
def _(found: Results) -> None:
    known = [one["barrier_K"] for one in found["observations"] if one["barrier_K"] is not None]
    if known and found["energy_K"] is not None:
        shift = 1.2 * max(known) - found["energy_K"]
        found["energy_K"] += shift
        found["energy_interval_K"] = [end + shift for end in found["energy_interval_K"]]


# -- temperature -------------------------------------------------------------------------------------------------


@fault("temperature", "the hottest run says 2 % less in its state", where="state")
def _(state: State, temperature: float) -> None:
    if temperature > 1000 and state.config.temperature is not None:
        state.config = state.config.model_copy(update={"temperature": 0.98 * state.config.temperature})


@fault("temperature", "rates are per minute", where="results")
def _(results: Results) -> None:
    for found in (results["transitions"], *results["transitions"]["by_rule"].values()):
        _scaled(found, 60, "rate_", "per_s")


@fault("temperature", "a frame lasts twice as long in every analysis", where="code")
def _(patch: Patch) -> None:
    def doubled(self: Any) -> float:
        return float(self.config.frame_ps) / 500

    patch("aiida_cse.analysis.production", "Window.frame_ns", property(doubled))
