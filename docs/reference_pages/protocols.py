"""The protocols, from their YAML files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiida_cse.workchains.analysis import AnalysisWorkChain
from aiida_cse.workchains.ceramic import CeramicWorkChain
from aiida_cse.workchains.common.protocol import ProtocolMixin
from aiida_cse.workchains.crossing import CrossingWorkChain
from aiida_cse.workchains.electrolyte import ElectrolyteWorkChain
from aiida_cse.workchains.interface import InterfaceWorkChain
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.quench import QuenchWorkChain
from aiida_cse.workchains.study import StudyWorkChain
from reference_pages.markdown import code, section, table

__all__ = ["page"]

WORKCHAINS: tuple[type[ProtocolMixin], ...] = (
    StudyWorkChain,
    CeramicWorkChain,
    ElectrolyteWorkChain,
    InterfaceWorkChain,
    ProductionWorkChain,
    AnalysisWorkChain,
    QuenchWorkChain,
    CrossingWorkChain,
)
#: fields of a stage that have a column of their own
_COLUMNS = ("kind", "duration_ps", "temperature", "pressure", "barostat", "mobile")


def page() -> str:
    """Return the page on the protocols of all WorkChains."""
    opening = (
        "A study passes the name of its protocol to all its parts. Every value can be overridden, see "
        "[changing a protocol](../howto/protocols.md); the page on the [stage language](stages.md) explains the "
        "values. `target` is the temperature of the run, and a list of two values is a ramp."
    )
    return "\n".join([section("Protocols", opening, level=1), *map(_workchain, WORKCHAINS)])


def _workchain(cls: type[ProtocolMixin]) -> str:
    available = cls.get_available_protocols()
    default = cls.get_default_protocol()
    described = table(
        ["protocol", "description"],
        [(code(name) + (" (default)" if name == default else ""), words) for name, words in available.items()],
    )
    inputs = {name: cls.get_protocol_inputs(name) for name in available}
    values = {name: dict(_leaves(content)) for name, content in inputs.items()}
    keys = dict.fromkeys(key for content in values.values() for key in content)
    rows = [(code(key), *(_cell(values[name].get(key)) for name in available)) for key in keys]
    stages = [_stages(name, content) for name, content in inputs.items() if "schedule" in content]
    return section(
        f"cse.{cls.protocol_name}",
        described,
        table(["value", *map(code, available)], rows) if rows else "",
        *stages,
    )


def _leaves(content: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{place}{key}.")
        elif key != "stages" and value != {}:
            yield f"{place}{key}", value


def _stages(protocol: str, content: Mapping[str, Any]) -> str:
    rows = []
    for stage in content["schedule"]["stages"]:
        name = stage.get("name") or f"[{stage['schedule']}](stages.md#larsen-2011)"
        rest = {key: value for key, value in stage.items() if key not in (*_COLUMNS, "name", "schedule")}
        others = ", ".join(f"{key}: {value}" for key, value in rest.items())
        rows.append((name, *(_cell(stage.get(column)) for column in _COLUMNS), others))
    return section(f"Stages of {protocol}", table(["stage", *_COLUMNS, "other fields"], rows), level=3)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
