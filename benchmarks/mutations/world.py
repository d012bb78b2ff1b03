"""A validation without a profile: its runs, their states, and its checks with a fault planted or without."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from aiida_cse.analysis.kinetics import KineticsSettings, kinetics
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import observables
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.building.reduction import describe_system
from aiida_cse.lammps.files.system import System
from aiida_cse.landscape.checks import compare
from aiida_cse.landscape.expected import expected_runs
from aiida_cse.landscape.model import Landscape, draw_landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.landscape.system import landscape_system
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.state import State
from aiida_cse.workchains.validate import ValidationWorkChain
from benchmarks.mutations.faults import Fault, FaultError, patched
from benchmarks.mutations.trajectories import Physics, simulate

__all__ = ["StoredValidation", "outcome"]

#: a world of which twenty seeds are made in minutes
SHORT = {
    "settings": {"ions": {"cations": 150, "anions": 20}, "shots": 2000},
    "production": {
        "plan": {"length_ps": 800, "segment_ps": 800},
        "analysis": {"settings": {"start_ns": 0.3, "minimum_excess": 8}},
    },
}
#: starts of the names of the checks that rest on barriers
_OF_BARRIERS = ("barrier", "ΔF", "k", "ν", "κ", "well of", "top of")
#: distance between the seeds of the runs
_STRIDE = 104_729


@dataclass(frozen=True)
class StoredValidation:
    """Landscape, plan and settings of a validation, with the states and temperatures of its runs.

    Attributes
    ----------
    seed
        Of the landscape and of all random choices.
    inputs
        Inputs of the protocol.
    expected
        By label the known answers, the hottest first.
    states, measured
        By label the reduced runs, and the mean temperature of their atoms, K.
    """

    seed: int
    inputs: Mapping[str, Any]
    expected: Mapping[str, Mapping[str, Any]]
    states: Mapping[str, State]
    measured: Mapping[str, float]

    @property
    def settings(self) -> ValidationSettings:
        """Settings of the validation."""
        return ValidationSettings.model_validate(self.inputs["settings"])

    @property
    def landscape(self) -> Landscape:
        """The landscape."""
        return draw_landscape(self.seed, self.settings.world)

    @property
    def plan(self) -> dict[str, Any]:
        """Plan of the productions."""
        return dict(self.inputs["production"]["plan"])

    @classmethod
    def made(cls, seed: int, size: str = "quick", folder: Path | None = None) -> StoredValidation:
        """Return the validation of a seed; its runs are simulated without LAMMPS, or read from a folder.

        ``size`` is a protocol of the validation, or ``short``: a small world for the seeds without a fault.
        """
        short = size == "short"
        inputs = ValidationWorkChain.get_protocol_inputs("quick" if short else size, SHORT if short else None)
        settings = ValidationSettings.model_validate(inputs["settings"])
        landscape, plan = draw_landscape(seed, settings.world), inputs["production"]["plan"]
        runs = expected_runs(
            landscape,
            settings,
            frame_fs=plan["frame_ps"] * 1000,
            start_ns=inputs["production"]["analysis"]["settings"]["start_ns"],
            end_ns=plan["length_ps"] / 1000,
            seed=seed,
            lag_ps=inputs["production"]["sampling"]["lags_ps"][0],
        )
        expected = {f"T{run['temperature']:04.0f}_r1": run for run in runs}
        system = landscape_system(landscape, settings.ions, seed)
        states, measured = {}, {}
        for number, (label, run) in enumerate(expected.items()):
            stored = None if folder is None else folder / f"{size}-{seed}-{label}.npz"
            if stored is not None and stored.is_file():
                states[label] = State.load(stored)
                measured[label] = json.loads(stored.with_suffix(".json").read_text(encoding="utf-8"))
                continue
            physics = Physics(
                landscape, run["temperature"], plan["timestep_fs"], plan["frame_ps"], plan["length_ps"]
            )
            states[label], measured[label] = simulated(physics, system, seed + number * _STRIDE, inputs)
            if stored is not None:
                stored.parent.mkdir(parents=True, exist_ok=True)
                states[label].save(stored)
                stored.with_suffix(".json").write_text(json.dumps(measured[label]), encoding="utf-8")
        return cls(seed, inputs, expected, states, measured)

    def checks(self, planted: Fault | None = None) -> list[dict[str, Any]]:
        """Return all checks, with a fault planted or without.

        Raises
        ------
        Exception
            A fault may break the analysis, which is then seen as well.
        """
        states, measured = dict(self.states), dict(self.measured)
        if planted is not None and planted.where == "physics":
            self._replace_hottest(planted, states, measured)
        if planted is not None and planted.where == "state":
            states = {label: deepcopy(state) for label, state in states.items()}
            for label, state in states.items():
                planted.apply(state, self.expected[label]["temperature"])
        with patched(planted):
            if planted is None or planted.where in ("results", "kinetics"):
                runs = {
                    label: deepcopy(run) | {"reduction": states[label]} for label, run in self._results.items()
                }
            else:
                kept = self._results if _keeps_barriers(planted) else {}
                runs = {
                    label: self._analysed(state, measured[label], kept.get(label))
                    for label, state in states.items()
                }
            if planted is not None and planted.where == "results":
                for label, run in runs.items():
                    found_of_run = {name: found for name, found in run.items() if name != "reduction"}
                    planted.apply(found_of_run, self.expected[label]["temperature"])
                    run.update(found_of_run)
            kelvin = [run["temperature"] for run in self.expected.values()]
            found = kinetics(runs, KineticsSettings(temperatures=kelvin, laws=["arrhenius"]))
        if planted is not None and planted.where == "kinetics":
            found = deepcopy(found)
            planted.apply(found, 0.0)
        return compare(self.landscape, self.settings, self.expected, runs, found, self.plan)

    @cached_property
    def _results(self) -> dict[str, dict[str, Any]]:
        """Results of all runs without a fault, without their states."""
        return {
            label: {
                name: found
                for name, found in self._analysed(state, self.measured[label]).items()
                if name != "reduction"
            }
            for label, state in self.states.items()
        }

    def _analysed(self, state: State, measured: float, kept: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the results of a run; its barriers, which take nearly all of the time, may be ``kept`` ones."""
        settings = AnalysisSettings(**self.inputs["production"]["analysis"]["settings"], level=self.settings.level)
        production, results = ReducedProduction(state, None, settings), {}
        for name, one in observables().items():
            if name in ("anion_barrier", "depth_populations"):
                continue
            if name == "barrier" and kept is not None:
                results[name] = deepcopy(kept[name])
                continue
            # as in a WorkChain, an observable without an answer does not stop the others
            with suppress(ValueError):
                results[name] = one.compute(production)
        return results | {"stages": {"stages": [{"temperature_K": measured}]}, "reduction": state}

    def _replace_hottest(self, planted: Fault, states: dict[str, State], measured: dict[str, float]) -> None:
        label, run = next(iter(self.expected.items()))
        right = Physics(
            self.landscape,
            run["temperature"],
            self.plan["timestep_fs"],
            self.plan["frame_ps"],
            self.plan["length_ps"],
        )
        system = landscape_system(self.landscape, self.settings.ions, self.seed)
        states[label], measured[label] = simulated(
            planted.apply(right, right.temperature), system, self.seed, self.inputs, right.temperature
        )


def simulated(
    physics: Physics, system: System, seed: int, inputs: Mapping[str, Any], temperature: float | None = None
) -> tuple[State, float]:
    """Return the reduced run of a system and the temperature of its atoms; ``temperature`` is the stored one."""
    production = inputs["production"]
    plan = production["plan"]
    sampling = Sampling.model_validate(
        {**production["sampling"], "timestep_fs": plan["timestep_fs"], "frame_ps": plan["frame_ps"]}
    )
    config = ReductionConfig.build(
        describe_system(system), sampling, temperature=temperature or physics.temperature
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trajectory.dcd"
        measured = simulate(physics, system, seed, path)
        return reduce_segments([path], config), measured


def _keeps_barriers(planted: Fault) -> bool:
    """Return whether the barriers are not computed again with this fault."""
    return planted.where in ("code", "state") and planted.kind not in ("barriers", "temperature")


def outcome(validation: StoredValidation, planted: Fault | None) -> list[str]:
    """Return the checks that fail, by run and quantity; an analysis that stops is a failure as well."""
    try:
        with np.errstate(all="ignore"):
            checks = validation.checks(planted)
    except FaultError:
        raise
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    # barriers that were kept see nothing
    kept = planted is not None and _keeps_barriers(planted)
    return [
        f"{check['quantity']} of {check['run']}"
        for check in checks
        if not check["holds"] and not (kept and check["quantity"].startswith(_OF_BARRIERS))
    ]
