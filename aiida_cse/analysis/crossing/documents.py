"""Keys of the results of a crossing, with units and meaning, and its rows in a view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiida_cse.analysis.registry import Documented, Quantity

__all__ = ["CROSSING", "CROSSING_PROFILE", "TRANSMISSION", "crossing_rows"]

CROSSING_PROFILE = Documented(
    "crossing_profile",
    "Free energy of an ion along z from umbrella windows, in a passage from its first layer into the slab.",
    {
        "z_A": ("Å", "(B,) centres of the bins, from the mid-plane of the slab"),
        "free_energy_K": ("K", "(B,) −T ln of the density per Å over the number in the well, mean of the ladders"),
        "error_K": ("K", "(B,) its standard error, from the ladders"),
        "low_K": ("K", "(B,) lower end of its interval"),
        "high_K": ("K", "(B,) upper end of its interval"),
        "ladders_K": ("K", "(ladders, B) F of each ladder"),
        "window_z_A": ("Å", "(W,) centres of the windows, from the electrolyte into the slab"),
        "window_ps": ("ps", "(W,) evaluated time of each window, all ladders and rounds together"),
        "window_ions": ("", "(W,) mean number of these ions in the ceramic; NaN if it is not known"),
        "next_z_A": ("Å", "(V,) centres of the windows of a next round, with those that are added between them"),
        "next_ps": ("ps", "(V,) time of each of these, most where the error comes from"),
        "temperature_K": ("K", "Temperature"),
        "ion": ("", "Species of the ion"),
        "side": ("", "left or right"),
        "level": ("", "Level of the intervals"),
        "well_range_A": ("Å", "z of the first layer, whose number of ions F refers to"),
        "surface_z_A": ("Å", "z of the dividing surface; null if F has no top"),
        "tst_barrier_K": ("K", "F on the dividing surface"),
        "tst_barrier_error_K": ("K", "Its standard error"),
        "rounds": ("", "Number of rounds through the windows"),
        "samples": ("", "Independent samples of all windows"),
        "correlation_ps": ("ps", "Slowest correlation time of a window; slower processes are not seen"),
        "thin": ("", "Triples of a ladder and the z (Å) of two neighbouring windows that overlap too little"),
        "reasons": ("", "One sentence for each number that is not known"),
    },
)

TRANSMISSION = Documented(
    "transmission",
    "Transmission in time of Bennett and Chandler, beside κ of a crossing.",
    {
        "time_ps": ("ps", "(T,) time after the start"),
        "kappa_in": ("", "(T,) κ(t) of the way into the slab; its plateau is κ"),
        "kappa_out": ("", "(T,) the same of the way out"),
    },
)

CROSSING = Documented(
    "crossing",
    (
        "Rate at which an ion of the first layer crosses into the slab, from F on the dividing surface and the "
        "transmission of short trajectories that begin there; see [crossing](../science/crossing.md)."
    ),
    {
        "temperature_K": ("K", "Temperature"),
        "ion": ("", "Species of the ion"),
        "side": ("", "left or right"),
        "level": ("", "Level of the intervals"),
        "ladders": ("", "Number of independent ladders"),
        "well_range_A": ("Å", "z of the first layer"),
        "surface_z_A": ("Å", "z of the dividing surface"),
        "barrier_K": ("K", "F on the dividing surface minus F at its minimum in the first layer"),
        "barrier_interval_K": ("K", "Its interval"),
        "tst_barrier_K": (
            "K",
            "TST barrier, F on the surface relative to the number in the first layer",
        ),
        "tst_barrier_error_K": ("K", "Its standard error, from the ladders"),
        "tst_barrier_interval_K": ("K", "Its interval"),
        "hysteresis_K": ("K", "TST barrier of the rounds back minus that of the others; null with one round"),
        "rate_tst_per_s": ("s⁻¹", "Rate with κ = 1"),
        "kappa_in": ("", "Transmission coefficient into the slab"),
        "kappa_in_interval": ("", "Its interval; exact bounds with fewer than five reactive starts"),
        "kappa_out": ("", "Transmission coefficient out of the slab, the same at equilibrium"),
        "kappa_out_interval": ("", "Its interval"),
        "balance_p_value": ("", "p-value of the two κ being the same, from the same structures: detailed balance"),
        "starts": ("", "Trajectories that began towards the slab, and towards the electrolyte"),
        "reactive": ("", "Those of them that came from one side and committed to the other"),
        "undecided": (
            "",
            "Trajectories that committed to no side in time, as a share of these and the reactive ones",
        ),
        "rate_in_per_s": ("s⁻¹", "Γ, crossings into the slab per ion of the first layer"),
        "rate_in_interval_per_s": ("s⁻¹", "Its interval, with the errors of F and κ"),
        "rate_in_upper_bound_per_s": ("s⁻¹", "Its upper bound at `level` where κ has bounds only; null elsewhere"),
        "rate_in_log_error": ("", "Standard error of ln Γ"),
        "rate_out_per_s": ("s⁻¹", "Crossings out of the slab per ion of the first layer; Γ at equilibrium"),
        "rate_out_interval_per_s": ("s⁻¹", "Its interval"),
        "rate_out_upper_bound_per_s": ("s⁻¹", "Its upper bound where κ has bounds only; null elsewhere"),
        "curvature_K_per_A2": ("K Å⁻²", "k in F = k (z − z₀)² at the minimum of the first layer"),
        "frequency_per_s": ("s⁻¹", "ν of the minimum"),
        "rate_harmonic_per_s": ("s⁻¹", "ν exp(−ΔF / k_B T), the rate of a parabolic well with κ = 1"),
        "diffusion_A2_per_ps": ("Å²/ps", "Diffusion coefficient on the surface, from a window there"),
        "rate_diffusive_per_s": ("s⁻¹", "Rate of diffusion over F, a check where κ is below 0.3; null elsewhere"),
        "density_z_A": (
            "Å",
            "Bins of the first layer with ions in the run at this temperature from which the systems are; null "
            "without such a run",
        ),
        "density_free_energy_K": ("K", "F there from the density of these ions, with the zero of the windows"),
        "density_error_K": ("K", "Its standard error"),
        "density_shift_K": ("K", "Shift that was added to F of the run, the difference of the zeros"),
        "density_deviation_K": ("K", "Root mean square of F minus this F over the ions of the layer"),
        "density_expected_K": ("K", "Root mean square of its standard errors, from the errors of both"),
        "layer_ions": ("", "Mean number of ions in the first layer of this side in the systems at the start"),
        "layer_ions_counted": ("", "Number of these ions in all systems together"),
        "area_nm2": ("nm²", "Area of the face"),
        "layer_density_per_nm2": ("nm⁻²", "Mean number of ions in the first layer of this side per area"),
        "off_equilibrium": ("", "Why the systems are off equilibrium; null if nothing is known against them"),
        "crossings_per_nm2_per_s": (
            "nm⁻² s⁻¹",
            "Crossings into the slab per area; null without ions there",
        ),
        "crossings_interval_per_nm2_per_s": (
            "nm⁻² s⁻¹",
            "Its interval, with the error of Γ and that of the number of ions, as of independent ions",
        ),
        "resistance_ohm_cm2": ("Ω cm²", "Interfacial resistance k_B T A / (e² k); null without ions in the layer"),
        "resistance_interval_ohm_cm2": (
            "Ω cm²",
            "Its interval, with both errors",
        ),
        "resistance_lower_bound_ohm_cm2": (
            "Ω cm²",
            "Its lower bound where κ has bounds only, from the upper bounds of Γ and of the number of ions, each "
            "at `level`; null elsewhere",
        ),
        "ceramic_ions": ("", "Mean number of these ions in the ceramic in the windows; F is conditional on it"),
        "ceramic_ions_range": ("", "Its lowest and highest mean of a window"),
        "correlation_ps": ("ps", "Slowest correlation time of a window"),
        "windows": ("", "Number of windows"),
        "windows_ns": ("ns", "Evaluated time of all windows"),
        "samples": ("", "Independent samples of all windows"),
        "rounds": ("", "Number of rounds through the windows"),
        "thin": ("", "Triples of a ladder and the z (Å) of two neighbouring windows that overlap too little"),
        "steps": ("", "Steps of all trajectories that began on top"),
        "failed_ladders": ("", "Ladders whose jobs failed, which are left out"),
        "reasons": ("", "One sentence for each number that is not known, and on what to mind"),
    },
)


def crossing_rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    """Yield the numbers of a crossing as they are shown."""
    ladders = "fewer than three ladders"
    yield Quantity.of(found, "barrier ΔF", "barrier{}_K", "K", reason=ladders)
    yield Quantity.of(found, "TST barrier", "tst_barrier{}_K", "K", reason=ladders)
    one_way = "" if found.get("hysteresis_K") is not None else "the rounds of one direction alone give no F"
    yield Quantity.of(found, "hysteresis of the TST barrier", "hysteresis{}_K", "K", reason=one_way)
    yield Quantity.of(found, "rate with κ = 1", "rate_tst{}_per_s", "s⁻¹")
    pairs = [found.get(key) for key in ("starts", "reactive")]
    counts = [
        pair
        for pair in pairs
        if isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(one, int) for one in pair)
    ]
    for words, key, turn in (("into", "kappa_in{}", 0), ("out of", "kappa_out{}", 1)):
        note = f"{counts[1][turn]} of {counts[0][turn]} starts" if len(counts) == len(pairs) else ""
        yield Quantity.of(found, f"κ {words} the slab", key, note=note)
    few = "" if found.get("balance_p_value") is not None else "needs five reactive starts each way"
    both = "p-value; they are the same at equilibrium"
    yield Quantity.of(found, "κ into = κ out of the slab", "balance_p_value{}", note=both, reason=few)
    bounds = "κ has bounds only"
    per_ion = "per ion of the 1st layer"
    yield Quantity.of(found, "Γ into the slab", "rate_in{}_per_s", "s⁻¹", reason=bounds, note=per_ion)
    yield Quantity.of(found, "Γ out of the slab", "rate_out{}_per_s", "s⁻¹", reason=bounds, note=per_ion)
    well = "of the minimum in the layer"
    yield Quantity.of(found, "curvature k", "curvature{}_K_per_A2", "K Å⁻²", note=well)
    yield Quantity.of(found, "frequency ν", "frequency{}_per_s", "s⁻¹", note=well)
    yield Quantity.of(found, "harmonic estimate of Γ", "rate_harmonic{}_per_s", "s⁻¹", note="κ = 1, a parabola")
    large = "" if found.get("rate_diffusive_per_s") is not None else "given where κ < 0.3 and F is known"
    yield Quantity.of(found, "diffusive estimate of Γ", "rate_diffusive{}_per_s", "s⁻¹", reason=large)
    yield _density_row(found)
    layer = "no ion in the first layer of the systems"
    if found.get("layer_ions"):
        layer = bounds if found.get("rate_in_interval_per_s") is None else "results of its version have none"
    yield Quantity.of(found, "crossings per area", "crossings{}_per_nm2_per_s", "nm⁻² s⁻¹", reason=layer)
    yield Quantity.of(found, "interfacial resistance", "resistance{}_ohm_cm2", "Ω cm²", reason=layer)
    yield Quantity.of(
        found, "ions in the ceramic in the windows", "ceramic_ions{}", note="F is conditional on them"
    )
    yield Quantity.of(found, "slowest correlation time", "correlation{}_ps", "ps", note="of a window")


def _density_row(found: Mapping[str, Any]) -> Quantity:
    """Return how far F in the first layer is off the density of ions there."""
    off, expected = found.get("density_deviation_K"), found.get("density_expected_K")
    note = f"root mean square; standard error {expected:.0f} K" if isinstance(expected, int | float) else ""
    reason = "" if off is not None else "no run at this temperature with enough ions there"
    return Quantity.of(
        found, "F − F of the density, 1st layer", "density_deviation{}_K", "K", note=note, reason=reason
    )
