"""Comparison of findings: what differs between their recipes and settings, and their results side by side.

Results of runs are laid beside each other by temperature. A difference is given in standard errors where both
numbers have an error, on a logarithmic scale for rates and ratios. Where it cannot be judged, the reason stands in
its place: two bounds, the same run or trajectory, other counting rules.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from statistics import NormalDist
from typing import Any, Literal

from aiida_cse.analysis.registry import Quantity
from aiida_cse.report.compared.settings import SettingDifference, recipe_differences, setting_differences
from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.view import joint_sections, quantities_of
from aiida_cse.report.words import setting_words

__all__ = ["SAME_TEMPERATURE", "Cell", "Comparison", "Difference", "ResultRow", "compare_findings", "source_name"]

#: widest difference of two temperatures that count as one, K
SAME_TEMPERATURE = 0.5
#: broken numbers that two independent runs do not share
_ENOUGH = 8
#: level of intervals of which nothing says it
_LEVEL = 0.95
#: quantities of which logarithms are compared, besides rates: ratios of positive numbers
_RATIO = re.compile(r"(kappa|gamma)(_|$)|_height_ratio$")
#: phases of systems, in the order in which they are made
_PHASES = ("slab", "ceramic", "electrolyte", "interface", "production")
#: places of results that depend on how transitions are counted
_COUNTED = ("transitions.", "equilibration.", "barrier.kappa", "kinetics.")


@dataclass(frozen=True)
class Difference:
    """The difference of a number from that of the first source which has it.

    Attributes
    ----------
    value
        Number minus the first one; on a logarithmic scale their ratio. None if one has no value.
    sigma
        Difference over its standard error, with a sign; None if it is not known.
    scale
        ``log`` if logarithms are compared.
    reason
        Why ``sigma`` is not known; empty if it is.
    """

    value: float | None
    sigma: float | None
    scale: Literal["linear", "log"]
    reason: str = ""


@dataclass(frozen=True)
class Cell:
    """A result of one source: the run that it is of, empty for one of several runs, and the number."""

    run: str
    quantity: Quantity
    level: float
    difference: Difference | None = None


@dataclass(frozen=True)
class ResultRow:
    """A result of all sources.

    Attributes
    ----------
    temperature
        K; None for a result of several runs.
    section, name, key
        Heading, name and place of the number, as ``populations.n_li_excess``.
    cells
        By place of the source its result; None where it has none.
    """

    temperature: float | None
    section: str
    name: str
    key: str
    cells: tuple[Cell | None, ...]

    @property
    def unit(self) -> str:
        """The unit; empty without one."""
        return next(cell.quantity.unit for cell in self.cells if cell is not None)

    @property
    def beside(self) -> bool:
        """Whether several sources have the result, known or not."""
        return sum(cell is not None for cell in self.cells) > 1

    @property
    def known(self) -> bool:
        """Whether any source has a value or a bound."""
        return any(
            cell is not None
            and (cell.quantity.value is not None or cell.quantity.upper is not None or bool(cell.quantity.lower))
            for cell in self.cells
        )


@dataclass(frozen=True)
class Comparison:
    """Findings beside each other.

    Attributes
    ----------
    sources
        The findings, at least two; differences are those from the first that has a number.
    slots
        By temperature the runs that stand beside each other: one per source, None where it has none.
    """

    sources: tuple[Findings, ...]
    slots: Mapping[float, tuple[tuple[RunFindings | None, ...], ...]]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the sources."""
        return tuple(map(source_name, self.sources))

    @cached_property
    def recipes(self) -> list[SettingDifference]:
        """The fields in which the recipes of those sources differ that have one."""
        return recipe_differences(self.sources) if all(one.recipe for one in self.sources) else []

    @cached_property
    def settings(self) -> tuple[list[SettingDifference], list[str]]:
        """The settings in which the sources differ, and the inputs that only some of them have."""
        return setting_differences(self.sources)

    @cached_property
    def rows(self) -> list[ResultRow]:
        """The results: of the runs by temperature, the highest first, then those of several runs."""
        found: list[ResultRow] = []
        for kelvin, slots in self.slots.items():
            for slot in slots:
                found += _rows_of_runs(kelvin, slot)
        return [*found, *self._rows_of_all()]

    @cached_property
    def dependence(self) -> list[str]:
        """Why differences are not independent: the same runs, trajectories or systems, one sentence each."""
        told = []
        for first, second in combinations(range(len(self.sources)), 2):
            by_words: dict[str, list[str]] = {}
            for one, other in self._pairs(first, second):
                if words := _same(one, other):
                    by_words.setdefault(words, []).append(other.label)
            told += [
                f"{first + 1} and {second + 1}: {words}, {', '.join(found)}" for words, found in by_words.items()
            ]
            mine, theirs = self.sources[first].ancestors, self.sources[second].ancestors
            shared = {mine[identity].partition(" ")[0]: identity for identity in mine if identity in theirs}
            if shared:
                names = []
                for phase in [*(one for one in _PHASES if one in shared), *sorted(set(shared) - set(_PHASES))]:
                    # both PKs if they are nodes with the same content
                    systems = (mine[shared[phase]], theirs[shared[phase]])
                    pks = dict.fromkeys(words.rpartition(" ")[2] for words in systems)
                    names.append(f"{phase} {' = '.join(pks)}")
                told.append(f"{first + 1} and {second + 1} come from the same {', '.join(names)}")
        return told

    def _pairs(self, first: int, second: int) -> Iterator[tuple[RunFindings, RunFindings]]:
        """Yield the runs of two sources that stand beside each other."""
        for slots in self.slots.values():
            for slot in slots:
                one, other = slot[first], slot[second]
                if one is not None and other is not None:
                    yield one, other

    def _rows_of_all(self) -> Iterator[ResultRow]:
        """Yield the results of several runs: kinetics, shifts and the comparison of a quench."""
        found: dict[tuple[str, str, str], list[Cell | None]] = {}
        for number, source in enumerate(self.sources):
            level = _level(None if source.kinetics is None else source.kinetics.values)
            for section in joint_sections(source):
                for row in section.rows:
                    if row.quantity is not None and not row.run:
                        place = (section.title, row.source, row.name.strip())
                        cells = found.setdefault(place, [None] * len(self.sources))
                        cells[number] = Cell("", row.quantity, level)
        for (section_title, key, name), cells in found.items():
            # the first source that has the number is that from which differences are taken
            first = next(number for number, cell in enumerate(cells) if cell is not None)
            reasons = []
            for number in range(len(self.sources)):
                pairs = list(self._pairs(first, number)) if number > first else []
                same = "both from the same runs" if any(_same(*pair) for pair in pairs) else ""
                otherwise = filter(None, (_counted_otherwise(key, *pair) for pair in pairs))
                reasons.append(same or next(otherwise, ""))
            yield ResultRow(None, section_title, name, key, _with_differences(cells, reasons))


def compare_findings(sources: Sequence[Findings]) -> Comparison:
    """Return findings beside each other.

    Runs at the same temperature stand beside each other: those with the same label, the others in their order.

    Raises
    ------
    ValueError
        There are fewer than two.
    """
    if len(sources) < 2:
        raise ValueError("sources: needs at least two; give another process or folder")
    kelvin: list[float] = []
    for one in sorted({run.temperature for source in sources for run in source.runs.values()}, reverse=True):
        if not kelvin or kelvin[-1] - one >= SAME_TEMPERATURE:
            kelvin.append(one)
    return Comparison(tuple(sources), {one: tuple(_slots(sources, one)) for one in kelvin})


def source_name(findings: Findings) -> str:
    """Return kind, label and PK of findings."""
    origin = findings.origin
    pk = "" if origin.pk is None or f"<{origin.pk}>" in origin.label else f" <{origin.pk}>"
    kind = "" if origin.kind == "folders" or origin.label.startswith(origin.kind) else f"{origin.kind} "
    return f"{kind}{origin.label}{pk}"


def _slots(sources: Sequence[Findings], kelvin: float) -> list[tuple[RunFindings | None, ...]]:
    slots: list[list[RunFindings | None]] = []
    for number, source in enumerate(sources):
        # `kelvin` is the highest temperature of its group, so that a run belongs to one group
        runs = [run for run in source.runs.values() if 0 <= kelvin - run.temperature < SAME_TEMPERATURE]
        waiting = []
        for run in runs:
            same = (
                slot
                for slot in slots
                if slot[number] is None and run.label in {one.label for one in slot if one is not None}
            )
            if (slot := next(same, None)) is None:
                waiting.append(run)
            else:
                slot[number] = run
        for run in waiting:
            free = next((slot for slot in slots if slot[number] is None), None)
            if free is None:
                free = [None] * len(sources)
                slots.append(free)
            free[number] = run
    return [tuple(slot) for slot in slots]


def _rows_of_runs(kelvin: float, slot: Sequence[RunFindings | None]) -> Iterator[ResultRow]:
    """Yield the results of the runs of a slot, those with the same place and name beside each other."""
    found: dict[tuple[str, str, str], list[Cell | None]] = {}
    for number, run in enumerate(slot):
        if run is None:
            continue
        level = _level(run.scalars.get("equilibration", {}).get("criteria"))
        for section, observable, quantity in quantities_of(run):
            if quantity.key:
                place = (section, f"{observable}.{quantity.key}", quantity.name)
                found.setdefault(place, [None] * len(slot))[number] = Cell(run.label, quantity, level)
    for (section, key, name), cells in found.items():
        # the first run of a slot that has the number is that from which differences are taken
        first = next(run for run, cell in zip(slot, cells, strict=True) if cell is not None)
        reasons = [_same(first, run) or _counted_otherwise(key, first, run) for run in slot]
        yield ResultRow(kelvin, section, name, key, _with_differences(cells, reasons))


# -- dependence ----------------------------------------------------------------------------------------------


def _same(one: RunFindings | None, other: RunFindings | None) -> str:
    """Return in words what two runs share that makes their difference no independent test; empty if nothing."""
    if one is None or other is None or one is other:
        return ""
    if one.uuids and set(one.uuids.values()) & set(other.uuids.values()):
        return "the same run"
    if one.trajectory & other.trajectory:
        return "the same trajectory, analysed twice"
    numbers = [
        (value, other.scalars[name][key])
        for name, found in one.scalars.items()
        for key, value in found.items()
        if isinstance(value, float) and not value.is_integer() and key in other.scalars.get(name, {})
    ]
    identical = len(numbers) >= _ENOUGH and all(mine == theirs for mine, theirs in numbers)
    return "identical numbers, as of one trajectory or of a run that repeats another" if identical else ""


# -- differences ---------------------------------------------------------------------------------------------


def _level(settings: Any) -> float:
    level = settings.get("level") if isinstance(settings, Mapping) else None
    return float(level) if isinstance(level, int | float) and 0 < level < 1 else _LEVEL


def _counted_otherwise(key: str, one: RunFindings | None, other: RunFindings | None) -> str:
    """Return how the transitions of two runs are counted, if a number depends on it and they differ."""
    if one is None or other is None or not key.startswith(_COUNTED):
        return ""
    ways = []
    for run in (one, other):
        found = run.scalars.get("transitions", {})
        rule, stride = found.get("rule"), found.get("stride_ps")
        every = f" every {setting_words(stride, 'ps')}" if isinstance(stride, int | float) else ""
        ways.append(f"rule {rule}{every}")
    return "" if ways[0] == ways[1] else f"counted otherwise: {ways[0]}, and {ways[1]}"


def _with_differences(cells: Sequence[Cell | None], reasons: Sequence[str]) -> tuple[Cell | None, ...]:
    """Return the cells with the differences from the first; ``reasons`` why one cannot be judged, else empty."""
    first = next((cell for cell in cells if cell is not None), None)
    made = []
    for cell, reason in zip(cells, reasons, strict=True):
        if cell is None or first is None or cell is first:
            made.append(cell)
        else:
            try:
                difference = _difference(first, cell, reason)
            except (ArithmeticError, TypeError, ValueError) as error:  # numbers of other programs can be anything
                difference = Difference(None, None, "linear", f"numbers that cannot be compared: {error}")
            made.append(Cell(cell.run, cell.quantity, cell.level, difference))
    return tuple(made)


def _difference(first: Cell, cell: Cell, reason: str) -> Difference:
    one, other = first.quantity, cell.quantity
    scale: Literal["linear", "log"] = "log" if one.unit == "s⁻¹" or _RATIO.match(one.key) else "linear"
    if one.value is None or other.value is None:
        return Difference(None, None, scale, reason or _why_no_value(one, other))
    if scale == "log" and not (one.value > 0 and other.value > 0):
        return Difference(None, None, scale, reason or "a rate of zero has no logarithm")
    value = other.value / one.value if scale == "log" else other.value - one.value
    if reason:
        return Difference(value, None, scale, reason)
    if one.note != other.note and "lag" in one.note + other.note:
        return Difference(value, None, scale, f"{one.note}, and {other.note}")
    rises = other.value > one.value
    errors = [_error(first, scale, upper=rises), _error(cell, scale, upper=not rises)]
    known = [error for error in errors if error is not None]
    if len(known) < 2 or not math.hypot(*known) > 0:
        same = one.value == other.value
        return Difference(
            value, None, scale, "" if same else "one has no error" if known else "neither has an error"
        )
    step = math.log(value) if scale == "log" else value
    return Difference(value, step / math.hypot(*known), scale)


def _why_no_value(one: Quantity, other: Quantity) -> str:
    """Return why two numbers of which one is unknown have no difference."""
    bounds = [number.lower is not None or number.upper is not None for number in (one, other)]
    if one.value is None and other.value is None:
        return "two bounds" if all(bounds) else "not known in both"
    unknown, known, bound = (one, other, bounds[0]) if one.value is None else (other, one, bounds[1])
    if not bound:
        return "not known in one of them"
    assert known.value is not None
    below = unknown.lower is not None and known.value < unknown.lower
    above = unknown.upper is not None and known.value > unknown.upper
    return "a bound, which the other is beyond" if below or above else "a bound, which the other meets"


def _error(cell: Cell, scale: str, *, upper: bool) -> float | None:
    """Return the standard error of a number, of its logarithm on that scale; None if it is not known.

    From an interval it is the side towards the other number over the normal quantile of the level, so that an
    interval from few samples counts as wide as it is.
    """
    found = cell.quantity
    assert found.value is not None
    if found.interval is not None:
        end = found.interval[1 if upper else 0]
        if end is None or (scale == "log" and not end > 0):
            return None
        half = abs(math.log(end / found.value) if scale == "log" else end - found.value)
        return half / NormalDist().inv_cdf((1 + cell.level) / 2)
    if found.error is None:
        return None
    return found.error / found.value if scale == "log" else found.error
