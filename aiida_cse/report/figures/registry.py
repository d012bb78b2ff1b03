"""Registry of the figures: each is one function of :class:`~aiida_cse.report.findings.Findings`.

The decorator :func:`figure` registers a function with its name, title and caption, and returns the function that
users call: it takes a process, its PK, UUID or label, an analysed folder, or findings. Importing this module does
not import matplotlib.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache, wraps
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

from aiida_cse.report.findings import Findings
from aiida_cse.report.sources import open_findings
from aiida_cse.report.words import FormError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ENTRY_POINTS",
    "Attempt",
    "FigureKind",
    "NotDrawableError",
    "PublicFigure",
    "attempt",
    "figure",
    "figures",
    "of_runs",
]


#: group of the entry points by which other packages add figures
ENTRY_POINTS = "aiida_cse.figures"


class NotDrawableError(ValueError):
    """The findings do not hold what a figure shows; the message says what is missing."""


Draw = Callable[[Findings, float], "Figure"]
Caption = Callable[[Findings], str]


class PublicFigure(Protocol):
    """A figure as users call it."""

    def __call__(self, source: Any, *, width: float = 180.0, runs: Collection[str] | None = None) -> Figure:
        """Return the figure.

        Parameters
        ----------
        source
            A process, its PK, UUID or label, an analysed folder, or findings.
        width
            Width of the figure, mm.
        runs
            Labels of the runs to draw; None for all.

        Raises
        ------
        NotDrawableError
            The source does not hold what the figure shows.
        ValueError
            The source cannot be read, or has no such run.
        """


@dataclass(frozen=True)
class FigureKind:
    """A registered figure.

    Attributes
    ----------
    name
        Name for users, as ``free_energy``.
    title
        A few words.
    paper
        The figure of Kozdra et al. (2025) with the same content, as ``Fig. 9``; empty if there is none.
    draw
        Function of the findings and the width in mm; raises :class:`NotDrawableError`.
    caption
        Function of the findings: what is shown, how it was sampled, what intervals mean; plain text.
    suffix
        Preferred format on a page: ``svg``, or ``png`` for pictures.
    public
        The function that users call.
    """

    name: str
    title: str
    paper: str
    draw: Draw
    caption: Caption
    suffix: str
    public: PublicFigure


_registered: dict[str, FigureKind] = {}


def figure(
    name: str, *, title: str, caption: Caption, paper: str = "", suffix: str = "svg"
) -> Callable[[Draw], PublicFigure]:
    """Register the decorated function as a figure, see :class:`FigureKind`.

    Raises
    ------
    ValueError
        The name is taken.
    """

    def register(draw: Draw) -> PublicFigure:
        if name in _registered:
            raise ValueError(f"figure = {name!r}: registered twice; choose another name")

        @wraps(draw)
        def styled(findings: Findings, width: float) -> Figure:
            from aiida_cse.report.figures.style import in_style

            with in_style():
                return draw(findings, width)

        @wraps(draw)
        def public(source: Any, *, width: float = 180.0, runs: Collection[str] | None = None) -> Figure:
            return styled(of_runs(open_findings(source), runs), width)

        _registered[name] = FigureKind(name, title, paper, styled, caption, suffix, public)
        return public

    return register


def figures() -> Mapping[str, FigureKind]:
    """Return the registered figures by name: of this package, of installed packages, and of the caller.

    Those of this package are in the order of its modules, whichever of them was imported first.

    An installed package adds figures by an entry point of the group :data:`ENTRY_POINTS`, which names the module
    that registers them.
    """
    _import_modules()
    modules = {name: kind.draw.__module__ for name, kind in _registered.items()}
    own = {name: str(module).startswith(f"{__package__}.") for name, module in modules.items()}
    ordered = sorted(_registered, key=lambda name: (not own[name], modules[name] if own[name] else ""))
    return {name: _registered[name] for name in ordered}


@cache
def _import_modules() -> None:
    package = importlib.import_module(__package__ or "")
    for module in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{package.__name__}.{module}")
    for entry_point in entry_points(group=ENTRY_POINTS):
        entry_point.load()


@dataclass(frozen=True)
class Attempt:
    """The attempt to draw a figure.

    Attributes
    ----------
    kind
        The figure that was asked for.
    figure
        The drawn figure, None if it cannot be drawn.
    caption
        Its caption, empty without a figure.
    reason
        Why it cannot be drawn, empty if it is.
    """

    kind: FigureKind
    figure: Figure | None = None
    caption: str = ""
    reason: str = ""


def attempt(kind: FigureKind, findings: Findings, width: float) -> Attempt:
    """Draw a figure of a width in mm, or find out why it cannot be drawn.

    Results of other versions and other programs can have a form that a figure does not expect. The error is then
    the reason, and the remaining figures are still drawn.
    """
    try:
        return Attempt(kind, kind.draw(findings, width), kind.caption(findings))
    except (NotDrawableError, FormError) as error:
        return Attempt(kind, reason=str(error))
    except Exception as error:
        return Attempt(kind, reason=f"unexpected {type(error).__name__}: {error}")


def of_runs(findings: Findings, labels: Collection[str] | None) -> Findings:
    """Return the findings with these runs alone; all if ``labels`` is None.

    Raises
    ------
    ValueError
        There is no such run; names those that there are.
    """
    if labels is None:
        return findings
    unknown = sorted(set(labels) - set(findings.runs))
    if unknown:
        raise ValueError(f"run = {unknown[0]}: there is no such run; there are {', '.join(findings.runs)}")
    return replace(findings, runs={label: run for label, run in findings.runs.items() if label in labels})
