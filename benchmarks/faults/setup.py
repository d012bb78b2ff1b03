"""The profile of the bench, its small system, and the undisturbed run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida import orm
from aiida.common.log import configure_logging

from aiida_cse.building.recipe import load_recipe
from aiida_cse.cli.environment import Environment, ensure_environment
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.embedded import run_embedded
from aiida_cse.workchains.ceramic import CeramicWorkChain
from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.electrolyte import ElectrolyteWorkChain
from aiida_cse.workchains.interface import InterfaceWorkChain
from benchmarks.faults.bench import SEED, TEMPERATURE, Bench
from tests.integration.short import SHORT

__all__ = ["make_bench"]

PROFILE = "faults"
#: recipe of the system, and the label by which it is found again
RECIPE, LABEL = "llzo-peo-litfsi-demo", "fault_bench"


def make_bench(folder: Path) -> Bench:
    """Create what is missing, and run the production once without a fault.

    Raises
    ------
    RuntimeError
        The undisturbed run failed.
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
        bench.seconds = sum(stage["wall_seconds"] for stage in node.outputs.stages["stages"])
    return bench


def _relaxed(environment: Environment) -> CseSystemData:
    """Return the relaxed interface of the small recipe, from the profile if it exists."""
    query = orm.QueryBuilder().append(CseSystemData, filters={"label": LABEL})
    for (found,) in query.limit(1).all():
        return found  # type: ignore[no-any-return]
    codes: Codes = {"lammps": environment.lammps, "cse": environment.cse}
    recipe = load_recipe(RECIPE)
    slab = _phase(CeramicWorkChain, "ceramic", codes=codes, recipe=recipe)
    electrolyte = _phase(ElectrolyteWorkChain, "electrolyte", codes=codes, recipe=recipe, ceramic=slab)
    seeds = {"seeds": {"velocities": SEED}}
    system = _phase(
        InterfaceWorkChain, "interface", codes=codes, recipe=seeds, ceramic=slab, electrolyte=electrolyte
    )
    system.label = LABEL
    return system


def _phase(chain: Any, name: str, **inputs: Any) -> CseSystemData:
    """Return the system that results from a phase of the short study."""
    builder = chain.get_builder_from_protocol(protocol="demo", overrides=SHORT[name], **inputs)
    builder.temperature = orm.Float(TEMPERATURE)
    node = run_embedded(builder)
    if not node.is_finished_ok:
        msg = f"the {name} of the small system could not be made: [{node.exit_status}] {node.exit_message}"
        raise RuntimeError(msg)
    system: CseSystemData = node.outputs[name]
    return system
