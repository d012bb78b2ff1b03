"""From counts and profiles to statements with a true uncertainty. numpy and scipy; pymbar for correlated series.

Lengths are in Å, temperatures and free energies in kelvin, unless a name says otherwise.

Every public name of these modules can be imported from here; its module is loaded when it is asked for. Where a
function and a module have the same name, here it is the function's.
"""

# ruff: noqa: F403 - the names are those of each module's __all__, which a test compares with the table below

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiida_cse.physics.barriers import *
    from aiida_cse.physics.correlation import *
    from aiida_cse.physics.counting import *
    from aiida_cse.physics.dispersion import *
    from aiida_cse.physics.displacements import *
    from aiida_cse.physics.electrostatics import *
    from aiida_cse.physics.equilibration import *
    from aiida_cse.physics.exposure import *
    from aiida_cse.physics.extrapolation import *
    from aiida_cse.physics.extrema import *
    from aiida_cse.physics.fits import *
    from aiida_cse.physics.jackknife import *
    from aiida_cse.physics.joined_barriers import *
    from aiida_cse.physics.kinetics import *
    from aiida_cse.physics.observations import *
    from aiida_cse.physics.peaks import *
    from aiida_cse.physics.populations import *
    from aiida_cse.physics.posterior import *
    from aiida_cse.physics.profiles import *
    from aiida_cse.physics.rate_bounds import *
    from aiida_cse.physics.rates import *
    from aiida_cse.physics.regions import *
    from aiida_cse.physics.relaxation import *
    from aiida_cse.physics.resampling import *
    from aiida_cse.physics.sampled_shifts import *
    from aiida_cse.physics.sensitivity import *
    from aiida_cse.physics.slow_exchange import *
    from aiida_cse.physics.stopping import *
    from aiida_cse.physics.superposition import *
    from aiida_cse.physics.transitions import *
    from aiida_cse.physics.two_temperatures import *

_NAMES = {
    "barriers": ("FEWEST_BLOCKS", "FEWEST_VISITS", "Barrier", "BarrierSamples", "find_barrier"),
    "correlation": ("Correlation", "tfsi_lithium_correlation"),
    "counting": ("poisson_interval", "poisson_lower", "poisson_upper", "rate_interval", "rate_ratio_interval"),
    "dispersion": ("burst_index", "dispersion_test"),
    "displacements": ("DisplacementVariance", "displacement_variance"),
    "electrostatics": ("ChargeIntegral", "charge_integral", "integrated_charge"),
    "equilibration": (
        "EquilibrationVerdict",
        "NetFlux",
        "equilibration_coefficient",
        "equilibration_lower_bound",
        "equilibration_verdict",
        "exchange_interval",
        "net_flux_test",
    ),
    "exposure": ("Exposure", "count_exposed"),
    "extrapolation": ("BarrierComponents", "decompose_barrier", "extrapolate_rate"),
    "extrema": ("BarrierFit", "BarrierWindows", "place_window"),
    "fits": ("fit_log_polynomial",),
    "jackknife": ("FEWEST_GROUPS", "jackknife_error", "leave_one_out"),
    "joined_barriers": ("JoinedBarrier", "join_barriers", "join_sides"),
    "kinetics": ("Estimate", "Kinetics", "RateEstimate", "joint_kinetics"),
    "observations": ("HotBarrier", "Observation", "by_label", "count_data", "hot_barrier"),
    "peaks": ("Peak", "find_peak"),
    "populations": (
        "Drift",
        "EquilibrationTime",
        "Population",
        "detect_equilibration",
        "drift_test",
        "populations",
        "statistical_inefficiency",
    ),
    "posterior": ("CountData", "Draws", "OpenEnd", "draw", "most_likely_counts"),
    "profiles": ("DensityProfile", "FreeEnergyProfile", "density_profile", "free_energy_profile"),
    "rate_bounds": ("rate_bounds",),
    "rates": (
        "TransmissionCoefficient",
        "expected_transitions",
        "joule_from_kelvin",
        "kelvin_from_joule",
        "transition_rate",
        "transmission_coefficient",
        "vibrational_frequency",
    ),
    "regions": (
        "REFERENCE_OFFSET",
        "REGION_NAMES",
        "SURFACE_OFFSETS",
        "Region",
        "RegionSet",
        "SurfaceOffsets",
        "surface_regions",
    ),
    "relaxation": ("FEWEST_TIMES", "RemainingDeviation", "member_frames", "remaining_deviation"),
    "resampling": ("bootstrap_counts", "dispersion", "expanded_interval", "group_blocks", "visits_interval"),
    "sampled_shifts": ("SampledShift", "sampled_shift"),
    "sensitivity": ("Sensitivity", "labels_from_events", "recount_at_stride", "transition_sensitivity"),
    "slow_exchange": ("SlowExchange",),
    "stopping": ("Decision", "StopRule", "decide", "look_times"),
    "superposition": ("Shift", "shift_between"),
    "transitions": (
        "RULES",
        "Exchange",
        "Rule",
        "Transitions",
        "count_transitions",
        "exchange",
        "transition_matrix",
    ),
    "two_temperatures": ("TwoTemperatures", "two_temperatures"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_HOME)


class _Floor(ModuleType):
    """Keeps a module that is loaded from taking the place of the function that has its name."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _HOME):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Floor


# hidden from type checkers, which would take every name for one that exists
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
