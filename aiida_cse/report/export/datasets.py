"""The results of a run as an xarray dataset: profiles, charge integrals, displacements, ions over time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.report.export.files import ExportedFile
from aiida_cse.report.findings import Findings, Origin, RunFindings
from aiida_cse.report.results import ObservableResult, Results
from aiida_cse.report.tables import Column
from aiida_cse.version import __version__

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["dataset_of", "needed_package", "write_datasets"]

#: dimensions, values, unit and meaning of a variable
Variable = tuple[tuple[str, ...], Any, str, str]

_SIDES = ("left", "right")


def needed_package(name: str, form: str) -> Any:
    """Import a package that one format needs.

    Raises
    ------
    ValueError
        It is not installed; says how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(
            f"format = {form}: needs the package {name.partition('.')[0]}, which is not installed; "
            f'install it with: pip install "aiida-cse[export]"'
        ) from error


def write_datasets(findings: Findings, folder: Path) -> list[ExportedFile]:
    """Write one netCDF file per run, which needs no more than xarray and scipy to be read."""
    written = []
    for label, run in findings.runs.items():
        dataset = dataset_of(run, findings.origin)
        name = f"{label.replace(' ', '_')}.nc"
        # netCDF 3 has no integers of 64 bits; xarray narrows them where they fit
        dataset.to_netcdf(folder / name, engine="scipy", format="NETCDF3_64BIT")
        columns = tuple(
            Column(f"{key}({', '.join(map(str, one.dims))})", one.attrs.get("units", ""), one.attrs["long_name"])
            for key, one in dataset.variables.items()
        )
        title = f"Profiles and series of {label}, {run.temperature:g} K, netCDF 3."
        written.append(ExportedFile(name, title, "application/x-netcdf", columns))
    return written


#: the observables that variables are from, by the beginnings of their names
_OBSERVABLES = {
    "density": "density_profiles",
    "free_energy": "free_energy_profiles",
    "charge": "charge_integral",
    "displacement": "displacement_variance",
}


def dataset_of(run: RunFindings, origin: Origin) -> xr.Dataset:
    """Return the arrays of a run with named dimensions; each variable has ``units`` and ``long_name``.

    Profiles on different grids have dimensions of their own, as ``z_density`` and ``z_charge``, all in Å from the
    mid-plane of the slab. The attributes of the dataset name the process, the run and its settings.

    Raises
    ------
    ValueError
        xarray is not installed.
    """
    xarray = needed_package("xarray", "xarray")
    results = run.results
    variables: dict[str, Variable] = dict(_series(results))
    for name, collect in _COLLECTED.items():
        found = results.observables.get(name)
        if found is not None:
            variables |= collect(results, found)
    coordinates = {name for name, (dims, _, _, _) in variables.items() if dims == (name,)}
    made = {
        name: xarray.Variable(
            dims, values, {"units": unit, "long_name": meaning} if unit else {"long_name": meaning}
        )
        for name, (dims, values, unit, meaning) in variables.items()
    }
    for name, one in made.items():
        observable = next((found for prefix, found in _OBSERVABLES.items() if name.startswith(prefix)), "")
        if (uuid := run.uuids.get(observable)) is not None:
            one.attrs["node"] = uuid
    dataset: xr.Dataset = xarray.Dataset(
        {name: one for name, one in made.items() if name not in coordinates},
        {name: one for name, one in made.items() if name in coordinates},
        {
            "title": f"{origin.label}: {run.label}",
            "source": f"aiida-cse {results.program_version}",
            "history": f"exported by aiida-cse {__version__}",
            "process": origin.uuid or "",
            "run": run.label,
            "temperature_K": run.temperature,
            "equilibrated": {True: "yes", False: "no", None: "no verdict"}[run.equilibrated],
            "settings": json.dumps(results.settings),
            "not_known": "; ".join(f"{name}: {reason}" for name, reason in run.missing.items()),
        },
    )
    return dataset


# -- variables of each kind of result ------------------------------------------------------------------------


def _series(results: Results) -> Iterator[tuple[str, Variable]]:
    """Yield the numbers of ions over time and the transitions."""
    found, events = results.populations_in_time, results.transitions_in_time
    ions = list(found.ions)
    # an ion without any in the slab at the start has no excess
    regions = list(dict.fromkeys(region for counted in found.ions.values() for region in counted))
    unknown = np.full(len(found.time_ns), np.nan)
    numbers = np.array([[found.ions[ion].get(region, unknown) for region in regions] for ion in ions])
    yield "ion", (("ion",), ions, "", "Name of the ion")
    yield "region", (("region",), regions, "", "Name of the region")
    yield "time", (("time",), np.array(found.time_ns), "ns", "Time from the first frame of the reduction")
    meaning = f"Mean number of ions, each over {found.mean_over_frames} frames"
    yield "population", (("ion", "region", "time"), numbers, "ions", meaning)
    if events.time_ns:
        here: tuple[str, ...] = ("transition",)
        yield (
            "transition_time",
            (here, np.array(events.time_ns), "ns", f"Time of a transition, rule {events.rule}"),
        )
        yield "transition_ion", (here, list(events.ion), "", "Ion that moved")
        yield "transition_number", (here, np.array(events.number), "", "Its number within its species, from 0")
        yield "transition_source", (here, list(events.source), "", "Region that it left")
        yield "transition_target", (here, list(events.target), "", "Region that it entered")


def _stacked(found: ObservableResult, keys: Sequence[str]) -> NDArray[np.float64]:
    return np.array([found.array(key) for key in keys])


def _densities(results: Results, found: ObservableResult) -> dict[str, Variable]:
    types = [label for label in results.system.composition if f"{label}_per_A3" in found.entries]
    ions = [ion for ion in results.system.ions if f"point_{ion.lower()}_per_A3" in found.entries]
    points = found.array("point_z_A" if "point_z_A" in found.entries else "z_A")
    named = [("", "type", types, types), ("_point", "ion", ions, [f"point_{ion.lower()}" for ion in ions])]
    variables: dict[str, Variable] = {
        "z_density": (("z_density",), found.array("z_A"), "Å", "Centre of a bin of the atom types"),
        "z_density_point": (("z_density_point",), points, "Å", "Centre of a bin of the ions"),
        "type": (("type",), types, "", "Label of the atom type"),
    }
    for suffix, dimension, labels, keys in named:
        if list(labels) != list(results.system.ions) and dimension == "ion":
            continue
        dims = (dimension, f"z_density{suffix}")
        values, errors = (_stacked(found, [f"{key}{part}_per_A3" for key in keys]) for part in ("", "_error"))
        variables[f"density{suffix}"] = (dims, values, "Å⁻³", "Number density")
        variables[f"density{suffix}_error"] = (dims, errors, "Å⁻³", "Its standard error")
    if "charge_e_per_A3" in found.entries and len(found.array("charge_e_per_A3")) == len(found.array("z_A")):
        variables["density_charge"] = (("z_density",), found.array("charge_e_per_A3"), "e Å⁻³", "Charge density")
    return variables


def _free_energies(results: Results, found: ObservableResult) -> dict[str, Variable]:
    dims = ("ion", "z_free_energy")
    parts = {
        "": "F / k_B; NaN in a bin without a visit",
        "_error": "Its standard error",
        "_lower_bound": "Lower bound of F / k_B in an empty bin",
    }
    keys = [ion.lower() for ion in results.system.ions]
    return {
        "z_free_energy": (("z_free_energy",), found.array("z_A"), "Å", "Centre of a bin of the free energy"),
        **{
            f"free_energy{part}": (dims, _stacked(found, [f"{key}{part}_K" for key in keys]), "K", meaning)
            for part, meaning in parts.items()
        },
    }


def _charges(_: Results, found: ObservableResult) -> dict[str, Variable]:
    dims = ("side", "z_charge")
    values, errors = (_stacked(found, [f"{side}{part}_e_per_A2" for side in _SIDES]) for part in ("", "_error"))
    return {
        "side": (("side",), list(_SIDES), "", "End of the box from which the integral starts"),
        "z_charge": (("z_charge",), found.array("z_A"), "Å", "Centre of a bin of the charge"),
        "charge_integral": (dims, values, "e Å⁻²", "Integral of the charge density from this end to z"),
        "charge_integral_error": (dims, errors, "e Å⁻²", "Its standard error"),
    }


def _displacements(results: Results, found: ObservableResult) -> dict[str, Variable]:
    variables: dict[str, Variable] = {
        "lag": (("lag",), found.array("lags_ps"), "ps", "Lag of a displacement"),
        "axis": (("axis",), list("xyz"), "", "Axis; z is the normal of the slab"),
    }
    for ion in results.system.ions:
        key, layers = ion.lower(), f"layer_{ion.lower()}"
        dims = (layers, "lag", "axis")
        variables[layers] = ((layers,), found.value(f"{key}_layers"), "", f"Layer in which an ion of {ion} starts")
        for name, part, unit, meaning in (
            ("variance", "variance_A2", "Å²", "Variance of its displacement"),
            ("error", "error_A2", "Å²", "Standard error of the variance"),
            ("mean", "mean_A", "Å", "Mean of its displacement"),
        ):
            variables[f"displacement_{name}_{key}"] = (dims, found.array(f"{key}_{part}"), unit, meaning)
        samples = found.array(f"{key}_samples")
        variables[f"displacement_samples_{key}"] = (dims[:2], samples, "", "Number of displacements")
    return variables


_COLLECTED: Mapping[str, Any] = {
    "density_profiles": _densities,
    "free_energy_profiles": _free_energies,
    "charge_integral": _charges,
    "displacement_variance": _displacements,
}
