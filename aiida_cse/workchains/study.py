"""The study: both phases once, an interface and a production per temperature and replica, and their kinetics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import to_aiida_type

from aiida_cse.analysis.kinetics import KineticsSettings
from aiida_cse.analysis.registry import observables
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.building.ceramic.slab import check_slab
from aiida_cse.building.electrolyte.emc_input import emc_files
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.reduction import refuse_unknown_ions
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.calculations.ports import checked_by, forcefield_error, recipe_ports
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.physics.exchange.stopping import Decision, verdicts_under
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
from aiida_cse.workchains.common.exit_status import ended_normally, failure
from aiida_cse.workchains.common.forcefields import forcefield_nodes
from aiida_cse.workchains.common.options import checked_options
from aiida_cse.workchains.common.protocol import ProtocolMixin, split_overrides
from aiida_cse.workchains.electrolyte import EMC, ElectrolyteWorkChain
from aiida_cse.workchains.interface import InterfaceWorkChain
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.restart.lineage import step_of
from aiida_cse.workchains.study_kinetics import attach_kinetics

__all__ = ["MOST_REPLICAS", "RUN_OUTPUTS", "StudyWorkChain", "is_complete", "previous_of", "run_label"]

#: runs at each temperature; their seeds count up from the recipe's
MOST_REPLICAS = 99
#: what of a production is attached to its run
RUN_OUTPUTS = ("system", "reduction", "looks", *observables(), "changes")


class StudyWorkChain(ProtocolMixin, VersionedWorkChain):
    """From a recipe to populations, transitions and equilibration coefficients at one or more temperatures."""

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
            validator=validate_replicas,
            help="How many productions, with seeds of their own, at each temperature.",
        )
        spec.input(
            "kinetics",
            valid_type=orm.Dict,
            serializer=to_aiida_type,
            default=lambda: orm.Dict(KineticsSettings().model_dump()),
            validator=checked_by(KineticsSettings, "kinetics"),
            help="Where the rate is wanted and how it is extrapolated: see KineticsSettings.",
        )
        built_from = ("build.recipe", "build.forcefield")
        spec.expose_inputs(CeramicWorkChain, namespace="ceramic", exclude=(*built_from, "seed"))
        spec.expose_inputs(ElectrolyteWorkChain, namespace="electrolyte", exclude=(*built_from, "seed", "ceramic"))
        spec.expose_inputs(
            InterfaceWorkChain, namespace="interface", exclude=("seed", "ceramic", "electrolyte", "temperature")
        )
        spec.expose_inputs(ProductionWorkChain, namespace="production", exclude=("seed", "system", "temperature"))
        spec.input_namespace("done", required=False, help="What an earlier study left: none of it is run again.")
        for phase in ("ceramic", "electrolyte"):
            spec.input(f"done.{phase}", valid_type=CseSystemData, required=False, help=f"Its {phase}.")
        spec.input_namespace(
            "done.runs",
            valid_type=orm.Data,
            dynamic=True,
            required=False,
            help="Its runs, as they are among the outputs, each with the `folder` to go on from.",
        )
        spec.inputs.validator = validate_study
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
            help="Per temperature and replica, as `T0700_r1`: interface and the outputs of its production.",
        )
        spec.output(
            "shifts",
            valid_type=orm.Dict,
            required=False,
            help="Δz and dF of each temperature against the highest, from charge integrals and free energies.",
        )
        spec.output(
            "kinetics",
            valid_type=orm.Dict,
            required=False,
            help="Energy, entropy and rates at other temperatures from the entries of all runs.",
        )
        spec.output_namespace("stages", valid_type=orm.Dict, dynamic=True, help="Stage records of each part.")
        spec.exit_code(350, "ERROR_PHASE", message="The {phase} <{pk}> failed with [{status}] {reason}")
        spec.exit_code(
            352, "ERROR_RUNS", message="{count} of {total} runs failed, the others are complete: {runs}"
        )
        spec.exit_code(
            510,
            "ERROR_RUNS_NOT_EQUILIBRATED",
            message="{count} of {total} runs have not equilibrated within their length, all results are there: "
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
            Changes to the protocol: ``temperatures``, ``replicas``, ``kinetics``, and those of each part under
            ``ceramic``, ``electrolyte``, ``interface`` and ``production``; unknown keys are refused.
        options
            Scheduler options of all LAMMPS jobs.

        Raises
        ------
        ValueError
            The recipe, the protocol or an override is wrong; says where.
        """
        own, parts = split_overrides(overrides, cls.get_protocol_inputs(protocol), _PARTS, cls.__name__)
        inputs = cls.get_protocol_inputs(protocol, own)
        refuse_wrong_codes(codes)
        checked_options(options)
        name = cls.get_default_protocol() if protocol is None else protocol
        node = recipe_node(recipe)
        builder = cls.get_builder()
        builder.recipe = node
        builder.forcefield = forcefield_nodes(node)
        builder.temperatures = temperature_list(inputs["temperatures"])
        builder.replicas = whole("replicas", inputs["replicas"], 1, MOST_REPLICAS)
        builder.kinetics = inputs["kinetics"]
        for part, process in _PARTS.items():
            with located_part(part):
                sub = process.get_builder_from_protocol(
                    codes=codes, recipe=node, protocol=name, overrides=parts[part], options=options
                )
            builder[part] = builder_inputs(sub, cls.spec().inputs[part])
        return builder

    # -- the phases ------------------------------------------------------------------------------------

    def run_ceramic(self) -> dict[str, Any]:
        """Build and equilibrate the ceramic, unless there is one."""
        if "ceramic" in self._done():
            return {}
        inputs = self.exposed_inputs(CeramicWorkChain, namespace="ceramic")
        inputs.build |= self._built_from()
        inputs.seed = self._seed(1)
        return self._submit("ceramic", CeramicWorkChain, inputs)

    def inspect_ceramic(self) -> ExitCode | None:
        """Take over the slab, or stop with the reason."""
        return self._take_over("ceramic")

    def run_electrolyte(self) -> dict[str, Any]:
        """Build and equilibrate the electrolyte on the slab's cross-section, unless there is one."""
        if "electrolyte" in self._done():
            return {}
        inputs = self.exposed_inputs(ElectrolyteWorkChain, namespace="electrolyte")
        inputs.build |= self._built_from()
        inputs.ceramic = self.outputs["ceramic"]
        inputs.seed = self._seed(1)
        return self._submit("electrolyte", ElectrolyteWorkChain, inputs)

    def inspect_electrolyte(self) -> ExitCode | None:
        """Take over the electrolyte, or stop with the reason."""
        return self._take_over("electrolyte")

    # -- the runs --------------------------------------------------------------------------------------

    def run_interfaces(self) -> dict[str, Any]:
        """Join the phases and relax an interface for every run that has none, all at once."""
        waiting: dict[str, Any] = {}
        self.ctx.runs = [
            (run_label(temperature, replica), temperature, replica)
            for temperature in self.inputs.temperatures.get_list()
            for replica in range(1, self.inputs.replicas.value + 1)
        ]
        for label, temperature, replica in self.ctx.runs:
            if "interface" in self._done_run(label):
                continue
            inputs = self.exposed_inputs(InterfaceWorkChain, namespace="interface")
            inputs.ceramic = self.outputs["ceramic"]
            inputs.electrolyte = self.outputs["electrolyte"]
            inputs.temperature = orm.Float(temperature)
            inputs.seed = self._seed(replica)
            waiting |= self._submit(f"interface_{label}", InterfaceWorkChain, inputs)
        return waiting

    def run_productions(self) -> dict[str, Any]:
        """Run the production of every run whose interface is relaxed and can be analysed."""
        waiting: dict[str, Any] = {}
        self.ctx.refused = {}
        for label, temperature, replica in self.ctx.runs:
            system = self._interface_of(label)
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
                # what one interface has become is no reason to give up the other runs
                self.ctx.refused[label] = str(error)
                self.report(f"{label}: no production: {error}")
        return waiting

    def attach_runs(self) -> None:
        """Attach the results of every run, as far as it came."""
        for label, _, _ in self.ctx.runs:
            self._attach_run(label, self.ctx.get(f"interface_{label}"), self.ctx.get(f"production_{label}"))

    def kinetics(self) -> None:
        """Extrapolate the rate from the runs that were analysed, and say what was found."""
        analysis = self.inputs.production.analysis.settings
        attach_kinetics(self, self.outputs.get("runs", {}), self.inputs.kinetics, analysis)

    def inspect_runs(self) -> ExitCode | None:
        """Say which runs failed, or else which have not equilibrated."""
        last = {label: self._last_of(label) for label, _, _ in self.ctx.runs if not self._is_complete(label)}
        failed = [
            f"{label}: {self.ctx.refused[label]}" if label in self.ctx.refused else _ending(label, run)
            for label, run in last.items()
            if label in self.ctx.refused or not ended_normally(run)
        ]
        total = len(self.ctx.runs)
        if failed:
            return self.exit_codes.ERROR_RUNS.format(count=len(failed), total=total, runs="; ".join(failed))
        unfinished = [_ending(label, run) for label, run in last.items() if not run.is_finished_ok]
        unfinished += [f"{label}: as before" for label, _, _ in self.ctx.runs if self._is_spent(label)]
        if unfinished:
            return self.exit_codes.ERROR_RUNS_NOT_EQUILIBRATED.format(
                count=len(unfinished), total=total, runs="; ".join(unfinished)
            )
        return None

    def _last_of(self, label: str) -> orm.WorkChainNode:
        """Return the process with which a run ended: its production, or the interface if there was none."""
        production = self.ctx.get(f"production_{label}")
        return self.ctx[f"interface_{label}"] if production is None else production

    def _attach_run(self, label: str, interface: Any, production: Any) -> None:
        done = self._done_run(label)
        results: dict[str, Any] = {name: done[name] for name in ("interface", *RUN_OUTPUTS) if name in done}
        if interface is not None and "interface" in interface.outputs:
            results["interface"] = interface.outputs.interface
            self.out(f"stages.interface_{label}", interface.outputs.stages)
        if production is not None:
            outputs = production.outputs
            results |= {name: outputs[name] for name in RUN_OUTPUTS if name in outputs}
            if "stages" in outputs:
                self.out(f"stages.production_{label}", outputs.stages)
        if results:
            self.out(f"runs.{label}", results)
        if "equilibration" in results:
            found = results["equilibration"]
            verdict = "equilibrated" if found["equilibrated"] else "not equilibrated"
            self.report(f"{label}: EC {found['ec']:.2f} (at least {found['ec_lower_bound']:.2f}), {verdict}")

    # -- helpers ---------------------------------------------------------------------------------------

    def _submit(self, name: str, process: type[WorkChain], inputs: AttributeDict) -> dict[str, Any]:
        inputs.metadata = {"call_link_label": name}
        run = self.submit(process, **inputs)
        self.report(f"{name}: <{run.pk}>")
        return ToContext(**{name: run})

    def _take_over(self, phase: str) -> ExitCode | None:
        if phase in self._done():
            self.out(phase, self._done()[phase])
            return None
        run = self.ctx[phase]
        if not run.is_finished_ok:
            return self.exit_codes.ERROR_PHASE.format(phase=phase, **failure(run))
        self.out(phase, run.outputs[phase])
        self.out(f"stages.{phase}", run.outputs.stages)
        return None

    def _built_from(self) -> dict[str, Any]:
        """Return what the building jobs of both phases share."""
        return {name: self.inputs[name] for name in ("recipe", "forcefield") if name in self.inputs}

    def _done(self) -> Any:
        """Return what an earlier study left."""
        return self.inputs.get("done", {})

    def _done_run(self, label: str) -> Any:
        return self._done().get("runs", {}).get(label, {})

    def _is_complete(self, label: str) -> bool:
        """Whether an earlier study has all that is asked of a run."""
        plan, settings = self.inputs.production.plan, self.inputs.production.analysis.settings
        return is_complete(self._done_run(label), plan.get_dict(), temperature_of(label), settings.get_dict())

    def _is_spent(self, label: str) -> bool:
        """Whether a run of an earlier study has its length, which was its budget, and has not equilibrated."""
        adaptive = self.inputs.production.plan.get_dict().get("stop", {}).get("rule") == "equilibrated"
        return adaptive and self._is_complete(label) and not self._done_run(label)["equilibration"]["equilibrated"]

    def _interface_of(self, label: str) -> CseSystemData | None:
        """Return the interface of a run, None if it could not be made."""
        done = self._done_run(label)
        run = self.ctx.get(f"interface_{label}")
        found: CseSystemData | None = done.get("interface")
        return run.outputs.interface if run is not None and run.is_finished_ok else found

    def _seed(self, replica: int) -> orm.Int:
        """Return the seed of a replica: the recipe's, counted up."""
        return orm.Int(self.inputs.recipe["seeds"]["velocities"] + replica - 1)


_PARTS: dict[str, Any] = {
    "ceramic": CeramicWorkChain,
    "electrolyte": ElectrolyteWorkChain,
    "interface": InterfaceWorkChain,
    "production": ProductionWorkChain,
}


def _ending(label: str, run: orm.WorkChainNode) -> str:
    return f"{label} <{run.pk}> [{run.exit_status}] {run.exit_message}"


def run_label(temperature: float, replica: int) -> str:
    """Return the name of a run: temperature in K, rounded, and replica."""
    return f"T{round(temperature):04d}_r{replica}"


def temperature_of(label: str) -> float:
    """Return the temperature in K, rounded, of a run by its name."""
    return float(label[1:].partition("_")[0])


def validate_temperatures(value: orm.List, _: Any) -> str | None:
    """Return what is wrong with a list of temperatures in K, None if nothing is."""
    temperatures = value.get_list()
    wrong = [
        t for t in temperatures if isinstance(t, bool) or not isinstance(t, (int, float)) or not 0 < t <= 5000
    ]
    if wrong or not temperatures:
        return f"temperatures = {temperatures!r}: give numbers between 0 and 5000 K, one or more"
    if len({round(t) for t in temperatures}) < len(temperatures):
        return f"temperatures = {temperatures!r}: each must be there once, and they must differ by 1 K at least"
    return None


def validate_replicas(value: orm.Int, _: Any) -> str | None:
    """Return what is wrong with a number of replicas, None if nothing is."""
    if 1 <= value.value <= MOST_REPLICAS:
        return None
    return f"replicas = {value.value}: give a whole number from 1 to {MOST_REPLICAS}"


def temperature_list(value: Any) -> orm.List:
    """Return temperatures as the node that their port takes.

    Raises
    ------
    ValueError
        They are no list.
    """
    if isinstance(value, orm.List):
        return value
    if not isinstance(value, (list, tuple)):
        msg = f"temperatures = {value!r}: give a list of numbers between 0 and 5000 K"
        raise ValueError(msg)
    return orm.List(list(value))


def validate_study(value: dict[str, Any], _: Any) -> str | None:
    """Return which inputs of a study do not fit each other, None if all do."""
    return forcefield_error(value) or _sampling_error(value) or _emc_error(value)


def _emc_error(value: dict[str, Any]) -> str | None:
    """Refuse what EMC cannot build: its job would do so after the ceramic has run."""
    builder = value.get("electrolyte", {}).get("builder")
    if "recipe" not in value or builder is None or builder.value != EMC:
        return None
    recipe = Recipe.model_validate(value["recipe"].get_dict())
    try:
        emc_files(recipe, *check_slab(recipe))
    except ValueError as error:
        return f"electrolyte.builder = 'emc': {error}"
    return None


def _sampling_error(value: dict[str, Any]) -> str | None:
    """Refuse a sampling of ions that the recipe does not have: the productions would do so after days."""
    sampling = value.get("production", {}).get("sampling")
    if "recipe" not in value or sampling is None:
        return None
    given, recipe = sampling.get_dict(), Recipe.model_validate(value["recipe"].get_dict())
    cation, anion = recipe.salt.cation, recipe.salt.anion.name
    types = chemistry_of(recipe).types
    labels = {ion: [entry.label for entry in types if entry.species == ion] for ion in (cation, anion)}
    try:
        refuse_unknown_ions(
            given.get("offsets", {}), given.get("cation_atoms", ()), given.get("anion_atom"), labels
        )
    except ValueError as error:
        return placed("production.sampling", str(error))
    return None


def is_complete(
    run: Mapping[str, Any], plan: dict[str, Any], temperature: float, settings: dict[str, Any]
) -> bool:
    """Whether a run at ``temperature`` (K) has all that is asked of it: its length, or its verdict as of now."""
    if any(name not in run for name in ("reduction", "looks", "equilibration")):
        return False
    criteria = AnalysisSettings.model_validate(settings).model_dump(mode="json")
    if run["equilibration"]["criteria"] != criteria:
        return False
    production = ProductionPlan.model_validate(plan).at(temperature)
    if run["reduction"].base.attributes.get("last_step") >= production.last_frame(production.total_steps):
        return True
    verdicts = verdicts_under(criteria, run["looks"].get_list())
    return production.stop.decide(verdicts, len(verdicts) + 1) is Decision.EQUILIBRATED


def previous_of(run: Mapping[str, Any]) -> dict[str, orm.Data]:
    """Return the input ``previous`` of a production that goes on with a run, empty if it cannot.

    A reduction that does not reach as far as the last segment is left: the trajectory is there.
    """
    if "folder" not in run:
        return {}
    previous = {name: run[name] for name in ("folder", "looks") if name in run}
    if "reduction" in run and "system" in run and step_of(run["folder"]):
        previous["reduction"] = run["reduction"]
    return previous
