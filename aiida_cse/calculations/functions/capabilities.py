"""Capabilities of a LAMMPS program, from its examination with one process and with two."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import calcfunction

__all__ = ["CAPABILITIES", "capabilities"]

#: keys of the node and their content
CAPABILITIES = {
    "lammps_version": "Version of LAMMPS, as `lmp -h` prints it",
    "packages": "Packages with which it was built",
    "missing": "Styles that it lacks: `command`, `style`, `package` (null if unknown) and `uses`",
    "failed": "Runs that failed although no style was missing: `run`, `uses` and `error`",
    "ranks": "Numbers of MPI ranks, out of 1 and 2, with which it ran",
    "ranks_error": "Why it did not run with two ranks; null if it did",
    "accelerators": "Accelerators that ran, by name",
    "accelerator_errors": "Why each of the others did not run",
    "examination": "Checksum of the scripts of the examination",
}


@calcfunction
def capabilities(examination: orm.Str, one: orm.Dict, two: orm.Dict | None = None) -> orm.Dict:
    """Return the capabilities of a LAMMPS program; see `CAPABILITIES` for the keys.

    :param examination: checksum of what was run.
    :param one: results of the examination with one process.
    :param two: results of the examination with two processes; none if that job failed.
    """
    return orm.Dict(_combined(examination.value, one.get_dict(), {} if two is None else two.get_dict()))


def _combined(examination: str, one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    runs: dict[str, dict[str, Any]] = one["runs"]
    unknown = {use for entry in one["missing"] for use in entry["uses"]}
    accelerators = {name: run for name, run in runs.items() if run["uses"] == "accelerator"}
    # two processes that do not know of each other also complete a run
    parallel = [run for run in two.get("runs", {}).values() if run["complete"]]
    seen = two.get("ranks")
    if parallel and seen == 2:
        ranks_error = None
    elif parallel:
        ranks_error = (
            f"started with 2 ranks, LAMMPS ran {seen or 1} in each process: it has another MPI than mpirun"
        )
    else:
        errors = (run["error"] for run in two.get("runs", {}).values() if run["error"])
        ranks_error = next(errors, two.get("error")) or "the job with 2 ranks failed"
    return {
        "lammps_version": one["lammps_version"],
        "packages": one["packages"],
        "missing": one["missing"],
        "failed": [
            {"run": name, "uses": run["uses"], "error": run["error"]}
            for name, run in runs.items()
            if not run["complete"] and name not in accelerators and run["uses"] not in unknown
        ],
        "ranks": [1, 2] if ranks_error is None else [1],
        "ranks_error": ranks_error,
        "accelerators": [name for name, run in accelerators.items() if run["complete"]],
        "accelerator_errors": {name: run["error"] for name, run in accelerators.items() if not run["complete"]},
        "examination": examination,
    }
