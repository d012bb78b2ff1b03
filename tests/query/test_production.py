"""The table of productions and the search for the slab, on graphs like those of a study."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiida.common.links import LinkType
from aiida.orm import (
    CalcFunctionNode,
    CalcJobNode,
    Computer,
    Data,
    Dict,
    Node,
    ProcessNode,
    RemoteData,
    WorkChainNode,
)

from aiida_cse.data.system import CseSystemData
from aiida_cse.query import Production, productions, slab_seed
from tests.systems import crystal_and_molecules

# AiiDA makes nodes outside of the database's session until they are stored
pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

README = Path(__file__).parents[2] / "README.md"
CALL = {WorkChainNode: LinkType.CALL_WORK, CalcJobNode: LinkType.CALL_CALC, CalcFunctionNode: LinkType.CALL_CALC}


def system(phase: str, seed: int | None) -> CseSystemData:
    small = crystal_and_molecules()
    seeds = {} if seed is None else {"slab": seed, "velocities": 3}
    return CseSystemData(replace(small, info=small.info.model_copy(update={"phase": phase, "seeds": seeds})))


def process(
    kind: type[ProcessNode],
    process_type: str,
    inputs: dict[str, Data],
    *,
    caller: WorkChainNode | None = None,
    computer: Computer | None = None,
) -> Any:
    """Store a process with its inputs."""
    node = (
        kind(process_type=process_type) if computer is None else kind(process_type=process_type, computer=computer)
    )
    read = LinkType.INPUT_WORK if kind is WorkChainNode else LinkType.INPUT_CALC
    if caller is not None:
        node.base.links.add_incoming(caller, CALL[kind], process_type.rpartition(".")[2])
    for label, value in inputs.items():
        node.base.links.add_incoming(value.store(), read, label)
    return node.store()


def made(node: Node, by: ProcessNode, label: str) -> Any:
    node.base.links.add_incoming(by, LinkType.CREATE, label)
    return node.store()


def returned(node: Node, by: WorkChainNode, label: str) -> None:
    node.base.links.add_incoming(by, LinkType.RETURN, label)


@dataclass(frozen=True)
class Graph:
    study: WorkChainNode | None
    production: WorkChainNode
    slab: CseSystemData


@pytest.fixture
def graph(localhost: Computer) -> Callable[..., Graph]:
    """Return a function that stores slab, LAMMPS job, cut, assembly and an analysed production."""

    def make(
        ec: float, temperature: float, seed: int | None = 11, *, alone: bool = False, analysed: bool = True
    ) -> Graph:
        recipe = Dict({"name": "test"}).store()
        study = None if alone else process(WorkChainNode, "aiida.workflows:cse.study", {"recipe": recipe})
        phase = None if alone else process(WorkChainNode, "aiida.workflows:cse.ceramic", {}, caller=study)
        build = process(
            CalcJobNode, "aiida.calculations:cse.build", {"recipe": recipe}, caller=phase, computer=localhost
        )
        slab = made(system("slab", seed), build, "system")
        job = process(
            CalcJobNode, "aiida.calculations:cse.lammps", {"system": slab}, caller=phase, computer=localhost
        )
        made(RemoteData(computer=localhost, remote_path="/nowhere"), job, "remote_folder")
        crystal = made(system("slab", seed), job, "system")
        cut = process(
            CalcFunctionNode,
            "aiida.calculations:cse.cut_slab",
            {"initial": slab, "equilibrated": crystal},
            caller=phase,
        )
        ceramic = made(system("ceramic", seed), cut, "result")
        if phase is not None:
            returned(slab, phase, "slab")
            returned(ceramic, phase, "ceramic")
        joining = process(
            CalcJobNode, "aiida.calculations:cse.read_data", {"ceramic": ceramic}, computer=localhost
        )
        interface = made(system("interface", seed), joining, "system")
        production = process(WorkChainNode, "aiida.workflows:cse.production", {"system": interface}, caller=study)
        if analysed:
            analysis = process(WorkChainNode, "aiida.workflows:cse.analysis", {}, caller=production)
            judge = process(CalcFunctionNode, "aiida.calculations:cse.equilibration", {}, caller=analysis)
            found = {
                "ec": ec,
                "ec_lower_bound": ec / 2,
                "equilibrated": ec >= 0.5,
                "time_ns": 380.0,
                "temperature_K": temperature,
            }
            equilibration = made(Dict(found), judge, "result")
            for workchain in (analysis, production, *([study] if study else [])):
                label = "runs__T0700_r1__equilibration" if workchain is study else "equilibration"
                returned(equilibration, workchain, label)
        return Graph(study, production, slab)

    return make


@pytest.fixture
def one_liner() -> Callable[[], list[list[Any]]]:
    """Return what the query of the README finds, as a user would run it."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    (source,) = (block for block in blocks if "QueryBuilder()" in block)

    def run() -> list[list[Any]]:
        names: dict[str, Any] = {}
        exec(compile(source, str(README), "exec"), names)
        return names["rows"]  # type: ignore[no-any-return]

    return run


def rows(*graphs: Graph, **filters: float) -> list[Production]:
    """Return the rows of these productions, for the profile holds those of other tests too."""
    mine = {graph.production.pk for graph in graphs}
    return [row for row in productions(**filters) if row.pk in mine]


def test_nothing_is_found_without_productions(aiida_profile: object) -> None:
    assert productions(minimum_ec=0.5, temperature=4321) == []


def test_a_production_becomes_a_row(graph: Callable[..., Graph]) -> None:
    stored = graph(0.6, 700.0)
    assert stored.study is not None
    assert rows(stored) == [
        Production(
            pk=stored.production.pk,
            uuid=stored.production.uuid,
            temperature_K=700.0,
            ec=0.6,
            ec_lower_bound=0.3,
            equilibrated=True,
            time_ns=380.0,
            study_pk=stored.study.pk,
        )
    ]
    assert rows(stored)[0].equilibrated is True


def test_coefficient_and_temperature_select_productions(graph: Callable[..., Graph]) -> None:
    stored = hot, warm, cold = graph(0.6, 700.0), graph(0.29, 600.0), graph(0.0, 500.0)

    def found(**filters: float) -> list[int]:
        return [row.pk for row in rows(*stored, **filters)]

    assert found() == [hot.production.pk, warm.production.pk, cold.production.pk]
    assert found(minimum_ec=0.29) == [hot.production.pk, warm.production.pk]
    assert found(temperature=600) == [warm.production.pk]
    assert found(minimum_ec=0.5, temperature=600) == []


def test_a_production_without_a_verdict_is_left_out(graph: Callable[..., Graph]) -> None:
    assert rows(graph(0.6, 700.0, analysed=False)) == []


def test_a_production_launched_alone_has_no_study(graph: Callable[..., Graph]) -> None:
    assert rows(graph(0.6, 700.0, alone=True))[0].study_pk is None


@pytest.mark.parametrize(("name", "value"), [("minimum_ec", 1.5), ("minimum_ec", -0.1), ("temperature", 0.0)])
def test_values_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} = {value}: it must"):
        productions(**{name: value})


@pytest.mark.parametrize("alone", [True, False])
def test_the_seed_comes_from_the_slab(graph: Callable[..., Graph], alone: bool) -> None:
    graph(0.6, 700.0, seed=10)
    stored = graph(0.6, 700.0, seed=12, alone=alone)
    assert slab_seed(stored.production) == slab_seed(stored.production.pk) == 12


def test_a_slab_without_a_seed_is_refused(graph: Callable[..., Graph]) -> None:
    stored = graph(0.6, 700.0, seed=None)
    with pytest.raises(
        ValueError, match=f"production = {stored.production.pk}: none of the .* is a slab with a seed"
    ):
        slab_seed(stored.production)


def test_a_node_other_than_a_production_is_refused(graph: Callable[..., Graph]) -> None:
    stored = graph(0.6, 700.0)
    with pytest.raises(ValueError, match="it must be the process of a ProductionWorkChain"):
        slab_seed(stored.slab.pk)


def test_the_query_of_the_readme_finds_the_production(
    graph: Callable[..., Graph], one_liner: Callable[[], list[list[Any]]]
) -> None:
    stored = graph(0.2, 700.0, seed=5), graph(0.6, 600.0, seed=6), graph(0.6, 700.0, seed=7)
    mine = {one.production.pk for one in stored}
    assert [row for row in one_liner() if row[1] in mine] == [[0.6, stored[2].production.pk, 7]]
