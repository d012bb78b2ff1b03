"""Labels and descriptions of result nodes: what each is, of which run, of which recipe.

Neither takes part in a hash: a node with a label is found in the cache as one without. A result from the cache is
a new node, which gets the label of the run that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import WorkChain
from aiida.orm import Data, FolderData, RemoteData

from aiida_cse.analysis.comparison import COMPARISON
from aiida_cse.analysis.crossing.documents import CROSSING, CROSSING_PROFILE, TRANSMISSION
from aiida_cse.analysis.kinetics import KINETICS
from aiida_cse.analysis.registry import observables
from aiida_cse.analysis.shifts import SHIFTS
from aiida_cse.analysis.starts import STARTS

__all__ = ["LabelledOutputs"]

#: what the outputs are that no observable explains
_CONTENT = {
    "ceramic": "The equilibrated crystal of the ceramic.",
    "electrolyte": "The electrolyte after compression.",
    "interface": "The relaxed interface.",
    "system": "The system at the end of the run.",
    "reduction": "Counts of the trajectory in blocks of time.",
    "looks": "One record per look at the run.",
    "changes": "Recovery steps after failed jobs.",
    "stages": "One record per stage.",
    **{one.name: one.description.partition(";")[0].rstrip(".") + "." for one in (COMPARISON, SHIFTS, STARTS)},
    CROSSING.name: "Rate of a crossing, from F on the dividing surface and its transmission.",
    CROSSING_PROFILE.name: "F along z from umbrella windows.",
    TRANSMISSION.name: "Transmission in time of trajectories that begin on the top of F.",
    KINETICS.name: "Rates at other temperatures from the entries of all runs.",
}


class LabelledOutputs(WorkChain):
    """A WorkChain that gives its outputs a label, as ``barrier T0700_r1 llzo-peo-litfsi``, and a description.

    The outer of two WorkChains with the same output labels it last. A label that a user gave is kept: one that
    does not begin with the name of the output.
    """

    def out(self, output_port: str, value: Any = None) -> None:
        """Attach an output, and label its nodes."""
        super().out(output_port, value)
        *above, name = output_port.split(".")
        if isinstance(value, Mapping):
            for key, node in value.items():
                self._label(key, [*above, name], node)
        else:
            self._label(name, above, value)

    def _label(self, name: str, namespaces: list[str], node: Any) -> None:
        if not isinstance(node, Data) or isinstance(node, (RemoteData, FolderData)):
            return
        # of stages.ceramic and starts.T0700 the namespace says what they are
        if namespaces and namespaces[0] in ("stages", "starts"):
            name, namespaces = namespaces[0], [*namespaces[1:], name]
        run = [part for part in namespaces if part not in ("runs", "crossings")]
        temperature = node.base.attributes.get("temperature_K", None)
        if not run and isinstance(temperature, int | float):
            run = [f"{temperature:g} K"]
        recipe: Any = self.inputs.get("recipe")
        named = recipe is not None and "name" in recipe.get_dict()
        label = " ".join([name, *run, str(recipe["name"]) if named else self.node.label]).strip()
        if node.label == label or (node.label and not node.label.startswith(f"{name} ")):
            return
        content = observables()[name].summary if name in observables() else _CONTENT.get(name, "")
        node.label = label
        node.description = f"{content} From {self.node.process_label} {self.node.uuid}.".strip()
