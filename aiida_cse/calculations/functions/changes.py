"""What was changed while a run was going on, gathered with what became of it."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import calcfunction

__all__ = ["FROM_RESULTS", "join_changes", "list_changes"]

#: what the results of the changed job add to a change
FROM_RESULTS = {"from_step": "first_step", "restart_file": "restart_file", "reached_step": "step"}


@calcfunction
def list_changes(changes: orm.List, **results: orm.Dict) -> orm.List:
    """Return the changes, each with the step from which it held and the step to which it led.

    A change has `job` (the label of the first job that was changed), `change`, `words`, `exit_status` and `reason`
    (of the job before, which made it necessary), `exact` (whether the run is still the one without the change),
    `until_step` (None: no end), and of its job `from_step`, `restart_file` and `reached_step`.

    :param changes: what the restart chain decided, in order.
    :param results: the `results` of the jobs by their labels, as far as they left any.
    """
    found = []
    for change in changes.get_list():
        job: dict[str, Any] = results[change["job"]].get_dict() if change["job"] in results else {}
        found.append(change | {key: job.get(name) for key, name in FROM_RESULTS.items()})
    return orm.List(found)


@calcfunction
def join_changes(**runs: orm.List) -> orm.List:
    """Return the changes of several runs, in their order; each says of which `run` it is.

    :param runs: the `changes` of the runs by their labels.
    """
    return orm.List(
        [{"run": label} | change for label, changes in sorted(runs.items()) for change in changes.get_list()]
    )
