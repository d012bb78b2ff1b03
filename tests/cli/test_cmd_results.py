"""``aiida-cse status`` and ``aiida-cse show``."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.engine import ProcessState
from aiida.orm import ArrayData, CalcJobNode, Dict, Float, Int, WorkChainNode
from click.testing import CliRunner, Result

from aiida_cse.cli import main
from aiida_cse.engine.embedded import is_embedded
from aiida_cse.engine.locks import process_lock
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.report.sources import open_findings

pytestmark = pytest.mark.usefixtures("aiida_profile")

STUDY = "aiida.workflows:cse.study"


def invoke(*arguments: object, command: str = "status") -> Result:
    return CliRunner().invoke(main, [command, *map(str, arguments)])


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [" ".join(line.split()) for line in result.output.splitlines()]


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
    node.label = "evening"
    steps = [stage(f"larsen_{i:02d}", 100 * i, 100 * (i + 1), 10.0, temperature_K=600.0 + i) for i in range(1, 22)]
    outputs = {
        "stages__electrolyte": {"stages": [stage("minimize", 0, 1, 3.0), *steps]},
        "runs__T0700_r1__populations": {
            "temperature_K": 700.0,
            "n_li_excess": 4.25,
            "n_li_excess_error": 0.5,
            "n_li_layer": 3.0,
            "n_li_layer_error": None,
            "n_li_bulk": 9.0,
            "n_tfsi_layer": 5.5,
            "n_tfsi_layer_error": 0.25,
            "n_tfsi_bulk": 2.0,
        },
        "runs__T0700_r1__transitions": {
            "temperature_K": 700.0,
            "s_in_li_ceramic": 3,
            "s_out_li_ceramic": 1,
            "rate_in_li_ceramic_per_ion_per_s": None,
        },
        "runs__T0700_r1__equilibration": {
            "equilibrated": False,
            "decided_by": ["Li"],
            "reasons": ["Li: ✗ EC 0.143 (needs ≥ 0.5): 3 in, 1 out"],
            "ec": 0.143,
            "ec_lower_bound": 0.02,
            "ec_li_ceramic": 0.143,
            "ec_li_ceramic_lower_bound": 0.02,
            "s_total_li_ceramic": 4,
            "s_total_li_ceramic_interval": [0.3, 19.0],
            "criteria": {"level": 0.95, "bound_level": 0.975},
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


#: lines of the study above, blanks joined
EXPECTED = (
    "study evening <{pk}>",
    "✗ T0700_r1, 700 K: not equilibrated",
    "✗ Li: EC 0.143 (needs ≥ 0.5): 3 in, 1 out",
    "Exchange intervals: 95 %; ±: standard error",
    "Li into the ceramic 3",
    "– Γ of Li per ion (s⁻¹) no time in which an entry would have counted",
    "EC of Li, ceramic 0.143 ≥ 0.0200; one-sided 97.5 %",
    "S_t of Li, ceramic 4 0.300 to 19.0",
    "entries, one-sided 95 % (s⁻¹) ≤ 2.50e+11",
    "N(Li, excess) 4.25 ± 0.50",
    "N(TFSI, 1st layers) 5.50 ± 0.25",
    "barrier of Li (K) 7,706 ± 104",
    "κ of Li 0.049 0.020 to 0.101",
    "barrier of TFSI into the 1st layer 2,700 ± 250; 22.4 kJ/mol",
    "Var(Δx) of Li, 1st layer right 1.28 lag 1000 ps; no interval: fewer than",
    "charge reversals outside, left 3",
    "– depth populations the process has no such output",
    "Γ(400 K) (s⁻¹) 10,000 5.00 to 2.00e+06",
    "✗ T0500_r1: not used: not equilibrated",
    "minimize 3 s",
    "larsen_01 … 21 2,100 3 min 30 s 621",
)


def test_a_finished_study_shows_its_verdict_and_numbers(finished: WorkChainNode) -> None:
    shown = lines(invoke(finished.pk, command="show"))
    for expected in EXPECTED:
        assert expected.format(pk=finished.pk) in shown, expected
    assert max(map(len, invoke(finished.pk, command="show").output.splitlines())) <= 80


def test_times_are_in_utc_whatever_the_database_gives(
    finished: WorkChainNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    monkeypatch.setattr(type(finished), "ctime", property(lambda _: began))
    assert f"{open_findings(finished).origin.began:%Y-%m-%d %H:%M %Z}" == "2026-02-28 23:30 UTC"


def test_status_of_a_finished_study_ends_with_the_same_view(finished: WorkChainNode) -> None:
    shown = lines(invoke(finished.pk, command="show"))
    assert lines(invoke(finished.pk))[-len(shown) :] == shown


def test_a_uuid_and_a_label_name_a_process_as_its_pk_does(finished: WorkChainNode) -> None:
    finished.label = "evening study"
    by_pk = invoke(finished.pk, command="show").output
    assert invoke(finished.uuid, command="show").output == by_pk
    assert invoke("evening study", command="show").output == by_pk
    assert "did you mean 'evening study'?" in invoke("evening studio", command="show").output
    other = study()
    other.label = "evening study"
    refused = invoke("evening study", command="show")
    assert refused.exit_code == 2
    assert f"nodes {other.pk}, {finished.pk} have this label; give the PK of one of them" in refused.output


def test_a_label_that_is_the_uuid_of_another_process_hides_nothing(finished: WorkChainNode) -> None:
    WorkChainNode(label=finished.uuid).store()
    assert f"<{finished.pk}>" in lines(invoke(finished.uuid, command="show"))[0]


def test_control_characters_of_a_label_do_not_reach_the_terminal(finished: WorkChainNode) -> None:
    finished.label, finished.description = "red \x1b[31m\nlabel", "a\x1b]0;title\x07\nb"
    shown = invoke(finished.pk, command="show").output
    assert "red [31m label" in shown
    assert not set(shown) & {"\x1b", "\x07"}


def test_a_section_is_shown_alone(finished: WorkChainNode) -> None:
    output = invoke(finished.pk, "--section", "verd", "--section", "POP", command="show").output
    assert [title for title in ("Verdict", "Populations", "Barriers") if title in output] == [
        "Verdict",
        "Populations",
    ]
    refused = invoke(finished.pk, "--section", "colours", command="show")
    assert refused.exit_code == 2
    assert "section = colours: there is no such section; there are Verdict" in " ".join(refused.output.split())


def test_json_and_csv_hold_the_rows_of_the_table(finished: WorkChainNode) -> None:
    content = json.loads(invoke(finished.pk, "--format", "json", command="show").output)
    rows = {row["name"]: row for section in content["sections"] for row in section["rows"]}
    assert (rows["κ of Li"]["value"], rows["κ of Li"]["interval"]) == (0.049, [0.02, 0.101])
    assert rows["κ of Li"]["source"] == "runs.T0700_r1.barrier.kappa_li"
    assert rows["larsen_01 … 21"]["cells"]["T (K)"] == 621.0
    table = list(csv.DictReader(invoke(finished.pk, "--format", "csv", command="show").output.splitlines()))
    (row,) = [row for row in table if row["name"] == "κ of Li"]
    assert (row["run"], row["value"], row["low"], row["high"]) == ("T0700_r1", "0.049", "0.02", "0.101")


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
    assert "Verdict" not in invoke(node.pk).output
    node.set_exit_status(0)
    node.set_process_state(ProcessState.FINISHED)
    shown = lines(invoke(node.pk))
    assert "✗ 700 K: not equilibrated" in shown
    assert "EC of Li, ceramic 0.143 ≥ 0.0200; one-sided 97.5 %" in shown
    assert ("production 50 9 s" in shown) == (name == "production")


def test_a_barrier_with_few_visits_is_shown_as_a_bound() -> None:
    node = study(
        {
            "barrier_li_K": None,
            "barrier_li_lower_bound_K": None,
            "barrier_li_right_K": None,
            "barrier_li_right_lower_bound_K": 1234.5,
        }
    )
    assert "barrier of Li, right (K) ≥ 1,234" in lines(invoke(node.pk))


def test_an_interrupted_process_is_shown_with_its_resume_command(unfinished: WorkChainNode) -> None:
    assert is_embedded(unfinished)
    result = invoke(unfinished.pk)
    assert result.exit_code == 0, result.output
    assert "nothing runs it now; resume with: " in result.output
    assert f"resume {unfinished.pk}" in result.output
    with process_lock(unfinished):
        assert "it is running" in invoke(unfinished.pk).output


@pytest.mark.parametrize(
    ("workers", "held", "said"),
    [
        ((1, 10), 7, "holds at most 7 of the 10 slots of 1 worker"),
        (
            (1, 10),
            13,
            "will hold up to 13 slots, more than the 10 of 1 worker, and may then stand still; add a ",
        ),
        ((2, 20), 41, "will hold up to 41 slots, more than the 20 of 2 workers, and may then stand still; add 3 "),
    ],
)
def test_slots_that_a_run_will_lack_are_told_with_the_command(
    workers: tuple[int, int], held: int, said: str, unfinished: WorkChainNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished.base.extras.delete("cse_engine")
    monkeypatch.setattr("aiida_cse.engine.daemon.worker_slots", lambda: workers)
    monkeypatch.setattr("aiida_cse.engine.daemon.slots_in_use", lambda: 4)
    monkeypatch.setattr("aiida_cse.workchains.forecast.slots_of", lambda _: held)
    last = lines(invoke(unfinished.pk))[-1]
    assert last.startswith(f"it {said}")
    more = -(-(held - workers[1]) // 10)
    assert last.endswith(f"verdi daemon incr {more}") == (more > 0)


def test_a_run_that_finds_no_slot_now_is_told_with_the_command(
    unfinished: WorkChainNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished.base.extras.delete("cse_engine")
    monkeypatch.setattr("aiida_cse.engine.daemon.worker_slots", lambda: (1, 10))
    monkeypatch.setattr("aiida_cse.engine.daemon.slots_in_use", lambda: 38)
    last = lines(invoke(unfinished.pk))[-1]
    assert last.startswith("38 processes want a slot, and the daemon has 10; a process that waits keeps its slot")
    assert "; add 3 workers with: " in last
    assert last.endswith("verdi daemon incr 3")


def test_without_a_pk_the_newest_studies_are_listed(finished: WorkChainNode, unfinished: WorkChainNode) -> None:
    found = {line.split()[0]: line for line in lines(invoke())}
    assert f"{finished.pk} study evening" in found[str(finished.pk)]
    assert "finished" in found[str(finished.pk)]
    assert "stopped" in found[str(unfinished.pk)]
    assert f"stopped: <{unfinished.pk}>" in " ".join(lines(invoke()))


def test_wrong_pks_are_refused_in_one_line() -> None:
    number = Int(1).store()
    for pk, complaint in (
        (number.pk, "is a Int; it must be a ProcessNode"),
        (10**9, "there is no node 1000000000"),
        (10**30, "there is no node 1000000000000000000000000000000"),
    ):
        result = invoke(pk)
        assert result.exit_code == 2
        (line,) = result.output.splitlines()
        assert complaint in line


def test_cached_jobs_are_told_as_cached_and_take_no_time(finished: WorkChainNode, localhost: Any) -> None:
    for number in (1, 2):
        job = CalcJobNode(computer=localhost, process_type="aiida.calculations:cse.lammps")
        job.base.links.add_incoming(finished, LinkType.CALL_CALC, f"job_{number:02d}")
        job.set_process_state(ProcessState.FINISHED)
        job.store()
        Dict({"wall_seconds": 0.25}).store().base.links.add_incoming(job, LinkType.CREATE, "results")
        if number == 2:
            job.base.extras.set("_aiida_cached_from", "the-uuid-of-another-job")
    share = open_findings(finished.pk).time
    assert share is not None
    assert (share.jobs, share.cached, share.program_seconds) == (2, 1, 0.25)
    shown = " ".join(lines(invoke(finished.pk)))
    assert "1 LAMMPS job: " in shown
    assert "from the cache: the results of 1 of 2 LAMMPS jobs; these did not run again" in shown
    assert "job_02" in shown
