"""Tables of a terminal whose columns are those that fit into its width."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

__all__ = ["Column", "fitted_table"]

#: columns of a terminal that counts as wide
_WIDE = 100
#: a longer name is cut before a column of numbers is left out, and a still longer one in any case
_SHORT_NAME, _LONG_NAME = 20, 40
#: priority from which on the whole name is more useful than a further column
_NAMES_FIRST = 5


@dataclass(frozen=True)
class Column:
    """A column: its heading, its cells, and the order in which columns are added while they fit; 0 always is."""

    heading: str
    cell: Callable[[Any], str]
    priority: int
    justify: Literal["left", "right"] = "right"


def fitted_table(
    columns: Sequence[Column], rows: Sequence[Any], width: int, *, name: int, styles: Mapping[str, str]
) -> Table:
    """Return a table of the most useful columns that fit.

    Parameters
    ----------
    columns
        All columns, in their order.
    rows
        What the columns make their cells of.
    width
        Number of characters that the table may take.
    name
        Number of the column of names, the only one that is cut, in its middle.
    styles
        Styles of rich by the text of a cell.
    """
    gap = 2 if width >= _WIDE else 1
    names = columns[name]
    cells = {one: [one.cell(row) for row in rows] for one in columns}
    widths = {one: max(map(len, (one.heading, *texts))) for one, texts in cells.items()}
    longest, widths[names] = min(widths[names], _LONG_NAME), min(widths[names], _SHORT_NAME)
    shown = {one for one in columns if one.priority == 0}
    left = width - sum(widths[one] + gap for one in shown) + gap
    for one in sorted(columns, key=lambda column: column.priority):
        if one.priority and any(cells[one]) and widths[one] + gap <= left:
            shown.add(one)
            left -= widths[one] + gap
        if one.priority == _NAMES_FIRST:
            widened = min(longest, widths[names] + max(left, 0))
            widths[names], left = widened, left - (widened - widths[names])
    widths[names] = max(1, min(longest, widths[names] + left))
    # labels of one family often differ at their ends: cut in the middle
    tail = (widths[names] - 1) // 2
    head = widths[names] - 1 - tail
    cells[names] = [
        text if len(text) <= widths[names] else f"{text[:head]}…{text[len(text) - tail :]}"
        for text in cells[names]
    ]
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    ordered = [one for one in columns if one in shown]
    for one in ordered:
        table.add_column(one.heading, justify=one.justify, no_wrap=True, width=widths[one], overflow="ellipsis")
    for texts in zip(*(cells[one] for one in ordered), strict=True):
        table.add_row(*(Text(text, styles.get(text, "")) for text in texts))
    return table
