"""A profile on PostgreSQL and RabbitMQ with a daemon, whose jobs go to Slurm through ssh."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.integration.test_daemon import BIN, REPOSITORY, Profile
from tests.services.programs import Services
from tests.test_docs import DOCS, blocks

__all__ = ["ServicesProfile", "fingerprint", "running_daemon"]

#: prints the SHA-256 of each job's final.data, by its place in a study, and of each array of its reductions
_READ = """
import hashlib, json, sys
from pathlib import Path
from aiida import load_profile, orm
from aiida.common.links import LinkType
load_profile()
study = orm.load_node(int(sys.argv[1]))

def place(node):
    links = node.base.links.get_incoming(link_type=(LinkType.CALL_CALC, LinkType.CALL_WORK)).all()
    return place(links[0].node) + "/" + links[0].link_label if links and node.pk != study.pk else ""

found = {}
for job in study.called_descendants:
    if job.process_label == "LammpsStageCalculation" and job.is_finished_ok:
        final = Path(job.get_remote_workdir(), "final.data").read_bytes()
        found[place(job.caller)] = hashlib.sha256(final).hexdigest()
for label, run in study.outputs.runs.items():
    for name, array in run.reduction.get_state().arrays().items():
        found[f"{label}/{name}"] = hashlib.sha256(array.tobytes()).hexdigest()
print(json.dumps(found))
"""
_OPTIONS = """
from aiida.manage.configuration import get_config
config = get_config()
config.set_option("daemon.timeout", 60)  # by default 2 s, too little on a busy machine
config.set_option("transport.task_retry_initial_interval", 2)
config.set_option("warnings.rabbitmq_version", False)
config.store()
print()
"""
_HURRY = """
from aiida import load_profile, orm
load_profile()
computer = orm.load_computer("cluster")
computer.configure(safe_interval=0.5)
computer.set_minimum_job_poll_interval(1)
print()
"""
#: a LAMMPS that waits at its start, while there is a gate, until its number has been let through: in jobs with
#: checkpoints, and not where their prologue asks it for one
_GATED = """#!/bin/sh
case "${{CSE_JOB:+job}} $* " in job*" -in "*)
    while [ -e {gate} ] && [ ! -e {gate}/$$.open ]; do
        echo "$SLURM_JOB_ID $PWD" >{gate}/$$.part && mv {gate}/$$.part {gate}/$$.waits
        sleep 0.1
    done ;;
esac
exec {lmp} "$@"
"""
#: the source files with the checksums of their headers, in which a continued trajectory differs
_HEADERS = re.compile(r"/sources?(_|$)")


class ServicesProfile(Profile):
    """A profile in the folder of the services, which is HOME."""

    def __init__(self, services: Services) -> None:
        folder = services.folder / "profile"
        (folder / ".aiida").mkdir(parents=True)
        super().__init__(folder)
        self.services = services
        path = os.pathsep.join([str(BIN), services.environment["PATH"]])
        self._environment |= services.environment | {"PATH": path}

    @property
    def work(self) -> Path:
        """The folder of the jobs."""
        return self.folder / "work"

    @property
    def gate(self) -> Path:
        """The folder that holds LAMMPS back while it is there."""
        return self.services.folder / "gate"

    def make(self) -> None:
        """Make the profile, with pauses for a test instead of a cluster."""
        ports = self.services.ports
        self.call(
            "verdi", "profile", "setup", "core.psql_dos", "--non-interactive", "--profile-name", "services",
            "--set-as-default", "--email", "a@b.c", "--first-name", "A", "--last-name", "B", "--institution", "C",
            "--database-hostname", "127.0.0.1", "--database-port", ports["postgresql"],
            "--database-username", "aiida", "--database-password", "none", "--database-name", "aiida",
            "--repository-uri", f"file://{self.folder}/repository", "--broker", "none",
        )  # fmt: skip
        self.call(
            "verdi", "profile", "configure-broker", "core.rabbitmq", "services", "--non-interactive", "--force",
            "--broker-protocol", "amqp", "--broker-username", "guest", "--broker-password", "guest",
            "--broker-host", "127.0.0.1", "--broker-port", ports["rabbitmq"], "--broker-virtual-host", "",
        )  # fmt: skip
        self.python(_OPTIONS)

    def follow_the_how_to(self) -> str:
        """Run the commands of the how-to as printed, but for the folders of the cluster; return their output."""
        gated = self.services.folder / "bin" / "lmp"
        gated.write_text(_GATED.format(gate=self.gate, lmp=BIN / "lmp"))
        gated.chmod(0o755)
        places = {
            "/scratch/{username}/aiida": str(self.work),
            "/apps/lammps/bin/lmp": str(gated),
            "/home/me/cse/bin/aiida-cse": str(BIN / "aiida-cse"),
        }
        script = "\n".join(block for block in blocks(DOCS / "howto" / "cluster.md", "bash"))
        for printed, here in places.items():
            assert printed in script
            script = script.replace(printed, here)
        done = subprocess.run(
            ["bash", "-euxc", script],
            cwd=REPOSITORY, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def hurry(self) -> None:
        """Shorten the pauses, which spare a login node that others use as well."""
        self.python(_HURRY)

    def launch(self, overrides: Path, *words: object) -> int:
        """Submit or run the study of the demo with overrides and return its PK."""
        said = self.call(
            "aiida-cse", "launch", "study", "--recipe", "llzo-peo-litfsi-demo", "--protocol", "demo",
            "--overrides", overrides, "--yes", *words,
        )  # fmt: skip
        found = re.search(r"StudyWorkChain <(\d+)>", said)
        assert found, said
        return int(found[1])

    def explain(self, pk: int) -> str:
        """Return what there is to know of a process that should have ended well, and of the services."""
        logs = sorted((self.folder / ".aiida" / "daemon" / "log").glob("*.log"))
        words = [self.call("verdi", "process", "report", pk), self.tree(pk), self.services.tails()]
        return "\n".join([*words, *("\n".join(log.read_text().splitlines()[-40:]) for log in logs)])

    def kill_workers(self) -> int:
        """Kill all workers of the daemon at once and return how many there were."""
        killed = 0
        for process in psutil.Process(self.services.processes["daemon"].pid).children(recursive=True):
            with suppress(psutil.Error):
                if "worker" in process.cmdline():
                    process.kill()
                    killed += 1
        return killed


@contextmanager
def running_daemon(profile: ServicesProfile, workers: int) -> Iterator[None]:
    """Run the daemon of a profile as a child of this process; in the foreground it starts with one worker."""
    command = [BIN / "verdi", "daemon", "start", "--foreground", 1]
    with profile.services.running(
        "daemon", command, lambda: _check_daemon(profile), environment=profile._environment
    ):
        if workers > 1:
            profile.daemon("incr", workers - 1)
        yield


def _check_daemon(profile: ServicesProfile) -> None:
    """Raise an OSError until the daemon runs."""
    try:
        profile.daemon("status")
    except AssertionError as error:
        raise OSError(str(error)) from error


def fingerprint(profile: Profile, pk: int) -> Mapping[str, Any]:
    """Return checksums of the final states of a study's jobs and of the arrays of its reductions, by place."""
    found = json.loads(profile.python(_READ, pk))
    return {name: digest for name, digest in found.items() if not _HEADERS.search(name)}
