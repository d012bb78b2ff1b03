"""Style of all figures: sizes in mm, colours that colour-blind readers and grey printers tell apart, files."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from aiida_cse.report.whole_files import write_whole

__all__ = [
    "DOUBLE",
    "METADATA",
    "ROLES",
    "SINGLE",
    "SPECIES",
    "in_style",
    "label_panels",
    "new_figure",
    "new_mosaic",
    "proxy",
    "render",
    "save",
    "temperature_style",
]

#: widths of one and of two columns of a journal, mm
SINGLE, DOUBLE = 85.0, 180.0
_MM = 1 / 25.4

#: by format what is left out of the file, so that equal figures give equal files
METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
_SVG_ID = re.compile(rb'(?<= id=")|(?<=href="#)|(?<=url\(#)')

#: size of a PNG, as on a page, above which its colours are reduced
_MOST_BYTES = 250_000

#: colours of Okabe and Ito by what they stand for; also told apart by line style or marker wherever they meet
ROLES = {
    "found": "#0072B2",
    "known": "#000000",
    "predicted": "#D55E00",
    "left": "#0072B2",
    "right": "#D55E00",
    "entries": "#009E73",
    "exits": "#CC79A7",
    "limit": "#7F7F7F",
    "region": "#E8E8E8",
}
#: colours of Okabe and Ito of the species, everywhere the same
SPECIES = {
    "cation": "#D55E00",
    "anion": "#0072B2",
    "framework": "#7F7F7F",
    "oxide": "#C4C4C4",
    "polymer": "#E6B34D",
}
#: from dark to light with equal steps of lightness, so that the order survives in grey; cold is dark
_SEQUENCE = ("#0B2A4A", "#2B5F8A", "#8A6FA8", "#D2688A", "#F0A24C")
Mosaic = tuple[Figure, dict[str, Axes]]
_MARKERS = ("o", "s", "^", "D", "v")

_STYLE: Any = {
    "font.size": 8,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "errorbar.capsize": 2,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.unicode_minus": True,
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}


def in_style() -> AbstractContextManager[None]:
    """Return a context in which everything drawn has this style, also lines added to axes that exist."""
    return mpl.rc_context(_STYLE)


def new_figure(
    width: float,
    height: float,
    rows: int = 1,
    columns: int = 1,
    *,
    share_x: bool | Literal["row", "col", "all"] = False,
    share_y: bool | Literal["row", "col", "all"] = False,
    height_ratios: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """Return a new figure of a width and height in mm with its axes, row by row."""
    figure = Figure(figsize=(width * _MM, height * _MM), layout="constrained")
    grid = figure.subplots(
        rows, columns, squeeze=False, sharex=share_x, sharey=share_y, height_ratios=height_ratios
    )
    return figure, list(grid.flat)


def new_mosaic(width: float, height: float, layout: Sequence[Sequence[str]], **options: Any) -> Mosaic:
    """Return a new figure of a width and height in mm with the axes of a layout by their names.

    Parameters
    ----------
    layout
        Rows of names; a name that is repeated spans several cells.
    options
        Of :meth:`matplotlib.figure.Figure.subplot_mosaic`.
    """
    figure = Figure(figsize=(width * _MM, height * _MM), layout="constrained")
    return figure, figure.subplot_mosaic([list(row) for row in layout], **options)


def temperature_style(temperature: float, temperatures: Sequence[float]) -> dict[str, Any]:
    """Return colour and marker of a temperature among all those of a figure."""
    ordered = sorted(set(temperatures))
    place = ordered.index(temperature)
    index = 0 if len(ordered) == 1 else round(place * (len(_SEQUENCE) - 1) / (len(ordered) - 1))
    return {"color": _SEQUENCE[index], "marker": _MARKERS[place % len(_MARKERS)]}


def label_panels(axes: Sequence[Axes]) -> None:
    """Write (a), (b), … above the upper left corner of each panel."""
    for number, one in enumerate(axes):
        one.set_title(f"({chr(ord('a') + number)})", loc="left", fontsize=8, fontweight="bold")


def save(figure: Figure, path: Path, *, name: str) -> Path:
    """Write a figure as PDF, PNG or SVG, by the suffix of the path; equal figures give equal files.

    Parameters
    ----------
    name
        Distinguishes the ids in an SVG from those of other figures on the same page.

    Raises
    ------
    ValueError
        The suffix is not that of a known format.
    """
    return write_whole(path, render(figure, path.suffix.lower().removeprefix("."), name=name))


def render(figure: Figure, suffix: str, *, name: str, dpi: float = 300) -> bytes:
    """Return a figure as the content of a file; equal figures give equal content.

    Parameters
    ----------
    suffix
        ``pdf``, ``png`` or ``svg``.
    name
        Distinguishes the ids in an SVG from those of other figures on the same page.
    dpi
        Resolution of a PNG and of pictures within the other formats.

    Raises
    ------
    ValueError
        The suffix is not that of a known format.
    """
    if suffix not in METADATA:
        raise ValueError(f"suffix = {suffix!r}: no format of figures; must be one of {', '.join(METADATA)}")
    salt = hashlib.sha256(name.encode()).hexdigest()[:12]
    style: Any = {**_STYLE, "svg.hashsalt": salt}
    content = io.BytesIO()
    with mpl.rc_context(style):
        figure.savefig(content, format=suffix, dpi=dpi, metadata=METADATA[suffix])
        if suffix == "png":
            return _reduced(content, figure, dpi)
    if suffix != "svg":
        return content.getvalue()
    # matplotlib counts the parts of each figure from 1 and names glyphs by their font
    return _SVG_ID.sub(lambda found: found[0] + f"{name}-".encode(), content.getvalue())


def _reduced(content: io.BytesIO, figure: Figure, dpi: float) -> bytes:
    """Return a PNG; one above :data:`_MOST_BYTES` with 256 colours and, as far as needed, in lower resolution."""
    for share in (1.0, 0.8, 0.65, 0.5):
        if len(content.getbuffer()) <= _MOST_BYTES:
            break
        if share < 1:
            content = io.BytesIO()
            figure.savefig(content, format="png", dpi=share * dpi, metadata=METADATA["png"])
        with Image.open(content) as picture:
            resolution = picture.info["dpi"]
            colours = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        content = io.BytesIO()
        colours.save(content, format="png", optimize=True, dpi=resolution)
    return content.getvalue()


def proxy(label: str, **style: Any) -> Line2D:
    """Return an entry for a legend that stands for no drawn line."""
    return Line2D([], [], label=label, **style)
