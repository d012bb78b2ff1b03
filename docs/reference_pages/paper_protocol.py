"""The values of the protocol `paper` with their sources, beside those of the shorter protocols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from aiida_cse.lammps.protocol.larsen import expand_larsen
from aiida_cse.lammps.protocol.stage import Stage
from aiida_cse.workchains.analysis import AnalysisWorkChain
from aiida_cse.workchains.ceramic import CeramicWorkChain
from aiida_cse.workchains.common.protocol import ProtocolMixin
from aiida_cse.workchains.electrolyte import ElectrolyteWorkChain
from aiida_cse.workchains.interface import InterfaceWorkChain
from aiida_cse.workchains.production import ProductionWorkChain
from reference_pages.markdown import code, section, table

__all__ = ["page"]

PARTS: dict[str, type[ProtocolMixin]] = {
    "ceramic": CeramicWorkChain,
    "electrolyte": ElectrolyteWorkChain,
    "interface": InterfaceWorkChain,
    "production": ProductionWorkChain,
    "analysis": AnalysisWorkChain,
}
PAPER, OTHERS = "paper", ("moderate", "fast")
#: technical inputs of the jobs: budgets of failures, plausibility limits, packing of stages
_LEFT_OUT = ("base", "stages_per_job")
#: fields of a stage whose default is also published; not of minimisations
_SHOWN = ("timestep_fs",)
#: K, in the place of `target`
_ANY = 300.0

#: values by group (a stage, `settings`, `plan`, …; "" for the part's own) and field
Values = dict[tuple[str, str], Any]


def page() -> str:
    """Return the page on the values of the protocol `paper`.

    Raises
    ------
    ValueError
        A value has no source, or a source no value.
    """
    told = yaml.safe_load((Path(__file__).parent / "sources.yaml").read_text(encoding="utf-8"))
    opening = (
        "Each value of the protocol `paper` with its source, and the values of `moderate` and `fast` where they "
        "differ: the same stages, with a faster k-space solver or in less time. Other fields of a stage have the "
        "defaults of the [stage language](stages.md): thermostat and barostat are Nosé–Hoover; their response "
        "times are chosen here. Budgets of failures and plausibility limits are on the page on "
        "[protocols](protocols.md)."
    )
    words = table(["source", "meaning"], [(code(word), meaning) for word, meaning in told["sources"].items()])
    parts = (_part(part, cls, told["values"][part], told["sources"]) for part, cls in PARTS.items())
    return "\n".join([section("The protocol paper, value by value", opening, words, level=1), *parts])


def _part(part: str, cls: type[ProtocolMixin], told: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    paper, *others = (_values(cls.get_protocol_inputs(name)) for name in (PAPER, *OTHERS))
    rows = []
    for (group, field), value in paper.items():
        source = _source(part, group, field, told)
        if source not in sources:
            msg = f"{part}.{group}.{field}: the source {source!r} is none of {', '.join(sources)}"
            raise ValueError(msg)
        differing = [
            "" if other.get((group, field)) == value else str(other.get((group, field))) for other in others
        ]
        rows.append((group, code(field), str(value), *differing, code(source)))
    _refuse_unused(part, told, paper)
    return section(part, table(["stage", "value", PAPER, *OTHERS, "source"], rows))


def _source(part: str, group: str, field: str, told: Mapping[str, Any]) -> str:
    words = told.get(group, {})
    found = words.get(field, words.get("others"))
    if found is None:
        msg = f"{part}.{group}.{field}: its value has no source in sources.yaml"
        raise ValueError(msg)
    return str(found)


def _refuse_unused(part: str, told: Mapping[str, Any], values: Values) -> None:
    named = {(group, field) for group, words in told.items() for field in words if field != "others"}
    unused = sorted(named - set(values))
    if unused:
        msg = f"{part}: sources of values that the protocol does not have: {unused}"
        raise ValueError(msg)


def _values(inputs: Mapping[str, Any]) -> Values:
    return {(group, field): value for group, field, value in _leaves(inputs)}


def _leaves(content: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, str, Any]]:
    for key, value in content.items():
        if key in _LEFT_OUT:
            continue
        if key == "stages":
            for entry in value:
                yield from _stage(entry)
        elif key == "stop":
            yield group, key, value["rule"]
        elif isinstance(value, Mapping) and value:
            yield from _leaves(value, key)
        elif value not in ({}, None):
            yield group, key, value


def _stage(entry: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    if "schedule" not in entry:
        defaults = {key: Stage.model_fields[key].default for key in _SHOWN if entry["kind"] != "minimize"}
        shown = {key: value for key, value in entry.items() if key != "name"} | {
            key: value for key, value in defaults.items() if key not in entry
        }
        yield from ((entry["name"], key, value) for key, value in shown.items())
        return
    name = entry["schedule"]
    scheme = {"time_scale": 1} | {key: value for key, value in entry.items() if key not in ("schedule", "stage")}
    numbers = {key: _ANY if value == "target" else value for key, value in entry.items() if key != "stage"}
    highest = max(stage.pressure for stage in expand_larsen(numbers) if isinstance(stage.pressure, float))
    yield name, "schedule", "the 21 steps"
    yield from ((name, key, value) for key, value in scheme.items())
    yield name, "max_pressure", highest
    yield from ((name, key, value) for key, value in entry.get("stage", {}).items())
