"""pandas DataFrames of the studies and of the runs of a profile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from aiida_cse.query.rows import RunRow, StudyRow, read_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["record_of_run", "record_of_study", "runs", "studies"]

#: pandas types of columns with values that can be missing
_DTYPES = {"equilibrated": "boolean", "exit_status": "Int64"}


def studies() -> pd.DataFrame:
    """Return the studies of the loaded profile as a table, the newest first.

    One row is a process that no process of this plugin called: a study, quench, validation, production, reanalysis
    or imported run. Units stand in the names of the columns; times are in UTC. The columns are:

    * the attributes of :class:`~aiida_cse.query.rows.StudyRow`;
    * of its runs, the lowest and the highest EC (``ec_min``, ``ec_max``), the lowest bound of EC
      (``ec_lower_bound_min``), and the ends of excess and barrier (``n_excess_min``, …, ``barrier_max_K``) of the
      ion that decides the verdict, ``ion``;
    * the numbers of the joint kinetics, as ``rate_0400K_per_s`` with its interval, ``rate_0400K_low_per_s`` and
      ``rate_0400K_high_per_s``.
    """
    return _frame(StudyRow, map(record_of_study, read_rows()), ("rows", "quantities"), _RANGES)


def runs() -> pd.DataFrame:
    """Return the runs of the loaded profile as a table, those of the newest process first.

    One row is a production at one temperature, or an analysis, of the process ``pk`` in :func:`studies`. The
    columns are the attributes of :class:`~aiida_cse.query.rows.RunRow`, ``label`` and ``recipe`` of the process,
    and further numbers by their keys in the results, as ``n_li_excess``, ``barrier_li_K`` or
    ``rate_in_li_ceramic_per_ion_per_s``. Their intervals are two columns, as ``barrier_li_low_K`` and
    ``barrier_li_high_K``. The numbers of an unfinished run are those of its last look.
    """
    records = (record_of_run(study, run) for study in read_rows() for run in study.rows)
    return _frame(RunRow, records, ("quantities",), ("label", "recipe"))


#: columns over the runs of a study
_RANGES = (
    "ion",
    "ec_min",
    "ec_max",
    "ec_lower_bound_min",
    "n_excess_min",
    "n_excess_max",
    "barrier_min_K",
    "barrier_max_K",
)


def record_of_study(study: StudyRow) -> dict[str, Any]:
    """Return the columns of a study, see :func:`studies`."""
    record = {
        one.name: getattr(study, one.name) for one in fields(study) if one.name not in ("rows", "quantities")
    }
    ec, bound = _ends(run.ec for run in study.rows), _ends(run.ec_lower_bound for run in study.rows)
    excess = _ends(run.of_ion("n_{}_excess") for run in study.rows)
    barrier = _ends(run.of_ion("barrier_{}_K") for run in study.rows)
    ion = next((run.ion for run in study.rows if run.ion), "")
    return (
        record | dict(zip(_RANGES, (ion, *ec, bound[0], *excess, *barrier), strict=True)) | dict(study.quantities)
    )


def record_of_run(study: StudyRow, run: RunRow) -> dict[str, Any]:
    """Return the columns of a run, see :func:`runs`."""
    record = {one.name: getattr(run, one.name) for one in fields(run) if one.name != "quantities"}
    return record | {"label": study.label, "recipe": study.recipe} | dict(run.quantities)


def _ends(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """Return the smallest and the largest of values; None without one."""
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else (None, None)


def _frame(
    row: type, records: Iterable[dict[str, Any]], without: Sequence[str], further: Sequence[str]
) -> pd.DataFrame:
    """Return records as a table: the attributes of ``row``, the ``further`` columns, then all other keys."""
    import pandas as pd

    columns = [one.name for one in fields(row) if one.name not in without]
    listed = list(records)
    more = dict.fromkeys(key for record in listed for key in record)
    frame = pd.DataFrame(listed, columns=list(dict.fromkeys((*columns, *further, *more))))
    numbers = [name for name in frame if name not in _DTYPES and frame[name].isna().all() and name in more]
    return frame.astype(dict.fromkeys(numbers, "float64") | {k: v for k, v in _DTYPES.items() if k in frame})
