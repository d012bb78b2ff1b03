"""Faults planted by the author of the checks, by kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from aiida_cse.analysis.production import Ion, Window
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

    original = patch("aiida_cse.analysis.production", "Window.events", halved)


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


@fault("exposure", "ions in the bulk count as those in the layers", where="code")
def _(patch: Patch) -> None:
    original = Ion.donors.fget
    counted = property(lambda self: (self.counts["bulk"], original(self)[1]))
    patch("aiida_cse.analysis.production", "Ion.donors", counted)


@fault("exposure", "exposure in frames instead of nanoseconds", where="code")
def _(patch: Patch) -> None:
    def counted(*arguments: Any, **more: Any) -> Any:
        found = original(*arguments, **more)
        return replace(found, ion_time=found.ion_time / 0.2e-3)

    original = patch("aiida_cse.analysis.transitions", "count_exposed", counted)


@fault("exposure", "the condition on the excess is that of the look after", where="code")
def _(patch: Patch) -> None:
    def shifted(*arguments: Any, condition: Any = None, **more: Any) -> Any:
        moved = None if condition is None else np.roll(condition, -1)
        return original(*arguments, condition=moved, **more)

    original = patch("aiida_cse.analysis.transitions", "count_exposed", shifted)


@fault("exposure", "minimum_excess is ignored", where="code")
def _(patch: Patch) -> None:
    def unconditioned(*arguments: Any, condition: Any = None, **more: Any) -> Any:
        return original(*arguments, **more)

    original = patch("aiida_cse.analysis.transitions", "count_exposed", unconditioned)


@fault("exposure", "conditioned exposure + 10 %", where="results")
def _(results: Results) -> None:
    results["transitions"]["exposure_conditioned_ion_ns"] *= 1.1


# -- sides -------------------------------------------------------------------------------------------------------


def _swapped(results: Any) -> None:
    """Exchange the values of all keys with left and right, at every level."""
    if isinstance(results, list):
        for entry in results:
            _swapped(entry)
    if not isinstance(results, dict):
        return
    for key in list(results):
        _swapped(results[key])
        other = key.replace("left", "right")
        if other != key and other in results:
            results[key], results[other] = results[other], results[key]


@fault("sides", "entries left and right are swapped", where="code")
def _(patch: Patch) -> None:
    def swapped(*arguments: Any, **more: Any) -> Any:
        found = original(*arguments, **more)
        return {"left": found["right"], "right": found["left"]}

    original = patch("aiida_cse.analysis.production", "exchange", swapped)


@fault("sides", "left and right of the barriers are swapped", where="results")
def _(results: Results) -> None:
    _swapped(results["barrier"])


@fault("sides", "left and right of the populations are swapped", where="results")
def _(results: Results) -> None:
    _swapped(results["populations"])


@fault("sides", "left and right of the charge integral are swapped", where="results")
def _(results: Results) -> None:
    _swapped(results["charge_integral"])


@fault("sides", "left and right of the transitions are swapped, in the node", where="results")
def _(results: Results) -> None:
    _swapped(results["transitions"])


@fault("sides", "regions are numbered from right to left", where="state")
def _(state: State) -> None:
    state.region_counts = state.region_counts[..., ::-1].copy()


@fault("sides", "exits on the left count on the right", where="results")
def _(results: Results) -> None:
    for one in (results["transitions"], *results["transitions"]["by_rule"].values()):
        one["s_out_li_ceramic_right"] += one["s_out_li_ceramic_left"]
        one["s_out_li_ceramic_left"] = 0


# -- mirror ------------------------------------------------------------------------------------------------------


@fault("mirror", "the free energies are mirrored", where="results")
def _(results: Results) -> None:
    found = results["free_energy_profiles"]
    for key in [key for key in found if key.endswith("_K") and isinstance(found[key], np.ndarray)]:
        found[key] = found[key][::-1].copy()


@fault("mirror", "the densities are mirrored", where="results")
def _(results: Results) -> None:
    found = results["density_profiles"]
    for key in [key for key in found if key.endswith("_A3")]:
        found[key] = found[key][::-1].copy()


@fault("mirror", "z has the opposite sign in the whole reduction", where="state")
def _(state: State) -> None:
    state.point_histograms = state.point_histograms[..., ::-1].copy()
    state.streams = {name: stream[..., ::-1].copy() for name, stream in state.streams.items()}
    state.region_counts = state.region_counts[..., ::-1].copy()
    state.snapshot_bins = state.config.bins - 1 - state.snapshot_bins
    for track in (*state.tracks.values(), *state.core_tracks.values()):
        track.events = track.events.copy()
        track.events[:, 2:] = 4 - track.events[:, 2:]
        for name in ("first_labels", "last_labels"):
            labels = getattr(track, name)
            setattr(track, name, np.where(labels >= 0, 4 - labels, labels).astype(np.int8))


@fault("mirror", "z has the opposite sign, the framework is in place", where="physics")
def _(physics: Physics) -> Physics:
    one = physics.landscape
    changed = {"well_left": one.well_right, "well_right": one.well_left}
    changed |= {"barrier_left": one.barrier_right, "barrier_right": one.barrier_left}
    return replace(physics, landscape=one.model_copy(update=changed))


@fault("mirror", "the drift has the opposite sign", where="physics")
def _(physics: Physics) -> Physics:
    return replace(physics, landscape=physics.landscape.model_copy(update={"drift": -physics.landscape.drift}))


@fault("mirror", "the framework is centred by positions instead of masses", where="state")
def _(state: State) -> None:
    state.centres = state.centres + state.config.midplane_offset


# -- histograms --------------------------------------------------------------------------------------------------


@fault("histograms", "the charge histograms are zero", where="state")
def _(state: State) -> None:
    state.streams["charge"][:] = 0


@fault("histograms", "the density histograms are zero", where="state")
def _(state: State) -> None:
    state.streams["density"][:] = 0


@fault("histograms", "one block of the points is counted twice", where="state")
def _(state: State) -> None:
    state.point_histograms[-3] *= 2


@fault("histograms", "the points are one bin too far to the right", where="state")
def _(state: State) -> None:
    state.point_histograms = np.roll(state.point_histograms, 1, axis=-1)


@fault("histograms", "the densities are per bin instead of per volume", where="code")
def _(patch: Patch) -> None:
    def unscaled(total: Any, frames: Any, volume: Any, **more: Any) -> Any:
        return original(total, frames, 1.0, **more)

    original = patch("aiida_cse.analysis.profiles", "density_profile", unscaled)


@fault("histograms", "the densities of N and S are exchanged", where="state")
def _(state: State) -> None:
    stream = state.streams["density"]
    stream[:, [3, 4]] = stream[:, [4, 3]]


@fault("histograms", "the blocks of the points begin one block too late", where="state")
def _(state: State) -> None:
    state.point_histograms = np.roll(state.point_histograms, 1, axis=0)


# -- displacements -----------------------------------------------------------------------------------------------


@fault("displacements", "variances are twice as large", where="results")
def _(results: Results) -> None:
    results["displacement_variance"]["li_variance_A2"] = results["displacement_variance"]["li_variance_A2"] * 2


@fault("displacements", "squares of x and z are exchanged", where="state")
def _(state: State) -> None:
    moved = state.displacements
    moved.squares = moved.squares[..., ::-1].copy()


@fault("displacements", "both lags are exchanged", where="state")
def _(state: State) -> None:
    moved = state.displacements
    moved.counts, moved.sums, moved.squares = (
        moved.counts[:, :, ::-1].copy(),
        moved.sums[:, :, ::-1].copy(),
        moved.squares[:, :, ::-1].copy(),
    )


@fault("displacements", "displacements belong to the layer of their end", where="state")
def _(state: State) -> None:
    moved = state.displacements
    for array in (moved.counts, moved.sums, moved.squares):
        array[:, :7] = array[:, [1, 0, 3, 2, 5, 4, 6]]


@fault("displacements", "the friction is 3 % too strong", where="physics")
def _(physics: Physics) -> Physics:
    changed = {"damping_fs": physics.landscape.damping_fs / 1.03}
    return replace(physics, landscape=physics.landscape.model_copy(update=changed))


@fault("displacements", "the mean displacement is not subtracted and the lag is in frames", where="results")
def _(results: Results) -> None:
    results["displacement_variance"]["lags_ps"] = [2.0, 10.0]


# -- charges -----------------------------------------------------------------------------------------------------


@fault("charges", "the charges of the cations have the opposite sign", where="state")
def _(state: State) -> None:
    charges = list(state.config.charges)
    charges[2] *= -1
    state.config = state.config.model_copy(update={"charges": tuple(charges)})


@fault("charges", "the charges of N and S are exchanged", where="state")
def _(state: State) -> None:
    charges = list(state.config.charges)
    charges[3], charges[4] = charges[4], charges[3]
    state.config = state.config.model_copy(update={"charges": tuple(charges)})


@fault("charges", "the integral is taken twice", where="results")
def _(results: Results) -> None:
    found = results["charge_integral"]
    for side in ("left", "right"):
        found[f"{side}_e_per_A2"] = found[f"{side}_e_per_A2"] * 2


@fault("charges", "the right integral has the opposite sign", where="code")
def _(patch: Patch) -> None:
    def reversed_(z: Any, density: Any, start: Any, **more: Any) -> Any:
        found = original(z, density, start, **more)
        return replace(found, integral=-found.integral) if start == "right" else found

    original = patch("aiida_cse.analysis.profiles", "charge_integral", reversed_)


@fault("charges", "the integral is zero", where="results")
def _(results: Results) -> None:
    found = results["charge_integral"]
    for side in ("left", "right"):
        found[f"{side}_e_per_A2"] = found[f"{side}_e_per_A2"] * 0


# -- barriers ----------------------------------------------------------------------------------------------------


@fault("barriers", "barrier × 1.03", where="results")
def _(results: Results) -> None:
    found = results["barrier"]
    for key in [key for key in found if "barrier_li" in key and not key.endswith("error_K") and found[key]]:
        value = found[key]
        found[key] = [1.03 * end for end in value] if isinstance(value, list) else 1.03 * value


@fault("barriers", "the barriers of the landscape × 1.03", where="physics")
def _(physics: Physics) -> Physics:
    one = physics.landscape
    changed = {"barrier_left": one.barrier_left * 1.03, "barrier_right": one.barrier_right * 1.03}
    return replace(physics, landscape=one.model_copy(update=changed))


@fault("barriers", "κ × 3", where="results")
def _(results: Results) -> None:
    found = results["barrier"]
    if found["kappa_li"] is not None:
        found["kappa_li"] *= 3
        found["kappa_li_interval"] = [3 * end for end in found["kappa_li_interval"]]


@fault("barriers", "k has a factor of two", where="code")
def _(patch: Patch) -> None:
    def doubled(curvature: Any, mass: Any) -> Any:
        return original(2 * curvature, mass)

    original = patch("aiida_cse.analysis.barriers", "vibrational_frequency", doubled)


@fault("barriers", "the mass is that of sodium", where="code")
def _(patch: Patch) -> None:
    def heavier(*given: Any) -> Any:
        return original(*given) * 22.99 / 6.94

    original = patch("aiida_cse.analysis.barriers", "mass_of", heavier)


@fault("barriers", "the mean of both sides is arithmetic", where="results")
def _(results: Results) -> None:
    found = results["barrier"]
    both = [found[f"barrier_li_{side}_K"] for side in ("left", "right")]
    if None not in both:
        found["barrier_li_K"] = sum(both) / 2


# -- kinetics ----------------------------------------------------------------------------------------------------


def _scaled(found: Results, factor: float, *keys: str) -> None:
    """Multiply values and their intervals."""
    for key in keys:
        value = found[key]
        if isinstance(value, list):
            found[key] = [None if end is None else factor * end for end in value]
        elif value is not None:
            found[key] = factor * value


@fault("kinetics", "γ × 3", where="kinetics")
def _(found: Results) -> None:
    _scaled(found, 3, "gamma", "gamma_interval")


@fault("kinetics", "ΔE × 3", where="kinetics")
def _(found: Results) -> None:
    _scaled(found, 3, "energy_K", "energy_interval_K", "energy_kJ_per_mol")


@fault("kinetics", "ΔS × 3", where="kinetics")
def _(found: Results) -> None:
    _scaled(found, 3, "entropy_kB", "entropy_interval_kB")


@fault("kinetics", "κ of all runs × 3", where="kinetics")
def _(found: Results) -> None:
    _scaled(found, 3, "kappa", "kappa_interval")


@fault("kinetics", "the rates of all but the coldest temperature × 10", where="kinetics")
def _(found: Results) -> None:
    keys = sorted(key for key in found if key.startswith("rate_"))
    coldest = keys[0][:10]
    _scaled(found, 10, *(key for key in keys if not key.startswith(coldest) and not key.endswith("extrapolated")))


@fault("kinetics", "Γ × 3", where="kinetics")
def _(found: Results) -> None:
    _scaled(found, 3, *(key for key in found if key.startswith("rate_") and not key.endswith("extrapolated")))


@fault("kinetics", "the published ΔE is that of γ²", where="kinetics")
def _(found: Results) -> None:
    _scaled(found, 2, "gamma_energy_K")


@fault("kinetics", "runs off equilibrium take part", where="code")
def _(patch: Patch) -> None:
    patch("aiida_cse.physics.kinetics.observations", "Observation.objection", lambda self: None)


# -- temperature -------------------------------------------------------------------------------------------------


@fault("temperature", "the thermostat is 2 % too hot", where="physics")
def _(physics: Physics) -> Physics:
    return replace(physics, temperature=physics.temperature * 1.02)


@fault("temperature", "the state says 2 % more", where="state")
def _(state: State) -> None:
    state.config = state.config.model_copy(update={"temperature": (state.temperature or 0.0) * 1.02})


@fault("temperature", "results say 2 % more", where="results")
def _(results: Results) -> None:
    for found in results.values():
        if "temperature_K" in found:
            found["temperature_K"] *= 1.02


@fault("temperature", "F in kJ/mol", where="results")
def _(results: Results) -> None:
    results["free_energy_profiles"]["li_K"] = results["free_energy_profiles"]["li_K"] * 8.314e-3


@fault("temperature", "the analysis begins 0.2 ns too early", where="code")
def _(patch: Patch) -> None:
    def early(state: State, start_ns: float, *more: Any, **others: Any) -> Any:
        return original.__func__(Window, state, start_ns - 0.2, *more, **others)

    original = patch("aiida_cse.analysis.production", "Window.of", staticmethod(early))


@fault("temperature", "a frame lasts 0.1 ps", where="state")
def _(state: State) -> None:
    state.config = state.config.model_copy(update={"frame_steps": state.config.frame_steps // 2})
