"""The study: both phases, an interface and a production per temperature and replica, and the kinetics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import to_aiida_type

from aiida_cse.analysis.crossing.observations import POPULATIONS
from aiida_cse.analysis.kinetics import PARTS, KineticsSettings, conclusions
from aiida_cse.analysis.registry import observables
from aiida_cse.analysis.settings import AnalysisSettings, with_complete_criteria
from aiida_cse.analysis.shifts import ShiftSettings, shift_sentences
from aiida_cse.analysis.starts import starts_lines
from aiida_cse.building.ceramic.slab import check_slab
from aiida_cse.building.electrolyte.emc_input import emc_files
from aiida_cse.building.interface.excess import LEAST_GAP, population_deviation
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.calculations.functions.analysis import depth_populations
from aiida_cse.calculations.functions.kinetics import kinetics
from aiida_cse.calculations.functions.shifts import shifts
from aiida_cse.calculations.functions.starts import starting_gap, starts
from aiida_cse.calculations.ports import checked_by, forcefield_error, recipe_ports
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.physics.exchange.stopping import Decision, verdicts_under
from aiida_cse.reduction.system import refuse_unknown_ions
from aiida_cse.schema import placed
from aiida_cse.workchains.ceramic import CeramicWorkChain
from aiida_cse.workchains.common.builders import (
    Codes,
    builder_inputs,
    located_part,
    recipe_node,
    refuse_wrong_codes,
    whole,
)
from aiida_cse.workchains.common.crossings import (
    CrossingStudy,
    crossing_part,
    crossings_failed,
    planned_crossings,
)
from aiida_cse.workchains.common.exit_status import ended_normally, failure, with_continuation
from aiida_cse.workchains.common.forcefields import forcefield_nodes
from aiida_cse.workchains.common.labels import LabelledOutputs
from aiida_cse.workchains.common.options import checked_options
from aiida_cse.workchains.common.ports import HIGHEST_TEMPERATURE, validate_temperatures, whole_number
from aiida_cse.workchains.common.protocol import ProtocolMixin, split_overrides, with_recipe_values
from aiida_cse.workchains.common.starts import (
    AS_BUILT,
    FILLED,
    planned_runs,
    start_excess_of,
    start_of,
    start_ports,
    starts_of,
    temperature_label,
)
from aiida_cse.workchains.electrolyte import EMC, ElectrolyteWorkChain
from aiida_cse.workchains.interface import InterfaceWorkChain
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.restart.lineage import covered_jobs, step_of

__all__ = ["MOST_REPLICAS", "RUN_OUTPUTS", "StudyWorkChain", "is_complete", "previous_of"]

#: most replicas of a start at each temperature; their seeds count up from that of the recipe
MOST_REPLICAS = 99
#: outputs of a production that are attached to its run
RUN_OUTPUTS = ("system", "reduction", "looks", *observables(), "changes")


class StudyWorkChain(ProtocolMixin, LabelledOutputs, CrossingStudy):
    """Build, equilibrate, run and analyse the interfaces of a recipe at one or more temperatures."""

    protocol_name = "study"

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        recipe_ports(spec)
        spec.input(
            "temperatures",
            valid_type=orm.List,
            serializer=to_aiida_type,
            validator=validate_temperatures,
            help="Temperatures of the productions in K.",
        )
        spec.input(
            "replicas",
            valid_type=orm.Int,
            serializer=to_aiida_type,
            default=lambda: orm.Int(1),
            validator=whole_number("replicas", 1, MOST_REPLICAS),
            help="Number of productions, with different seeds, at each temperature and from each start.",
        )
        start_ports(spec)
        spec.input(
            "kinetics",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            default=lambda: orm.Dict(KineticsSettings().model_dump()),
            validator=checked_by(KineticsSettings, "kinetics"),
            help="Temperatures and method of the extrapolation of rates: see KineticsSettings.",
        )
        built_from = ("build.recipe", "build.forcefield")
        spec.expose_inputs(CeramicWorkChain, namespace="ceramic", exclude=(*built_from, "seed"))
        spec.expose_inputs(ElectrolyteWorkChain, namespace="electrolyte", exclude=(*built_from, "seed", "ceramic"))
        spec.expose_inputs(
            InterfaceWorkChain,
            namespace="interface",
            exclude=("seed", "ceramic", "electrolyte", "temperature", "initial_excess", "recipe"),
        )
        spec.expose_inputs(ProductionWorkChain, namespace="production", exclude=("seed", "system", "temperature"))
        spec.input_namespace("done", required=False, help="Results of an earlier study, which are not run again.")
        for phase in ("ceramic", "electrolyte"):
            spec.input(f"done.{phase}", valid_type=CseSystemData, required=False, help=f"Its {phase}.")
        spec.input_namespace(
            "done.runs",
            valid_type=orm.Data,
            dynamic=True,
            required=False,
            help="Its runs, as in the outputs, each with the `folder` to continue from.",
        )
        spec.input_namespace(
            "done.crossings",
            valid_type=orm.Data,
            dynamic=True,
            required=False,
            help="Its crossings, as in the outputs.",
        )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.run_ceramic,
            cls.inspect_ceramic,
            cls.run_electrolyte,
            cls.inspect_electrolyte,
            cls.run_interfaces,
            cls.run_productions,
            cls.attach_runs,
            cls.kinetics,
            cls.inspect_runs,
        )
        spec.output("ceramic", valid_type=CseSystemData, help="The equilibrated slab.")
        spec.output("electrolyte", valid_type=CseSystemData, help="The equilibrated electrolyte with its wall.")
        spec.output_namespace(
            "runs",
            dynamic=True,
            help="For each temperature, replica and start, as `T0700_r1` or `T0700_r1_filled`: interface and "
            "outputs of the production.",
        )
        spec.output_namespace(
            "starts",
            valid_type=orm.Dict,
            dynamic=True,
            help="For each temperature with several starts, as `T0700`: whether its runs have met in every layer.",
        )
        spec.output_namespace(
            "starting_gaps",
            valid_type=orm.Dict,
            dynamic=True,
            help="For each temperature with several starts: how far apart their slabs are when production begins.",
        )
        spec.output(
            "shifts",
            valid_type=orm.Dict,
            required=False,
            help="Δz and dF of each temperature relative to the highest, from charge integrals and free energies.",
        )
        spec.output(
            "kinetics",
            valid_type=orm.Dict,
            required=False,
            help="Activation energy, entropy and extrapolated rates from the entries of all runs.",
        )
        spec.output_namespace("stages", valid_type=orm.Dict, dynamic=True, help="Stage records of all parts.")
        spec.exit_code(350, "ERROR_PHASE", message="The {phase} <{pk}> failed with [{status}] {reason}")
        spec.exit_code(352, "ERROR_RUNS", message="{runs_failed}: {runs}")
        spec.exit_code(
            510,
            "ERROR_RUNS_NOT_EQUILIBRATED",
            message="{count} of {total} runs have not equilibrated within their length; all results are complete: "
            "{runs}",
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: Codes,
        recipe: dict[str, Any] | orm.Dict | Recipe,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> Any:
        """Return a builder with the inputs of a protocol.

        Parameters
        ----------
        codes
            The codes by role: ``lammps`` and ``cse``.
        recipe
            The recipe, or its node.
        protocol
            Name of the protocol; see :meth:`get_available_protocols`.
        overrides
            Changes to the protocol: ``temperatures``, ``replicas``, ``starts``, ``start_excess``, ``kinetics``,
            and those of each part under ``ceramic``, ``electrolyte``, ``interface`` and ``production``, and under
            ``crossing`` ``temperatures`` (K) and ``sides`` of the crossings with their ``plan`` and ``base``;
            unknown keys are refused.
        options
            Scheduler options of all LAMMPS jobs.

        Raises
        ------
        ValueError
            The recipe, the protocol or an override is wrong; the message names the place.
        """
        names = (*_PARTS, "crossing")
        own, parts = split_overrides(overrides, cls.get_protocol_inputs(protocol), names, cls.__name__)
        inputs = cls.get_protocol_inputs(protocol, own)
        refuse_wrong_codes(codes)
        checked_options(options)
        name = cls.get_default_protocol() if protocol is None else protocol
        node = recipe_node(recipe)
        builder = cls.get_builder()
        builder.recipe = node
        builder.forcefield = forcefield_nodes(node)
        temperatures = inputs["temperatures"]
        if not isinstance(temperatures, (orm.List, list, tuple)):
            wanted = f"give a list of numbers between 0 and {HIGHEST_TEMPERATURE} K"
            raise ValueError(f"temperatures = {temperatures!r}: {wanted}")
        builder.temperatures = list(temperatures) if isinstance(temperatures, tuple) else temperatures
        builder.replicas = whole("replicas", inputs["replicas"], 1, MOST_REPLICAS)
        builder.starts = inputs["starts"]
        builder.start_excess = start_excess_of(inputs["start_excess"], node["salt"]["pairs"])
        if "initial_excess" in (parts["interface"] or {}):
            raise ValueError(
                "interface.initial_excess: follows from the start of each run; give starts and start_excess"
            )
        builder.kinetics = with_recipe_values(inputs["kinetics"], node.get_dict())
        for part, process in _PARTS.items():
            with located_part(part):
                sub = process.get_builder_from_protocol(
                    codes=codes, recipe=node, protocol=name, overrides=parts[part], options=options
                )
            builder[part] = builder_inputs(sub, cls.spec().inputs[part])
        with located_part("crossing"):
            builder.crossing = crossing_part(codes, inputs["crossing"], parts["crossing"], name, options)
        return builder

    # -- the phases ------------------------------------------------------------------------------------

    def run_ceramic(self) -> dict[str, Any]:
        """Build and equilibrate the ceramic, unless an earlier study did."""
        if "ceramic" in self.inputs.get("done", {}):
            return {}
        inputs = self.exposed_inputs(CeramicWorkChain, namespace="ceramic")
        inputs.build |= self._built_from()
        inputs.seed = self._seed(1)
        return self._submit("ceramic", CeramicWorkChain, inputs)

    def inspect_ceramic(self) -> ExitCode | None:
        """Accept the slab; stop with the error of its phase otherwise."""
        return self._take_over("ceramic")

    def run_electrolyte(self) -> dict[str, Any]:
        """Build and equilibrate the electrolyte on the slab, unless an earlier study did."""
        if "electrolyte" in self.inputs.get("done", {}):
            return {}
        inputs = self.exposed_inputs(ElectrolyteWorkChain, namespace="electrolyte")
        inputs.build |= self._built_from()
        inputs.ceramic = self.outputs["ceramic"]
        inputs.seed = self._seed(1)
        return self._submit("electrolyte", ElectrolyteWorkChain, inputs)

    def inspect_electrolyte(self) -> ExitCode | None:
        """Accept the electrolyte; stop with the error of its phase otherwise."""
        return self._take_over("electrolyte")

    # -- the runs --------------------------------------------------------------------------------------

    def run_interfaces(self) -> dict[str, Any]:
        """Join the phases and relax an interface for every run without one, concurrently."""
        waiting: dict[str, Any] = {}
        self.ctx.runs = planned_runs(self.inputs)
        self._report_starts()
        for label, temperature, replica in self.ctx.runs:
            if "interface" in self._done_run(label):
                continue
            inputs = self.exposed_inputs(InterfaceWorkChain, namespace="interface")
            inputs.ceramic = self.outputs["ceramic"]
            inputs.electrolyte = self.outputs["electrolyte"]
            inputs.temperature = orm.Float(temperature)
            inputs.seed = self._seed(replica)
            inputs.initial_excess = orm.Int(self._excess_of(start_of(label)))
            if inputs.initial_excess.value > 0:
                inputs.recipe = self.inputs.recipe
            waiting |= self._submit(f"interface_{label}", InterfaceWorkChain, inputs)
        return waiting

    def run_productions(self) -> dict[str, Any]:
        """Start the production of every incomplete run that has a valid interface."""
        waiting: dict[str, Any] = {}
        self.ctx.refused = {}
        self._attach_starting_gaps()
        for label, temperature, replica in self.ctx.runs:
            system = self._relaxed(label)
            if system is None or self._is_complete(label):
                continue
            inputs = self.exposed_inputs(ProductionWorkChain, namespace="production")
            inputs.system = system
            inputs.previous = previous_of(self._done_run(label))
            inputs.temperature = orm.Float(temperature)
            inputs.seed = self._seed(replica)
            try:
                waiting |= self._submit(f"production_{label}", ProductionWorkChain, inputs)
            except ValueError as error:
                # the other runs do not depend on this interface
                self.ctx.refused[label] = str(error)
                self.report(f"{label}: no production: {error}")
        return waiting

    def attach_runs(self) -> dict[str, Any]:
        """Attach the results of all runs as far as they exist, compare those of different starts, and go on.

        The crossings begin with the ends of the runs.
        """
        for label, _, _ in self.ctx.runs:
            interface, production = self.ctx.get(f"interface_{label}"), self.ctx.get(f"production_{label}")
            done = self._done_run(label)
            results: dict[str, Any] = {name: done[name] for name in ("interface", *RUN_OUTPUTS) if name in done}
            if interface is not None and "interface" in interface.outputs:
                results["interface"] = interface.outputs.interface
                self.out(f"stages.interface_{label}", interface.outputs.stages)
            if production is not None:
                results |= {name: production.outputs[name] for name in RUN_OUTPUTS if name in production.outputs}
                if "stages" in production.outputs:
                    self.out(f"stages.production_{label}", production.outputs.stages)
            if results:
                self.out(f"runs.{label}", results)
        self._attach_starts()
        return self.run_crossings()

    def kinetics(self) -> None:
        """Attach the crossings, extrapolate the rate from these and the analysed runs, and report conclusions."""
        runs, measured = self.outputs.get("runs", {}), self.attach_crossings()
        analysed = {label: run for label, run in runs.items() if all(name in run for name in PARTS)}
        if not analysed and not measured:
            return
        parts = (*PARTS, *([POPULATIONS] if measured else []))
        inputs: dict[str, Any] = {
            label: {name: run[name] for name in parts if name in run} for label, run in analysed.items()
        }
        shift = self._attach_shifts(analysed)
        if shift is not None and self.inputs.kinetics.get_dict().get("shifts") is None:
            inputs["shifts"] = shift
        found: Any
        found, node = kinetics.run_get_node(settings=self.inputs.kinetics, **inputs, **measured)
        if measured and analysed and not node.is_finished_ok:
            self.report(f"no kinetics with the crossings: {node.exit_message}")
            found, node = kinetics.run_get_node(settings=self.inputs.kinetics, **inputs)
        if not node.is_finished_ok:
            self.report(f"no kinetics: {node.exit_message}")
            return
        self.out("kinetics", found)
        for sentence in conclusions(found.get_dict()):
            self.report(sentence)

    def inspect_runs(self) -> ExitCode | None:
        """Stop with the runs that failed or, if none did, with crossings that did, or runs off equilibrium."""
        failed, unfinished = [], []
        adaptive = self.inputs.production.plan.get_dict().get("stop", {}).get("rule") == "equilibrated"
        for label, _, _ in self.ctx.runs:
            production, interface = (self.ctx.get(f"{part}_{label}") for part in ("production", "interface"))
            run: Any = interface if production is None else production
            if self._is_complete(label):
                if adaptive and not self._done_run(label)["equilibration"]["equilibrated"]:
                    unfinished.append(f"{label}: as before")
            elif label in self.ctx.refused:
                failed.append(f"{label}: {self.ctx.refused[label]}")
            elif not run.is_finished_ok:
                ending = f"{label} " + "<{pk}> [{status}] {reason}".format(**failure(run))
                (unfinished if ended_normally(run) else failed).append(ending)
        total = len(self.ctx.runs)
        if failed:
            words = runs_failed(len(failed), total)
            code = self.exit_codes.ERROR_RUNS.format(runs_failed=words, runs="; ".join(failed))
            return with_continuation(code, self.node)
        if failed := self.failed_crossings():
            words = crossings_failed(len(failed), len(planned_crossings(self.inputs)))
            code = self.exit_codes.ERROR_CROSSINGS.format(crossings_failed=words, crossings="; ".join(failed))
            return with_continuation(code, self.node)
        if unfinished:
            return self.exit_codes.ERROR_RUNS_NOT_EQUILIBRATED.format(
                count=len(unfinished), total=total, runs="; ".join(unfinished)
            )
        return None

    # -- helpers ---------------------------------------------------------------------------------------

    def _submit(self, name: str, process: type[WorkChain], inputs: AttributeDict) -> dict[str, Any]:
        inputs.metadata = {"call_link_label": name}
        run = self.submit(process, **inputs)
        self.report(f"started {name}: <{run.pk}>")
        return ToContext(**{name: run})

    def _built_from(self) -> dict[str, Any]:
        """Return the inputs that the building jobs of both phases share."""
        return {name: self.inputs[name] for name in ("recipe", "forcefield") if name in self.inputs}

    def _take_over(self, phase: str) -> ExitCode | None:
        done = self.inputs.get("done", {})
        if phase in done:
            self.out(phase, done[phase])
            return None
        run = self.ctx[phase]
        if not run.is_finished_ok:
            return with_continuation(self.exit_codes.ERROR_PHASE.format(phase=phase, **failure(run)), self.node)
        self.out(phase, run.outputs[phase])
        self.out(f"stages.{phase}", run.outputs.stages)
        return None

    def _relaxed(self, label: str) -> CseSystemData | None:
        """Return the relaxed interface of a run, None if it failed."""
        interface: Any = self.ctx.get(f"interface_{label}")
        if interface is not None and interface.is_finished_ok:
            return interface.outputs.interface
        return self._done_run(label).get("interface")

    def _attach_starting_gaps(self) -> None:
        """Attach and report, for each temperature with several starts, how far apart its relaxed slabs are."""
        if len(starts_of(self.inputs)) < 2:
            return
        relaxed: dict[float, dict[str, CseSystemData]] = {}
        for label, temperature, _ in self.ctx.runs:
            if (system := self._relaxed(label)) is not None:
                relaxed.setdefault(temperature, {})[label] = system
        for temperature, interfaces in relaxed.items():
            name = temperature_label(temperature)
            if len({start_of(label) for label in interfaces}) < 2:
                continue
            found: Any
            found, node = starting_gap.run_get_node(orm.Int(self.inputs.recipe["salt"]["pairs"]), **interfaces)
            if not node.is_finished_ok:
                self.report(f"{name}: {node.exit_message}")
                continue
            self.out(f"starting_gaps.{name}", found)
            gap = f"{found['gap_standard_deviations']:.1f} σ of N apart when production begins"
            self.report(f"{'✓' if found['apart'] else '✗'} {name}: starts {gap} (needs ≥ {LEAST_GAP:g})")
            if not found["apart"]:
                self.report(
                    f"{name}: the relaxation has narrowed the gap, so that layers may stay 'not tested'; larger "
                    "numbers in start_excess or a shorter relaxation of all atoms (interface.schedule) widen it"
                )

    def _attach_starts(self) -> None:
        """Attach and report, for each temperature, the judgement of its runs from different starts."""
        if len(starts_of(self.inputs)) < 2:
            return
        compared: dict[float, dict[str, Any]] = {}
        for label, temperature, _ in self.ctx.runs:
            run = self.outputs.get("runs", {}).get(label, {})
            if "equilibration" not in run or "reduction" not in run:
                continue
            depth: Any = run.get("depth_populations")
            if depth is None:
                # a run of an earlier version
                settings = self.inputs.production.analysis.settings
                depth, node = depth_populations.run_get_node(run["reduction"], orm.Float(temperature), settings)
                if not node.is_finished_ok:
                    self.report(f"{label}: {node.exit_message}")
                    continue
            results = {"depth_populations": depth, "equilibration": run["equilibration"]}
            compared.setdefault(temperature, {})[label] = results
        for temperature, runs in compared.items():
            name = temperature_label(temperature)
            if len({start_of(label) for label in runs}) < 2:
                self.report(f"{name}: the starts cannot be compared, because only one has been analysed")
                continue
            found: Any
            found, node = starts.run_get_node(**runs)
            if not node.is_finished_ok:
                self.report(f"{name}: {node.exit_message}")
                continue
            self.out(f"starts.{name}", found)
            for line in starts_lines(found.get_dict()):
                self.report(line)

    def _attach_shifts(self, runs: Mapping[str, Mapping[str, Any]]) -> orm.Dict | None:
        """Attach and return Δz of the runs; None if they have a single temperature or cannot be superposed."""
        reduced = {label: run for label, run in runs.items() if "reduction" in run}
        if len({run["transitions"]["temperature_K"] for run in reduced.values()}) < 2:
            return None
        inputs: dict[str, Any] = {
            label: {name: run[name] for name in ("reduction", "transitions")} for label, run in reduced.items()
        }
        settings = orm.Dict(ShiftSettings().model_dump(mode="json"))
        found: Any
        found, node = shifts.run_get_node(
            settings=settings, analysis=self.inputs.production.analysis.settings, **inputs
        )
        if not node.is_finished_ok:
            self.report(f"no Δz: {node.exit_message}")
            return None
        self.out("shifts", found)
        for sentence in shift_sentences(found.get_dict()):
            self.report(sentence)
        return found if isinstance(found, orm.Dict) else None

    def _done_run(self, label: str) -> Any:
        """Return the results of a run of an earlier study."""
        return self.inputs.get("done", {}).get("runs", {}).get(label, {})

    def _is_complete(self, label: str) -> bool:
        """Return whether an earlier study has completed a run."""
        plan, settings = self.inputs.production.plan, self.inputs.production.analysis.settings
        temperature = float(label[1:].partition("_")[0])
        return is_complete(self._done_run(label), plan.get_dict(), temperature, settings.get_dict())

    def _excess_of(self, start: str) -> int:
        """Return the number of ions that a start has in the slab beyond those of the slab as built."""
        given = self.inputs["start_excess"].get_dict() if "start_excess" in self.inputs else {}
        excess = start_excess_of(given, self.inputs.recipe["salt"]["pairs"])
        return 0 if start == AS_BUILT else excess[start]

    def _report_starts(self) -> None:
        """Report the initial excess of each start, and the gap between starts in standard deviations of N."""
        excess = {start: self._excess_of(start) for start in starts_of(self.inputs)}
        if len(excess) == 1 and AS_BUILT in excess:
            return
        self.report("starts: " + ", ".join(f"{start} {number:+d} ions" for start, number in excess.items()))
        pairs = self.inputs.recipe["salt"]["pairs"]
        if excess.get(FILLED) == pairs:
            self.report(f"{FILLED}: all {pairs} cations of the salt begin in the slab, none in the electrolyte")
        deviation = population_deviation(pairs)
        numbers = sorted(excess.values())
        gap = (numbers[-1] - numbers[0]) / deviation
        mark = "✓" if gap >= LEAST_GAP else "✗"
        self.report(f"{mark} starts {gap:.1f} σ of N apart before relaxation (needs ≥ {LEAST_GAP:g})")

    def _seed(self, replica: int) -> orm.Int:
        """Return the seed of a replica, counted up from that of the recipe."""
        return orm.Int(self.inputs.recipe["seeds"]["velocities"] + replica - 1)


_PARTS: dict[str, Any] = {
    "ceramic": CeramicWorkChain,
    "electrolyte": ElectrolyteWorkChain,
    "interface": InterfaceWorkChain,
    "production": ProductionWorkChain,
}


def _validate_inputs(value: dict[str, Any], _: Any) -> str | None:
    """Return the first inconsistency between the inputs, or None."""
    error = forcefield_error(value)
    if error or "recipe" not in value:
        return error
    recipe = Recipe.model_validate(value["recipe"].get_dict())
    filled = value["start_excess"].get_dict().get(FILLED, 0) if "start_excess" in value else 0
    starting = value["starts"].get_list() if "starts" in value else []
    if FILLED in starting and filled > recipe.salt.pairs:
        return f"start_excess.filled = {filled}: the salt has {recipe.salt.pairs} pairs; give at most that"
    sampling = value.get("production", {}).get("sampling")
    if sampling is not None and (error := _sampling_error(sampling.get_dict(), recipe)):
        return placed("production.sampling", error)
    builder = value.get("electrolyte", {}).get("builder")
    if builder is not None and builder.value == EMC:
        try:
            # refused before submission, because EMC runs only after the ceramic
            emc_files(recipe, *check_slab(recipe))
        except ValueError as refusal:
            return f"electrolyte.builder = 'emc': {refusal}"
    return None


def _sampling_error(given: dict[str, Any], recipe: Recipe) -> str | None:
    """Return the error of a sampling that names ions unknown to the recipe, or None."""
    cation, anion = recipe.salt.cation, recipe.salt.anion.name
    types = chemistry_of(recipe).types
    labels = {ion: [entry.label for entry in types if entry.species == ion] for ion in (cation, anion)}
    try:
        refuse_unknown_ions(
            given.get("offsets", {}), given.get("cation_atoms", ()), given.get("anion_atom"), labels
        )
    except ValueError as error:
        return str(error)
    return None


def runs_failed(count: int, total: int) -> str:
    """Return how many of all runs failed, in words."""
    if count == total:
        return "The run failed" if total == 1 else f"All {total} runs failed"
    return f"{count} of {total} runs failed, the others are complete"


def is_complete(
    run: Mapping[str, Any], plan: dict[str, Any], temperature: float, settings: dict[str, Any]
) -> bool:
    """Return whether a run at ``temperature`` (K) has its length, or a positive verdict under these settings."""
    if any(name not in run for name in ("reduction", "looks", "equilibration")):
        return False
    criteria = AnalysisSettings.model_validate(settings).at(temperature).model_dump(mode="json")
    (verdict,) = with_complete_criteria([{"criteria": run["equilibration"]["criteria"]}])
    if verdict["criteria"] != criteria:
        return False
    production = ProductionPlan.model_validate(plan).at(temperature)
    if run["reduction"].base.attributes.get("last_step") >= production.last_frame(production.total_steps):
        return True
    verdicts = verdicts_under(criteria, with_complete_criteria(run["looks"].get_list()))
    return production.stop.decide(verdicts, len(verdicts) + 1) is Decision.EQUILIBRATED


def previous_of(run: Mapping[str, Any]) -> dict[str, orm.Data]:
    """Return the input ``previous`` of a production that continues a run; empty if it cannot be continued.

    A reduction that ends before the last segment is extended by the segments after it. If its jobs are not known,
    it is omitted, and the whole trajectory is reduced again.
    """
    if "folder" not in run:
        return {}
    previous = {name: run[name] for name in ("folder", "looks") if name in run}
    if (
        "reduction" in run
        and step_of(run["folder"])
        and ("system" in run or covered_jobs(run["reduction"], run["folder"]))
    ):
        previous["reduction"] = run["reduction"]
    return previous
