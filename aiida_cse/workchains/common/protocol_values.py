"""Protocols value by value: the place, unit and source of each value, and the differences of two protocols.

Nothing here imports AiiDA, so that protocols can be printed without a profile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from aiida_cse.lammps.protocol.larsen import Scheme
from aiida_cse.lammps.protocol.stage import Stage
from aiida_cse.schema import nearest
from aiida_cse.workchains.common.protocol import ProtocolMixin
from aiida_cse.yaml_io import parse_mapping

__all__ = [
    "HERE",
    "PARTS",
    "Place",
    "ProtocolValue",
    "available_protocols",
    "differences",
    "leaves",
    "protocol_class",
    "protocol_values",
    "sources",
    "unit_of",
    "with_stage_defaults",
]

#: keys that lead to a setting
Place = tuple[str, ...]

#: the parts that have protocols; a study passes the name of its own to the first six
PARTS = (
    "study",
    "ceramic",
    "electrolyte",
    "interface",
    "production",
    "analysis",
    "quench",
    "validate",
    "crossing",
    "validate_crossing",
)
#: source of a value that is not published
HERE = "here"
#: the protocol whose values have sources
_SOURCED = "paper"

#: units by the end of a key
_ENDS = {
    "_K_per_ns": "K/ns",
    "_per_K": "1/K",
    "_ps": "ps",
    "_fs": "fs",
    "_ns": "ns",
    "_K": "K",
    "_A": "Å",
    "_seconds": "s",
    "temperature": "K",
    "temperatures": "K",
    "pressure": "atm",
    "cutoff": "Å",
    "skin": "Å",
    "gap": "Å",
    "bin_width": "Å",
    "velocities": "K",
    "restart_interval": "steps",
    "held_shift": "Å",
    "bond_length": "Å",
    "density": "g/cm³",
    "slope": "K/Å",
    "drift": "K/ns",
    "lengths": "K, ps",
    "shifts": "K, Å",
    "max_shift": "Å",
    "peak_half_width": "Å",
}
#: keys that have the unit of the key above
_BELOW = ("warn", "fail", "cation", "anion")
#: units of places whose keys have other ends
_PLACES = {"sanity.temperature": "", "plan.velocities": "", "kinetics.priors": "K", "seeds": ""}


@dataclass(frozen=True)
class ProtocolValue:
    """A value of a protocol.

    Attributes
    ----------
    part
        The part of the study, one of :data:`PARTS`.
    place
        The keys that lead to it among the inputs of the part, as in overrides; a stage has its name as key.
    value
        The value.
    source
        Word of :func:`sources`.
    """

    part: str
    place: Place
    value: Any
    source: str

    @property
    def unit(self) -> str:
        """The unit; empty without one."""
        return unit_of(self.place)


def protocol_class(part: str) -> type[ProtocolMixin]:
    """Return the class that reads the protocols of a part, without the WorkChain.

    Raises
    ------
    ValueError
        There is no such part; names the nearest one.
    """
    if part not in PARTS:
        raise ValueError(f"part = {part}: has no protocols; {nearest(part, PARTS)}")
    return type(part, (ProtocolMixin,), {"protocol_name": part})


def available_protocols() -> dict[str, dict[str, str]]:
    """Return by name of the protocol the descriptions by part, those of the study first."""
    found: dict[str, dict[str, str]] = {}
    for part in PARTS:
        for name, words in protocol_class(part).get_available_protocols().items():
            found.setdefault(name, {})[part] = words
    return found


def protocol_values(name: str, part: str) -> list[ProtocolValue]:
    """Return all values of a protocol for one part, with the defaults that the protocol relies on.

    Raises
    ------
    ValueError
        There is no such part or protocol; names the nearest one.
    """
    cls = protocol_class(part)
    told = _told()["values"].get(part, {})
    published = (
        dict(leaves(with_stage_defaults(cls.get_protocol_inputs(_SOURCED))))
        if _SOURCED in cls.get_available_protocols()
        else {}
    )
    found = []
    for place, value in leaves(with_stage_defaults(cls.get_protocol_inputs(name))):
        same = place in published and published[place] == value
        found.append(ProtocolValue(part, place, value, _source(place, told) if same else HERE))
    return found


def differences(first: Mapping[Place, Any], second: Mapping[Place, Any]) -> Iterator[Place]:
    """Yield the places at which two sets of :func:`leaves` differ, in the order of the first and then the second.

    What one of them lacks altogether, as a stage, is one place: the shortest that the other has and it has not.
    """
    above_first, above_second = (
        {place[:depth] for place in one for depth in range(1, len(place) + 1)} for one in (first, second)
    )
    told: dict[Place, None] = {}
    for place in dict.fromkeys((*first, *second)):
        if place not in first or place not in second:
            lacking = above_second if place in first else above_first
            told[
                next((place[:depth] for depth in range(1, len(place)) if place[:depth] not in lacking), place)
            ] = None
        elif first[place] != second[place]:
            told[place] = None
    yield from told


def leaves(content: Mapping[str, Any], place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield place and value of all that nested mappings and lists of them hold.

    Stages and other entries of a list have their names as keys, those without a name their numbers from 0.
    """
    for key, value in content.items():
        here = (*place, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, here)
        elif isinstance(value, list | tuple) and value and all(isinstance(one, Mapping) for one in value):
            named: dict[str, dict[str, Any]] = {}
            for number, entry in enumerate(value):
                heading = next((key for key in ("name", "schedule") if key in entry), "")
                name = str(entry[heading]) if heading else str(number)
                while name in named:
                    name += "+"
                named[name] = {field: entry[field] for field in entry if field != heading}
            yield from leaves(named, here)
        else:
            yield here, value


def unit_of(place: Sequence[str]) -> str:
    """Return the unit of a setting, by the ends of its keys; empty without one."""
    words = ".".join(place)
    if (named := next((unit for there, unit in _PLACES.items() if there in words), None)) is not None:
        return named
    # the unit of displacement_ns.cation and of density.fail is that of the key above
    above = place[-2:-1] if place[-1] in _BELOW else ()
    found = (unit for key in (place[-1], *above) for end, unit in _ENDS.items() if key.endswith(end))
    return next(found, "")


def sources() -> dict[str, str]:
    """Return the words for sources with their meanings."""
    return {str(word): str(meaning) for word, meaning in _told()["sources"].items()}


@cache
def _told() -> dict[str, Any]:
    path = resources.files("aiida_cse.workchains.protocols").joinpath("sources.yaml")
    return parse_mapping(path.read_text(encoding="utf-8"), str(path), "sources")


def _source(place: Place, told: Mapping[str, Any]) -> str:
    """Return the source of a value of ``paper``: that of the innermost group that is listed.

    In it the source of the key itself, of the key below the group, or of all others.
    """
    for depth in range(len(place) - 1, -1, -1):
        group = told.get(place[depth - 1] if depth else "")
        if group is not None:
            found = next((group[key] for key in (place[-1], place[depth]) if key in group), group.get("others"))
            return str(HERE if found is None else found)
    return HERE


def with_stage_defaults(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs with those defaults of the stages of their ``schedule`` that are published values as well."""
    schedule = inputs.get("schedule")
    if not isinstance(schedule, Mapping) or not isinstance(schedule.get("stages"), list | tuple):
        return dict(inputs)
    stages = []
    for stage in schedule["stages"]:
        fields: dict[str, Any] = {}
        if isinstance(stage, Mapping) and "schedule" in stage:
            fields = {key: Scheme.model_fields[key].default for key in ("time_scale", "max_pressure")}
        elif isinstance(stage, Mapping) and stage.get("kind") != "minimize":
            fields = {"timestep_fs": Stage.model_fields["timestep_fs"].default}
        stages.append({**fields, **stage} if fields else stage)
    return {**inputs, "schedule": {**schedule, "stages": stages}}
