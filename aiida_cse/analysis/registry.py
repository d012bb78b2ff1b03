"""Registry of the observables of a production, and the form of their results.

An observable is one function of a :class:`~aiida_cse.analysis.production.ReducedProduction` in a module of this
package. The decorator :func:`observable` registers it with its name, the kind of its node, what the reduction must
hold for it, and its keys with their units. :func:`observables` imports the modules of the package and returns what
they registered; WorkChains, tables and the reference loop over them. Besides its module, an observable has a
calculation function in :mod:`aiida_cse.calculations.functions.analysis` and that function's entry point. Importing
this module alone is cheap.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from aiida_cse.analysis.production import ReducedProduction
    from aiida_cse.analysis.settings import AnalysisSettings
    from aiida_cse.reduction.config import ReductionConfig
    from aiida_cse.reduction.state import State

__all__ = [
    "Documented",
    "Keys",
    "Need",
    "Observable",
    "Quantity",
    "analyse",
    "analyse_separately",
    "finite_or_none",
    "finite_range_or_none",
    "ion_name",
    "ions_in",
    "observable",
    "observables",
]

#: keys of a result, each with its unit (empty for a number without one) and its meaning
Keys = Mapping[str, tuple[str, str]]
#: the quantities that views show, from a result, which may be of an earlier version
Rows = Callable[[Mapping[str, Any]], "Iterable[Quantity]"]
Function = TypeVar("Function", bound="Callable[[ReducedProduction], dict[str, Any]]")

#: placeholders in documented keys, and the pattern of what they stand for
PLACEHOLDERS = {
    "<ion>": "[a-z][a-z0-9]*",
    "<region>": "(bulk_left|layer_left|ceramic|layer_right|bulk_right|layer|bulk|excess)",
    "<exchange>": "(ceramic|layer)",
    "<side>": "(left|right)",
    "<layer>": "[A-Za-z][A-Za-z0-9_]*",
    "<axis>": "(x|y|z)",
    "<run>": "(hot|cold)",
    "<T>": "[0-9]{4}",
    "<label>": "[A-Za-z0-9]+",
}


@dataclass(frozen=True)
class Documented:
    """A result node, or a record in one, with its documentation.

    Attributes
    ----------
    name
        Name of the result.
    description
        Its content, in Markdown.
    keys
        Its keys with :data:`PLACEHOLDERS`, each with unit and meaning.
    """

    name: str
    description: str
    keys: Keys

    def mismatches(self, written: Collection[str]) -> list[str]:
        """Return the written keys that are not documented and the documented ones that are not written."""
        patterns = self._patterns()
        undocumented = [key for key in written if not any(one.fullmatch(key) for one in patterns.values())]
        absent = [key for key, one in patterns.items() if not any(map(one.fullmatch, written))]
        return [f"{key}: not documented" for key in undocumented] + [f"{key}: not written" for key in absent]

    def documentation(self, written: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return unit and meaning of each written key, both empty for one that is not documented."""
        patterns = self._patterns()
        found = {}
        for key in written:
            match = next((name for name, one in patterns.items() if one.fullmatch(key)), None)
            found[key] = ("", "") if match is None else self.keys[match]
        return found

    def _patterns(self) -> dict[str, re.Pattern[str]]:
        """Return the documented keys, each with the pattern of the keys that it stands for."""
        patterns = {}
        for key in self.keys:
            pattern = re.escape(key)
            for placeholder, meaning in PLACEHOLDERS.items():
                pattern = pattern.replace(re.escape(placeholder), meaning)
            patterns[key] = re.compile(pattern)
        return patterns


@dataclass(frozen=True)
class Need:
    """A condition that a reduction must meet for an observable to be available.

    Attributes
    ----------
    words
        Content that the reduction must have, as a noun phrase.
    met
        Whether a reduction of this configuration has it.
    """

    words: str
    met: Callable[[ReductionConfig], bool]


@dataclass(frozen=True)
class Observable(Documented):
    """A registered observable.

    Attributes
    ----------
    kind
        Class of its node: ``Dict``, or ``ArrayData`` with the scalars as attributes.
    summary
        One sentence: the help of the output port.
    compute
        The function.
    calculation
        Entry point of the calculation function that makes its node.
    need
        Content that the reduction must have; None if every reduction is sufficient.
    rows
        The quantities that views show; None if figures show the result alone.
    section
        Heading under which views show them.
    """

    kind: Literal["Dict", "ArrayData"]
    summary: str
    compute: Callable[[ReducedProduction], dict[str, Any]]
    calculation: str
    need: Need | None
    rows: Rows | None
    section: str

    def available(self, config: ReductionConfig) -> bool:
        """Whether a reduction of this configuration holds what the observable needs."""
        return self.need is None or self.need.met(config)


_registered: dict[str, Observable] = {}


def observable(
    name: str,
    *,
    kind: Literal["Dict", "ArrayData"],
    summary: str,
    keys: Keys,
    description: str = "",
    calculation: str | None = None,
    need: Need | None = None,
    rows: Rows | None = None,
    section: str = "Further results",
) -> Callable[[Function], Function]:
    """Register the decorated function as an observable.

    Parameters
    ----------
    name
        Name of the result in the outputs of WorkChains: a stored name.
    kind, summary, keys, need, rows, section
        See :class:`Observable`.
    description
        The summary by default.
    calculation
        ``cse.<name>`` by default.

    Raises
    ------
    ValueError
        The name is taken.
    """

    def register(function: Function) -> Function:
        if name in _registered:
            raise ValueError(f"observable = {name!r}: registered twice; choose another name")
        entry_point = calculation or f"cse.{name}"
        _registered[name] = Observable(
            name, description or summary, keys, kind, summary, function, entry_point, need, rows, section
        )
        return function

    return register


@cache
def observables() -> Mapping[str, Observable]:
    """Return all observables by name, in alphabetical order; imports the modules of the package."""
    package = importlib.import_module("aiida_cse.analysis")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return dict(sorted(_registered.items()))


def analyse(
    state: State, temperature: float | None = None, settings: AnalysisSettings | None = None
) -> dict[str, dict[str, Any]]:
    """Compute every observable that a reduction allows.

    Parameters
    ----------
    state
        The reduced production.
    temperature
        K; None for that of the reduction.
    settings
        Time range, resolution and criteria of the verdict.

    Returns
    -------
    dict
        The results by the names of the observables.

    Raises
    ------
    ValueError
        The temperature is unknown or not that of the reduction, ``start_ns`` leaves nothing to analyse, the
        reduction does not resolve what the settings ask for, or an observable has no answer.
    """
    from aiida_cse.analysis.production import ReducedProduction
    from aiida_cse.analysis.settings import AnalysisSettings

    production = ReducedProduction(state, temperature, settings or AnalysisSettings())
    return {name: one.compute(production) for name, one in observables().items() if one.available(state.config)}


def analyse_separately(production: ReducedProduction) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Compute every observable; one without an answer does not stop the others.

    Returns
    -------
    found
        The results by the names of the observables.
    missing
        For each other observable the reason why there is no result.
    """
    found: dict[str, dict[str, Any]] = {}
    missing: dict[str, str] = {}
    for name, one in observables().items():
        if not one.available(production.reduction.config):
            assert one.need is not None
            missing[name] = f"the reduction has no {one.need.words}"
            continue
        try:
            found[name] = one.compute(production)
        except ValueError as error:
            missing[name] = str(error)
    return found, missing


# -- quantities, as views show them --------------------------------------------------------------------------


@dataclass(frozen=True)
class Quantity:
    """A number of a result with what is known of it.

    Attributes
    ----------
    name
        In words.
    key
        Its key in the result.
    value
        None if it is not known.
    unit
        Its unit, empty without one.
    interval
        Ends of its two-sided interval; None for an end that is not known.
    error
        Its standard error.
    lower, upper
        One-sided bounds.
    reason
        Why there is no value, or no interval.
    note
        What else belongs to it.
    """

    name: str
    key: str
    value: float | None
    unit: str = ""
    interval: tuple[float | None, float | None] | None = None
    error: float | None = None
    lower: float | None = None
    upper: float | None = None
    reason: str = ""
    note: str = ""

    @classmethod
    def of(
        cls, found: Mapping[str, Any], name: str, key: str, unit: str = "", *, reason: str = "", note: str = ""
    ) -> Quantity:
        """Return the number of a key, with its interval, error and bounds as far as the result has them.

        Parameters
        ----------
        found
            The result.
        key
            The key, with {} where ``_interval``, ``_error``, ``_lower_bound`` and ``_upper_bound`` stand in those
            of the others.
        reason
            Why there is no value or no interval; kept only if one of them is missing.
        """
        numbers = [found.get(key.format(part)) for part in ("", "_error", "_lower_bound", "_upper_bound")]
        ends = found.get(key.format("_interval"))
        pair = tuple(ends) if isinstance(ends, list | tuple) and len(ends) == 2 else ()
        value, error, lower, upper, low, high = (
            one if isinstance(one, int | float) and math.isfinite(one) else None
            for one in (*numbers, *(pair or (None, None)))
        )
        interval = (low, high) if pair else None
        if key.format("") not in found:
            reason = "results of its version do not have it"
        elif value is not None and not (interval is None and error is None):
            reason = ""
        return cls(name, key.format(""), value, unit, interval, error, lower, upper, reason, note)


def ions_in(found: Iterable[str], key: str) -> list[str]:
    """Return the ions of the keys of a result that are like ``key``, where ``<ion>`` stands for the ion."""
    pattern = re.compile(re.escape(key).replace("<ion>", f"(?P<ion>{PLACEHOLDERS['<ion>']})"))
    return [match["ion"] for match in map(pattern.fullmatch, found) if match]


def ion_name(key: str) -> str:
    """Return the name of an ion from that in keys: Li, but TFSI."""
    return key.capitalize() if len(key) <= 2 else key.upper()


# -- numbers as a node can hold them -------------------------------------------------------------------------


def finite_or_none(value: float) -> float | None:
    """Return ``value``, None if it is not finite: JSON has neither NaN nor infinity."""
    return float(value) if math.isfinite(value) else None


def finite_range_or_none(ends: Sequence[float]) -> list[float] | None:
    """Return the ends of an interval, None if one of them is not finite."""
    return [float(end) for end in ends] if all(map(math.isfinite, ends)) else None
