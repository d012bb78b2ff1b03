"""The profile of the bench, its small system, and the undisturbed run."""

from __future__ import annotations

from pathlib import Path

from aiida.common.log import configure_logging
from aiida.manage.configuration import get_config

from aiida_cse.cli.site.environment import ensure_environment
from aiida_cse.engine.embedded import run_embedded
from benchmarks.faults.bench import Bench
from tests.golden.archives import demo_interface

__all__ = ["make_bench"]

PROFILE = "faults"
#: s
_FIRST_RETRY = 2


def make_bench(folder: Path) -> Bench:
    """Run the production once without a fault, from the relaxed interface of the archived demo study.

    Raises
    ------
    RuntimeError
        The undisturbed run failed.
    """
    environment = ensure_environment(PROFILE)
    # a folder that cannot be written to is tried five times, each time after twice as long
    config = get_config()
    config.set_option("transport.task_retry_initial_interval", _FIRST_RETRY)
    config.store()
    configure_logging(with_orm=True)
    bench = Bench(folder, environment, demo_interface().store())
    with bench.fresh_work():
        node = run_embedded(bench.builder())
        verdict = bench.judge(node, [], commands=0)
        if not verdict.ended or verdict.lost or verdict.twice or verdict.wrong:
            msg = f"the production that nothing happened to is not well: {verdict}"
            raise RuntimeError(msg)
        bench.reference = node.outputs.reduction.get_state()
        bench.seconds = sum(stage["wall_seconds"] for stage in node.outputs.stages["stages"])
    return bench
