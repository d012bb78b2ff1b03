"""The monitor: on stored logs through a real connection, and on running jobs that it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.engine.processes.calcjobs.monitors import CalcJobMonitor
from aiida.plugins import CalculationFactory
from aiida.schedulers.datastructures import JobState
from aiida.transports import Transport

from aiida_cse.calculations import monitor
from aiida_cse.calculations.monitor import HOT_ROWS, LONGEST_LOOK, MEMORY, PREFIXES, thermo
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.log.reader import read_log
from tests.lammps.jobs import plan
from tests.lammps.make_logs import LONG, MINIMIZE, with_two_atoms_at
from tests.nodes import job_node, log, system_node
from tests.systems import crystal_and_molecules

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.fixture
def transport(localhost: orm.Computer) -> Iterator[Transport]:
    with localhost.get_transport() as opened:
        yield opened


@pytest.fixture
def job(localhost: orm.Computer, tmp_path: Path) -> orm.CalcJobNode:
    """A job that runs in a folder with the log of a run that has some rows and no end."""
    asked = orm.Dict(plan(MINIMIZE, LONG).model_dump(mode="json", exclude_none=True))
    node = job_node("cse.lammps", localhost, {"plan": asked})
    node.set_remote_workdir(str(tmp_path))
    (tmp_path / "log.lammps").write_bytes(log("killed"))
    return node


def test_a_healthy_job_continues(job: orm.CalcJobNode, transport: Transport) -> None:
    assert thermo(job, transport) is None


def test_before_there_is_a_log_nothing_is_wrong(
    job: orm.CalcJobNode, transport: Transport, tmp_path: Path
) -> None:
    (tmp_path / "log.lammps").unlink()
    assert [thermo(job, transport, stalled_seconds=1e-9) for _ in range(3)] == [None] * 3
    job.set_remote_workdir(str(tmp_path / "nowhere"))
    assert thermo(job, transport) is None


def test_not_a_number(job: orm.CalcJobNode, transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "log.lammps").write_bytes(log("not_a_number"))
    assert thermo(job, transport) == f"{PREFIXES['not_a_number']}: press at step 0"


def hot(temperature: float, rows: int) -> bytes:
    """Return the log with its last rows at this temperature."""
    text = log("killed").decode()
    lines = text.splitlines(keepends=True)
    table = read_log(lines).tables[-1]
    last = {f"  - [{row[0]:.0f}," for row in table.rows[-rows:]}
    for number, line in enumerate(lines):
        step = line.split(" ")
        if " ".join(step[:4]) in last:
            lines[number] = " ".join([*step[:4], f"{temperature},", *step[5:]])
    return "".join(lines).encode()


@pytest.mark.parametrize(
    ("temperature", "rows", "factor", "ends"),
    [
        (901, HOT_ROWS, 3.0, True),
        (899, HOT_ROWS, 3.0, False),
        (1e6, HOT_ROWS - 1, 3.0, False),
        (601, HOT_ROWS, 2.0, True),
    ],
)
def test_a_runaway_temperature(
    job: orm.CalcJobNode,
    transport: Transport,
    tmp_path: Path,
    temperature: float,
    rows: int,
    factor: float,
    ends: bool,
) -> None:
    """The target is the upper end of the ramp, 300 K."""
    (tmp_path / "log.lammps").write_bytes(hot(temperature, rows))
    message = thermo(job, transport, temperature_factor=factor)
    assert (message is not None) == ends
    if message is not None:
        assert message.startswith(f"{PREFIXES['runaway_temperature']}: {temperature} K at step ")
        assert message.endswith(f"of production, more than {factor:g} times 300 K")


def test_without_a_plan_there_is_no_temperature_to_keep(
    localhost: orm.Computer, transport: Transport, tmp_path: Path
) -> None:
    node = job_node("cse.lammps", localhost)
    node.set_remote_workdir(str(tmp_path))
    (tmp_path / "log.lammps").write_bytes(hot(1e6, HOT_ROWS))
    assert thermo(node, transport) is None


def test_a_log_that_does_not_grow(
    job: orm.CalcJobNode, transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 60.0, 90.0, 150.0, 210.0])
    monkeypatch.setattr(monitor.time, "time", lambda: next(clock))
    looks = [thermo(job, transport, stalled_seconds=100), thermo(job, transport, stalled_seconds=100)]
    with (tmp_path / "log.lammps").open("a") as handle:
        handle.write("one more line\n")
    looks += [thermo(job, transport, stalled_seconds=100) for _ in range(3)]
    assert looks == [None] * 4 + [f"{PREFIXES['no_progress']}: the log has not grown for 120 s"]


@pytest.mark.parametrize("jump", [1e9, -1e9])
def test_a_clock_that_jumps_ends_no_job(
    job: orm.CalcJobNode, transport: Transport, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    clock = iter([1e10, 1e10 + jump])
    monkeypatch.setattr(monitor.time, "time", lambda: next(clock))
    assert [thermo(job, transport) for _ in range(2)] == [None, None]
    assert job.base.extras.get(MEMORY)["waited"] in (0.0, LONGEST_LOOK)


def test_a_job_that_has_ended_is_not_ended(job: orm.CalcJobNode, transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "log.lammps").write_bytes(log("not_a_number"))
    job.set_scheduler_state(JobState.DONE)
    assert thermo(job, transport) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature_factor": 1.0}, "temperature_factor = 1.0: must be above 1"),
        ({"temperature_factor": float("nan")}, "temperature_factor = nan: must be above 1"),
        ({"stalled_seconds": 0}, "stalled_seconds = 0: must be above 0, or null"),
    ],
)
def test_wrong_arguments(
    job: orm.CalcJobNode, transport: Transport, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        thermo(job, transport, **arguments)


def test_the_entry_point() -> None:
    assert CalcJobMonitor("cse.thermo", kwargs={"temperature_factor": 2.0}).load_entry_point() is thermo
    with pytest.raises(ValueError, match="does not accept the keywords: \\['factor'\\]"):
        CalcJobMonitor("cse.thermo", kwargs={"factor": 2.0})


# -- on jobs that run ------------------------------------------------------------------------------------------

ENDLESS = LONG | {"temperature": 300, "velocities": 300}


def run_monitored(lmp: orm.InstalledCode, system: CseSystemData, stage: dict[str, Any], **settings: Any) -> Any:
    kwargs = settings.pop("monitor", {})
    _, node = run_get_node(
        CalculationFactory("cse.lammps"),
        code=lmp,
        system=system,
        plan=plan(stage, **settings).model_dump(mode="json", exclude_none=True),
        monitors={"thermo": orm.Dict({"entry_point": "cse.thermo", "kwargs": kwargs})},
    )
    return node


@pytest.mark.integration
def test_a_job_that_is_not_a_number_is_ended(lmp: orm.InstalledCode) -> None:
    system = CseSystemData(with_two_atoms_at(0.0, (0, 1)))
    stage = ENDLESS | {"thermo_ps": 0.01}
    node = run_monitored(lmp, system, stage, kspace_style="ewald", restart_interval=10**6)
    assert node.exit_status == 150
    assert PREFIXES["not_a_number"] in node.exit_message
    assert node.outputs.results["complete"] is False


@pytest.mark.integration
def test_a_job_that_is_too_hot_is_ended_and_can_be_continued(lmp: orm.InstalledCode) -> None:
    stage = ENDLESS | {"velocities": 5000, "thermostat_fs": 1e6, "thermo_ps": 0.05}
    node = run_monitored(lmp, CseSystemData(crystal_and_molecules()), stage, restart_interval=100)
    assert node.exit_status == 150
    assert f"{PREFIXES['runaway_temperature']}: " in node.exit_message
    assert node.outputs.results["stages"][0]["step"] > 0
    assert "remote_folder" in node.outputs


@pytest.mark.integration
def test_a_job_that_does_nothing_is_ended(lmp: orm.InstalledCode) -> None:
    stage = ENDLESS | {"thermo_ps": 500}
    node = run_monitored(lmp, system_node(), stage, restart_interval=10**6, monitor={"stalled_seconds": 2})
    assert node.exit_status == 150
    assert f"{PREFIXES['no_progress']}: the log has not grown for" in node.exit_message
