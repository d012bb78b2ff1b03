"""Many tiny productions at a time on a daemon: what is lost, how fast, and what each costs.

``python -m benchmarks.throughput [--quick] [--productions N] [--waves N] [--workers N]`` submits productions in
equal waves to a daemon on SQLite and ZeroMQ, and to one on PostgreSQL and RabbitMQ where these are installed
(``make services``). Each production has two jobs, one LAMMPS run of a few steps and its reduction. The peer is
AiiDA's own smallest WorkChain with a job, which multiplies and adds, afterwards on the same daemon. The exit code
is 0 only if all productions finish, none is lost or run twice, the CPU time per process is at most that of the
peer, and it does not grow from wave to wave. One wave has all productions at a time, and shows no growth.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from aiida import orm
from aiida.brokers import ZeromqBroker
from aiida.engine import ProcessBuilder, submit
from aiida.manage import get_manager
from aiida.manage.configuration import create_profile, get_config
from aiida.plugins import WorkflowFactory

from aiida_cse.cli.site.environment import Environment, ensure_environment
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.database import wait_for_locks
from aiida_cse.workchains.production import ProductionWorkChain
from tests.golden.archives import demo_interface
from tests.services.programs import Services, UnavailableError, bare, databases

STEPS, FRAME_STEPS = 20, 5
#: what the bench changes in the protocol ``demo`` of a production; the time step is 2 fs
OVERRIDES: dict[str, Any] = {
    "plan": {
        "length_ps": 0.04,
        "segment_ps": 0.04,
        "frame_ps": 0.01,
        "thermo_ps": 0.02,
        "all_atoms_ps": None,
        "settings": {"restart_interval": 10},
    },
    "sampling": {"block_ps": 0.02, "snapshot_ps": 0.02, "bins": 50, "lags_ps": [0.02]},
}
JOBS = ("LammpsStageCalculation", "ReduceCalculation")
WAVES = 4
#: a worker must be able to hold all processes of a wave, which wait for one another
SLOTS = 4000
#: largest ratio of the CPU time per job in the last wave to that in the second; the first wave also imports
GROWTH = 1.25
#: largest ratio of the daemon's CPU time per process to that of the peer
OF_PEER = 1.5
#: runs of the peer
PEERS = 20
#: s that a production may take on a machine that does other work as well
PATIENCE = 120.0


@dataclass(frozen=True)
class Wave:
    """Cost of one wave: seconds of wall time and of the workers' CPU time, and the number of processes."""

    wall: float
    cpu: float
    processes: int

    @property
    def cpu_per_process(self) -> float:
        """CPU time of the workers per process in seconds."""
        return self.cpu / self.processes


@dataclass(frozen=True)
class Result:
    """Outcome of all waves with one back end, and of the peer.

    ``wrong`` names each production that did not end well, or ran a job or counted a frame too few or too often.
    ``memory`` is that of the largest worker; ``database`` and ``repository`` are sizes per production, in bytes.
    """

    name: str
    productions: int
    waves: list[Wave]
    peer: Wave
    wrong: list[str]
    memory: float
    database: float
    repository: float
    nodes: float

    @property
    def jobs_per_minute(self) -> float:
        """Jobs that ended per minute of wall time."""
        return 60 * len(JOBS) * self.productions / sum(wave.wall for wave in self.waves)

    def cpu_per_job(self, wave: int) -> float:
        """Return the workers' CPU time per job in a wave, in seconds."""
        return self.waves[wave].cpu / (len(JOBS) * self.productions / len(self.waves))

    def lines(self) -> Iterator[tuple[str, str, bool]]:
        """Yield the rows of the table: name, value, and whether the target is met."""
        cpu = [self.cpu_per_job(number) for number in range(len(self.waves))]
        of_peer = min(wave.cpu_per_process for wave in self.waves) / self.peer.cpu_per_process
        yield (
            "productions: finished, neither lost nor twice",
            (f"{self.productions - len(self.wrong)} of {self.productions}"),
            not self.wrong,
        )
        yield "jobs per minute", f"{self.jobs_per_minute:.1f}", True
        yield "daemon CPU per process of the peer", f"{self.peer.cpu_per_process:.2f} s", True
        yield f"per process of a production / peer (at most {OF_PEER:g})", f"{of_peer:.2f}", of_peer <= OF_PEER
        yield "daemon CPU per job, by wave", " ".join(f"{value:.2f}" for value in cpu) + " s", True
        if len(cpu) > 2:
            growth = cpu[-1] / cpu[1]
            yield f"last wave / second (at most {GROWTH:g})", f"{growth:.2f}", growth <= GROWTH
        yield "memory of a worker", f"{self.memory / 1e6:.0f} MB", True
        yield "database per production", f"{self.database / 1e3:.0f} kB", True
        yield "repository per production", f"{self.repository / 1e3:.0f} kB", True
        yield "nodes per production", f"{self.nodes:.0f}", True


def main() -> None:
    """Run both back ends and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput")
    parser.add_argument("--quick", action="store_true", help="8 productions instead of 200")
    parser.add_argument("--productions", type=int, help="number of productions on each back end")
    parser.add_argument("--waves", type=int, default=WAVES, help="waves that they come in (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="workers of each daemon")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="this back end alone")
    given = parser.parse_args()
    wave = -(-(given.productions or (8 if given.quick else 200)) // given.waves)
    good = True
    for name, programs in (("SQLite + ZeroMQ", bare), ("PostgreSQL + RabbitMQ", databases)):
        if given.only and not name.lower().startswith(given.only):
            continue
        try:
            with programs() as services:
                result = measure(name, services, wave, given.waves, given.workers)
        except UnavailableError as error:
            print(f"{name}: skipped: {error}", flush=True)
            continue
        print(f"{name}, {given.workers} workers, {given.waves} waves of {wave}", flush=True)
        for row, value, holds in result.lines():
            good = good and holds
            print(f"  {row:<48} {value:>26}{'' if holds else '  MISSED'}", flush=True)
        for why in result.wrong:
            print(f"  {why}")
    sys.exit(not good)


def measure(name: str, services: Services, size: int, number: int, workers: int) -> Result:
    """Run a number of waves of this size on a new profile, on the databases if the services have them."""
    profile = "throughput_" + name.split()[0].lower()
    if "postgresql" in services.processes:
        make_profile(profile, services)
    environment = ensure_environment(profile, daemon=True)
    options = {"daemon.worker_process_slots": SLOTS, "daemon.timeout": 60, "warnings.rabbitmq_version": False}
    for option, value in options.items():
        get_config().set_option(option, value)
    get_config().store()
    wait_for_locks()
    system = CseSystemData(demo_interface().get_system()).store()
    before = sizes(services)
    submitted: list[orm.ProcessNode] = []
    waves: list[Wave] = []
    with running_daemon(services, profile, workers) as daemon:
        memory = 0.0
        for _ in range(number):
            builders = (production(environment, system, len(submitted) + k) for k in range(size))
            nodes, wave, most = run_wave(builders, daemon)
            submitted += nodes
            waves.append(wave)
            memory = max(memory, most)
            print(f"{name}: {len(submitted)} productions, {wave.wall:.0f} s", file=sys.stderr, flush=True)
        after, stored = sizes(services), orm.QueryBuilder().append(orm.Node).count()
        peer = run_wave(peers(environment), daemon)[1]
    count = len(submitted)
    grown = [(late - early) / count for early, late in zip(before, after, strict=True)]
    wrong = [why for node in submitted if (why := fault(node))]
    get_manager().reset_profile()  # before its services end
    return Result(name, count, waves, peer, wrong, memory, *grown, stored / count)


def run_wave(
    builders: Iterable[ProcessBuilder], daemon: psutil.Process
) -> tuple[list[orm.ProcessNode], Wave, float]:
    """Submit all and wait for their ends; return nodes, cost, and the largest memory of a worker in bytes."""
    cpu, began = cpu_of(daemon), time.monotonic()
    nodes = [submit(builder) for builder in builders]
    memory = await_all(nodes, daemon)
    wall, cpu = time.monotonic() - began, cpu_of(daemon) - cpu
    return nodes, Wave(wall, cpu, sum(1 + len(node.called_descendants) for node in nodes)), memory


def peers(environment: Environment) -> Iterator[ProcessBuilder]:
    """Yield the builders of the peer, whose job is a line of bash."""
    code = orm.InstalledCode(
        label="bash", computer=environment.lammps.computer, filepath_executable="/bin/bash",
        default_calc_job_plugin="core.arithmetic.add",
    ).store()  # fmt: skip
    for number in range(PEERS):
        builder = WorkflowFactory("core.arithmetic.multiply_add").get_builder()
        builder.x, builder.y, builder.z, builder.code = orm.Int(number), orm.Int(2), orm.Int(3), code
        yield builder


def production(environment: Environment, system: CseSystemData, seed: int) -> ProcessBuilder:
    """Return the builder of a production that no other is like."""
    return ProductionWorkChain.get_builder_from_protocol(
        codes={"lammps": environment.lammps, "cse": environment.cse},
        recipe={"seeds": {"velocities": 1 + seed}},
        system=system,
        temperature=500.0,
        protocol="demo",
        overrides=OVERRIDES,
        options={"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}},
    )


def make_profile(name: str, services: Services) -> None:
    """Make a profile on PostgreSQL and RabbitMQ."""
    config = get_config(create=True)
    storage = {
        "database_engine": "postgresql_psycopg", "database_hostname": "127.0.0.1",
        "database_port": services.ports["postgresql"], "database_username": "aiida", "database_password": "none",
        "database_name": "aiida", "repository_uri": f"file://{services.folder}/repository",
    }  # fmt: skip
    broker = {
        "broker_protocol": "amqp", "broker_username": "guest", "broker_password": "guest",
        "broker_host": "127.0.0.1", "broker_port": services.ports["rabbitmq"], "broker_virtual_host": "",
    }  # fmt: skip
    create_profile(
        config, name=name, email="aiida@localhost", storage_backend="core.psql_dos", storage_config=storage,
        broker_backend="core.rabbitmq", broker_config=broker,
    )  # fmt: skip
    config.set_option("runner.poll.interval", 1, scope=name)
    config.store()


@contextmanager
def running_daemon(services: Services, profile: str, workers: int) -> Iterator[psutil.Process]:
    """Run a daemon with these workers as a child of this process."""
    client = get_manager().get_daemon_client()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path}
    command = [Path(sys.executable).parent / "verdi", "-p", profile, "daemon", "start", "--foreground", 1]

    def ready() -> None:
        try:
            client.get_status(timeout=5)
        except Exception as error:  # of several kinds while it starts
            raise OSError(str(error)) from error

    with services.running("daemon", command, ready, environment=environment):
        if workers > 1:
            client.increase_workers(workers - 1, timeout=60)
        broker = get_manager().get_broker()
        deadline = time.monotonic() + PATIENCE
        while isinstance(broker, ZeromqBroker):  # one that starts before the broker may wait forever
            registered = broker.probe_service_status().get("task_subscribers")
            if registered == workers:
                break
            if time.monotonic() > deadline:
                sys.exit(f"throughput: {registered} of {workers} workers registered; give a new AIIDA_PATH")
            time.sleep(1)
        yield psutil.Process(services.processes["daemon"].pid)


def workers_of(daemon: psutil.Process) -> list[psutil.Process]:
    found = []
    for process in daemon.children(recursive=True):
        with suppress(psutil.Error):
            if "worker" in process.cmdline():
                found.append(process)
    return found


def cpu_of(daemon: psutil.Process) -> float:
    """Return the CPU time of all workers so far, in seconds, without that of the jobs."""
    return sum(sum(worker.cpu_times()[:2]) for worker in workers_of(daemon))


def await_all(wave: list[orm.ProcessNode], daemon: psutil.Process) -> float:
    """Wait until a wave has ended, or its time is over; return the largest memory of a worker in bytes."""
    deadline, memory = time.monotonic() + PATIENCE * len(wave), 0.0
    pending = [node.pk for node in wave]
    while pending and time.monotonic() < deadline:
        time.sleep(0.5)
        ended = {"in": ["finished", "excepted", "killed"]}
        query = orm.QueryBuilder().append(
            orm.ProcessNode, filters={"id": {"in": pending}, "attributes.process_state": ended}, project="id"
        )
        pending = sorted(set(pending) - set(query.all(flat=True)))
        memory = max([memory, *(worker.memory_info().rss for worker in workers_of(daemon))])
    return memory


def fault(node: orm.ProcessNode) -> str | None:
    """Return what is wrong with a production: not finished, a job too few or too many, or so with a frame."""
    if not node.is_finished_ok:
        return f"<{node.pk}> is {node.process_state.value}, [{node.exit_status}] {node.exit_message}"
    labels = [job.process_label for job in node.called_descendants if isinstance(job, orm.CalcJobNode)]
    if sorted(labels) != sorted(JOBS):
        return f"<{node.pk}> has the jobs {labels}"
    state = node.outputs.reduction.get_state()
    expected = STEPS // FRAME_STEPS + 1
    counted = round(int(state.histograms.sum()) / len(state.config.atom_types))
    if (state.frames, counted) != (expected, expected):
        return f"<{node.pk}> has {state.frames} frames, counted {counted}, instead of {expected}"
    return None


def sizes(services: Services) -> tuple[float, float]:
    """Return the sizes of database and repository of the loaded profile, in bytes."""
    if "postgresql" in services.processes:
        repository = services.folder / "repository"
        database = float(
            services.call(
                "psql", "-h", "127.0.0.1", "-p", services.ports["postgresql"], "-U", "aiida", "-tAc",
                "select pg_database_size('aiida')", "aiida",
            )
        )  # fmt: skip
    else:
        profile = get_manager().get_profile()
        assert profile is not None
        repository = Path(profile.storage_config["filepath"]) / "container"
        database = sum(path.stat().st_size for path in repository.parent.glob("database.sqlite*"))
    return database, sum(path.stat().st_size for path in repository.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
