"""Runs of a study: one for each temperature, replica and start, with the labels by which its results are found.

A start is the initial state of the slab: as built, with ions of the salt added, or with ions removed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.orm import to_aiida_type

from aiida_cse.schema import nearest
from aiida_cse.workchains.common.ports import MOST_EXCESS, some_of

__all__ = [
    "AS_BUILT",
    "EMPTIED",
    "FILLED",
    "STARTS",
    "planned_runs",
    "run_label",
    "start_excess_of",
    "start_of",
    "start_ports",
    "starts_of",
    "temperature_label",
]

AS_BUILT, FILLED, EMPTIED = STARTS = ("as-built", "filled", "emptied")


def temperature_label(temperature: float) -> str:
    """Return the label of a temperature in K, rounded, with which those of its runs begin."""
    return f"T{round(temperature):04d}"


def run_label(temperature: float, replica: int, start: str = AS_BUILT) -> str:
    """Return the label of a run, from its temperature in K, rounded, its replica and its start."""
    label = f"{temperature_label(temperature)}_r{replica}"
    return label if start == AS_BUILT else f"{label}_{start}"


def start_of(label: str) -> str:
    """Return the start of a run from its label."""
    return label.split("_")[2] if label.count("_") == 2 else AS_BUILT


def starts_of(inputs: Any) -> list[str]:
    """Return the starts of a study from its inputs; those of earlier versions have only the slab as built."""
    return list(inputs.starts.get_list()) if "starts" in inputs else [AS_BUILT]


def planned_runs(inputs: Any) -> list[tuple[str, float, int]]:
    """Return label, temperature (K) and replica of each run of a study, from its inputs or its builder."""
    replicas = inputs.replicas.value if "replicas" in inputs else 1
    return [
        (run_label(temperature, replica, start), temperature, replica)
        for temperature in inputs.temperatures.get_list()
        for replica in range(1, replicas + 1)
        for start in starts_of(inputs)
    ]


def start_excess_of(given: Mapping[str, Any], pairs: int) -> dict[str, int]:
    """Return the initial excess of the starts ``filled`` and ``emptied`` for a salt of ``pairs``.

    Where none is given, each is 10 standard deviations from the slab as built; a small salt limits ``filled``.
    """
    from aiida_cse.building.interface.excess import DEFAULT_GAP, population_deviation

    number = math.ceil(DEFAULT_GAP * population_deviation(pairs))
    known = {start: number for start, number in given.items() if number is not None}
    return {FILLED: min(number, pairs), EMPTIED: -number} | known


def start_ports(spec: Any) -> None:
    """Define the inputs of a study that choose its starts."""
    spec.input(
        "starts",
        valid_type=orm.List,
        serializer=to_aiida_type,
        default=lambda: orm.List([AS_BUILT]),
        validator=some_of("starts", "start", *STARTS),
        help="Initial states of the slab: as-built, filled with ions of the salt, emptied.",
    )
    spec.input(
        "start_excess",
        valid_type=orm.Dict,
        serializer=to_aiida_type,
        required=False,
        validator=_validate_start_excess,
        help="Initial excess of ions in the slab, filled > 0 and emptied < 0; by default from the salt.",
    )


def _validate_start_excess(value: orm.Dict, _: Any) -> str | None:
    """Return the error of the initial excess of the starts, or None."""
    for start, number in value.get_dict().items():
        if start not in (FILLED, EMPTIED):
            return f"start_excess: {start!r} is no start with an excess; {nearest(str(start), (FILLED, EMPTIED))}"
        least, most = (1, MOST_EXCESS) if start == FILLED else (-MOST_EXCESS, -1)
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            return f"start_excess.{start} = {number!r}: give a whole number from {least} to {most}"
    return None
