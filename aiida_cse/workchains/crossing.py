"""The crossing: free energy and rate of an ion that goes from the electrolyte into the slab."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, while_
from aiida.orm import to_aiida_type
from pydantic import ValidationError

from aiida_cse.analysis.crossing.density import SAME_TEMPERATURE
from aiida_cse.analysis.crossing.places import places_of
from aiida_cse.building.passage import passage_of, tag_ions
from aiida_cse.calculations.functions.crossing import crossing, crossing_profile
from aiida_cse.calculations.ports import checked_by
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.lammps.protocol.crossing import CrossingPlan, Ladder, Passage, Side
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.physics.crossing.umbrella import FEWEST_LADDERS
from aiida_cse.schema import explain, placed
from aiida_cse.workchains.base import SET_BY_CALLER, LammpsBaseWorkChain
from aiida_cse.workchains.common.builders import Codes, base_inputs, real, velocity_seed
from aiida_cse.workchains.common.exit_status import failure
from aiida_cse.workchains.common.labels import LabelledOutputs
from aiida_cse.workchains.common.options import walltime_error
from aiida_cse.workchains.common.phase import CHANGES_HELP, attach_changes, lammps_inputs
from aiida_cse.workchains.common.ports import one_of, validate_neutral, validate_seed, validate_temperature
from aiida_cse.workchains.common.protocol import ProtocolMixin
from aiida_cse.workchains.restart.lineage import lineage

__all__ = [
    "LEAST_ROUNDS",
    "MORE_ROUNDS",
    "CrossingWorkChain",
    "crossing_jobs",
    "nearest_systems",
    "places_from",
    "runs_of",
    "systems_of",
]

_plan_error = checked_by(CrossingPlan, "plan")
#: rounds after which a ladder has gone through the windows both ways, and may end
LEAST_ROUNDS = 2
#: rounds beyond those of the plan for windows that are added where others overlap too little
MORE_ROUNDS = 2


class CrossingWorkChain(ProtocolMixin, LabelledOutputs, VersionedWorkChain):
    """Sample umbrella windows in several ladders until F is known, then start short trajectories on its top."""

    protocol_name = "crossing"

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(LammpsBaseWorkChain, namespace="base", exclude=SET_BY_CALLER)
        spec.input_namespace(
            "systems",
            valid_type=CseSystemData,
            dynamic=True,
            help="Relaxed interfaces of the same slab; the ladders begin with them in turn.",
        )
        spec.input(
            "temperature",
            valid_type=orm.Float,
            serializer=to_aiida_type,
            validator=validate_temperature,
            help="Temperature in K.",
        )
        spec.input(
            "side",
            valid_type=orm.Str,
            serializer=to_aiida_type,
            validator=one_of("side", "left", "right"),
            help="Side of the slab: left, where z is below zero, or right.",
        )
        spec.input(
            "seed",
            valid_type=orm.Int,
            serializer=to_aiida_type,
            validator=validate_seed,
            help="Seed of the choice of the ions and of the velocities.",
        )
        spec.input(
            "plan",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            validator=_plan_error,
            help="Windows, rounds, trajectories: see aiida_cse.lammps.protocol.crossing.CrossingPlan.",
        )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.tag_ions,
            while_(cls.has_rounds)(cls.run_round, cls.inspect_round, cls.estimate_profile),
            cls.fix_surface,
            cls.run_short_trajectories,
            cls.inspect_short_trajectories,
            cls.calculate_rate,
            cls.finish,
        )
        spec.output(
            "crossing_profile", valid_type=orm.ArrayData, help="F(z) with its errors, and what was sampled."
        )
        spec.output("crossing", valid_type=orm.Dict, help="The rate into and out of the slab, with its parts.")
        spec.output("transmission", valid_type=orm.ArrayData, help="κ(t) of Bennett and Chandler.")
        spec.output("changes", valid_type=orm.List, required=False, help=CHANGES_HELP)
        spec.exit_code(
            375,
            "ERROR_LADDERS",
            message="Only {count} of {number} ladders are complete, 3 are needed: {reasons}. Launch it again, "
            "with a smaller plan.timestep_fs if atoms were lost: {again}",
        )
        spec.exit_code(
            376,
            "ERROR_PROFILE",
            message="The windows are complete, but {reason}. Launch it again with other windows (plan.spacing_A, "
            "plan.window_ps): {again}",
        )
        spec.exit_code(
            377,
            "ERROR_NO_SURFACE",
            message="F(z) is in the output crossing_profile, but has {reason}. Look at it (aiida-cse plot {pk} "
            "crossing) and launch it again: {again}",
        )
        spec.exit_code(
            378,
            "ERROR_RATE",
            message="The trajectories are complete, but {reason}. Launch it again with more of them "
            "(plan.structures, plan.starts): {again}",
        )
        spec.exit_code(
            512,
            "ERROR_NOT_PRECISE",
            message="F on the surface is known to ± {error:.2f} k_BT after {rounds} rounds (error_kT asks for "
            "{wanted:g}). All results are complete; more rounds or a longer window_ps make it better.",
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: Codes,
        systems: Mapping[str, CseSystemData] | CseSystemData,
        temperature: float,
        side: str,
        recipe: dict[str, Any] | orm.Dict | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> Any:
        """Return a builder with the inputs of a protocol.

        Parameters
        ----------
        codes
            The codes by role.
        systems
            A relaxed interface, or several by a label.
        temperature
            K.
        side
            ``left`` or ``right``.
        recipe
            Has the seed, ``seeds.velocities``; by default that of the first system.
        protocol, overrides, options
            As for the production.

        Raises
        ------
        ValueError
            The protocol or an override is wrong; the message names the place.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()
        builder.base = base_inputs(codes, inputs["base"], options)
        builder.plan = inputs["plan"]
        builder.systems = dict(systems) if isinstance(systems, Mapping) else {"system": systems}
        builder.temperature = real("temperature", temperature)
        builder.side = side
        first = systems if isinstance(systems, CseSystemData) else next(iter(systems.values()))
        builder.seed = velocity_seed({"seeds": first.info.seeds} if recipe is None else recipe)
        return builder

    # -- windows ---------------------------------------------------------------------------------------

    def tag_ions(self) -> None:
        """Choose the ion with which each ladder begins."""
        plan, passage = self._plan(), self._passage()
        systems = {name: node.get_system() for name, node in sorted(self.inputs.systems.items())}
        tagged = tag_ions(systems, passage, plan.ladders, self.inputs.seed.value)
        pairs = [(name, ladder) for name, ladders in tagged.items() for ladder in ladders]
        self.ctx.ladders = {
            f"ladder_{number:02d}": {"system": name, "ladder": asdict(ladder)}
            for number, (name, ladder) in enumerate(pairs, 1)
        }
        self.ctx.runs = {name: [] for name in self.ctx.ladders}
        self.ctx.failed = {}
        self.ctx.round = 0
        centres = plan.centres(passage)
        self.ctx.times = dict.fromkeys(map(float, centres), plan.window_ps)
        self.ctx.done = False
        atoms = ", ".join(str(one["ladder"]["coordinate"]["atom"]) for one in self.ctx.ladders.values())
        self.report(
            f"{len(pairs)} ladders of {len(centres)} windows from {centres[0]:.1f} to {centres[-1]:.1f} Å, with "
            f"the atoms {atoms}"
        )
        far = [ladder for _, ladder in pairs if abs(ladder.start) > passage.well[1]]
        if far:
            reach = max(abs(ladder.start) for ladder in far) - passage.well[1]
            self.report(
                f"{len(far)} of {len(pairs)} ions begin up to {reach:.1f} Å beyond the first layer, which has too "
                "few, and are pulled in: equilibrate the interface first"
            )

    def has_rounds(self) -> bool:
        """Return whether another round through the windows is needed."""
        return not self.ctx.done

    def run_round(self) -> dict[str, Any]:
        """Run all ladders through the windows, in the opposite direction of the round before."""
        plan, temperature = self._plan(), self.inputs.temperature.value
        self.ctx.round += 1
        times = dict(self.ctx.times)
        if self.ctx.round % 2 == 0:
            times = dict(reversed(times.items()))
        jobs = {}
        for name, ladder in self._kept():
            if self.ctx.round == 1:
                job = plan.first_round(ladder, list(times), temperature)
            else:
                job = plan.next_round(ladder, times, temperature, self._last_step(name))
            jobs[name] = self._submit(name, job, f"{name}_round_{self.ctx.round}")
        spent = sum(times.values()) * len(jobs) / 1000
        runs = ", ".join(f"<{run.pk}>" for run in jobs.values())
        self.report(f"round {self.ctx.round}, {spent:.3g} ns in windows: {runs}")
        return ToContext(**jobs)

    def inspect_round(self) -> ExitCode | None:
        """Keep the ladders that are complete; stop with fewer than three."""
        return self._collect()

    def estimate_profile(self) -> ExitCode | None:
        """Calculate F(z) from all windows so far, and decide whether another round is needed."""
        found: Any
        found, node = crossing_profile.run_get_node(
            plan=self.inputs.plan,
            temperature=self.inputs.temperature,
            side=self.inputs.side,
            **self._ladder_nodes(),
        )
        if not node.is_finished_ok:
            self._attach_changes()
            return self._ended(self.exit_codes.ERROR_PROFILE, reason=node.exit_message)
        self.ctx.profile = found
        plan, facts = self._plan(), found.base.attributes
        error, barrier = facts.get("tst_barrier_error_K"), facts.get("tst_barrier_K")
        kelvin = self.inputs.temperature.value
        if error is None:
            self.report(f"round {self.ctx.round}: {'; '.join(facts.get('reasons'))}")
        else:
            self.report(
                f"round {self.ctx.round}: F on the surface at {facts.get('surface_z_A'):.2f} Å is "
                f"{barrier / kelvin:.2f} ± {error / kelvin:.2f} k_BT"
            )
        self.ctx.precise = error is not None and error <= plan.error_kT * kelvin
        centres, times = found.get_array("next_z_A").tolist(), found.get_array("next_ps").tolist()
        self.ctx.times = dict(zip(centres, times, strict=True))
        added = sorted(set(centres) - set(found.get_array("window_z_A").tolist()))
        if added:
            self.ctx.done = self.ctx.round >= plan.rounds + MORE_ROUNDS
        else:
            precise = self.ctx.precise and self.ctx.round >= min(LEAST_ROUNDS, plan.rounds)
            self.ctx.done = precise or self.ctx.round >= plan.rounds
        if added and not self.ctx.done:
            places = ", ".join(f"{place:.2f}" for place in added)
            self.report(f"a ladder has a gap between windows: the next round has {len(added)} more, at {places} Å")
        return None

    # -- trajectories ----------------------------------------------------------------------------------

    def fix_surface(self) -> ExitCode | None:
        """Attach F(z), and fix the dividing surface; stop where there is none."""
        self.out("crossing_profile", self.ctx.profile)
        facts = self.ctx.profile.base.attributes
        if facts.get("surface_z_A") is None:
            self._attach_changes()
            return self._ended(self.exit_codes.ERROR_NO_SURFACE, reason="; ".join(facts.get("reasons")))
        return None

    def run_short_trajectories(self) -> dict[str, Any]:
        """Bring each ladder to the surface and start the trajectories there."""
        plan, temperature = self._plan(), self.inputs.temperature.value
        surface = self.ctx.profile.base.attributes.get("surface_z_A")
        centres = plan.centres(self._passage())
        # the last round has ended at one end of the windows
        place = float(centres[-1] if self.ctx.round % 2 else centres[0])
        jobs = {}
        for name, ladder in self._kept():
            job = plan.short_trajectories(ladder, place, surface, temperature, self._last_step(name))
            jobs[name] = self._submit(name, job, f"{name}_trajectories")
        runs = ", ".join(f"<{run.pk}>" for run in jobs.values())
        number = len(jobs) * plan.structures * plan.starts
        self.report(f"{number} trajectories from {surface:.2f} Å: {runs}")
        return ToContext(**jobs)

    def inspect_short_trajectories(self) -> ExitCode | None:
        """Keep the ladders that are complete; stop with fewer than three."""
        return self._collect()

    def calculate_rate(self) -> ExitCode | None:
        """Calculate κ and the rate."""
        failed = orm.List(sorted(self.ctx.failed))
        found: Any
        found, node = crossing.run_get_node(
            plan=self.inputs.plan,
            profile=self.ctx.profile,
            side=self.inputs.side,
            failed=failed,
            off_equilibrium=orm.Str(_off_equilibrium(self.inputs.systems)),
            **_density(self.inputs.systems, self.inputs.temperature.value),
            **self._ladder_nodes(),
        )
        if not node.is_finished_ok:
            self._attach_changes()
            return self._ended(self.exit_codes.ERROR_RATE, reason=node.exit_message)
        for name, result in found.items():
            self.out(name, result)
        return None

    def finish(self) -> ExitCode | None:
        """Report the rate; end with the precision that was not reached, if so."""
        self._attach_changes()
        found = self.outputs["crossing"]
        kelvin = self.inputs.temperature.value
        ends = found["rate_in_interval_per_s"]
        interval = "bounds only" if ends is None else f"{ends[0]:.2g} to {ends[1]:.2g}"
        self.report(f"κ {found['kappa_in']:.2g}, Γ {found['rate_in_per_s']:.2g} per s ({interval})")
        for sentence in found["reasons"]:
            self.report(sentence)
        if self.ctx.precise:
            return None
        error = found["tst_barrier_error_K"] or 0.0
        return self.exit_codes.ERROR_NOT_PRECISE.format(
            error=error / kelvin, rounds=self.ctx.round, wanted=self._plan().error_kT
        )

    # -- ladders ---------------------------------------------------------------------------------------

    def _plan(self) -> CrossingPlan:
        return CrossingPlan.model_validate(self.inputs.plan.get_dict())

    def _passage(self) -> Passage:
        return passage_of(next(iter(self.inputs.systems.values())).info, self._plan(), self.inputs.side.value)

    def _kept(self) -> list[tuple[str, Ladder]]:
        """Return the ladders that have not failed."""
        return [
            (name, Ladder(**one["ladder"]))
            for name, one in self.ctx.ladders.items()
            if name not in self.ctx.failed
        ]

    def _last_step(self, name: str) -> int:
        step: int = self.ctx.runs[name][-1].outputs.results["step"]
        return step

    def _submit(self, name: str, job: dict[str, Any], label: str) -> Any:
        system = self.inputs.systems[self.ctx.ladders[name]["system"]]
        parent = self.ctx.runs[name][-1].outputs.remote_folder if self.ctx.runs[name] else None
        inputs = lammps_inputs(self, system, job, parent, keep_system=False)
        inputs["metadata"] = {"call_link_label": label}
        return self.submit(LammpsBaseWorkChain, **inputs)

    def _collect(self) -> ExitCode | None:
        """Take the runs that have ended into their ladders; leave out ladders that failed."""
        for name, _ in self._kept():
            run = self.ctx[name]
            if run.is_finished_ok:
                self.ctx.runs[name] = [*self.ctx.runs[name], run]
                continue
            reason = "run <{pk}> failed with [{status}] {reason}".format(**failure(run))
            self.ctx.failed = {**self.ctx.failed, name: reason}
            self.report(f"{name} is left out: its {reason}")
        number = len(self.ctx.ladders)
        if number - len(self.ctx.failed) >= FEWEST_LADDERS:
            return None
        self._attach_changes()
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self.ctx.failed.items())
        return self._ended(
            self.exit_codes.ERROR_LADDERS, count=number - len(self.ctx.failed), number=number, reasons=reasons
        )

    def _ended(self, code: ExitCode, **said: Any) -> ExitCode:
        """Return an exit code with the command that launches the crossing again with another plan.

        The message is stored, so it names the program without the folder in which it is on this machine.
        """
        systems = " ".join(f"--system {pk}" for pk in sorted({node.pk for node in self.inputs.systems.values()}))
        again = (
            f"aiida-cse launch crossing {systems} --temperature {self.inputs.temperature.value:g} "
            f"--side {self.inputs.side.value} --overrides FILE"
        )
        words = {key: str(one).rstrip(".") for key, one in said.items()}
        return code.format(**words, pk=self.node.pk, again=again)

    def _ladder_nodes(self) -> dict[str, Any]:
        """Return by ladder its system and for each round the plan and the tables of the jobs that make it up."""
        return {
            name: {
                "system": self.inputs.systems[self.ctx.ladders[name]["system"]],
                **{f"round_{turn:02d}": _job_nodes(run) for turn, run in enumerate(self.ctx.runs[name], 1)},
            }
            for name, _ in self._kept()
        }

    def _attach_changes(self) -> None:
        runs = [run for name in sorted(self.ctx.runs) for run in self.ctx.runs[name]]
        attach_changes(self, runs, "run")


def _job_nodes(run: orm.WorkChainNode) -> dict[str, Any]:
    """Return the plan of a run, and the thermo tables and short trajectories of the jobs that make it up."""
    own = {job.pk for job in run.called}
    jobs = [job for job in lineage(run.outputs.remote_folder) if job.pk in own]
    nodes: dict[str, Any] = {"plan": run.inputs.lammps.plan}
    for number, job in enumerate(jobs, 1):
        for output in ("thermo", "shots"):
            if output in job.outputs:
                nodes[f"{output}_{number:02d}"] = job.outputs[output]
        if "shots" in job.outputs:
            nodes[f"results_{number:02d}"] = job.outputs.results
    return nodes


def _off_equilibrium(systems: Mapping[str, CseSystemData]) -> str:
    """Return which systems are of productions that have not equilibrated; empty if none is known to be."""
    found = [
        f"<{production.pk}>"
        for production in _productions(systems)
        if production.outputs["equilibration"].get("equilibrated") is False
    ]
    if not found:
        return ""
    return f"the systems are of productions that have not equilibrated ({', '.join(found)}): quench, or run longer"


def _density(systems: Mapping[str, CseSystemData], temperature: float) -> dict[str, orm.ArrayData]:
    """Return as ``density`` the profile of the first production of the systems at this temperature (K), if any."""
    for production in _productions(systems):
        kelvin = production.outputs["equilibration"].get("temperature_K")
        same = isinstance(kelvin, int | float) and abs(kelvin - temperature) < SAME_TEMPERATURE
        if same and "free_energy_profiles" in production.outputs:
            return {"density": production.outputs["free_energy_profiles"]}
    return {}


def _productions(systems: Mapping[str, CseSystemData]) -> Iterator[Any]:
    """Yield the analysed productions at whose ends the systems are."""
    for node in systems.values():
        # a restart chain, called by its production
        run = node.creator.caller if isinstance(node.creator, orm.CalcJobNode) else None
        production: Any = None if run is None else run.caller
        if production is not None and "equilibration" in production.outputs:
            yield production


def crossing_jobs(
    plan: CrossingPlan, passage: Passage, temperature: float, seed: int = 1
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the plans of the rounds of one ladder and of its trajectories, with the top in mid-range.

    The ladder begins at the outer end of the windows, and its rounds take equal times.
    """
    centres = [float(one) for one in plan.centres(passage)]
    coordinate = {"atom": 1, "reference": (1,), "zero": 0.0}
    ladder = Ladder(coordinate, {"types": (1,), "low": -1.0, "high": 1.0}, centres[0], seed)
    rounds = [plan.first_round(ladder, centres, temperature)]
    for number in range(1, plan.rounds):
        order = centres[::-1] if number % 2 else centres
        step = JobPlan.model_validate(rounds[-1]).target_step
        rounds.append(plan.next_round(ladder, dict.fromkeys(order, plan.window_ps), temperature, step))
    surface = passage.sign * (plan.surface or sum(passage.top) / 2)
    step = JobPlan.model_validate(rounds[-1]).target_step
    last = centres[-1] if plan.rounds % 2 else centres[0]
    return rounds, [plan.short_trajectories(ladder, last, surface, temperature, step)]


def systems_of(process: orm.WorkChainNode, temperature: float) -> dict[str, CseSystemData]:
    """Return the last systems of the runs of a study or production, those nearest to a temperature (K), by label.

    Raises
    ------
    ValueError
        It has none; names what would be right.
    """
    found = nearest_systems(runs_of(process), temperature)
    if not found:
        raise ValueError(f"<{process.pk}>: has no production with a last system; give a study, or --system")
    return found


def runs_of(process: orm.WorkChainNode) -> Mapping[str, Any]:
    """Return the outputs of the runs of a study by label, or those of a production."""
    outputs = process.outputs
    return dict(outputs.runs) if "runs" in outputs else {"production": outputs}


def nearest_systems(runs: Mapping[str, Any], temperature: float) -> dict[str, CseSystemData]:
    """Return the last systems of those analysed runs whose temperature is nearest to one (K), by label."""
    found: dict[float, dict[str, CseSystemData]] = {}
    for label, run in runs.items():
        if "system" in run and "equilibration" in run:
            kelvin = run["equilibration"].get_dict().get("temperature_K")
            distance = abs(kelvin - temperature) if isinstance(kelvin, int | float) else math.inf
            found.setdefault(distance, {})[label] = run["system"]
    return found[min(found)] if found else {}


def places_from(
    runs: Mapping[str, Mapping[str, Any]], labels: Iterable[str], cation: str, side: Side
) -> tuple[dict[str, Any], list[str]]:
    """Return the places that the first of some runs which has a first layer suggests, and a sentence for each.

    Parameters
    ----------
    runs
        Outputs of the runs of a study, or of a production, by label.
    labels
        Labels of the runs, from :func:`systems_of`.
    cation
        The ion that crosses.
    side
        Side of the slab.
    """
    for label in labels:
        run = runs[label]
        if "barrier" not in run or "free_energy_profiles" not in run:
            continue
        barrier, profile = run["barrier"], run["free_energy_profiles"]
        names, key = profile.get_arraynames(), cation.lower()
        z, energy = (profile.get_array(name) if name in names else [] for name in ("z_A", f"{key}_K"))
        plan, words = places_of(barrier.get_dict(), z, energy, key, side)
        if plan:
            source = {"well": barrier, "surface": barrier, "span": profile}
            return plan, [f"{name} = {plan[name]} Å: {words[name]} <{source[name].pk}>" for name in plan]
    return {}, ["no place is taken from it: it has no first layer; the layer of the protocol is used"]


def _validate_inputs(value: dict[str, Any], _: Any) -> str | None:
    """Return the error of the systems, of the passage in each, of the stages or of the wall time, or None."""
    if any(name not in value for name in ("systems", "plan", "side", "temperature")):
        return None
    if not value["systems"]:
        return "systems: is empty; give one relaxed interface or more"
    plan = CrossingPlan.model_validate(value["plan"].get_dict())
    for name, node in value["systems"].items():
        if error := validate_neutral(node, None):
            return placed(f"systems.{name}", error)
        try:
            passage = passage_of(node.info, plan, value["side"].value)
            jobs = crossing_jobs(plan, passage, value["temperature"].value)
        except ValidationError as error:
            return placed("plan", explain(error))
        except ValueError as error:
            return placed("plan", str(error))
    return walltime_error(value, [*jobs[0], *jobs[1]])
