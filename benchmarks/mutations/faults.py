"""Faults, and the four places where they are planted in a stored validation.

A fault is a function with the decorator :func:`fault`. Its first argument is the ``kind`` that the table shows,
its second the ``name`` of the fault, and ``where`` says when it is called and with what:

``code``
    Before the analysis, with a :class:`Patch`. ``patch("aiida_cse.analysis.transitions", "exposure_of", new)``
    replaces a function or a constant until the analysis is over; ``patch.original`` is what it was. Replace the
    name in every module that imports it.
``state``
    Before the analysis, once for each run, with a copy of its
    :class:`~aiida_cse.reduction.state.State`, whose arrays may be changed in place or replaced (``state.tracks``,
    ``region_counts``, ``point_histograms``, ``streams``, ``snapshot_bins``, ``displacements``, ``centres``,
    ``edges``, ``config``: a frozen model, use ``state.config = state.config.model_copy(update={...})``).
``results``
    After the analysis and before the kinetics, once for each run, with a copy of its results:
    ``results["barrier"]`` and so on are dictionaries with the documented keys, the ion being ``li`` or ``tfsi``.
``kinetics``
    At the end, with a copy of the joint result of all runs, a dictionary.
``physics``
    Instead of the stored run at the highest temperature a new one is made, with other physics. The function gets a
    :class:`~benchmarks.mutations.trajectories.Physics` and returns another one (``dataclasses.replace``), while
    the checks expect the right one. Slow: some ten seconds each.

``state`` and ``results`` may have a second parameter ``temperature`` (K), and do nothing at others. Example::

    @fault("counts", "every 20th event is lost", where="state")
    def lose_events(state):
        track = state.tracks["core"]
        track.events = np.delete(track.events, np.s_[::20], axis=0)

Faults written by a person who has not read the checks are in ``benchmarks/mutations/blind.py``, which needs
nothing but ``from benchmarks.mutations.faults import Patch, fault`` and functions as above, at least one per kind
of :data:`KINDS`. ``python -m benchmarks.mutations --quick --only blind`` plants them alone.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

__all__ = ["FAULTS", "KINDS", "Fault", "FaultError", "Patch", "Where", "fault"]

Where = Literal["code", "state", "results", "kinetics", "physics"]

#: samples of the posterior of a barrier, fewer than in an analysis, so that a fault takes seconds
SAMPLES = 150
#: kinds of faults, each of which has at least four
KINDS = (
    "sides",
    "mirror",
    "counts",
    "exposure",
    "histograms",
    "displacements",
    "charges",
    "barriers",
    "kinetics",
    "temperature",
)


@dataclass(frozen=True)
class Fault:
    """A fault: its kind and name, where it is planted, the function that plants it, and the module it is from."""

    kind: str
    name: str
    where: Where
    plant: Callable[..., Any]
    module: str

    def apply(self, target: Any, temperature: float) -> Any:
        """Call the function with its target, and with the temperature if it takes one."""
        arguments = (target, temperature) if len(inspect.signature(self.plant).parameters) > 1 else (target,)
        try:
            return self.plant(*arguments)
        except Exception as error:
            raise FaultError(f"{self.name}: cannot be planted: {error!r}") from error


@dataclass
class Patch:
    """Replacements in modules, undone at the end."""

    _undo: list[tuple[Any, str, Any]] = field(default_factory=list)
    original: Any = None

    def __call__(self, module: str, name: str, replacement: Any) -> Any:
        """Replace an attribute and return what it was; ``name`` may be ``Class.method``."""
        owner: Any = importlib.import_module(module)
        *parts, last = name.split(".")
        for part in parts:
            owner = getattr(owner, part)
        self.original = inspect.getattr_static(owner, last)
        self._undo.append((owner, last, self.original))
        setattr(owner, last, replacement)
        return self.original

    def undo(self) -> None:
        """Restore everything in reverse order."""
        while self._undo:
            owner, name, original = self._undo.pop()
            setattr(owner, name, original)


#: all faults, in the order of their definition
FAULTS: list[Fault] = []


def fault(kind: str, name: str, *, where: Where) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as a fault.

    Raises
    ------
    ValueError
        The kind is none of :data:`KINDS`, or another fault has this name.
    """
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}: must be one of {', '.join(KINDS)}")
    if any(known.name == name for known in FAULTS):
        raise ValueError(f"name = {name!r}: another fault has it; choose a different one")

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        FAULTS.append(Fault(kind, name, where, function, function.__module__.rsplit(".", 1)[-1]))
        return function

    return register


class FaultError(Exception):
    """A fault cannot be planted: what it replaces is not there."""


@contextmanager
def patched(planted: Fault | None) -> Iterator[None]:
    """Apply a fault in code for the duration of an analysis, whose barriers have :data:`SAMPLES` samples."""
    patch = Patch()
    found = importlib.import_module("aiida_cse.analysis.barriers").find_barrier
    patch("aiida_cse.analysis.barriers", "find_barrier", partial(found, samples=SAMPLES))
    try:
        if planted is not None and planted.where == "code":
            try:
                planted.plant(patch)
            except Exception as error:
                raise FaultError(f"{planted.name}: cannot be planted: {error!r}") from error
        yield
    finally:
        patch.undo()
