"""The parser of LAMMPS jobs on stored logs of the real program: what really became of the run."""

import gzip
import json
import re
from typing import Any

import numpy as np
import pytest
from aiida import orm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.log.messages import MESSAGES, Message
from tests.lammps.jobs import plan
from tests.lammps.make_logs import HEAT, LOGS, LONG, MINIMIZE, RELAX, SHOOT, SHORT, WINDOW
from tests.nodes import log, system_node
from tests.parsers.conftest import LSF_REPORT, Parse, told
from tests.systems import crystal_and_molecules

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

VERSION = "22 Jul 2025 - Update 4"
START = {
    "restart": "parent/restart.300",
    "sha256": "abc",
    "unreadable": "parent/restart.400 parent/restart.350",
    "lammps_version": VERSION,
    "ranks": 1,
    "ended_processes": 2,
    "host": "node1",
}
END = {
    "status": 0,
    "host": "node1",
    "lammps_version": VERSION,
    "ranks": 1,
    "files": {"trajectory.dcd": {"sha256": "def", "bytes": 5}, "restart.401": {"sha256": "123", "bytes": 7}},
}


def inputs(*stages: dict[str, Any], **settings: Any) -> dict[str, orm.Data]:
    """Return the inputs of the job whose log is stored."""
    found: dict[str, orm.Data] = {
        "system": system_node(),
        "plan": orm.Dict(plan(*stages).model_dump(mode="json", exclude_none=True)),
    }
    if settings:
        found["settings"] = orm.Dict(settings)
    return found


FINISHED = (MINIMIZE, HEAT, RELAX)


def test_a_finished_run(parse: Parse) -> None:
    exit_code, outputs = parse(
        "cse.lammps",
        inputs(*FINISHED),
        retrieved={
            "log.lammps": log("finished"),
            "start.json": json.dumps(START),
            "end.json": json.dumps(END),
        },
    )
    assert exit_code is None
    assert set(outputs) == {"results", "thermo"}
    results = outputs["results"]
    assert results["complete"] is True
    assert results["timed_out"] is False
    assert (results["step"], results["target_step"], results["first_step"]) == (401, 401, 0)
    assert [stage["name"] for stage in results["stages"]] == ["minimize", "heat", "relax"]
    assert all(stage["complete"] for stage in results["stages"])
    assert results["wall_seconds"] == pytest.approx(sum(stage["wall_seconds"] for stage in results["stages"]))
    assert results["ns_per_day"] == results["stages"][-1]["ns_per_day"] > 0
    assert results["error"] is None
    assert (results["restart_file"], results["restart_sha256"]) == ("parent/restart.300", "abc")
    assert results["restart_unreadable"] == ["parent/restart.400", "parent/restart.350"]
    assert (results["ended_processes"], results["host"], results["ranks"]) == (2, "node1", 1)
    assert (results["exact"], results["exact_reason"]) == (True, None)
    assert results["files"] == END["files"]
    relax = results["stages"][-1]
    assert results["seconds_per_checkpoint"] == pytest.approx(relax["wall_seconds"] * 50 / 200)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"restart": "parent/final.data"},
            "no restart file could be read: the job continued from parent/final.data",
        ),
        ({"lammps_version": "2 Aug 2023"}, "LAMMPS 2 Aug 2023 wrote the checkpoint, the job ran with 22 Jul 2025"),
        ({"ranks": 64}, "64 MPI processes wrote the checkpoint, the job ran with 1"),
    ],
)
def test_the_reason_for_an_inexact_run_is_stored(parse: Parse, change: dict[str, Any], words: str) -> None:
    files: dict[str, str | bytes] = {"log.lammps": log("finished"), "start.json": json.dumps(START | change)}
    exit_code, outputs = parse("cse.lammps", inputs(*FINISHED), retrieved=files)
    assert exit_code is None
    assert outputs["results"]["exact"] is False
    assert words in outputs["results"]["exact_reason"]


def test_windows_and_short_trajectories_of_a_crossing(parse: Parse) -> None:
    files: dict[str, str | bytes] = {"log.lammps": log("shots"), "shots.txt": (LOGS / "shots.txt").read_bytes()}
    exit_code, outputs = parse("cse.lammps", inputs(WINDOW, SHOOT), retrieved=files)
    assert exit_code is None
    shots, thermo = outputs["shots"], outputs["thermo"]
    names = [stage["name"] for stage in outputs["results"]["stages"]]
    assert {names[number] for number in shots.get_array("stage")} == {"shoot"}
    assert shots.get_array("start").tolist() == [1, 2, 3, 4, 5, 6]
    window = thermo.get_array("stage") == names.index("window")
    assert np.isfinite(thermo.get_array("v_bias_z")[window]).all()
    files["shots.txt"] = files["shots.txt"][:700]
    exit_code, outputs = parse("cse.lammps", inputs(WINDOW, SHOOT), retrieved=files)
    assert exit_code is not None
    assert exit_code.status == 424
    assert "of stage 'shoot' is missing" in exit_code.message
    assert len(outputs["shots"].get_array("start")) < 6


def test_a_log_is_read_whole_and_stored_compressed_without_rows(parse: Parse) -> None:
    text = log("finished")
    rows = re.compile(rb"^ *- \[.*\n", re.MULTILINE)
    stored: dict[str, str | bytes] = {"log.lammps.gz": gzip.compress(rows.sub(b"", text))}
    known, expected = parse("cse.lammps", inputs(*FINISHED), retrieved={"log.lammps": text})
    exit_code, outputs = parse("cse.lammps", inputs(*FINISHED), retrieved=stored, temporary={"log.lammps": text})
    assert known is exit_code is None
    assert outputs["results"].get_dict() == expected["results"].get_dict()
    np.testing.assert_array_equal(outputs["thermo"].get_array("pe"), expected["thermo"].get_array("pe"))


@pytest.mark.parametrize("missing", [0, 10, 2000])
def test_a_compressed_log_alone_is_read_as_far_as_it_is_intact(parse: Parse, missing: int) -> None:
    packed = gzip.compress(log("finished"))
    stored: dict[str, str | bytes] = {"log.lammps.gz": packed[: len(packed) - missing]}
    exit_code, outputs = parse("cse.lammps", inputs(*FINISHED), retrieved=stored)
    assert outputs["results"]["lammps_version"] == VERSION
    assert (exit_code is None) == (missing < 2000)


def test_thermo_is_one_series_per_column(parse: Parse) -> None:
    _, outputs = parse("cse.lammps", inputs(*FINISHED), retrieved={"log.lammps": log("finished")})
    thermo = outputs["thermo"]
    assert set(thermo.get_arraynames()) == {
        *("stage", "step", "temp", "press", "pe", "ke", "etotal", "vol", "density"),
        *("lx", "ly", "lz", "pxx", "pyy", "pzz"),
    }
    steps, stages = thermo.get_array("step"), thermo.get_array("stage")
    assert steps.dtype == np.int64
    assert {thermo.get_array(name).shape for name in thermo.get_arraynames()} == {steps.shape}
    assert set(stages) == {0, 1, 2}
    assert (np.diff(steps[stages == 2]) > 0).all()
    assert steps[stages == 2][[0, -1]].tolist() == [201, 401]
    assert np.allclose(thermo.get_array("pe") + thermo.get_array("ke"), thermo.get_array("etotal"))


def test_the_final_system_is_kept_if_asked_for(parse: Parse) -> None:
    moved = crystal_and_molecules()
    moved.data.set_unwrapped(moved.data.unwrapped + 0.25)
    exit_code, outputs = parse(
        "cse.lammps",
        inputs(*FINISHED, keep_system=True),
        retrieved={"log.lammps": log("finished")},
        temporary={"final.data": moved.data.format()},
    )
    assert exit_code is None
    system = outputs["system"]
    assert isinstance(system, CseSystemData)
    assert np.array_equal(system.get_system().data.unwrapped, moved.data.unwrapped)
    assert system.info.slab == moved.info.slab
    assert system.forcefield == moved.forcefield
    assert system.info.phase == "interface"
    assert system.info.seeds["velocities"] == 7, "the plan's: its heating drew velocities"


def test_the_end_of_a_production_says_so(parse: Parse) -> None:
    short = HEAT | {"name": "production", "duration_ps": 0.001}
    text = (
        "CSE begin=production kind=nvt start=0 target=1 step=0\n"
        "CSE end=production step=1\n"
        "CSE finished step=1 timeout=0\n"
    )
    exit_code, outputs = parse(
        "cse.lammps",
        inputs(short, keep_system=True),
        retrieved={"log.lammps": text},
        temporary={"final.data": crystal_and_molecules().data.format()},
    )
    assert exit_code is None
    assert outputs["system"].info.phase == "production"
    assert "velocities" in outputs["system"].info.seeds


@pytest.mark.parametrize("content", [None, "", "LAMMPS data file\n\n3 atoms\n"], ids=["missing", "empty", "cut"])
def test_a_final_system_that_is_not_there_is_said(parse: Parse, content: str | None) -> None:
    exit_code, outputs = parse(
        "cse.lammps",
        inputs(*FINISHED, keep_system=True),
        retrieved={"log.lammps": log("finished")},
        temporary={} if content is None else {"final.data": content},
    )
    assert exit_code is not None
    assert exit_code.status == 311
    assert exit_code.invalidates_cache
    assert "final.data" in exit_code.message
    assert set(outputs) == {"results", "thermo"}


def test_a_final_system_of_other_atoms_is_no_end_of_this_run(parse: Parse) -> None:
    other = crystal_and_molecules().data
    other.charges[0] = 5.0
    exit_code, _ = parse(
        "cse.lammps",
        inputs(*FINISHED, keep_system=True),
        retrieved={"log.lammps": log("finished")},
        temporary={"final.data": other.format()},
    )
    assert exit_code is not None
    assert exit_code.status == 311
    assert "atom 1 has charge 5.0" in exit_code.message


CASES = [
    ("timed_out", (MINIMIZE, LONG), 400, "Stopped before the wall time at step {step} of 1000001"),
    ("killed", (MINIMIZE, LONG), 420, "The run ended without a message at step {step} of 1000001"),
    ("killed_mid_line", (MINIMIZE, LONG), 420, "The run ended without a message at step {step} of 1000001"),
    ("lost_atoms", (SHORT,), 410, "Atoms were lost: ERROR: Lost atoms: original 113 current 111"),
    ("bond_atoms_missing", (SHORT,), 411, "Atoms of a bonded term drifted apart: ERROR on proc 0: Bond atoms"),
    ("non_numeric", (SHORT,), 412, "A thermo value is not finite: ERROR on proc 0: Non-numeric atom coords"),
    ("not_a_number", (LONG,), 412, "A thermo value is not finite: press at step 0"),
    ("kspace_out_of_range", (SHORT,), 413, "Atoms left the k-space mesh: ERROR on proc 0: Out of range atoms"),
    ("restart_unreadable", (HEAT,), 320, "The checkpoint cannot be used: ERROR: Incomplete or corrupted"),
    (
        "no_checkpoint",
        (MINIMIZE,),
        320,
        "The checkpoint cannot be used: ERROR: no restart file of step 400",
    ),
    ("other_error", (HEAT,), 310, "LAMMPS stopped with an error: ERROR: Bond coeffs are not set"),
]


@pytest.mark.parametrize(("name", "stages", "status", "message"), CASES, ids=[case[0] for case in CASES])
def test_a_failed_run_has_its_exit_code(
    parse: Parse, name: str, stages: tuple[dict[str, Any], ...], status: int, message: str
) -> None:
    exit_code, outputs = parse("cse.lammps", inputs(*stages), retrieved={"log.lammps": log(name)})
    assert exit_code is not None
    assert exit_code.status == status
    assert exit_code.invalidates_cache
    results = outputs["results"]
    assert message.format(step=results["step"]) in exit_code.message
    assert results["complete"] is False
    assert ("thermo" in outputs) == (name not in ("restart_unreadable", "no_checkpoint", "other_error"))


def test_without_a_log_lammps_never_ran(parse: Parse) -> None:
    exit_code, outputs = parse("cse.lammps", inputs(HEAT))
    assert exit_code is not None
    assert exit_code.status == 303
    assert outputs == {}


LIBRARY = "lmp: error while loading shared libraries: libfftw3.so.3: cannot open shared object file"


@pytest.mark.parametrize(
    ("words", "status", "exit_code", "message"),
    [
        (LIBRARY, 127, 304, f"{LIBRARY} | exit status 127"),
        (
            "_aiidasubmit.sh: line 9: /opt/lmp: No such file or directory",
            127,
            304,
            "line 9: /opt/lmp: No such file",
        ),
        ("Lmod has detected the following error: unknown module: lammps", None, 303, "unknown module: lammps"),
        ("usage: lmp [options]", 2, 304, "usage: lmp [options] | exit status 2"),
        ("", 137, 303, "exit status 137: SIGKILL"),
        ("slurmstepd: error: Detected 1 oom_kill event", 1, 303, "oom_kill"),
        ("", 0, 303, "nothing"),
    ],
)
def test_a_lammps_that_cannot_start_is_told_from_a_killed_job(
    parse: Parse, words: str, status: int | None, exit_code: int, message: str
) -> None:
    files: dict[str, str | bytes] = {"_scheduler-stderr.txt": words}
    if status is not None:
        files["end.json"] = json.dumps(END | {"status": status})
    found, outputs = parse("cse.lammps", inputs(HEAT), retrieved=files)
    assert found is not None
    assert (found.status, outputs) == (exit_code, {})
    assert message in found.message


@pytest.mark.parametrize(
    ("distance", "words"), [(0.05, "are 0.05 Å apart in the starting"), (None, "no atoms overlap")]
)
def test_a_breakdown_in_the_first_steps_points_to_overlaps(
    parse: Parse, distance: float | None, words: str
) -> None:
    given, system = inputs(SHORT), crystal_and_molecules()
    if distance is not None:
        positions = system.data.unwrapped.copy()
        positions[-1] = positions[-3] + np.array([0.0, 0.0, distance])
        system.data.set_unwrapped(positions)
    given["system"] = CseSystemData(system)
    exit_code, outputs = parse("cse.lammps", given, retrieved={"log.lammps": log("lost_atoms")})
    assert exit_code is not None
    assert words in exit_code.message
    assert "Å" not in outputs["results"]["error"], "the message of LAMMPS alone"


@pytest.mark.parametrize("retrieved", [None, "killed"], ids=["no log", "killed"])
def test_an_exit_code_of_the_scheduler_takes_precedence(parse: Parse, retrieved: str | None) -> None:
    files: dict[str, str | bytes] = {} if retrieved is None else {"log.lammps": log(retrieved)}
    exit_code, _ = parse(
        "cse.lammps", inputs(MINIMIZE, LONG), retrieved=files, scheduler=(120, "The job ran out of walltime.")
    )
    assert exit_code is not None
    assert (exit_code.status, exit_code.message) == (120, "The job ran out of walltime.")


def test_what_lammps_said_counts_more_than_the_scheduler(parse: Parse) -> None:
    exit_code, _ = parse(
        "cse.lammps",
        inputs(SHORT),
        retrieved={"log.lammps": log("lost_atoms")},
        scheduler=(140, "The node failed."),
    )
    assert exit_code is not None
    assert exit_code.status == 410


def test_a_log_of_another_plan_is_not_finished(parse: Parse) -> None:
    longer = RELAX | {"duration_ps": 5}
    exit_code, _ = parse("cse.lammps", inputs(MINIMIZE, HEAT, longer), retrieved={"log.lammps": log("finished")})
    assert exit_code is not None
    assert exit_code.status == 420


@pytest.mark.parametrize("record", ["", "{", "[1]", b"\x00\xff", '{"restart": 5}'])
def test_damaged_records_do_no_harm(parse: Parse, record: str | bytes) -> None:
    files = {"log.lammps": log("finished"), "start.json": record, "end.json": record}
    exit_code, outputs = parse("cse.lammps", inputs(*FINISHED), retrieved=files)
    assert exit_code is None
    results = outputs["results"]
    assert (results["restart_file"], results["files"]) == (None, {})
    assert results["exact"] is True


# -- messages of the machine about a run that ended without one of its own --------------------------------------

SAID = [
    ("slurmstepd: error: Detected 1 oom_kill event in StepId=12.0.", 422),
    ("terminate called after throwing an instance of 'std::bad_alloc'", 422),
    ("ERROR on proc 3: Failed to allocate 1234567890 bytes for array atom:x", 422),
    ("_aiidasubmit.sh: line 24: 4711 Segmentation fault      (core dumped) 'lmp'", 423),
    ("[n01:812] *** Process received signal ***\n[n01:812] Signal: Segmentation fault (11)", 423),
    ("YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Segmentation fault (signal 11)", 423),
    ("cp: error writing 'x': No space left on device", 424),
    ("forrtl: Disk quota exceeded", 424),
    ("_aiidasubmit.sh: line 24: 99 File size limit exceeded(core dumped) 'lmp'", 424),
    ("MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD", 425),
    ("=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES", 425),
    ("Fatal error in internal_Isend: Other MPI error", 425),
    ("ERROR: folder in use: /scratch/a was taken by a job on n01", 421),
    ("ERROR: Cannot open folder: /scratch/a cannot be written to", 312),
    ("=   BAD TERMINATION OF ONE\nTERMINATED WITH THE EXIT STRING: Killed (signal 9)", 420),
    ("mpirun noticed that process rank 0 with PID 1 on node n01 exited on signal 15 (Terminated).", 420),
    ("slurmstepd: error: *** JOB 7 ON n01 CANCELLED AT 2025-01-01 DUE TO TIME LIMIT ***", 420),
    ("ERROR: Unable to locate a modulefile for 'lammps'", 420),
    ("Killed\nls: cannot access 'x': No such file or directory", 420),
]


@pytest.mark.parametrize(
    ("where", "words", "status"),
    [
        pytest.param(where, *said, marks=pytest.mark.long if "stderr" not in where and number % 3 else ())
        for where in ("_scheduler-stderr.txt", "lammps.out", "_scheduler-stdout.txt")
        for number, said in enumerate(SAID)
    ],
)
def test_words_of_the_machine(parse: Parse, where: str, words: str, status: int) -> None:
    files: dict[str, str | bytes] = {"log.lammps": log("killed")}
    temporary: dict[str, str | bytes] = {}
    (files if where.startswith("_") else temporary)[where] = f"some\n{words}\nmore\n"
    if temporary:
        temporary = {"job.out": temporary["lammps.out"]}
    exit_code, outputs = parse("cse.lammps", inputs(MINIMIZE, LONG), retrieved=files, temporary=temporary)
    assert exit_code is not None
    assert exit_code.status == status
    assert exit_code.invalidates_cache
    assert outputs["results"]["complete"] is False


#: exit code of each kind of message; before the first checkpoint, a time limit asks for more time
STATUS = {
    "time_limit": 403,
    "disk_full": 424,
    "out_of_memory": 422,
    "segmentation_fault": 423,
    "interrupted": 420,
    "mpi_abort": 425,
}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: f"{one.kind}-{one.example[:30]}")
def test_every_message_is_read_where_its_machine_writes_it(parse: Parse, message: Message) -> None:
    files = told(message.example, message.place)
    files["retrieved"] = {"log.lammps": log("killed").split(b"CSE restart=")[0]} | files.get("retrieved", {})
    exit_code, outputs = parse("cse.lammps", inputs(MINIMIZE, LONG), **files)
    assert exit_code is not None
    assert exit_code.status == STATUS[message.kind]
    assert outputs["results"]["error"] == message.example


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ("TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.", 422),
        ("TERM_OWNER: job killed by owner.", 420),
        ("Exited", 420),
    ],
)
def test_the_report_of_lsf_tells_why_programs_were_killed(parse: Parse, report: str, status: int) -> None:
    """The script of the job, which the report repeats, holds no message."""
    files: dict[str, str | bytes] = {
        "log.lammps": log("killed"),
        "_scheduler-stderr.txt": "mpirun noticed that process rank 0 exited on signal 9 (Killed).",
        "_scheduler-stdout.txt": LSF_REPORT.format(message=report),
    }
    exit_code, _ = parse("cse.lammps", inputs(MINIMIZE, LONG), retrieved=files)
    assert exit_code is not None
    assert exit_code.status == status
    assert "BSUB" not in exit_code.message
    assert "Segmentation fault" not in exit_code.message


@pytest.mark.parametrize(("status", "code"), [(139, 423), (245, 423), (231, 424), (247, 420), (1, 420)])
def test_the_signal_that_ended_lammps(parse: Parse, status: int, code: int) -> None:
    """As a shell tells of it and, from 256 down, the wrapper in Python."""
    files: dict[str, str | bytes] = {"log.lammps": log("killed"), "end.json": json.dumps(END | {"status": status})}
    exit_code, _ = parse("cse.lammps", inputs(MINIMIZE, LONG), retrieved=files)
    assert exit_code is not None
    assert exit_code.status == code


def test_a_disk_that_was_full_at_the_end(parse: Parse) -> None:
    end = json.dumps(END | {"disk_full": True})
    exit_code, _ = parse(
        "cse.lammps", inputs(MINIMIZE, LONG), retrieved={"log.lammps": log("killed"), "end.json": end}
    )
    assert exit_code is not None
    assert exit_code.status == 424
    exit_code, _ = parse(
        "cse.lammps", inputs(*FINISHED), retrieved={"log.lammps": log("finished"), "end.json": end}
    )
    assert exit_code is None


def test_mpi_messages_do_not_fail_a_complete_run(parse: Parse) -> None:
    said = "\n".join(words for words, _ in SAID)
    files: dict[str, str | bytes] = {"log.lammps": log("finished"), "_scheduler-stderr.txt": said}
    exit_code, _ = parse("cse.lammps", inputs(*FINISHED), retrieved=files, temporary={"job.out": said})
    assert exit_code is None


def test_a_trajectory_without_all_its_frames_is_no_success(parse: Parse) -> None:
    job = inputs(MINIMIZE, HEAT, RELAX | {"trajectory_ps": 0.1})
    files: dict[str, str | bytes] = {"log.lammps": log("finished"), "end.json": json.dumps(END)}
    exit_code, outputs = parse("cse.lammps", job, retrieved=files)
    assert exit_code is not None
    assert exit_code.status == 424
    assert "trajectory.dcd has 5 bytes, its frames need " in exit_code.message
    assert outputs["results"]["complete"] is False


@pytest.mark.parametrize(
    ("words", "status"),
    [("ERROR: folder in use: x", 421), ("ERROR: Cannot open folder: x", 312), ("lmp: not found", 303)],
)
def test_without_a_log_the_shell_may_know_why(parse: Parse, words: str, status: int) -> None:
    exit_code, _ = parse("cse.lammps", inputs(HEAT), retrieved={"_scheduler-stderr.txt": words})
    assert exit_code is not None
    assert exit_code.status == status


@pytest.mark.parametrize("scheduler", [(120, "The job ran out of walltime."), None])
def test_a_wall_time_that_ends_before_the_first_checkpoint(
    parse: Parse, scheduler: tuple[int, str] | None
) -> None:
    text = log("killed").split(b"CSE restart=")[0]
    said = "" if scheduler else "JOB 7 ON n01 CANCELLED AT 2025-01-01 DUE TO TIME LIMIT"
    files: dict[str, str | bytes] = {"log.lammps": text, "_scheduler-stderr.txt": said}
    exit_code, _ = parse("cse.lammps", inputs(MINIMIZE, LONG), retrieved=files, scheduler=scheduler)
    assert exit_code is not None
    assert exit_code.status == 403
    assert "before the first checkpoint; give more time" in exit_code.message


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(log("finished"))), st.binary(max_size=80))
def test_whatever_the_end_of_the_log_it_is_parsed(parse: Parse, length: int, tail: bytes) -> None:
    text = log("finished")[:length] + tail
    exit_code, outputs = parse("cse.lammps", inputs(*FINISHED), retrieved={"log.lammps": text})
    complete = exit_code is None
    assert outputs["results"]["complete"] == complete
    assert not complete or b"CSE finished step=401 timeout=0\n" in text
    json.dumps(outputs["results"].get_dict(), allow_nan=False)


def test_columns_that_no_array_may_be_called(parse: Parse) -> None:
    table = "Step c_t[1] v-x\n  0  300 1\n 10 310 2\nLoop time of 1 on 1 procs for 10 steps\n"
    _, outputs = parse("cse.lammps", inputs(HEAT), retrieved={"log.lammps": table})
    assert outputs["thermo"].get_array("c_t_1_").tolist() == [300, 310]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (log("finished"), None),
        (log("columns"), None),
        (log("lost_atoms"), 410),
        (log("killed"), 420),
        (log("timed_out"), 400),
    ],
    ids=["finished", "columns", "lost_atoms", "killed", "timed_out"],
)
def test_a_script_of_the_users_own(parse: Parse, text: bytes, status: int | None) -> None:
    exit_code, outputs = parse("cse.lammps", {}, retrieved={"log.lammps": text})
    assert (exit_code.status if exit_code else None) == status
    assert set(outputs) == {"results"}
    assert outputs["results"]["lammps_version"].startswith("22 Jul 2025")
