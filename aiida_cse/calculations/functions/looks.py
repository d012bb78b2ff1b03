"""What was seen of a production while it ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import calcfunction

__all__ = ["OF_EQUILIBRATION", "collect_looks", "look_record"]

#: taken as they are from the node ``equilibration``
OF_EQUILIBRATION = (
    "end_ns",
    "equilibrated",
    "ec",
    "ec_lower_bound",
    "rate_upper_bound_per_s",
    "reasons",
    "criteria",
)


@calcfunction
def collect_looks(**looks: Any) -> orm.List:
    """Return what each look at a production saw, in order.

    A record has `look` (its number), `end_ns` (the time of the last frame), `equilibrated`, `ec`,
    `ec_lower_bound`, `rate_upper_bound_per_s`, `reasons` and `criteria` as the result `equilibration` has them,
    and of the first of the ions that decide `entries` and `exits`.

    :param looks: per look, labelled in order, its `equilibration` and `transitions`; the records of looks at what
        went before are taken over as the list `before`.
    """
    before = looks.pop("before", None)
    records: list[dict[str, Any]] = [] if before is None else before.get_list()
    for number, (_, look) in enumerate(sorted(looks.items()), len(records) + 1):
        records.append({"look": number, **look_record(look["equilibration"], look["transitions"])})
    return orm.List(records)


def look_record(equilibration: Mapping[str, Any], transitions: orm.Dict) -> dict[str, Any]:
    """Return what one look saw, from the results ``equilibration`` and ``transitions`` of its analysis."""
    ion = str(equilibration["decided_by"][0]).lower()
    counts = transitions.get_dict()
    region = next(name for name in ("ceramic", "layer") if f"s_in_{ion}_{name}" in counts)
    return {
        **{key: equilibration[key] for key in OF_EQUILIBRATION},
        "entries": counts[f"s_in_{ion}_{region}"],
        "exits": counts[f"s_out_{ion}_{region}"],
    }
