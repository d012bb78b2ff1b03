"""Second computation of the results of a run, from the arrays of its state and without the code of the analysis.

Each function yields triples: the key of a result, the value in the node, and the value that a few lines of numpy
find in the state. They must agree to rounding, so that these comparisons have no false alarms: an error of the
analysis in any single number is seen, however small it is against the statistical error. Errors of the reduction
are seen by :mod:`~aiida_cse.landscape.consistency`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import constants, stats

from aiida_cse.reduction.config import GRID
from aiida_cse.reduction.state import State

__all__ = [
    "RECOUNTS",
    "REGIONS",
    "Triple",
    "WindowedState",
    "agree",
    "disagreement",
    "edges_are_resolved",
    "region_labels",
]

Results = Mapping[str, Any]
#: key, value in the node, value found again
Triple = tuple[str, Any, Any]
Integers = NDArray[np.int64]

REGIONS = ("bulk_left", "layer_left", "ceramic", "layer_right", "bulk_right")
#: Å outside the bins of the zero of F, from the surface planes
_ZERO_INSIDE = 4.2
#: relative difference by which numbers may differ from rounding
_ROUNDING = 1e-9
#: limits of the width of an interval on a count, relative to that of Poisson's of as many independent events; an
#: estimated dispersion widens it at a high level
_NARROWEST, _WIDEST = 0.8, 6.0
#: Å on both sides of an extremum in which F is close to a parabola
_PARABOLA = 1.5
#: largest difference of barriers from two ways to fit the same counts, relative and in standard errors
_SAME_BARRIER, _SAME_ERRORS = 0.02, 1.5
#: least independent events that say how wide an interval should be
_FEWEST = 30
#: largest dispersion of ions that do not interact, with few events
_MOST_DISPERSED = 20.0
#: Å² in one nm², and surfaces of a slab
_SQUARE_NM, _SURFACES = 100.0, 2


@dataclass(frozen=True)
class WindowedState:
    """A state and the frames ``begin`` to ``stop`` − 1 that the criteria of an analysis select.

    Attributes
    ----------
    state
        The state.
    criteria
        Settings of the analysis.
    """

    state: State
    criteria: Mapping[str, Any]

    @property
    def frame_ns(self) -> float:
        """Time between frames, ns."""
        return self.state.config.frame_steps * self.state.config.timestep_fs * 1e-6

    @property
    def begin(self) -> int:
        """First frame: that of the first block that begins at or after ``start_ns``."""
        block = self.state.config.block_frames
        skipped = math.ceil(self.criteria["start_ns"] / self.frame_ns - 1e-9)
        return self.state.start if not skipped else -(-(self.state.start + skipped) // block) * block

    @property
    def temperature(self) -> float:
        """Temperature of the run, K; NaN if the state does not say it."""
        return self.state.config.temperature or math.nan

    def counts(self, ion: str) -> Integers:
        """Return the ions in each region (frames, 5) of the window."""
        index = list(self.state.config.ions).index(ion)
        return self.state.region_counts[self.begin - self.state.start :, index].astype(np.int64)

    def blocks(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the blocks of the window out of those of the state."""
        block = self.state.config.block_frames
        return array[self.begin // block - self.state.start // block :]

    def counted(self, every: int) -> int:
        """Return the number of frames of the window that are multiples of ``every``."""
        return len(range(-(-self.begin // every) * every, self.state.stop, every))

    def members(self, ion: str) -> slice:
        """Return the ions of a species among all ions of the state, which follow each other by species."""
        names = list(self.state.config.ions)
        numbers = [int(self.state.region_counts[0, index].sum()) for index in range(len(names))]
        ends = np.cumsum([0, *numbers])
        return slice(int(ends[names.index(ion)]), int(ends[names.index(ion) + 1]))


# -- numbers of ions and events ---------------------------------------------------------------------------------


def _populations(one: WindowedState, found: Results) -> Iterator[Triple]:
    for name, species in one.state.config.ions.items():
        counts, key = one.counts(name), f"n_{name.lower()}"
        series = dict(zip(REGIONS, counts.T, strict=True))
        series |= {both: series[f"{both}_left"] + series[f"{both}_right"] for both in ("layer", "bulk")}
        if species.initial_ceramic is not None:
            series["excess"] = series["ceramic"] - species.initial_ceramic
        for region, values in series.items():
            yield f"{key}_{region}", found[f"{key}_{region}"], values.mean()
            if (interval := found[f"{key}_{region}_interval"]) is not None:
                middle = sum(interval) / 2
                yield f"{key}_{region}_interval", interval[0] < values.mean() < interval[1], True
                yield f"{key}_{region}_interval, middle", abs(middle - values.mean()) < np.diff(interval)[0], True
            ends = found.get(f"{key}_{region}_blocks")
            if ends is not None:
                # the frames that are left over belong to no block, or to one that is more
                lengths = {len(values) // max(number, 1) for number in (len(ends), len(ends) - 1)}
                blocks = [values[: len(ends) * length].reshape(len(ends), -1).mean(axis=1) for length in lengths
                          if 0 < len(ends) * length <= len(values)]  # fmt: skip
                yield f"{key}_{region}_blocks", not blocks or any(agree(ends, again) for again in blocks), True


def _transitions(one: WindowedState, found: Results) -> Iterator[Triple]:
    yield "rule", found["rule"], one.criteria["rule"]
    yield "regions", list(found["regions"]), list(REGIONS)
    yield "condition_minimum_excess", found["condition_minimum_excess"], one.criteria["minimum_excess"]
    for rule in ("snapshot", "core"):
        again = _of_rule(one, rule)
        for key, value in again.items():
            yield f"{rule}: {key}", found["by_rule"][rule][key], value
            if rule == found["rule"]:
                yield key, found[key], value
        yield from _rate_intervals(found["by_rule"][rule], rule, one.criteria["level"])
    yield from _rate_intervals(found, "", one.criteria["level"])
    yield from _sensitivity(one, found["sensitivity"])


def _of_rule(one: WindowedState, rule: str) -> dict[str, Any]:
    stride = one.state.config.snapshot_frames if rule == "snapshot" else 1
    first = -(-one.begin // stride) * stride
    events = next(track for name, track in one.state.tracks.items() if name == rule).events
    events = events[(events[:, 0] > first) & (events[:, 0] < one.state.stop)]
    looks = np.arange(first, one.state.stop, stride)
    step = stride * one.frame_ns
    again: dict[str, Any] = {"observed_ns": (len(looks) - 1) * step}
    for name, species in one.state.config.ions.items():
        own, key = one.members(name), name.lower()
        mine = events[(events[:, 1] >= own.start) & (events[:, 1] < own.stop)]
        matrix = np.zeros((5, 5), dtype=np.int64)
        for _, _, origin, target in mine.tolist():
            matrix[origin, target] += 1
        again[f"matrix_{key}"] = matrix.tolist()
        again |= _sides(matrix, key, species.exchange)
        counts = one.counts(name)[looks - one.begin]
        donors = (counts[:, [1, 3]] if species.exchange == "ceramic" else counts[:, [0, 4]]).sum(axis=1)
        inside = [2] if species.exchange == "ceramic" else [1, 3]
        entries = mine[np.isin(mine[:, 3], inside)]
        exposure = donors[:-1].sum() * step
        again[f"exposure_{key}_{species.exchange}_ion_ns"] = exposure
        rate = f"rate_in_{key}_{species.exchange}"
        again[f"{rate}_per_s"] = len(entries) / again["observed_ns"] * 1e9
        again[f"{rate}_per_ion_per_s"] = len(entries) / exposure * 1e9
        x, y, _ = one.state.config.box
        again[f"{rate}_per_nm2_per_s"] = again[f"{rate}_per_s"] / (_SURFACES * x * y / _SQUARE_NM)
        if species.initial_ceramic is not None:
            minimum = one.criteria["minimum_excess"]
            least = -math.inf if minimum is None else minimum
            holds = counts[:, 2] - species.initial_ceramic >= least
            kept = int(holds[(entries[:, 0] - first) // stride - 1].sum())
            conditioned = donors[:-1][holds[:-1]].sum() * step
            again |= {
                f"s_in_{key}_{species.exchange}_conditioned": kept,
                "exposure_conditioned_ns": holds[:-1].sum() * step,
                "exposure_conditioned_ion_ns": conditioned,
                f"{rate}_conditioned_per_ion_per_s": kept / conditioned * 1e9 if conditioned else None,
            }
    return again


def _sides(matrix: Integers, ion: str, exchange: str) -> dict[str, int]:
    """Return entries and exits of both sides from transitions (5, 5)."""
    if exchange == "ceramic":
        entries = matrix[:2, 2].sum(), matrix[3:, 2].sum()
        exits = matrix[2, :2].sum(), matrix[2, 3:].sum()
    else:
        entries = matrix[:, 1].sum(), matrix[:, 3].sum()
        exits = matrix[1].sum(), matrix[3].sum()
    found: dict[str, int] = {}
    for way, (left, right) in (("in", entries), ("out", exits)):
        key = f"s_{way}_{ion}_{exchange}"
        found |= {f"{key}_left": int(left), f"{key}_right": int(right), key: int(left + right)}
    return found


def _rate_intervals(found: Results, rule: str, level: float) -> Iterator[Triple]:
    """Check that an interval of a rate contains it and is about as wide as its events and their dispersion say."""
    for key in [key for key in found if key.startswith("rate_in_") and key.endswith("_interval")]:
        rate, interval = found[key.removesuffix("_interval")], found[key]
        yield f"{rule}: {key}, known".lstrip(": "), rate is None, interval is None
        if rate is None or interval is None:
            continue
        ion = key.removeprefix("rate_in_").split("_per_")[0]
        events, raw = found[f"s_in_{ion}"], "" if "_per_ion_" in key else "_raw"
        dispersion = max(1.0, found.get(f"dispersion_{ion}{raw}", 1.0))
        independent = events / dispersion
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        low, high = dispersion * stats.chi2.ppf(tails, [2 * max(independent, 0.01), 2 * independent + 2]) / 2
        fits = interval[0] <= rate <= interval[1] and dispersion < _MOST_DISPERSED
        if independent >= _FEWEST:
            fits &= _NARROWEST < np.diff(interval)[0] / ((high - low) * rate / events) < _WIDEST
        yield f"{rule}: {key}".lstrip(": "), bool(fits), True


def _sensitivity(one: WindowedState, records: Sequence[Results]) -> Iterator[Triple]:
    """Count the published rule again at every stride, from the bins of the ions in the snapshots."""
    state, every = one.state, one.state.config.snapshot_frames
    for record in records:
        if record["rule"] != "snapshot" or not edges_are_resolved(state):
            continue
        stride = round(record["stride_ps"] * 1e-3 / one.frame_ns)
        first = -(-one.begin // every) * every
        looks = np.arange(first, state.stop, stride)
        yield (
            f"observed_ns at {record['stride_ps']:g} ps",
            record["observed_ns"],
            (len(looks) - 1) * stride * one.frame_ns,
        )
        rows = np.searchsorted(np.arange(-(-state.start // every) * every, state.stop, every), looks)
        for name, species in state.config.ions.items():
            labels = region_labels(state, name, one.members(name))[rows]
            matrix = np.zeros((5, 5), dtype=np.int64)
            for before, after in pairwise(labels):
                np.add.at(matrix, (before[before != after], after[before != after]), 1)
            for key, value in _sides(matrix, name.lower(), species.exchange).items():
                if key.endswith(("_left", "_right")):
                    yield f"{key} at {record['stride_ps']:g} ps", record[key], value


def edges_are_resolved(state: State) -> bool:
    """Return whether the boundaries of all regions are edges of bins, so that a bin says the region."""
    edges = np.array([species.edges for species in state.config.ions.values()])
    places = (edges / state.config.box[2] + 0.5) * state.config.bins
    return bool(np.abs(places - np.round(places)).max() < 1e-6)


def region_labels(state: State, ion: str, members: slice) -> Integers:
    """Return the regions (snapshots, ions) of a species from the bins of its ions in the snapshots."""
    edges = state.config.ions[ion].edges
    centres = -edges[-1] + (np.arange(state.config.bins) + 0.5) * 2 * edges[-1] / state.config.bins
    label = np.searchsorted(edges[1:-1], centres, side="right")
    found: Integers = label[state.snapshot_bins[:, members]]
    return found


def _equilibration(one: WindowedState, found: Results) -> Iterator[Triple]:
    counted, deciding = _of_rule(one, one.criteria["rule"]), []
    for name, species in one.state.config.ions.items():
        key = f"{name.lower()}_{species.exchange}"
        entries, exits = counted[f"s_in_{key}"], counted[f"s_out_{key}"]
        coefficient = 2 * min(entries, exits) / (entries + exits + one.criteria["lam"])
        yield f"ec_{key}", found[f"ec_{key}"], coefficient
        yield f"s_total_{key}", found[f"s_total_{key}"], entries + exits
        low, high = found[f"s_total_{key}_interval"]
        yield f"s_total_{key}_interval", low <= entries + exits <= high, True
        yield f"ec_{key}_lower_bound", found[f"ec_{key}_lower_bound"] <= coefficient + 1e-12, True
        yield f"burst_index_{key}", found[f"burst_index_{key}"] >= 1, True
        # at least Poisson's bound at the level, with the rounding of a scaled count
        bound = stats.chi2.ppf(one.criteria["level"], 2 * entries + 2) / 2 / counted["observed_ns"] * 1e9
        upper = found[f"rate_in_{key}_upper_bound_per_s"]
        yield f"rate_in_{key}_upper_bound_per_s", 0.95 * bound <= upper < _MOST_DISPERSED * bound, True
        each = found[f"rate_in_{key}_per_ion_upper_bound_per_s"]
        least = bound * counted["observed_ns"] / counted[f"exposure_{key}_ion_ns"]
        yield f"rate_in_{key}_per_ion_upper_bound_per_s", 0.95 * least <= each < _MOST_DISPERSED * least, True
        if species.exchange == "ceramic":
            deciding.append((name, coefficient, found[f"ec_{key}_lower_bound"]))
    yield "decided_by", list(found["decided_by"]), [name for name, _, _ in deciding]
    yield "ec", found["ec"], min(value for _, value, _ in deciding)
    yield "ec_lower_bound", found["ec_lower_bound"], min(bound for _, _, bound in deciding)
    low = found["ec"] < one.criteria["minimum_coefficient"]
    yield "equilibrated, with a small EC", bool(found["equilibrated"]) and low, False


# -- profiles ----------------------------------------------------------------------------------------------------


def _centres(length: float, bins: int) -> NDArray[np.float64]:
    return (np.arange(bins) + 0.5) * length / bins - length / 2


def _free_energies(one: WindowedState, found: Results) -> Iterator[Triple]:
    config, kelvin = one.state.config, one.temperature
    z = _centres(config.box[2], config.bins)
    yield "z_A", found["z_A"], z
    for index, (name, species) in enumerate(config.ions.items()):
        counts = one.blocks(one.state.point_histograms)[:, index].sum(axis=0)
        with np.errstate(divide="ignore"):
            energy = np.where(counts > 0, -np.log(counts), np.nan)
        if species.initial_ceramic is not None:
            inside = config.half_thickness - _ZERO_INSIDE
            width = z[1] - z[0]
            near = [np.flatnonzero(np.abs(z - place) < width / 2 + 1e-6) for place in (-inside, inside)]
            zeros = [float(energy[[left, right]].mean()) for left in near[0] for right in near[1]]
            # where these are edges of bins, the zero that was taken decides
            taken = float(np.nanmean(energy + np.asarray(found[f"{name.lower()}_K"]) / -kelvin))
            zero = min(zeros, key=lambda one: abs(one - taken))
        else:
            bulk = (z < species.edges[1]) | (z >= species.edges[-2])
            zero = -np.log(counts[bulk].mean())
        key = f"{name.lower()}_K"
        yield key, found[key], kelvin * (energy - zero)
        error = np.asarray(found[f"{name.lower()}_error_K"])
        expected = kelvin * np.sqrt(
            found[f"{name.lower()}_counts_per_visit"] / np.where(counts > 0, counts, np.nan)
        )
        yield f"{name.lower()}_error_K", error, expected
        yield f"{name.lower()}_counts_per_visit", found[f"{name.lower()}_counts_per_visit"] >= 1, True
        bounds = np.asarray(found[f"{name.lower()}_lower_bound_K"])
        yield f"{name.lower()}_lower_bound_K", np.isfinite(bounds), counts == 0


def _densities(one: WindowedState, found: Results) -> Iterator[Triple]:
    config = one.state.config
    x, y, length = config.box
    histogram, frames = _stream(one, "density")
    bins = histogram.shape[-1]
    yield "z_A", found["z_A"], _centres(length, bins)
    yield "point_z_A", found["point_z_A"], _centres(length, config.bins)
    volume = x * y * length / bins
    for index, label in enumerate(config.labels):
        yield f"{label}_per_A3", found[f"{label}_per_A3"], histogram[index] / frames / volume
    yield "charge_e_per_A3", found["charge_e_per_A3"], np.array(config.charges) @ histogram / frames / volume
    points = one.blocks(one.state.point_histograms).sum(axis=0)
    for index, name in enumerate(config.ions):
        key = f"point_{name.lower()}_per_A3"
        yield key, found[key], points[index] / one.counted(1) / (x * y * length / config.bins)


def _stream(one: WindowedState, purpose: str) -> tuple[Integers, int]:
    """Return atoms per type and bin in the window, and the number of frames in which they were counted."""
    config = one.state.config
    name = purpose if purpose in config.streams else "atoms"
    return one.blocks(one.state.streams[name]).sum(axis=0), one.counted(config.streams[name].every_frames)


def _charge(one: WindowedState, found: Results) -> Iterator[Triple]:
    config = one.state.config
    histogram, frames = _stream(one, "charge")
    per_area = np.array(config.charges) @ histogram / frames / (config.box[0] * config.box[1])
    z = _centres(config.box[2], len(per_area))
    yield "z_A", found["z_A"], z
    from_left = np.cumsum(per_area) - per_area / 2
    from_right = -(np.cumsum(per_area[::-1])[::-1] - per_area / 2)
    for side, integral, half in (("left", from_left, z < 0), ("right", from_right, z > 0)):
        yield f"{side}_e_per_A2", found[f"{side}_e_per_A2"], np.where(half, integral, np.nan)
        key = f"charge_enclosed_{side}_e_per_A2"
        yield key, found[key], per_area[half].sum()


# -- displacements -----------------------------------------------------------------------------------------------


def _displacements(one: WindowedState, found: Results) -> Iterator[Triple]:
    config, moved = one.state.config, one.state.displacements
    yield "lags_ps", found["lags_ps"], [lag * one.frame_ns * 1000 for lag in config.lags]
    first = 0
    for name, species in config.ions.items():
        rows = slice(first, first + len(species.layers))
        first = rows.stop
        number, total, squares = (
            one.blocks(part)[:, rows].sum(axis=0).astype(np.float64)
            for part in (moved.counts, moved.sums, moved.squares)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = total / number[..., None] / GRID
            variance = squares / number[..., None] / GRID**2 - mean**2
        key = name.lower()
        yield f"{key}_layers", list(found[f"{key}_layers"]), list(species.layers)
        yield f"{key}_layer_edges_A", found[f"{key}_layer_edges_A"], species.layer_edges
        yield f"{key}_samples", found[f"{key}_samples"], number
        yield f"{key}_mean_A", found[f"{key}_mean_A"], mean
        yield f"{key}_variance_A2", found[f"{key}_variance_A2"], variance
        for row, layer in enumerate(species.layers):
            for column, axis in enumerate("xyz"):
                value = variance[row, 0, column]
                entry = f"variance_{key}_{layer}_{axis}_A2"
                yield entry, found[entry], float(value) if math.isfinite(value) else None


# -- barriers ----------------------------------------------------------------------------------------------------


def _barrier(one: WindowedState, found: Results) -> Iterator[Triple]:
    """Check what follows from the barriers of both sides: their averages, kJ/mol, intervals, and ν, Γ and κ."""
    for name, species in one.state.config.ions.items():
        if species.exchange != "ceramic":
            continue
        key, kelvin = name.lower(), one.temperature
        both = [found[f"barrier_{key}_{side}_K"] for side in ("left", "right")]
        if None not in both and found[f"barrier_{key}_K"] is not None:
            mean = -kelvin * math.log(np.mean(np.exp(-np.array(both) / kelvin)))
            yield f"barrier_{key}_K", found[f"barrier_{key}_K"], mean
        tst = [found.get(f"tst_barrier_{key}_{side}_K") for side in ("left", "right")]
        if None not in tst and found[f"tst_barrier_{key}_K"] is not None:
            mean = -kelvin * math.log(np.mean(np.exp(-np.array(tst) / kelvin)))
            yield f"tst_barrier_{key}_K", found[f"tst_barrier_{key}_K"], mean
        for start, unit in (("curvature", "K_per_A2"), ("slope", "K_per_A")):
            sides = [found[f"{start}_{key}_{side}_{unit}"] for side in ("left", "right")]
            if None not in sides:
                yield f"{start}_{key}_{unit}", found[f"{start}_{key}_{unit}"], np.mean(sides)
        for suffix in ("", "_left", "_right"):
            value = found[f"barrier_{key}{suffix}_K"]
            if value is not None:
                entry = f"barrier_{key}{suffix}_kJ_per_mol"
                yield entry, found[entry], value * constants.R / 1000
            yield from _ordered(found, f"barrier_{key}{suffix}", value)
        yield from _fitted_barriers(one, found, name)
        yield from _rates_of_theory(one, found, name)


def _fitted_barriers(one: WindowedState, found: Results, name: str) -> Iterator[Triple]:
    """Compare the barriers of both sides with those of two parabolas, fitted to the counts around well and top.

    Both use the same counts, so that they differ by less than their statistical error.
    """
    config, key = one.state.config, name.lower()
    counts = one.blocks(one.state.point_histograms)[:, list(config.ions).index(name)].sum(axis=0)
    z = _centres(config.box[2], config.bins)
    for side in ("left", "right"):
        barrier, error = (found[f"barrier_{key}_{side}_{what}"] for what in ("K", "error_K"))
        if barrier is None or error is None:
            continue
        top, well = (
            log_extremum(z, counts, found[f"{place}_{key}_{side}_z_A"], _PARABOLA) for place in ("top", "well")
        )
        again = one.temperature * (well - top)
        yield (
            f"barrier_{key}_{side}_K, fitted",
            abs(again - barrier) < max(_SAME_BARRIER * barrier, _SAME_ERRORS * error),
            True,
        )


def log_extremum(z: NDArray[np.float64], counts: Integers, place: float, reach: float) -> float:
    """Return ln μ at the extremum of a parabola in ln μ, fitted to Poisson counts around a place."""
    near = np.abs(z - place) <= reach
    x, seen = z[near] - place, counts[near].astype(np.float64)
    design = np.stack([np.ones_like(x), x, x**2], axis=1)
    powers = np.array([math.log(max(seen.mean(), 1e-3)), 0.0, 0.0])
    for _ in range(60):
        means = np.exp(np.clip(design @ powers, -50, 50))
        hessian = design.T @ (means[:, None] * design) + 1e-9 * np.eye(3)
        step = np.linalg.solve(hessian, design.T @ (seen - means))
        powers += step / max(1.0, float(np.abs(design @ step).max()) / 2)
    vertex = -powers[1] / (2 * powers[2]) if powers[2] else 0.0
    vertex = float(np.clip(vertex, -reach, reach))
    return float(np.array([1.0, vertex, vertex**2]) @ powers)


def _rates_of_theory(one: WindowedState, found: Results, name: str) -> Iterator[Triple]:
    """Compute ν (eq 8) and κ from curvature, mass and counts."""
    key, config = name.lower(), one.state.config
    if (curvature := found[f"curvature_{key}_K_per_A2"]) is not None and curvature > 0:
        mass = config.masses[config.ions[name].types[0] - 1] * constants.atomic_mass
        joule = curvature * constants.k
        yield f"curvature_{key}_J_per_A2", found[f"curvature_{key}_J_per_A2"], joule
        frequency = math.sqrt(joule * 1e20 / mass / 2) / math.pi
        yield f"frequency_{key}_per_s", found[f"frequency_{key}_per_s"], frequency
    if (attempts := found.get(f"attempts_{key}_per_s")) is not None:
        mass = config.masses[config.ions[name].types[0] - 1] * constants.atomic_mass
        yield (
            f"attempts_{key}_per_s",
            attempts,
            math.sqrt(constants.k * one.temperature / (2 * math.pi * mass)) * 1e10,
        )
        tst, rate = found.get(f"tst_barrier_{key}_K"), found[f"rate_tst_{key}_per_s"]
        if tst is not None and rate is not None:
            yield f"rate_tst_{key}_per_s", rate, attempts * math.exp(-tst / one.temperature)
    expected, kappa = found[f"expected_in_{key}_ceramic"], found[f"kappa_{key}"]
    if kappa is not None:
        counted = _of_rule(one, one.criteria["rule"])
        exposure = counted[f"exposure_{key}_ceramic_ion_ns"] * 1e-9
        yield f"expected_in_{key}_ceramic", expected, found[f"rate_tst_{key}_per_s"] * exposure
        yield f"kappa_{key}", kappa, counted[f"s_in_{key}_ceramic"] / expected
        low, high = found[f"kappa_{key}_interval"]
        yield f"kappa_{key}_interval", low <= kappa <= high, True


def _ordered(found: Results, key: str, value: float | None) -> Iterator[Triple]:
    """Check that bound and interval lie around the value, and the interval follows from its error."""
    bound, interval, error = (found[f"{key}_{what}_K"] for what in ("lower_bound", "interval", "error"))
    yield f"{key}_error_K, known", error is None, interval is None
    if None not in (bound, value):
        yield f"{key}_lower_bound_K", bound <= value, True
    if interval is not None and value is not None:
        width = float(np.diff(interval)[0])
        yield f"{key}_interval_K", interval[0] <= value <= interval[1] and 2 < width / error < 20, True


# -- of a run ----------------------------------------------------------------------------------------------------

#: by the name of a result, the function that finds it again
RECOUNTS = {
    "populations": _populations,
    "transitions": _transitions,
    "equilibration": _equilibration,
    "free_energy_profiles": _free_energies,
    "density_profiles": _densities,
    "charge_integral": _charge,
    "displacement_variance": _displacements,
    "barrier": _barrier,
}


def disagreement(one: WindowedState, name: str, found: Results) -> tuple[str, int]:
    """Return the first key of a result that differs when computed again, empty for none, and their number."""
    first, number = "", 0
    facts = [
        ("temperature_K", found["temperature_K"], one.state.config.temperature),
        ("start_ns", found["start_ns"], (one.begin - one.state.start) * one.frame_ns),
        ("end_ns", found["end_ns"], (one.state.stop - 1 - one.state.start) * one.frame_ns),
        ("time_ns", found["time_ns"], (one.state.stop - 1 - one.begin) * one.frame_ns),
        ("frames", found["frames"], one.state.stop - one.begin),
        ("frame_ps", found["frame_ps"], one.frame_ns * 1000),
    ]
    for key, value, again in [*facts, *RECOUNTS[name](one, found)]:
        number += 1
        if not first and not agree(value, again):
            first = key
    return first, number


def agree(value: Any, again: Any) -> bool:
    """Return whether a value is that of the second computation but for rounding.

    None agrees with None, words with equal words, and arrays with arrays of the same shape.
    """
    if value is None or again is None:
        return value is None and again is None
    if isinstance(again, str) or (isinstance(again, list) and again and isinstance(again[0], str)):
        return bool(value == again)
    one, other = np.asarray(value, dtype=np.float64), np.asarray(again, dtype=np.float64)
    if one.shape != other.shape:
        return False
    scale = float(np.nanmax(np.abs(other), initial=0.0)) if other.size else 0.0
    return bool(np.allclose(one, other, rtol=_ROUNDING, atol=_ROUNDING * scale, equal_nan=True))
