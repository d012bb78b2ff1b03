"""The ``cse.reduction`` node: mergeable state of a reduced trajectory."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from functools import reduce
from typing import Any

from aiida.common import MultipleObjectsError, NotExistent
from aiida.orm import CalcJobNode, SinglefileData, load_node

from aiida_cse.analysis.production import ReducedProduction, agreed_temperature
from aiida_cse.analysis.registry import Documented
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.data.files import read_bytes
from aiida_cse.data.html import html_table, html_title
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.state import State

__all__ = ["REDUCTION", "CseReductionData", "checked_temperature", "production_of", "temperature_of"]

FILENAME = "state.npz"

#: largest file of a state; those of published length have some tens of megabytes
_MOST_BYTES = 1_000_000_000
#: files of which a state may consist
_MOST_PARTS = 1000
_PRODUCTION = "aiida.workflows:cse.production"

REDUCTION = Documented(
    "reduction",
    (
        "Attributes of the reduced trajectory (`cse.reduction`); the state itself is its file, read with "
        "`get_state()`."
    ),
    {
        "frames": ("", "Number of frames"),
        "first_step": ("", "Step of the first frame"),
        "last_step": ("", "Step of the last frame"),
        "time_ps": ("ps", "Number of frames times the time between them"),
        "lags_ps": ("ps", "Lags of the displacements that were kept"),
        "temperature_K": ("K", "Temperature of the run; null if the state does not say it"),
        "previous": (
            "",
            (
                "UUID of the reduction that this one continues, whose state precedes that of the file; absent if "
                "the file has the whole state"
            ),
        ),
        "sources": (
            "",
            (
                "Files that were reduced, each with `name`, `bytes`, `sha256` (null if it was not computed), "
                "`first_step` and `frames`; empty if the state does not say them"
            ),
        ),
    },
)


class CseReductionData(SinglefileData):
    """State of a reduced trajectory, from which every analysis is made.

    The file has the whole state or, for a reduction that continues a ``previous`` one, the part that follows it.

    Attributes to query: ``frames``, ``first_step``, ``last_step``, ``time_ps``, ``lags_ps``, ``temperature_K``,
    ``previous`` and ``sources``, those of the whole state. Nodes of earlier versions lack the last three.
    """

    #: the state, once read
    _state: State | None = None

    def __init__(
        self, file: Any = None, filename: Any = None, previous: CseReductionData | None = None, **kwargs: Any
    ) -> None:
        super().__init__(file=file, filename=filename or FILENAME, **kwargs)
        if file is None:
            return
        state = self._own_state()
        attributes: dict[str, Any] = {
            "frames": state.frames,
            "first_step": state.first_step,
            "last_step": state.last_step,
            "time_ps": state.frames * state.config.frame_ps,
            "lags_ps": [lag * state.config.frame_ps for lag in state.config.lags],
            "temperature_K": state.temperature,
            "sources": [asdict(source) for source in state.sources],
        }
        earlier = {} if previous is None else previous.base.attributes.all
        if previous is None or state.first_step == earlier.get("first_step"):
            self._state = state
        elif state.first_step - state.config.frame_steps != earlier.get("last_step"):
            raise ValueError(
                f"{FILENAME}: starts at step {state.first_step}, but {previous._name}, which it continues, ends "
                f"at step {earlier.get('last_step')}"
            )
        else:
            attributes |= {"previous": previous.uuid, **_continued(earlier, attributes, previous._name)}
        self.base.attributes.set_many(attributes)

    def set_file(self, file: Any, filename: Any = None) -> None:
        """Replace the file of the state."""
        super().set_file(file, filename)
        self._state = None

    def _repr_html_(self) -> str:
        rows = [(key, str(value)) for key, value in sorted(self.base.attributes.all.items()) if key != "sources"]
        return html_title(f"cse.reduction <{self.pk}>", self.label) + html_table(rows)

    def get_state(self) -> State:
        """Return the whole state.

        The files are read once per object. The steps of an analysis share the state; do not change it.

        Raises
        ------
        ValueError
            A file is no state, or too large, or an earlier part is not in the profile; a node may come from
            anybody's archive.
        """
        if self._state is None:
            states = [part._own_state() for part in self.parts()]
            try:
                self._state = reduce(State.merge, states)
            except ValueError as error:
                raise ValueError(f"{self._name}: its parts do not follow each other: {error}") from error
        return self._state

    def get_config(self) -> ReductionConfig:
        """Return the configuration, for which the file of this node alone is read; raises as :meth:`get_state`."""
        return (self._own_state() if self._state is None else self._state).config

    def parts(self) -> list[CseReductionData]:
        """Return the reductions whose files make up the state, from the first to this one.

        Raises
        ------
        ValueError
            One of them is not in the profile, or they do not end.
        """
        found: list[CseReductionData] = [self]
        while (uuid := found[-1].base.attributes.get("previous", None)) is not None:
            try:
                node = load_node(uuid=uuid)
            except (NotExistent, MultipleObjectsError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{found[-1]._name}: the reduction {uuid} that it continues is not in this profile; import it "
                    "as well, or reduce the whole trajectory again"
                ) from error
            known = {one.uuid for one in found}
            if not isinstance(node, CseReductionData) or node.uuid in known or len(known) == _MOST_PARTS:
                raise ValueError(f"{self._name}: previous = {uuid}: leads to no first reduction")
            found.append(node)
        return found[::-1]

    @property
    def _name(self) -> str:
        return f"cse.reduction{f' {self.pk}' if self.pk else ''}"

    def _own_state(self) -> State:
        """Return the state of the file; raises as :meth:`get_state`."""
        try:
            return State.load(io.BytesIO(read_bytes(self, self.filename, _MOST_BYTES)))
        except ValueError as error:
            raise ValueError(f"{self._name}: {FILENAME}: {error}") from error


def _continued(earlier: Mapping[str, Any], part: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the attributes of the whole state from those of an ``earlier`` reduction and of the part after it.

    Raises
    ------
    ValueError
        The earlier ones, which may come from anybody's archive, lack one or have a wrong one; names it.
    """
    found: dict[str, Any] = {}
    for key in ("first_step", "frames", "time_ps"):
        value = earlier.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name}: attribute {key} = {value!r}: must be a number; reduce the trajectory again")
        found[key] = value if key == "first_step" else value + part[key]
    sources = earlier.get("sources", [])
    if not isinstance(sources, list):
        raise ValueError(
            f"{name}: attribute sources = {sources!r:.100}: must be a list; reduce the trajectory again"
        )
    return found | {"sources": [*sources, *part["sources"]]}


def temperature_of(reduction: CseReductionData) -> float | None:
    """Return the temperature (K) at which the trajectory of a reduction was run, None if nothing says it.

    The node is asked first. A reduction that was stored without its temperature has it from the provenance: from
    the production that called its job, or else from the LAMMPS jobs whose trajectories the job has read.
    """
    stored = reduction.base.attributes.get("temperature_K", None)
    if stored is not None:
        return float(stored)
    job = reduction.creator
    if not isinstance(job, CalcJobNode):
        return None
    caller: Any = job.caller
    if caller is not None and caller.process_type == _PRODUCTION and "temperature" in caller.inputs:
        return float(caller.inputs.temperature.value)
    runs = [folder.creator for _, folder in job.inputs.folders.items()] if "folders" in job.inputs else []
    found = set()
    for run in runs:
        # a ramp has no temperature of its own
        plan = run.inputs.plan if isinstance(run, CalcJobNode) and "plan" in run.inputs else None
        temperature = None if plan is None else plan["stages"][-1].get("temperature")
        found.add(float(temperature) if isinstance(temperature, (int, float)) else None)
    return found.pop() if len(found) == 1 else None


def checked_temperature(reduction: CseReductionData, given: float | None) -> float:
    """Return the temperature (K) at which a reduction is analysed: its own, which a given one must not contradict.

    Raises
    ------
    ValueError
        No temperature is given and the reduction has none, or they differ.
    """
    return agreed_temperature(temperature_of(reduction), given, subject=f"the reduction <{reduction.pk}>")


def production_of(
    reduction: CseReductionData, temperature: float | None, settings: Mapping[str, Any]
) -> ReducedProduction:
    """Return the production of a reduction at its temperature (K) for an analysis.

    ``settings`` are those of :class:`~aiida_cse.analysis.settings.AnalysisSettings`.

    Raises
    ------
    ValueError
        The temperature is unknown or not that of the reduction, a setting is wrong, or the reduction does not
        resolve what the settings ask for.
    """
    kelvin, chosen = checked_temperature(reduction, temperature), AnalysisSettings.model_validate(settings)
    return ReducedProduction(reduction.get_state(), kelvin, chosen)
