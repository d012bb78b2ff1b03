"""A trajectory that is analysed as a file, and by the jobs of a profile: the nodes are equal."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from aiida import orm
from aiida.engine import run, run_get_node
from aiida.plugins import CalculationFactory, WorkflowFactory
from click.testing import CliRunner

from aiida_cse.calculations.reduce import ReduceCalculation
from aiida_cse.cli import main
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.data.system import CseSystemData
from tests.nodes import SAMPLING, interface
from tests.reduction import synthetic

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]

#: everything that would otherwise follow from the length of the run
GIVEN = SAMPLING | {"lags_ps": [0.06]}
SETTINGS = {"rule": "core", "start_ns": 0.0}


@pytest.fixture
def trajectory(tmp_path: Path) -> Path:
    """A trajectory beside its system, in folders as jobs have them."""
    interface().write(tmp_path)
    (tmp_path / "sampling.yaml").write_text(yaml.safe_dump(GIVEN))
    return synthetic.write_dcd(tmp_path / "trajectory.dcd", synthetic.make(7, 60).positions)


def analysed(trajectory: Path, *words: str) -> str:
    folder = trajectory.parent
    files = [str(trajectory), "--system", str(folder / "system.data"), "--config", str(folder / "sampling.yaml")]
    result = CliRunner().invoke(
        main, ["analyse", *files, "--temperature", "700", "--out", str(folder / "found"), *words]
    )
    assert result.exit_code == 0, result.output
    return result.output


def newest(kind: type[orm.Node], **filters: object) -> orm.Node:
    query = orm.QueryBuilder().append(kind, filters=filters, project="*").order_by({kind: {"id": "desc"}})
    found: orm.Node = query.first(flat=True)
    return found


def test_both_ways_make_equal_nodes_that_enter_kinetics_together(
    cse: orm.InstalledCode, localhost: orm.Computer, trajectory: Path
) -> None:
    folder = orm.RemoteData(computer=localhost, remote_path=str(trajectory.parent)).store()
    system = CseSystemData(interface()).store()
    _, job = run_get_node(
        ReduceCalculation,
        code=cse,
        system=system,
        sampling=GIVEN,
        folders={"segment_0001": folder},
        temperature=orm.Float(700),
    )
    assert job.is_finished_ok, job.exit_message
    own, _ = run_get_node(
        WorkflowFactory("cse.analysis"),
        reduction=job.outputs.reduction,
        temperature=orm.Float(700),
        settings=orm.Dict(SETTINGS),
    )

    output = analysed(trajectory, "--store")
    # other tests may have stored an equal one before
    there = re.search(r"system <(\d+)> was there already", output)
    assert there is not None, output
    used = orm.load_node(int(there[1]))
    assert used.base.attributes.all == system.base.attributes.all
    assert used.base.repository.hash() == system.base.repository.hash()
    imported = newest(orm.WorkChainNode, process_type=WorkflowFactory("cse.analysis").build_process_type())
    reduction = imported.inputs.reduction
    assert reduction.get_state().equals(job.outputs.reduction.get_state())
    assert reduction.base.attributes.get("sources")[0]["name"] == "trajectory.dcd"
    assert set(imported.outputs) == set(own)
    for name, node in own.items():
        found = imported.outputs[name]
        mine, theirs = dict(node.base.attributes.all), dict(found.base.attributes.all)
        assert mine == theirs, name
        if isinstance(node, orm.ArrayData):
            for array in node.get_arraynames():
                np.testing.assert_array_equal(node.get_array(array), found.get_array(array))

    parts = ("transitions", "equilibration", "barrier")
    runs = {"own": {part: own[part] for part in parts}}
    runs["imported"] = {part: imported.outputs[part] for part in parts}
    joint = run(CalculationFactory("cse.kinetics"), settings=orm.Dict({}), **runs)
    assert {one["run"] for one in joint["observations"]} == {"imported", "own"}


def test_a_state_alone_is_imported(aiida_profile: object, trajectory: Path) -> None:
    analysed(trajectory)
    state = trajectory.parent / "found" / "state.npz"
    result = CliRunner().invoke(main, ["import-run", str(state)])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()[-4:]
    assert [line.split()[0] for line in lines] == ["reduction", "analysis", "show", "analyse"]
    node = newest(orm.WorkChainNode)
    assert node.inputs.settings["rule"] == "core"
    assert node.label == "found", "the folder has a name of its own, the state has not"
    # that of an equal one which the reduction of another test has stored is empty
    assert node.inputs.reduction.label in ("found", "")
    assert node.description == "imported: found, 700 K, from 0 ns on, rule core"


def test_a_stored_run_is_not_stored_twice(aiida_profile: object, trajectory: Path) -> None:
    analysed(trajectory)
    folder = trajectory.parent
    words = ["import-run", str(folder / "found"), "--system", str(folder / "system.data")]
    first, second = (CliRunner().invoke(main, words) for _ in range(2))
    assert first.exit_code == second.exit_code == 0, first.output
    lines = second.output.splitlines()
    assert [line.split(" <")[0] for line in lines[:3]] == ["system", "reduction", "analysis"]
    assert all(line.endswith("was there already") for line in lines[:3])
    pk = re.search(r"<(\d+)>", lines[1])
    assert pk is not None, lines[1]
    reduction = orm.load_node(int(pk[1]), sub_classes=(CseReductionData,))
    assert reduction.base.attributes.get("sources")[0]["frames"] == 60
