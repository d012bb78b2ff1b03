"""``aiida-cse status`` and the tables of a finished study."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.engine import ProcessState
from aiida.orm import ArrayData, CalcJobNode, Dict, Float, Int, WorkChainNode
from click.testing import CliRunner, Result

from aiida_cse.cli import main
from aiida_cse.cli.display.results import time_share
from aiida_cse.engine.embedded import is_embedded
from aiida_cse.engine.locks import process_lock
from aiida_cse.lammps.job.script import LOG
from aiida_cse.lammps.protocol.production import ProductionPlan

pytestmark = pytest.mark.usefixtures("aiida_profile")

STUDY = "aiida.workflows:cse.study"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["status", *map(str, arguments)])


def stage(name: str, start: int, step: int, wall: float, **averages: float) -> dict[str, Any]:
    kind = "minimize" if name == "minimize" else "npt"
    return {"name": name, "kind": kind, "start_step": start, "step": step, "wall_seconds": wall, **averages}


@pytest.fixture
def unfinished() -> WorkChainNode:
    node = WorkChainNode(process_type=STUDY)
    node.set_process_label("StudyWorkChain")
    node.set_process_state(ProcessState.WAITING)
    node.store()
    node.base.extras.set("cse_engine", "embedded")
    return node


@pytest.fixture
def finished() -> WorkChainNode:
    return study()


def study(barrier: dict[str, Any] | None = None) -> WorkChainNode:
    """Return a study with one run, as its WorkChain leaves it."""
    node = WorkChainNode(process_type=STUDY)
    node.set_process_label("StudyWorkChain")
    node.set_process_state(ProcessState.RUNNING)
    node.store()
    steps = [stage(f"larsen_{i:02d}", 100 * i, 100 * (i + 1), 10.0, temperature_K=600.0 + i) for i in range(1, 22)]
    outputs = {
        "stages__electrolyte": {"stages": [stage("minimize", 0, 1, 3.0), *steps]},
        "runs__T0700_r1__populations": {
            "n_li_excess": 4.25,
            "n_li_excess_error": 0.5,
            "n_li_layer": 3.0,
            "n_li_layer_error": None,
            "n_li_bulk": 9.0,
            "n_tfsi_layer": 5.5,
            "n_tfsi_layer_error": 0.25,
            "n_tfsi_bulk": 2.0,
        },
        "runs__T0700_r1__transitions": {"s_in_li_ceramic": 3, "s_out_li_ceramic": 1},
        "runs__T0700_r1__equilibration": {
            "equilibrated": False,
            "decided_by": ["Li"],
            "reasons": ["Li: ✗ EC 0.143 (needs ≥ 0.5): 3 in, 1 out"],
            "ec": 0.143,
            "ec_lower_bound": 0.02,
            "rate_upper_bound_per_s": 2.5e11,
        },
        "runs__T0700_r1__barrier": barrier
        or {
            "barrier_li_K": 7706.0,
            "barrier_li_error_K": 104.0,
            "kappa_li": 0.049,
            "kappa_li_interval": [0.02, 0.101],
        },
        "runs__T0700_r1__anion_barrier": {
            "barrier_tfsi_K": 2700.0,
            "barrier_tfsi_error_K": 250.0,
            "barrier_tfsi_kJ_per_mol": 22.4,
            "barrier_tfsi_left_lower_bound_K": 2500.0,
            "barrier_tfsi_left_kJ_per_mol": 22.0,
        },
        "kinetics": {
            "rate_0400K_per_s": 1e4,
            "rate_0400K_interval_per_s": [5.0, 2e6],
            "gamma": None,
            "excluded": {"T0500_r1": "not equilibrated"},
        },
    }
    charge = ArrayData({"z_A": np.zeros(2)})
    charge.base.attributes.set_many({"sign_changes_left_electrolyte": 3, "sign_changes_right_electrolyte": 6})
    mobility = ArrayData({"li_samples": np.zeros(2)})
    mobility.base.attributes.set_many(
        {"lags_ps": [1000.0], "variance_li_layer_right_x_A2": 1.28, "variance_li_layer_right_x_error_A2": None}
    )
    for label, array in (("charge_integral", charge), ("displacement_variance", mobility)):
        array.store().base.links.add_incoming(node, LinkType.RETURN, f"runs__T0700_r1__{label}")
    for label, content in outputs.items():
        Dict(content).store().base.links.add_incoming(node, LinkType.RETURN, label)
    node.set_exit_status(0)
    node.set_process_state(ProcessState.FINISHED)
    return node


def test_a_finished_study_shows_its_results(finished: WorkChainNode) -> None:
    result = invoke(finished.pk)
    assert result.exit_code == 0, result.output
    rows = [line.strip() for line in result.output.splitlines()]
    assert "electrolyte" in rows
    assert any(row.split() == ["larsen_01", "…", "21", "2,100", "3", "min", "30", "s", "621"] for row in rows)
    assert any(row.split() == ["minimize", "3", "s"] for row in rows)
    for expected in (
        "N(Li excess) 4.25 ± 0.50",
        "N(Li 1st layer) 3.00",
        "N(TFSI 1st layer) 5.50 ± 0.25",
        "S_in (Li) 3",
        "S_out (Li) 1",
        "EC (lower bound) 0.14 (≥ 0.02)",
        "entries per second < 2.5e+11",
        "equilibrated no",
        "barrier of Li (K) 7706 ± 104",
        "κ of Li 0.049 (0.02 to 0.1)",
        "barrier of TFSI into the 1st layer (K) 2700 ± 250",
        "Var(Δx) of Li, 1st layer, 1000 ps (Å²) 1.28",
        "charge reversals outside, left / right 3 / 6",
        "Γ(400 K) = 1e+04 s⁻¹ per ion (5 to 2e+06)",
        "T0500_r1 is not used: not equilibrated",
    ):
        assert any(" ".join(row.split()) == expected for row in rows), expected
    assert "T0700_r1 is not equilibrated" in result.output
    assert "  Li: ✗ EC 0.143 (needs ≥ 0.5): 3 in, 1 out" in result.output


@pytest.mark.parametrize("name", ["analysis", "production"])
def test_a_finished_run_of_its_own_shows_its_results(name: str, finished: WorkChainNode) -> None:
    run = finished.outputs.runs.T0700_r1
    node = WorkChainNode(process_type=f"aiida.workflows:cse.{name}")
    if name == "production":
        plan = ProductionPlan(length_ps=20, segment_ps=10, frame_ps=1).model_dump(mode="json")
        for label, given in (("plan", Dict(plan)), ("temperature", Float(700))):
            node.base.links.add_incoming(given.store(), LinkType.INPUT_WORK, label)
    node.store()
    for label in run:
        results = run[label].clone()
        results.base.attributes.set("temperature_K", 700.0)
        results.store().base.links.add_incoming(node, LinkType.RETURN, label)
    if name == "production":
        record = Dict({"stages": [stage("production", 0, 50, 9.0)]}).store()
        record.base.links.add_incoming(node, LinkType.RETURN, "stages")
    assert "Results" not in invoke(node.pk).output
    node.set_exit_status(0)
    node.set_process_state(ProcessState.FINISHED)
    result = invoke(node.pk)
    assert result.exit_code == 0, result.output
    rows = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "Results 700 K" in rows
    assert "EC (lower bound) 0.14 (≥ 0.02)" in rows
    assert "700 K is not equilibrated:" in rows
    assert ("production 50 9 s" in rows) == (name == "production")


def test_a_barrier_with_few_visits_is_shown_as_a_bound() -> None:
    node = study(
        {"barrier_li_error_K": None, "barrier_li_lower_bound_K": None, "barrier_li_right_lower_bound_K": 1234.5}
    )
    (row,) = (line for line in invoke(node.pk).output.splitlines() if "barrier of Li" in line)
    assert " ".join(row.split()) == "barrier of Li, right (K) > 1234"


def test_an_interrupted_process_is_shown_with_its_resume_command(unfinished: WorkChainNode) -> None:
    assert is_embedded(unfinished)
    result = invoke(unfinished.pk)
    assert result.exit_code == 0, result.output
    assert "nothing runs it now; resume with: " in result.output
    assert f"resume {unfinished.pk}" in result.output
    with process_lock(unfinished):
        assert "it is running" in invoke(unfinished.pk).output


def test_without_a_pk_the_last_processes_are_listed(finished: WorkChainNode, unfinished: WorkChainNode) -> None:
    lines = invoke().output.splitlines()
    found = {int(line.split()[0]): line for line in lines}
    assert "StudyWorkChain" in found[finished.pk or 0]
    assert "finished [0]" in found[finished.pk or 0]
    assert "waiting" in found[unfinished.pk or 0]


def test_a_process_without_label_and_state_is_listed_by_its_type() -> None:
    node = WorkChainNode(process_type=STUDY).store()
    (line,) = [line for line in invoke().output.splitlines() if line.split()[0] == str(node.pk)]
    assert line.split()[3:5] == ["cse.study", "created"]


def test_wrong_pks_are_refused_in_one_line() -> None:
    number = Int(1).store()
    for pk, complaint in (
        (number.pk, "is a Int; it must be a ProcessNode"),
        (10**9, "there is no node 1000000000"),
    ):
        result = invoke(pk)
        assert result.exit_code == 2
        (line,) = result.output.splitlines()
        assert complaint in line


def test_the_time_share_is_read_from_the_files_of_the_jobs(
    finished: WorkChainNode, localhost: Any, tmp_path: Path
) -> None:
    assert time_share(finished) is None
    job = CalcJobNode(computer=localhost, process_type="aiida.calculations:cse.lammps")
    job.base.links.add_incoming(finished, LinkType.CALL_CALC, "job_01")
    job.set_process_state(ProcessState.RUNNING)
    job.store()
    job.set_remote_workdir(str(tmp_path))
    job.set_process_state(ProcessState.FINISHED)
    for name, moment in (("_scheduler-stdout.txt", 1000.0), (LOG, 1000.25)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (moment, moment))
    share = time_share(finished)
    assert share is not None
    assert (share.jobs, share.program_seconds) == (1, 0.25)
    assert share.overhead_per_job == pytest.approx(share.seconds - 0.25)
