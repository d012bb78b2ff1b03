"""Two figures of a validation: the exchange at every temperature, and predicted and known rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from aiida.orm import WorkChainNode
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from aiida_cse.landscape.expected import ExpectedExchange, expected_exchange
from aiida_cse.landscape.model import Ions, Landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.physics.statistics.poisson import poisson_interval

__all__ = ["write_figures"]

Floats = NDArray[np.float64]

#: colours of Okabe and Ito, safe for colour-blind readers
_KNOWN, _FOUND, _PREDICTED = "#000000", "#0072B2", "#D55E00"
_SIZE = (6.4, 5.2)
#: tick labels without powers of ten
_PLAIN = "{x:g}"
_LEVEL = "95 %"


@dataclass(frozen=True)
class _Validation:
    """Results of a validation, the hottest run first."""

    seed: int
    landscape: Landscape
    ions: Ions
    window_ns: tuple[float, float]
    kelvin: list[float]
    expected: list[dict[str, Any]]
    runs: list[Any]
    kinetics: dict[str, Any] | None

    @classmethod
    def of(cls, node: WorkChainNode) -> _Validation:
        outputs = node.outputs
        labels = sorted(outputs.runs, key=lambda label: -outputs.runs[label]["transitions"]["temperature_K"])
        hottest = outputs.runs[labels[0]]["transitions"]
        return cls(
            seed=node.inputs.seed.value,
            landscape=Landscape.model_validate(outputs.landscape.get_dict()),
            ions=ValidationSettings.model_validate(node.inputs.settings.get_dict()).ions,
            window_ns=(hottest["start_ns"], hottest["end_ns"]),
            kelvin=[run["temperature"] for run in outputs.expected["runs"]],
            expected=outputs.expected["runs"],
            runs=[outputs.runs[label] for label in labels],
            kinetics=outputs.kinetics.get_dict() if "kinetics" in outputs else None,
        )


def write_figures(node: WorkChainNode, folder: Path) -> list[Path]:
    """Write both figures of a validation as SVG and PNG, and return their paths.

    Raises
    ------
    ValueError
        The validation has no checks.
    """
    if "checks" not in node.outputs:
        raise ValueError(f"validation <{node.pk}>: has no checks; let it finish first")
    validation = _Validation.of(node)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in (("exchange", _exchange_figure(validation)), ("rates", _rates_figure(validation))):
        for suffix in ("svg", "png"):
            path = folder / f"{name}.{suffix}"
            figure.savefig(path, dpi=200)
            written.append(path)
    return written


# -- exchange ------------------------------------------------------------------------------------------------


def _exchange_figure(validation: _Validation) -> Figure:
    """Return EC and S_t over T, as in Fig. 7 of the published study."""
    figure = Figure(figsize=_SIZE, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    temperatures = np.linspace(validation.kelvin[-1], validation.kelvin[0], 200)
    # ln Γ is interpolated linearly over 1/T
    inverse = [1 / kelvin for kelvin in validation.kelvin]
    logarithms = [math.log(run["rate"]) for run in validation.expected]
    rates = np.exp(np.interp(1 / temperatures, inverse, logarithms))
    exchange = [
        expected_exchange(validation.landscape, validation.ions, float(kelvin), float(rate), validation.window_ns)
        for kelvin, rate in zip(temperatures, rates, strict=True)
    ]
    _draw_coefficients(upper, validation, temperatures, exchange)
    _draw_totals(lower, validation, temperatures, exchange)
    upper.set_title(f"ExpectedExchange of Li⁺ with the slab, landscape of seed {validation.seed}", fontsize=10)
    lower.set_xlabel("temperature (K)")
    return figure


def _draw_coefficients(
    axes: Axes, validation: _Validation, temperatures: Floats, exchange: Sequence[ExpectedExchange]
) -> None:
    criteria = validation.runs[0]["equilibration"]["criteria"]
    known = [2 * min(one.entries, one.exits) / (one.entries + one.exits + criteria["lam"]) for one in exchange]
    axes.plot(temperatures, known, color=_KNOWN, ls="--", lw=1, label="known")
    found = np.array([run["equilibration"]["ec"] for run in validation.runs])
    bounds = np.array([run["equilibration"]["ec_lower_bound"] for run in validation.runs])
    label = f"found, down to the {100 * criteria['bound_level']:g} % bound"
    axes.errorbar(
        validation.kelvin, found, yerr=[found - bounds, 0 * found], fmt="o", color=_FOUND, capsize=3, label=label
    )
    axes.axhline(criteria["minimum_coefficient"], color="0.5", lw=0.8, ls=":", label="required for equilibrium")
    axes.set_ylabel("equilibration coefficient")
    axes.set_ylim(-0.05, 1.05)
    axes.legend(loc="lower right", frameon=False, fontsize=9)


def _draw_totals(
    axes: Axes, validation: _Validation, temperatures: Floats, exchange: Sequence[ExpectedExchange]
) -> None:
    known = [one.entries + one.exits for one in exchange]
    axes.plot(temperatures, known, color=_KNOWN, ls="--", lw=1, label="known")
    totals = np.array(
        [sum(run["transitions"][f"s_{way}_li_ceramic"] for way in ("in", "out")) for run in validation.runs]
    )
    ends = np.array([poisson_interval(int(total)) for total in totals])
    axes.errorbar(
        validation.kelvin,
        totals,
        yerr=[totals - ends[:, 0], ends[:, 1] - totals],
        fmt="o",
        color=_FOUND,
        capsize=3,
        label=f"found, {_LEVEL} (Poisson)",
        clip_on=False,
    )
    axes.set_yscale("symlog", linthresh=1.0, linscale=0.5)
    axes.set_ylim(0, 3 * max(totals.max(), 10))
    axes.yaxis.set_major_formatter(StrMethodFormatter(_PLAIN))
    axes.set_ylabel("transitions $S_t$ (linear below 1)")
    axes.legend(loc="lower right", frameon=False, fontsize=9)


# -- rates ---------------------------------------------------------------------------------------------------


def _rates_figure(validation: _Validation) -> Figure:
    """Return rates, and their ratio to the known rates, over 1/T."""
    figure = Figure(figsize=_SIZE, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    inverse = 1000 / np.array(validation.kelvin)
    known = np.array([run["rate"] for run in validation.expected])
    for axes, scale in ((upper, np.ones(len(known))), (lower, known)):
        axes.plot(inverse, known / scale, color=_KNOWN, ls="--", lw=1, label="known, by reactive flux")
        _draw_counted(axes, validation.runs, inverse, scale)
        _draw_predicted(axes, validation, inverse, scale)
        axes.set_yscale("log")
    upper.set_ylabel("Γ per ion in the layers (s$^{-1}$)")
    upper.set_title(f"Entries of Li⁺ into the slab, landscape of seed {validation.seed}", fontsize=10)
    upper.legend(frameon=False, loc="lower left", fontsize=9)
    lower.set_ylabel("Γ / known")
    lower.yaxis.set_major_formatter(StrMethodFormatter(_PLAIN))
    lower.yaxis.set_minor_formatter(NullFormatter())
    low, high = lower.get_ylim()
    ticks = [tick for tick in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= tick <= high]
    lower.set_yticks(ticks)
    lower.set_xlabel("1000 K / T")
    top = upper.secondary_xaxis("top", functions=(_inverse, _inverse))
    top.set_xticks(validation.kelvin)
    top.set_xticklabels([f"{kelvin:g} K" for kelvin in validation.kelvin], fontsize=8, rotation=45, ha="left")
    return figure


def _inverse(value: Any) -> Any:
    """Convert between T and 1000/T; matplotlib evaluates 0 as well."""
    return 1000 / np.maximum(np.asarray(value, dtype=float), 1e-6)


def _draw_predicted(axes: Axes, validation: _Validation, inverse: Floats, scale: Floats) -> None:
    """Draw the joint fit with its interval, and the prediction for the coldest run."""
    keys = [f"rate_{round(kelvin):04d}K" for kelvin in validation.kelvin]
    found = validation.kinetics or {}
    if any(found.get(f"{key}_per_s") is None for key in keys):
        return
    middle = np.array([found[f"{key}_per_s"] for key in keys]) / scale
    ends = np.array([found[f"{key}_interval_per_s"] for key in keys], dtype=np.float64).T / scale
    axes.fill_between(inverse, *ends, color=_PREDICTED, alpha=0.2, lw=0)
    axes.plot(inverse, middle, color=_PREDICTED, lw=1.2, label=f"joint kinetics, {_LEVEL}")
    error = [[middle[-1] - ends[0, -1]], [ends[1, -1] - middle[-1]]]
    label = "predicted without crossings"
    axes.errorbar(inverse[-1:], middle[-1:], yerr=error, fmt="D", color=_PREDICTED, ms=6, capsize=3, label=label)


def _draw_counted(axes: Axes, runs: Sequence[Any], inverse: Floats, scale: Floats) -> None:
    """Draw entries per ion and time of each run with entries; open symbols are runs left out of the fit."""
    for used, fill, words in (
        (True, _FOUND, f"counted, {_LEVEL}"),
        (False, "white", "counted off equilibrium, not used"),
    ):
        places, rates, lows, highs = [], [], [], []
        for place, size, run in zip(inverse, scale, runs, strict=True):
            entries = run["transitions"]["s_in_li_ceramic"]
            exposure = run["transitions"]["exposure_li_ceramic_ion_ns"] * 1e-9 * size
            if bool(run["equilibration"]["equilibrated"]) != used or not entries:
                continue
            low, high = poisson_interval(entries)
            places.append(place)
            rates.append(entries / exposure)
            lows.append((entries - low) / exposure)
            highs.append((high - entries) / exposure)
        if places:
            axes.errorbar(
                places, rates, yerr=[lows, highs], fmt="o", color=_FOUND, mfc=fill, capsize=3, label=words
            )
