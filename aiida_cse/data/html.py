"""HTML of results and nodes in notebooks: a heading and tables of name, value and remark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["html_table", "html_title"]

_CELL = "padding:0.1em 0.8em 0.1em 0;text-align:{};vertical-align:top;max-width:36em"


def html_title(words: str, note: str = "") -> str:
    """Return a heading with a note beside it; both are plain text."""
    return f'<div style="margin-top:0.6em"><b>{escape(words)}</b> <small>{escape(note)}</small></div>'


def html_table(rows: Iterable[Sequence[str]], headings: Sequence[str] = (), numbers: Sequence[int] = ()) -> str:
    """Return a table of plain text.

    Parameters
    ----------
    rows
        Cells of each row.
    headings
        Headings of the columns.
    numbers
        Indices of the columns that are aligned to the right.
    """
    styles = {True: _CELL.format("right"), False: _CELL.format("left")}

    def row(cells: Sequence[str], tag: str) -> str:
        inner = "".join(
            f'<{tag} style="{styles[place in numbers]}">{escape(cell)}</{tag}>' for place, cell in enumerate(cells)
        )
        return f"<tr>{inner}</tr>"

    head = f"<thead>{row(headings, 'th')}</thead>" if headings else ""
    return f"<table>{head}<tbody>{''.join(row(cells, 'td') for cells in rows)}</tbody></table>"
