"""The profile of the bench, its small system, and the run that nothing happens to."""

from __future__ import annotations

from pathlib import Path

from aiida import orm
from aiida.common.log import configure_logging

from aiida_cse.cli.engine import run_embedded
from aiida_cse.cli.environment import Environment, ensure_environment
from aiida_cse.data.system import CseSystemData
from benchmarks.fault_bench import TEMPERATURE, Bench
from tests.integration.short import short_study

__all__ = ["make_bench"]

PROFILE = "faults"
_PHASE = "interface"


def make_bench(folder: Path) -> Bench:
    """Make what is not there yet, and run the production once without a fault.

    Raises
    ------
    RuntimeError
        The run that nothing happened to did not end well.
    """
    environment = ensure_environment(PROFILE)
    environment.computer.set_minimum_job_poll_interval(0)
    configure_logging(with_orm=True)
    bench = Bench(folder, environment, _relaxed(environment))
    with bench.fresh_work():
        node = run_embedded(bench.builder())
        verdict = bench.judge(node, [], commands=0)
        if not verdict.ended or verdict.lost or verdict.twice or verdict.wrong:
            msg = f"the production that nothing happened to is not well: {verdict}"
            raise RuntimeError(msg)
        bench.reference = node.outputs.reduction.get_state()
    return bench


def _relaxed(environment: Environment) -> CseSystemData:
    """Return the relaxed interface of the small recipe, from the profile if it is there already."""
    query = orm.QueryBuilder().append(CseSystemData, filters={"label": _PHASE})
    for (found,) in query.limit(1).all():
        return found  # type: ignore[no-any-return]
    study = run_embedded(
        short_study({"lammps": environment.lammps, "cse": environment.cse}, temperatures=[TEMPERATURE])
    )
    if not study.is_finished_ok:
        msg = f"the small system could not be made: [{study.exit_status}] {study.exit_message}"
        raise RuntimeError(msg)
    (run,) = study.outputs.runs.values()
    run.interface.label = _PHASE
    system: CseSystemData = run.interface
    return system
