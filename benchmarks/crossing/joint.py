"""Joint fits of counted and measured rates, by real LAMMPS in landscapes whose rates are known.

``python -m benchmarks.crossing.joint --seeds 1 3`` runs, for each seed of this range, the validation at five
temperatures and a crossing at each face at the lowest of them, where nothing crosses by itself. Both joint fits,
of the counts alone and with the crossings, are laid beside the exact rates there and half-way to the next
temperature in 1/T. The exact rate is the mean over both faces, weighted by the ions that wait there. The exit code
is 0 only if the intervals of 95 % with the crossings hold in 88 % of the cases, within the scatter of so many
seeds, and are at most half as wide in ln Γ as those without. A seed without both rates is named and left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from aiida import orm

from aiida_cse.analysis.crossing.observations import POPULATIONS
from aiida_cse.analysis.kinetics import PARTS, KineticsSettings
from aiida_cse.calculations.functions.kinetics import kinetics
from aiida_cse.cli.site.environment import ensure_environment
from aiida_cse.engine.embedded import run_embedded
from aiida_cse.landscape.crossing import exact_crossing
from aiida_cse.landscape.model import CATION, Landscape
from aiida_cse.workchains.validate import CrossingValidationWorkChain, ValidationWorkChain

__all__ = ["main"]

LEAST = 0.88
SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


def known_rate(landscape: Landscape, temperature: float) -> float:
    """Return the exact rate per ion in a first layer, the mean over both faces, s⁻¹."""
    exact = [exact_crossing(landscape, temperature, side) for side in SIDES]
    ions = [float(landscape.weight(CATION, one.well, temperature)[0]) for one in exact]
    return float(np.average([one.rate for one in exact], weights=ions))


def runs_of(seed: int) -> tuple[Landscape, dict[str, Any], dict[str, Any]]:
    """Run a validation and two crossings; return the landscape and, by label, the results for the kinetics."""
    here = ensure_environment()
    codes = {"lammps": here.lammps, "cse": here.cse}
    counted: Any = run_embedded(ValidationWorkChain.get_builder_from_protocol(codes=codes, seed=seed))
    landscape = Landscape.model_validate(counted.outputs.landscape.get_dict())
    runs = {
        label: {name: run[name] for name in (*PARTS, POPULATIONS)} for label, run in counted.outputs.runs.items()
    }
    measured = {}
    for side in SIDES:
        builder = CrossingValidationWorkChain.get_builder_from_protocol(
            codes=codes, seed=seed, overrides={"side": side}
        )
        crossing: Any = run_embedded(builder)
        if "crossing" in crossing.outputs:
            measured[side] = {"crossing": crossing.outputs.crossing}
        else:
            print(f"{seed:>5}  <{crossing.pk}>, {side}: [{crossing.exit_status}] {crossing.exit_message}")
    return landscape, runs, measured


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossing.joint", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=[1, 3], metavar=("FIRST", "LAST"))
    first, last = parser.parse_args(arguments).seeds
    print(f"{'seed':>5} {'T (K)':>6} {'known (1/s)':>12}  {'counts alone':<34}{'with crossings':<34}{'p':>6}")
    held, widths = [], []
    for seed in range(first, last + 1):
        landscape, runs, measured = runs_of(seed)
        if len(measured) < len(SIDES):
            continue
        kelvin = sorted(run["transitions"]["temperature_K"] for run in runs.values())
        wanted = [kelvin[0], round(2 / (1 / kelvin[0] + 1 / kelvin[1]))]
        # other laws would widen the intervals of a landscape whose barriers do not depend on T
        asked = orm.Dict(KineticsSettings(temperatures=wanted, laws=["arrhenius"]).model_dump())
        fits: list[Any] = [kinetics(settings=asked, **runs), kinetics(settings=asked, **runs, **measured)]
        for temperature in wanted:
            known, cells, reach = known_rate(landscape, temperature), [], []
            for fit in fits:
                name = f"rate_{round(temperature):04d}K"
                low, high = fit[f"{name}_interval_per_s"]
                held.append(low <= known <= high)
                reach.append(np.log(high / low))
                cells.append(f"{fit[f'{name}_per_s']:.3g} ({low:.3g} to {high:.3g}){'' if held[-1] else ' ✗'}")
            widths.append(reach[1] / reach[0])
            row = f"{seed:>5} {temperature:>6.0f} {known:>12.3g}  {cells[0]:<34}{cells[1]:<34}"
            print(f"{row}{fits[1]['p_value']:>6.2f}", flush=True)
    if not held:
        return 1
    share, width = float(np.mean(held)), float(np.max(widths))
    print(f"\nintervals that hold: {100 * share:.0f} % of {len(held)}; widest with crossings {width:.2f} of alone")
    # of each seed there are two temperatures with two fits each; those with crossings decide
    seeds, with_crossings = len(held) / 4, float(np.mean(held[1::2]))
    return int(with_crossings < LEAST - 2 * np.sqrt(LEAST * (1 - LEAST) / seeds) or width > 0.5)


if __name__ == "__main__":
    sys.exit(main())
