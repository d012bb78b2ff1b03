"""Content of the page: sections of facts, statements, tables and figures, and their files as data URIs."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

__all__ = ["Picture", "Section", "Statement", "Table", "data_uri", "smaller_svg"]

#: characters that need no escape in a data URI within an attribute
_PLAIN = " =:/,;.-+()!*~@$?"

#: bytes from which a figure counts as large
_LARGE = 500_000


@dataclass(frozen=True)
class Statement:
    """A sentence with its mark, ``✓``, ``✗``, ``–`` or none; or a heading for those that follow."""

    text: str
    mark: str = ""
    heading: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    name
        Name of its CSV file, and of its place in the page; letters, digits and hyphens.
    title
        Its caption.
    headings
        Headings of the columns, with units; the first column names the row.
    rows
        Cells: a text, or a pair of a text and a smaller one below it.
    file_headings, file_rows
        What the CSV file contains, numbers unrounded; the same as the table if empty.
    note
        What the numbers mean; empty if there is nothing to say.
    remarks
        Statements below the table.
    folded
        Whether it is shown on demand.
    """

    name: str
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]
    file_headings: Sequence[str] = ()
    file_rows: Sequence[Sequence[Any]] = ()
    note: str = ""
    remarks: Sequence[Statement] = ()
    folded: bool = False

    @property
    def cells(self) -> list[list[tuple[str, str]]]:
        """The cells as pairs of a text and a smaller one."""
        rows = []
        for row in self.rows:
            pairs = []
            for cell in row:
                pair = cell if isinstance(cell, tuple) else (str(cell), "")
                if cell is None:
                    pair = ("–", "")
                elif isinstance(cell, bool):
                    pair = ("yes" if cell else "no", "")
                elif isinstance(cell, float):
                    pair = (f"{cell:.4g}", "")
                # the sign of a bound or error stays with its number
                first, second = (re.sub(r"([≤≥±]) (?=[\d−-])", "\\1\u00a0", text) for text in pair)
                pairs.append((first, second))
            rows.append(pairs)
        return rows

    @property
    def uri(self) -> str:
        """The table as a file in CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.file_headings or self.headings)
        rows = self.file_rows or [
            ["; ".join(filter(None, cell)) if isinstance(cell, tuple) else cell for cell in row]
            for row in self.rows
        ]
        writer.writerows(rows)
        return data_uri(text.getvalue().encode(), "text/csv;charset=utf-8")


@dataclass(frozen=True)
class Picture:
    """A figure.

    Attributes
    ----------
    name
        Name of the figure, of its file and of its place in the page.
    title, caption
        Plain text.
    paper
        The figure of the published study with the same content, empty if there is none.
    uri
        Its file.
    suffix
        ``svg`` or ``png``.
    """

    name: str
    title: str
    caption: str
    paper: str
    uri: str
    suffix: str

    @property
    def alternative(self) -> str:
        """Text for those who do not see the figure: title and first sentence of the caption."""
        first, _, _ = self.caption.partition(". ")
        return f"{self.title}. {first}"


@dataclass(frozen=True)
class Section:
    """A section of the page; what is empty is left out.

    Attributes
    ----------
    anchor
        Its place in the page.
    title
        Its heading.
    text
        A paragraph below the heading.
    facts
        Pairs of a name and what is known.
    statements, tables, pictures
        Its content.
    code
        Name of a file, its text to copy, and its data URI.
    """

    anchor: str
    title: str
    text: str = ""
    facts: Sequence[tuple[str, str]] = ()
    statements: Sequence[Statement] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    code: tuple[str, str, str] | None = None

    @property
    def filled(self) -> bool:
        """True if the section has content."""
        return bool(self.text or self.facts or self.statements or self.tables or self.pictures or self.code)


def data_uri(content: bytes, media_type: str) -> str:
    """Return a file as a data URI: text escaped where it must be, everything else in base 64."""
    if media_type.startswith(("text/", "image/svg")):
        return f"data:{media_type},{quote(content, safe=_PLAIN)}"
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def smaller_svg(content: bytes) -> bytes:
    """Return an SVG of matplotlib with fewer bytes that looks the same: no unused names, and fewer digits.

    Positions have hundredths of a point, in a large figure tenths. What is scaled, as the outlines of letters,
    keeps its digits.
    """
    decimals = 2 if len(content) < _LARGE else 1

    def shorter(found: re.Match[str]) -> str:
        return f"{float(found[0]):.{decimals}f}".rstrip("0").rstrip(".")

    text = content.decode()
    text = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    head, *drawn = re.split(r"(?=<path |<use )", text)
    shortened = [part if "scale(0.0" in part else _DECIMALS.sub(shorter, part) for part in drawn]
    text = re.sub(r"\s*\n\s*", " ", head + "".join(shortened)).replace("> <", "><").strip()
    # pairs of numbers after a line are lines as well
    return _LINES.sub(lambda found: found[1] + found[2].replace("L ", ""), text).encode()


_DECIMALS = re.compile(r"(?<![\w.#-])-?\d+\.\d{3,}(?![\w.])")
_LINES = re.compile(r"([ML] )((?:-?[\d.]+ -?[\d.]+ L )+)")
