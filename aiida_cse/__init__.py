"""Interfaces of composite solid electrolytes, from a recipe to hopping rates, on AiiDA and LAMMPS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida_cse.version import __version__

if TYPE_CHECKING:
    from aiida_cse.report.objects import ResultSet

__all__ = ["__version__", "results"]


def results(source: Any) -> ResultSet:
    """Return the results of a process, of its PK, UUID or label, or of a folder of ``aiida-cse analyse``.

    Every number has its value, interval, unit and meaning; see :mod:`aiida_cse.report.objects`. A process needs a
    loaded profile.

    Raises
    ------
    ValueError
        There is no such process or folder, or it has no results.
    """
    from aiida_cse.report.objects import open_results

    return open_results(source)
