"""Results as objects for Python and notebooks: every number with its interval, unit and meaning.

:func:`open_results`, which is ``aiida_cse.results``, takes a process, its PK, UUID or label, or a folder::

    found = aiida_cse.results(PK)
    found.runs["T0700_r1"].populations.n_li_excess.interval
    found.kinetics.rate_0400K_per_s
    found.figure("free_energy")
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aiida_cse.analysis.comparison import COMPARISON
from aiida_cse.analysis.kinetics import KINETICS
from aiida_cse.analysis.registry import Documented, observables
from aiida_cse.analysis.shifts import SHIFTS
from aiida_cse.analysis.starts import STARTS
from aiida_cse.data.html import html_table, html_title
from aiida_cse.report.findings import Findings, RunFindings
from aiida_cse.report.results import value_beside
from aiida_cse.report.rows import View
from aiida_cse.report.sources import open_findings
from aiida_cse.report.view import view_of
from aiida_cse.report.words import number_words
from aiida_cse.schema import nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Result", "ResultSet", "RunResults", "Value", "open_results"]

#: parts of keys that hold what is known of a number
_OF_A_NUMBER = ("interval", "error", "lower_bound", "upper_bound")
#: longest list that is written out
_MOST_VALUES = 12


@dataclass(frozen=True)
class Value:
    """One entry of a result.

    Attributes
    ----------
    key
        Its key.
    value
        A number, a word, a list or an array; None if it is not known.
    unit
        Its unit, empty without one.
    meaning
        Its meaning.
    interval
        Ends of its two-sided interval, None without one.
    error
        Its standard error.
    lower_bound, upper_bound
        One-sided bounds.
    """

    key: str
    value: Any
    unit: str
    meaning: str
    interval: Any = None
    error: float | None = None
    lower_bound: float | None = None
    upper_bound: float | None = None

    @property
    def value_words(self) -> str:
        """The value, a number with the digits that its error allows; of a long list the number of values."""
        if self.value is None:
            return "not known"
        if isinstance(self.value, list) and len(self.value) > _MOST_VALUES:
            return f"{len(self.value)} values"
        return number_words(self.value, self.error) if isinstance(self.value, int | float) else str(self.value)

    @property
    def interval_words(self) -> str:
        """The interval as ``1.2 to 3.4``, empty without one and for an array."""
        if self.interval is None or not isinstance(self.value, int | float):
            return ""
        return " to ".join("unknown" if end is None else number_words(end, self.error) for end in self.interval)

    def __repr__(self) -> str:
        parts = [f"{self.value_words} {self.unit}".rstrip(), self.interval_words]
        # those of an array are arrays
        known = (
            ()
            if isinstance(self.value, list)
            else (
                "" if self.error is None else f"± {number_words(self.error, self.error)}",
                "" if self.lower_bound is None else f"≥ {number_words(self.lower_bound)}",
                "" if self.upper_bound is None else f"≤ {number_words(self.upper_bound)}",
            )
        )
        return f"<{self.key} = {'; '.join(part for part in (*parts, *known) if part)}>"


class Result:
    """One result: its entries are attributes, each a :class:`Value`.

    Parameters
    ----------
    documented
        Documentation of the keys.
    values
        The values by key; arrays may be missing.
    load_arrays
        Returns all values with arrays, read on first use.
    """

    def __init__(
        self,
        documented: Documented,
        values: Mapping[str, Any],
        load_arrays: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self._documented, self._scalars, self._load_arrays = documented, values, load_arrays

    @cached_property
    def _values(self) -> Mapping[str, Any]:
        return self._scalars if self._load_arrays is None else self._load_arrays()

    def __getattr__(self, key: str) -> Value:
        if key.startswith("_"):
            raise AttributeError(key)
        try:
            return self[key]
        except KeyError as error:
            raise AttributeError(str(error.args[0])) from error

    def __getitem__(self, key: str) -> Value:
        """Return an entry by its key."""
        values = self._scalars if key in self._scalars else self._values
        if key not in values:
            raise KeyError(f"{self._documented.name}.{key}: there is no such entry; {nearest(key, values)}")
        unit, meaning = self._documented.documentation([key])[key]
        known = {part: value_beside(values, key, part) for part in _OF_A_NUMBER}
        return Value(key, values[key], unit, meaning, **known)

    def __iter__(self) -> Iterator[str]:
        """Yield the keys that are known without reading arrays."""
        return iter(self._scalars)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def __repr__(self) -> str:
        return f"<{self._documented.name}: {len(self._scalars)} entries; {self._documented.description}>"

    def _repr_html_(self) -> str:
        rows = []
        for key in self:
            one = self[key]
            if not isinstance(one.value, list | dict) and not key.endswith(_OF_A_NUMBER):
                rows.append((key, one.value_words, one.unit, one.interval_words, one.meaning))
        headings = ("key", "value", "unit", "interval", "meaning")
        return html_title(self._documented.name) + html_table(rows, headings, numbers=(1,))


class RunResults:
    """The results of one run: its observables are attributes, each a :class:`Result`.

    Parameters
    ----------
    findings
        The findings of the run.
    """

    def __init__(self, findings: RunFindings) -> None:
        self.label, self.temperature = findings.label, findings.temperature
        self.equilibrated, self.missing = findings.equilibrated, findings.missing
        self._findings = findings

    def __getattr__(self, name: str) -> Result:
        run = self.__dict__.get("_findings")
        if run is None or name.startswith("_"):
            raise AttributeError(name)
        if name not in run.scalars:
            reason = run.missing.get(name) or nearest(name, run.scalars)
            raise AttributeError(f"{run.label}.{name}: there is no such result; {reason}")
        return Result(observables()[name], run.scalars[name], lambda: run.results.observables[name].values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._findings.scalars]

    def __repr__(self) -> str:
        verdict = {True: "equilibrated", False: "not equilibrated", None: "no verdict"}[self.equilibrated]
        return f"<run {self.label}, {self.temperature:g} K, {verdict}: {', '.join(self._findings.scalars)}>"


class _Runs(dict[str, RunResults]):
    """Runs by label; an unknown label is answered with those that there are."""

    def __missing__(self, label: str) -> RunResults:
        raise KeyError(f"runs: there is no run {label!r}; there are {', '.join(self) or 'none'}")


class ResultSet:
    """All results of a process or of an analysed folder.

    Parameters
    ----------
    findings
        The findings.

    Attributes
    ----------
    runs
        The runs by label, the hottest first.
    kinetics, shifts, comparison
        Results over all runs; None without them.
    starts
        By temperature, as ``T0700``, the judgement of runs with different starts.
    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.runs = _Runs({label: RunResults(run) for label, run in findings.runs.items()})
        joint = ((KINETICS, findings.kinetics), (SHIFTS, findings.shifts), (COMPARISON, findings.comparison))
        self.kinetics, self.shifts, self.comparison = (
            None if found is None else Result(documented, found.values) for documented, found in joint
        )
        self.starts = {label: Result(STARTS, found.values) for label, found in findings.starts.items()}

    @cached_property
    def view(self) -> View:
        """The rows that ``aiida-cse show`` prints."""
        return view_of(self.findings)

    def figure(self, name: str, *, width: float = 180.0, runs: Collection[str] | None = None) -> Figure:
        """Return a figure by its name.

        Parameters
        ----------
        name
            One of those that :func:`aiida_cse.report.figures.figures` returns.
        width
            Width, mm.
        runs
            Labels of the runs to draw; None for all.

        Raises
        ------
        ValueError
            There is no such figure or run, or the results do not hold what the figure shows.
        """
        from aiida_cse.report.figures import figures

        if name not in figures():
            raise ValueError(f"figure = {name!r}: there is no such figure; there are {', '.join(figures())}")
        return figures()[name].public(self.findings, width=width, runs=runs)

    def __repr__(self) -> str:
        return f"<results of {self.view.title}: {', '.join(self.runs) or 'no run'}>"

    def _repr_html_(self) -> str:
        html = html_title(self.view.title) + html_table(self.view.facts)
        for section in self.view.sections:
            html += html_title(section.title, section.note)
            if section.headings:
                rows: list[tuple[str, ...]] = []
                for row in section.rows:
                    if row.cells is not None:
                        cells = [
                            "" if one is None else number_words(one) if isinstance(one, int | float) else str(one)
                            for one in row.cells.values()
                        ]
                        rows.append((row.run, row.name, *cells, row.mark))
                headings = ("run or part", "", *section.headings, "")
                html += html_table(rows, headings, range(2, len(headings) - 1))
            else:
                rows = []
                for row in section.rows:
                    words = (row.text if row.mark else f"{row.name}: {row.text}", "", "")
                    if row.quantity is not None:
                        value = "" if row.value_words == row.mark else row.value_words
                        words = (row.title, value, row.interval_words)
                    rows.append((row.mark, row.run, *words))
                html += html_table(rows, numbers=(3,))
        return html


def open_results(source: Any) -> ResultSet:
    """Return the results of a process, of its PK, UUID or label, or of an analysed folder.

    Raises
    ------
    ValueError
        There is no such process or folder, or it has no results.
    """
    return ResultSet(open_findings(source))
