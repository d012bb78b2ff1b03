"""The values of the protocol `paper` with their sources, beside those of the shorter protocols."""

from __future__ import annotations

from aiida_cse.workchains.common.protocol_values import ProtocolValue, protocol_values, sources
from reference_pages.markdown import code, section, table

__all__ = ["page"]

PARTS = ("study", "ceramic", "electrolyte", "interface", "production", "analysis")
PAPER, OTHERS = "paper", ("moderate", "fast")
#: technical inputs of the jobs: budgets of failures, plausibility limits, packing of stages
_LEFT_OUT = ("base", "stages_per_job")


def page() -> str:
    """Return the page on the values of the protocol `paper`."""
    opening = (
        "Each value of the protocol `paper` with its source, and the values of `moderate` and `fast` where they "
        "differ: the same stages, with a faster k-space solver or in less time. Other fields of a stage have the "
        "defaults of the [stage language](stages.md): thermostat and barostat are Nosé–Hoover; their response "
        "times are chosen here. Budgets of failures and plausibility limits are on the page on "
        "[protocols](protocols.md). `aiida-cse protocol show` and `aiida-cse protocol diff` print the same values."
    )
    words = table(["source", "meaning"], [(code(word), meaning) for word, meaning in sources().items()])
    return "\n".join([section("The protocol paper, value by value", opening, words, level=1), *map(_part, PARTS)])


def _part(part: str) -> str:
    paper, *others = ({one.place: one for one in protocol_values(name, part)} for name in (PAPER, *OTHERS))
    rows = [
        (".".join(_group(place)), code(place[-1]), str(one.value), *_differing(one, others), code(one.source))
        for place, one in paper.items()
        if not {*place} & {*_LEFT_OUT} and one.value not in ({}, None)
    ]
    return section(part, table(["stage", "value", PAPER, *OTHERS, "source"], rows))


def _group(place: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys above a value, those of a stage without those of its schedule."""
    return tuple(key for key in place[:-1] if key not in ("schedule", "stages"))


def _differing(one: ProtocolValue, others: list[dict[tuple[str, ...], ProtocolValue]]) -> list[str]:
    values: list[ProtocolValue | None] = [other.get(one.place) for other in others]
    return [
        "" if value is not None and value.value == one.value else "–" if value is None else str(value.value)
        for value in values
    ]
