"""Speeds of a LAMMPS code on one system, from the jobs of a calibration."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import calcfunction

__all__ = ["tabulate_speeds"]


@calcfunction
def tabulate_speeds(choices: orm.List, timestep_fs: orm.Float, **results: orm.Dict) -> orm.Dict:
    """Tabulate the speeds of a calibration: `rows`, and `fastest` and `fastest_exact`, their numbers from 0.

    Each row has `ranks`, `threads`, `accelerator`, `gpus`, `exact`, `steps`, `seconds`, `ns_per_day` and
    `efficiency`, the speed over that of the first row divided by the ratio of the cores. The last four are null if
    the job failed.

    :param choices: what each job used, in order.
    :param timestep_fs: of the runs, fs.
    :param results: those of the jobs that finished, `run_00` for the first choice.
    """
    rows: list[dict[str, Any]] = []
    for number, choice in enumerate(choices.get_list()):
        node = results.get(f"run_{number:02d}")
        stages = [] if node is None else node["stages"]
        steps = sum(stage["step"] - stage["first_step"] for stage in stages)
        seconds = sum(stage["wall_seconds"] or 0.0 for stage in stages)
        rate = steps / seconds if seconds > 0 and steps > 0 else None
        day = None if rate is None else rate * timestep_fs.value * 1e-6 * 86400
        timed: dict[str, Any] = {"steps": steps, "seconds": seconds, "ns_per_day": day}
        rows.append(dict(choice) | (timed if rate is not None else dict.fromkeys(timed)))
    first = rows[0]
    for row in rows:
        cores = row["ranks"] * row["threads"] / (first["ranks"] * first["threads"])
        speed, single = row["ns_per_day"], first["ns_per_day"]
        row["efficiency"] = None if speed is None or single is None else speed / single / cores
    return orm.Dict({"rows": rows, "fastest": _fastest(rows), "fastest_exact": _fastest(rows, exact=True)})


def _fastest(rows: list[dict[str, Any]], *, exact: bool = False) -> int | None:
    """Return the number of the fastest row, of those that reproduce a run exactly if asked for."""
    found = [n for n, row in enumerate(rows) if row["ns_per_day"] is not None and (row["exact"] or not exact)]
    return max(found, key=lambda n: float(rows[n]["ns_per_day"]), default=None)
