"""Rows and sections of a view: what the terminal and the page show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiida_cse.analysis.registry import Quantity
from aiida_cse.report.words import number_words

__all__ = ["FAILED", "NOTHING", "PASSED", "Row", "Section", "View"]

#: marks of a statement: the criterion is met, it is not met, there is nothing to test
PASSED, FAILED, NOTHING = "✓", "✗", "–"


@dataclass(frozen=True)
class Row:
    """One row of a view: a number, a statement, or the cells of a table.

    Attributes
    ----------
    name
        What it is of, in words.
    run
        Label of the run; empty for what is not of one run.
    mark
        ``✓``, ``✗``, ``–`` for nothing to test or not known, or empty.
    text
        The statement; empty for a number.
    quantity
        The number with its interval, bounds, unit and the reason why one of them is missing.
    source
        Place of the number in the results, as ``runs.T0700_r1.populations.n_li_excess``.
    cells
        Values by the headings of the section, where that is a table.
    """

    name: str
    run: str = ""
    mark: str = ""
    text: str = ""
    quantity: Quantity | None = None
    source: str = ""
    cells: Mapping[str, Any] | None = None

    @property
    def value_words(self) -> str:
        """The number, as many digits as its interval allows; a bound or – if it is not known."""
        found = self.quantity
        if found is None:
            return ""
        if found.value is not None:
            return number_words(found.value, self._spread)
        # a lower bound of zero is none
        if found.lower:
            return f"≥ {number_words(found.lower)}"
        return f"≤ {number_words(found.upper)}" if found.upper is not None else NOTHING

    @property
    def interval_words(self) -> str:
        """The interval, or the standard error or bound; then the note, and the reason for what is missing."""
        found = self.quantity
        if found is None:
            return ""
        parts = []
        spread = self._spread
        missing = found.value is not None and found.reason
        if found.value is None:
            parts += [f"≤ {number_words(found.upper)}"] if found.upper is not None and found.lower else []
        elif found.interval is not None:
            low, high = (None if end is None else number_words(end, spread) for end in found.interval)
            parts.append(f"{low or 'no lower end'} to {high or 'no upper end'}")
        elif found.error is not None:
            parts.append(f"± {number_words(found.error, found.error)}")
        elif found.lower is not None:
            parts.append(f"≥ {number_words(found.lower)}")
        # the note is of the value
        parts += [found.note] if found.value is not None else []
        parts += [f"no interval: {found.reason}" if missing else found.reason]
        return "; ".join(part for part in parts if part)

    @property
    def _spread(self) -> float | None:
        """Error or half interval; None where it exceeds a number that is known by its power of ten."""
        found = self.quantity
        if found is None or found.value is None:
            return None
        spread, additive = found.error, True
        if not spread and found.interval is not None:
            low, high = found.interval
            additive = low is not None and low < 0
            spread = None if low is None or high is None else (high - low) / 2
        return spread if spread and (additive or spread < abs(found.value)) else None

    @property
    def title(self) -> str:
        """The name, with the unit of the number."""
        unit = "" if self.quantity is None else self.quantity.unit
        return f"{self.name} ({unit})" if unit and unit != "events" else self.name


@dataclass(frozen=True)
class Section:
    """Rows under one heading.

    Attributes
    ----------
    title
        The heading.
    rows
        The rows.
    headings
        Headings of the cells of its rows, each with the format of its numbers, four digits if that is empty;
        without headings the rows are numbers or statements.
    note
        What intervals or columns mean; empty if there is nothing to say.
    """

    title: str
    rows: tuple[Row, ...]
    headings: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class View:
    """The view of findings.

    Attributes
    ----------
    title
        What was done, with label and PK.
    facts
        State, times, versions, recipe: name and text.
    sections
        The sections in the order in which they are read.
    runs
        Labels of the runs.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    runs: tuple[str, ...]

    def restricted(self, names: Sequence[str]) -> View:
        """Return the view with those sections alone whose titles start with one of the names, in any case.

        Raises
        ------
        ValueError
            No title starts with a name; names the sections that there are.
        """
        titles = [section.title for section in self.sections]
        for name in names:
            if not any(title.lower().startswith(name.lower()) for title in titles):
                raise ValueError(f"section = {name}: there is no such section; there are {', '.join(titles)}")
        starts = tuple(name.lower() for name in names)
        kept = tuple(section for section in self.sections if section.title.lower().startswith(starts))
        return replace(self, sections=kept)
