"""The crossings of a study: rates measured at temperatures and sides, from the last systems of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ToContext
from aiida.orm import to_aiida_type

from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.workchains.common.builders import Codes, base_inputs
from aiida_cse.workchains.common.exit_status import ended_normally, failure
from aiida_cse.workchains.common.ports import SEEDS, some_of, validate_temperatures
from aiida_cse.workchains.common.protocol import split_overrides
from aiida_cse.workchains.common.starts import temperature_label
from aiida_cse.workchains.crossing import CrossingWorkChain, nearest_systems, places_from

__all__ = [
    "CROSSING_OUTPUTS",
    "CrossingStudy",
    "crossing_label",
    "crossing_part",
    "crossings_failed",
    "planned_crossings",
]

SIDES = ("left", "right")
#: distance between the seeds of the crossings of a study
_STRIDE = 1_000_003
#: outputs of a crossing that are attached to a study
CROSSING_OUTPUTS = ("crossing", "crossing_profile", "transmission")


class CrossingStudy(VersionedWorkChain):
    """A study that, after its productions, measures rates by crossings."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define the inputs, outputs and the exit code of crossings."""
        super().define(spec)
        spec.expose_inputs(
            CrossingWorkChain,
            namespace="crossing",
            include=("base", "plan"),
            namespace_options={
                "required": False,
                "populate_defaults": False,
                "validator": None,
                "help": "Rates that are measured where nothing crosses; none without temperatures.",
            },
        )
        spec.input(
            "crossing.temperatures",
            valid_type=orm.List,
            serializer=to_aiida_type,
            validator=validate_temperatures,
            help="Temperatures of the crossings in K.",
        )
        spec.input(
            "crossing.sides",
            valid_type=orm.List,
            serializer=to_aiida_type,
            validator=some_of("sides", "side", *SIDES),
            help="Sides of the slab at which a crossing is measured.",
        )
        spec.output_namespace(
            "crossings",
            dynamic=True,
            help="For each temperature and side, as `T0400_left`: rate, F(z) and κ(t) of a crossing.",
        )
        spec.exit_code(353, "ERROR_CROSSINGS", message="{crossings_failed}: {crossings}")

    def run_crossings(self) -> dict[str, Any]:
        """Start every crossing that no earlier study has, from the last systems nearest to its temperature."""
        waiting: dict[str, Any] = {}
        self.ctx.refused_crossings = {}
        for number, (label, temperature, side) in enumerate(planned_crossings(self.inputs)):
            if "crossing" in self._done_crossing(label):
                continue
            systems = nearest_systems(self.outputs.get("runs", {}), temperature)
            if not systems:
                self.ctx.refused_crossings[label] = "no run has an analysed production with a last system"
                continue
            inputs = self.exposed_inputs(CrossingWorkChain, namespace="crossing")
            inputs.systems, inputs.plan = systems, self._placed(inputs.plan, systems, side, label)
            inputs.temperature, inputs.side = orm.Float(temperature), orm.Str(side)
            # with one seed the ladders of one side would begin with the same trajectory at all temperatures
            inputs.seed = orm.Int((self.inputs.recipe["seeds"]["velocities"] + number * _STRIDE) % (SEEDS - 1) + 1)
            inputs.metadata = {"call_link_label": f"crossing_{label}"}
            try:
                run = self.submit(CrossingWorkChain, **inputs)
            except ValueError as error:
                self.ctx.refused_crossings[label] = str(error)
                self.report(f"{label}: no crossing: {error}")
                continue
            waiting[f"crossing_{label}"] = run
            self.report(f"started crossing_{label} from the ends of {', '.join(systems)}: <{run.pk}>")
        return ToContext(**waiting)

    def _placed(self, plan: orm.Dict, systems: Mapping[str, CseSystemData], side: str, label: str) -> orm.Dict:
        """Return a plan that names no place with those of the profiles of the runs, as far as these have them."""
        content = plan.get_dict()
        if any(content.get(name) is not None for name in ("well", "span", "surface")):
            return plan
        cation = next(iter(systems.values())).info.ion_species()[0]
        places, said = places_from(self.outputs["runs"], systems, cation, "left" if side == "left" else "right")
        if not places:
            return plan
        self.report(f"{label}: {'; '.join(said)}")
        return orm.Dict(content | places)

    def attach_crossings(self) -> dict[str, dict[str, orm.Dict]]:
        """Attach the results of all crossings; return those with a rate, as runs of the kinetics."""
        rates = {}
        planned = [label for label, _, _ in planned_crossings(self.inputs)]
        for label in dict.fromkeys([*planned, *self.inputs.get("done", {}).get("crossings", {})]):
            run: Any = self.ctx.get(f"crossing_{label}")
            source = self._done_crossing(label) if run is None else run.outputs
            results = {name: source[name] for name in CROSSING_OUTPUTS if name in source}
            if results:
                self.out(f"crossings.{label}", results)
            if "crossing" in results:
                rates[label] = {"crossing": results["crossing"]}
        return rates

    def failed_crossings(self) -> list[str]:
        """Return the crossings without a rate, each with the reason."""
        refused = self.ctx.get("refused_crossings", {})
        failed = [f"{label}: {reason}" for label, reason in refused.items()]
        for label, _, _ in planned_crossings(self.inputs):
            run: Any = self.ctx.get(f"crossing_{label}")
            if run is not None and not ended_normally(run):
                failed.append(label + " <{pk}> [{status}] {reason}".format(**failure(run)))
        return failed

    def _done_crossing(self, label: str) -> Mapping[str, Any]:
        """Return the results of a crossing of an earlier study."""
        found: Mapping[str, Any] = self.inputs.get("done", {}).get("crossings", {}).get(label, {})
        return found


def crossing_label(temperature: float, side: str) -> str:
    """Return the label of a crossing at a temperature (K) in a study, as ``T0400_left``."""
    return f"{temperature_label(temperature)}_{side}"


def planned_crossings(inputs: Any) -> list[tuple[str, float, str]]:
    """Return label, temperature (K) and side of each crossing of a study, from its inputs or its builder."""
    asked = inputs.get("crossing", {})
    if "temperatures" not in asked:
        return []
    return [
        (crossing_label(temperature, side), temperature, side)
        for temperature in asked["temperatures"].get_list()
        for side in asked["sides"].get_list()
    ]


def crossing_part(
    codes: Codes, asked: Mapping[str, Any], overrides: Any, protocol: str, options: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the inputs ``crossing`` of a study; empty without temperatures.

    Parameters
    ----------
    codes, options
        As for the study.
    asked
        The values of its protocol: ``temperatures`` and ``sides``.
    overrides
        Changes to these, and to ``plan`` and ``base`` of the crossings.
    protocol
        Name of the protocol of both.

    Raises
    ------
    ValueError
        A key is unknown, a list is none, or there is a plan without temperatures; the message names the place.
    """
    changes, own = split_overrides(overrides, asked, ("plan", "base"), "crossing")
    given = {name: value for name, value in own.items() if value is not None}
    inputs = CrossingWorkChain.get_protocol_inputs(protocol, given)
    lists: dict[str, Any] = {}
    for name, example in (("temperatures", "[400, 500]"), ("sides", "[left, right]")):
        value = changes.get(name, asked[name])
        if not isinstance(value, (orm.List, list, tuple)):
            raise ValueError(f"{name} = {value!r}: give a list, such as {example}")
        lists[name] = list(value)
    if not lists["temperatures"]:
        if given:
            raise ValueError("temperatures = []: without any there is no crossing; give one or more, in K")
        return {}
    return {**lists, "plan": inputs["plan"], "base": base_inputs(codes, inputs["base"], options)}


def crossings_failed(count: int, total: int) -> str:
    """Return how many of all crossings failed, in words."""
    if count == total:
        words = "The crossing failed" if total == 1 else f"All {total} crossings failed"
    else:
        words = f"{count} of {total} crossings failed"
    return f"{words}, the runs are complete"
