"""Second computation of the kinetics of several runs: the published estimate, and an Arrhenius fit.

Independent of :mod:`aiida_cse.physics.kinetics`. The published estimate follows from two counts and must agree to
rounding. Medians of a posterior are compared with the most likely values, from which they may differ by a fraction
of the width of their interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.landscape.identities import Results, Triple

__all__ = ["arrhenius", "kinetics_again"]

Floats = NDArray[np.float64]
#: share of the half width of an interval by which a median may differ from the most likely value
_SHARE = 0.5
#: relative difference of rates from the finite number of draws
_DRAWS = 0.02


def kinetics_again(found: Results, runs: Mapping[str, Mapping[str, Any]]) -> Iterator[Triple]:
    """Yield key, value in the node and value computed again, as :mod:`~aiida_cse.landscape.identities` does."""
    ion = found["ion"]
    yield "rule", found["rule"], next(iter(runs.values()))["transitions"]["rule"]
    records = {record["run"]: record for record in found["observations"]}
    yield "observations", sorted(records), sorted(runs)
    yield "used and excluded", sorted([*found["used"], *found["excluded"]]), sorted(runs)
    for label, run in runs.items():
        record, transitions, barrier = records[label], run["transitions"], run["barrier"]
        yield f"temperature of {label}", record["temperature_K"], transitions["temperature_K"]
        yield f"equilibrated of {label}", record["equilibrated"], bool(run["equilibration"]["equilibrated"])
        yield f"events of {label}", record["events"], transitions[f"s_in_{ion}_ceramic_conditioned"]
        exposure = transitions["exposure_conditioned_ion_ns"]
        yield f"exposure of {label}", record["exposure_ion_ns"], exposure
        # earlier versions admitted every run with a condition, and do not say so
        admitted = found.get("admit", "conditioned") == "conditioned" and record["conditioned"]
        if not run["equilibration"]["equilibrated"] and not admitted:
            yield f"{label} off equilibrium", label in found["excluded"], True
        if record["barrier_K"] is not None:
            known = [barrier.get(f"{name}_{ion}_K") for name in ("tst_barrier", "barrier")]
            yield f"barrier of {label}", any(record["barrier_K"] == value for value in known), True
    hottest = max(run["transitions"]["temperature_K"] for run in runs.values())
    at_hottest = [run["barrier"] for run in runs.values() if run["transitions"]["temperature_K"] == hottest]
    prefactor = "attempts" if found.get("barrier_from") == "tst" else "frequency"
    for key, entry in (
        ("slope_K_per_A", f"slope_{ion}_K_per_A"),
        ("frequency_per_s", f"{prefactor}_{ion}_per_s"),
    ):
        if found[key] is not None and at_hottest[0][entry] is not None:
            yield key, found[key], np.mean([barrier[entry] for barrier in at_hottest])
    used = [records[label] for label in found["used"]]
    if sum(record["events"] > 0 for record in used) < 2:
        return
    yield "events", found["events"], sum(record["events"] for record in used)
    yield from _published(found, sorted(used, key=lambda record: -record["temperature_K"]))
    yield from _fitted(found, used)


def _published(found: Results, used: list[Results]) -> Iterator[Triple]:
    """Compute γ, ΔE, ΔS and Γ by eqs 9 to 11 of Kozdra et al., PCCP 27, 24918 (2025)."""
    hot, cold = used[:2]
    rates = [record["events"] / record["exposure_ion_ns"] * 1e9 for record in (hot, cold)]
    if found["gamma"] is None or not all(rates) or any(record["lowering_K"] for record in used):
        return
    t_hot, t_cold = (float(record["temperature_K"]) for record in (hot, cold))
    gamma = rates[0] / rates[1]
    energy = math.log(gamma) / (1 / t_cold - 1 / t_hot)
    yield "gamma", found["gamma"], gamma
    yield "gamma_temperatures_K", found["gamma_temperatures_K"], [t_hot, t_cold]
    yield "gamma_interval", found["gamma_interval"][0] < gamma < (found["gamma_interval"][1] or math.inf), True
    yield "gamma_energy_K", found["gamma_energy_K"], energy
    if hot["barrier_K"] is not None:
        yield "gamma_entropy_kB", found["gamma_entropy_kB"], (energy - hot["barrier_K"]) / t_hot
    for kelvin, key in _rates(found, "gamma_rate_"):
        again = rates[0] * math.exp(energy / t_hot - energy / kelvin)
        # the key names the temperature in whole kelvin
        yield key, abs(math.log(found[key] / again)) < abs(energy) / kelvin**2, True


def _fitted(found: Results, used: list[Results]) -> Iterator[Triple]:
    """Compare energy, entropy, κ and rates with those of an Arrhenius fit."""
    kelvin, events, exposure, lowering = (
        np.array([record[key] for record in used], dtype=np.float64)
        for key in ("temperature_K", "events", "exposure_ion_ns", "lowering_K")
    )
    if lowering.any():
        return
    # so many entries carry the information of one
    worth = np.array([record.get("dispersion_used") or 1.0 for record in used])
    prefactor, energy, covariance = arrhenius(kelvin, events / worth, exposure / worth * 1e-9)
    if found["energy_interval_K"] is None:
        yield "energy_K", found["energy_K"], energy
        return
    low, high = found["energy_interval_K"]
    half = (high - low) / 2
    yield "energy_K", abs(found["energy_K"] - energy) < _SHARE * half, True
    yield "energy_interval_K", 0.5 < half / math.sqrt(covariance[1, 1]) < 20, True
    yield "energy_kJ_per_mol", found["energy_kJ_per_mol"], found["energy_K"] * 8.31446261815324e-3
    barriers = {record["temperature_K"]: record["barrier_K"] for record in used if record["barrier_K"] is not None}
    if found["entropy_interval_kB"] is not None and barriers:
        hottest = max(barriers)
        low, high = found["entropy_interval_kB"]
        entropy = (found["energy_K"] - barriers[hottest]) / hottest
        yield "entropy_kB", abs(found["entropy_kB"] - entropy) < 0.1 * (high - low), True
        if found["kappa_interval"] is not None:
            low, high = (math.log(end) for end in found["kappa_interval"])
            kappa = prefactor - (energy - barriers[hottest]) / hottest - math.log(found["frequency_per_s"])
            yield "kappa", abs(math.log(found["kappa"]) - kappa) < _SHARE * (high - low) / 2, True
    for temperature, key in _rates(found, "rate_"):
        interval = found[key.replace("_per_s", "_interval_per_s")]
        if interval is None or None in interval or min(interval) <= 0:
            continue
        half = math.log(interval[1] / interval[0]) / 2
        away = abs(math.log(found[key]) - prefactor + energy / temperature)
        yield key, away < _SHARE * half + _DRAWS + energy / temperature**2, True
        bounds = [found.get(key.replace("_per_s", f"_{end}_bound_per_s")) for end in ("lower", "upper")]
        yield f"{key}, bounds", (bounds[0] or 0) <= found[key] <= (bounds[1] or math.inf), True


def _rates(found: Results, start: str) -> list[tuple[float, str]]:
    keys = [key for key in found if key.startswith(start) and key.endswith("K_per_s") and found[key] is not None]
    return [(float(key.removeprefix(start).removesuffix("K_per_s")), key) for key in keys]


def arrhenius(kelvin: Floats, events: Floats, exposure: Floats) -> tuple[float, float, Floats]:
    """Return the most likely ln A (s⁻¹), ΔE / k_B (K) and their covariance (2, 2) for Poisson counts.

    Γ = A exp(−ΔE / T), with the exposures in ion s; by Newton's method, which converges because the likelihood is
    convex in both.
    """
    slope = 1 / kelvin.mean()
    design = np.column_stack([np.ones(len(kelvin)), slope - 1 / kelvin])
    found = np.array([math.log(events.sum() / exposure.sum()), 0.0])
    for _ in range(100):
        means = exposure * np.exp(design @ found)
        step = np.linalg.solve(design.T @ (means[:, None] * design), design.T @ (events - means))
        # far from the maximum a full step may overshoot
        found += step / max(1.0, float(np.abs(step / [1.0, 2000.0]).max()))
    covariance = np.linalg.inv(design.T @ ((exposure * np.exp(design @ found))[:, None] * design))
    return float(found[0] + found[1] * slope), float(found[1]), covariance
