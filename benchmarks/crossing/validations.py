"""Coverage of crossings by real LAMMPS, pooled over validations with known answers.

``python -m benchmarks.crossing.validations --seeds 4 13`` runs ``cse.validate_crossing`` with each seed of this
range of which the profile has no result. It prints a row per seed: the share of the bins whose interval of 95 %
holds the exact F, and for κ and Γ, both ways, what was found over what is known, with ✗ where the interval of 95
% does not hold. Last come the pooled shares, and the means of the logarithms with their standard errors over the
seeds, because both ways of a seed share their windows. The exit code is 0 only if F holds in 90 to 98 % of the
bins, κ and Γ in 88 % at least, and no mean is off by more than three standard errors, each within the scatter of
so many seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiida import orm

from aiida_cse.cli.site.environment import ensure_environment
from aiida_cse.engine.embedded import run_embedded
from aiida_cse.landscape.crossing import exact_crossing
from aiida_cse.landscape.model import Landscape
from aiida_cse.report.processes import values_of
from aiida_cse.workchains.validate import CrossingValidationWorkChain

__all__ = ["Outcome", "main", "outcome"]

LEAST = 0.88


@dataclass(frozen=True)
class Outcome:
    """One validation: share of the bins of F that hold, and by quantity ln(found / known) and whether it holds."""

    bins: float
    errors: dict[str, float]
    holds: dict[str, bool]


def outcome(node: Any) -> Outcome:
    """Return how a finished validation compares with the exact answers, at the level of its own intervals."""
    found, profile = node.outputs.crossing.get_dict(), values_of(node.outputs.crossing_profile)
    landscape = Landscape.model_validate(node.outputs.landscape.get_dict())
    exact = exact_crossing(landscape, found["temperature_K"], found["side"])
    surface = exact.barrier_at(found["surface_z_A"])
    kappa = exact.transmission * np.exp((surface - exact.barrier) / found["temperature_K"])
    known = {f"κ {way}": float(kappa) for way in ("in", "out")} | {f"Γ {way}": exact.rate for way in ("in", "out")}
    errors, holds = {}, {}
    for name, expected in known.items():
        letter, way = name.split()
        key = f"kappa_{way}{{}}" if letter == "κ" else f"rate_{way}{{}}_per_s"
        low, high = found[key.format("_interval")] or (0.0, np.inf)
        errors[name] = float(np.log(found[key.format("")] / expected))
        holds[name] = bool(low <= expected <= high)
    z, low, high = (np.asarray(profile[key]) for key in ("z_A", "low_K", "high_K"))
    width = z[1] - z[0]
    free_energy = exact.free_energy(np.append(z - width / 2, z[-1] + width / 2))
    return Outcome(float(((low <= free_energy) & (free_energy <= high)).mean()), errors, holds)


def validated(seeds: Sequence[int]) -> dict[int, Any]:
    """Return by seed the validations of the profile with results, after having run those that it has not."""
    here = ensure_environment()
    query = orm.QueryBuilder().append(CrossingValidationWorkChain, tag="run")
    query.append(orm.Int, with_outgoing="run", edge_filters={"label": "seed"}, project="attributes.value")
    query.append(orm.Dict, with_outgoing="run", edge_filters={"label": "settings"}, project="attributes.planted")
    query.add_projection("run", "*")
    correct = {"barrier": 1.0, "mass": 1.0}
    known = {seed: run for seed, planted, run in query.all() if planted == correct and "crossing" in run.outputs}
    for seed in [one for one in seeds if one not in known]:
        builder = CrossingValidationWorkChain.get_builder_from_protocol(
            codes={"lammps": here.lammps, "cse": here.cse}, seed=seed
        )
        run: Any = run_embedded(builder)
        if "crossing" in run.outputs:
            known[seed] = run
        else:
            print(f"{seed:>5}  <{run.pk}> has no rate: [{run.exit_status}] {run.exit_message}", flush=True)
    return {seed: known[seed] for seed in seeds if seed in known}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossing.validations", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs=2, default=[4, 13], metavar=("FIRST", "LAST"))
    first, last = parser.parse_args(arguments).seeds
    names = ("κ in", "κ out", "Γ in", "Γ out")
    print(f"{'seed':>6} {'F holds, %':>11}" + "".join(f"{name:>10}" for name in names))
    found = []
    for seed, node in validated(range(first, last + 1)).items():
        one = outcome(node)
        found.append(one)
        cells = (f"{np.exp(one.errors[name]):>8.2f}{' ' if one.holds[name] else '✗'} " for name in names)
        print(f"{seed:>6} {100 * one.bins:>11.1f}" + "".join(cells), flush=True)
    if len(found) < 2:
        print("two seeds at least are needed to pool them")
        return 1
    bins, fails = np.array([one.bins for one in found]), 0
    scatter = bins.std(ddof=1) / np.sqrt(len(bins))
    fails += not 0.90 - 2 * scatter <= bins.mean() <= 0.98 + 2 * scatter
    print(f"\nF holds in {100 * bins.mean():.1f} ± {100 * scatter:.1f} % of the bins of {len(found)} seeds")
    for letter in ("κ", "Γ"):
        held = [one.holds[f"{letter} {way}"] for one in found for way in ("in", "out")]
        errors = np.array([np.mean([one.errors[f"{letter} {way}"] for way in ("in", "out")]) for one in found])
        mean, error = errors.mean(), errors.std(ddof=1) / np.sqrt(len(errors))
        share = float(np.mean(held))
        wrong = share < LEAST - 2 * np.sqrt(LEAST * (1 - LEAST) / len(found)) or abs(mean) > 3 * error
        fails += wrong
        print(f"{letter} holds in {100 * share:.1f} % of {len(held)}; ln(found / known) {mean:+.3f} ± {error:.3f}")
    print(f"{int(fails)} fail")
    return int(fails > 0)


if __name__ == "__main__":
    sys.exit(main())
