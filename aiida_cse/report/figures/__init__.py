"""Figures of the results, one module per family: ``aiida_cse.report.figures.NAME(source)`` draws one.

Each takes a process, its PK, UUID or label, an analysed folder, or findings, and returns a matplotlib Figure; see
:class:`~aiida_cse.report.figures.registry.PublicFigure`. :func:`~aiida_cse.report.figures.registry.figures` lists
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_cse.report.figures.registry import FigureKind, NotDrawableError, figures

if TYPE_CHECKING:
    from aiida_cse.report.figures.registry import PublicFigure

__all__ = ["FigureKind", "NotDrawableError", "figures"]


def __getattr__(name: str) -> PublicFigure:
    """Return the figure of this name; importing the package alone does not import matplotlib."""
    kind = None if name.startswith("_") else figures().get(name)
    if kind is None:
        raise AttributeError(f"module {__name__!r} has no figure {name!r}; there are {', '.join(figures())}")
    return kind.public


def __dir__() -> list[str]:
    return [*__all__, *figures()]
