"""Slurm, PostgreSQL, RabbitMQ and sshd on the loopback interface, on free ports and in a folder of their own.

No program runs as a system service. Each is a child of this process and ends with it, however it ends.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import psutil

__all__ = ["PACKAGES", "Services", "UnavailableError", "bare", "databases", "queues"]

#: the packages of Debian that have the programs, by a program of each
PACKAGES = {
    "munged": "munge",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "postgres": "postgresql",
    "rabbitmq-server": "rabbitmq-server",
    "sshd": "openssh-server",
}
#: where Debian has programs that are not on PATH, or (RabbitMQ) a wrapper there that leaves its child behind
_FOLDERS = ("/usr/lib/rabbitmq/bin", "/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin")))
#: s that a program may take to start, on a machine that does other work as well
_PATIENCE = 90.0
#: processors of the node: more than a small machine has, so that two studies are not in each other's way
_PROCESSORS = 4


class UnavailableError(Exception):
    """A program is missing, or does not run here; the message has the reason and the end of its log."""


@dataclass
class Services:
    """The programs that run, and how they are reached.

    ``environment`` has what the commands of Slurm need. ``ports`` are those of the programs by name.
    """

    folder: Path
    environment: dict[str, str]
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _programs: dict[str, tuple[ExitStack, Callable[[], AbstractContextManager[None]]]] = field(
        default_factory=dict
    )

    def log(self, name: str) -> Path:
        """Return the file with everything that a program prints."""
        return self.folder / f"{name}.log"

    def tails(self, lines: int = 15) -> str:
        """Return the ends of all logs."""
        return "\n".join(
            f"== {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            for path in sorted(self.folder.glob("*.log"))
        )

    def call(self, *words: object, timeout: float = 60.0) -> str:
        """Run a command, with the environment of the services, and return what it prints.

        Raises
        ------
        subprocess.CalledProcessError
            It failed; its output is a note of the error.
        """
        command = [find(str(words[0])), *map(str, words[1:])]
        try:
            done = subprocess.run(
                command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=True
            )
        except subprocess.CalledProcessError as error:
            error.add_note(f"{error.stdout}{error.stderr}\n{self.tails()}")
            raise
        return done.stdout

    @contextmanager
    def running(
        self,
        name: str,
        command: Sequence[object],
        ready: Callable[[], object],
        *,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        stop: signal.Signals = signal.SIGTERM,
    ) -> Iterator[None]:
        """Run a program in the foreground, from when it is ready until the end of the block.

        Parameters
        ----------
        ready
            Called until it raises neither an OSError nor a failure of a command.
        user
            Account that the program insists on, if this is root's process.
        stop
            Signal at which the program ends at once.

        Raises
        ------
        UnavailableError
            It ended, or was not ready in time.
        """
        words = [*_account(user), find(str(command[0])), *map(str, command[1:])]
        with ExitStack() as stack:
            self._programs[name] = (
                stack,
                lambda: self._running(name, words, ready, self.environment | dict(environment or {}), stop),
            )
            self.restart(name)
            yield

    def restart(self, name: str, *, after: float = 0.0) -> None:
        """End a program if it still runs, and start it again after so many seconds, with its files.

        Raises
        ------
        UnavailableError
            As for :meth:`running`.
        """
        stack, again = self._programs[name]
        stack.close()
        time.sleep(after)
        stack.enter_context(again())

    @contextmanager
    def _running(
        self,
        name: str,
        words: Sequence[str],
        ready: Callable[[], object],
        environment: Mapping[str, str],
        stop: signal.Signals,
    ) -> Iterator[None]:
        """Run a program until it is ended; its log goes on where it was."""
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for pytest, which then ends the programs in their order
            )
        self.processes[name] = process
        # its input ends with this process, even after SIGKILL; the group has the circus of a daemon as well
        watch = [
            "sh",
            "-c",
            'read nothing; kill -s "$1" -- "-$0"',
            str(process.pid),
            stop.name.removeprefix("SIG"),
        ]
        watcher = subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True)
        try:
            self._await(name, process, ready)
            yield
        finally:
            watcher.kill()
            watcher.communicate()
            _end(process, stop)

    def _await(self, name: str, process: subprocess.Popen[bytes], ready: Callable[[], object]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                ready()
                return
            except (OSError, subprocess.SubprocessError) as error:
                problem = f"{error}"
            if process.poll() is not None:
                problem = f"it ended with {process.returncode}"
            elif time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            tail = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-8:])
            msg = f"{name} does not run here: {problem}\n{tail}"
            raise UnavailableError(msg)


def find(program: str) -> str:
    """Return the path of a program.

    Raises
    ------
    UnavailableError
        It is not installed.
    """
    path = shutil.which(program, path=os.pathsep.join([*_FOLDERS, os.environ["PATH"]]))
    if path is None:
        package = PACKAGES.get(program)
        msg = f"{program} is not installed" + (f" (Debian's package {package}; make services)" if package else "")
        raise UnavailableError(msg)
    return path


@contextmanager
def bare() -> Iterator[Services]:
    """Run none of the programs, in a folder that takes others."""
    with _services(()) as services:
        yield services


@contextmanager
def databases() -> Iterator[Services]:
    """Run PostgreSQL and RabbitMQ."""
    with (
        _services(("setpriv", "postgres", "rabbitmq-server")) as services,
        _postgresql(services),
        _rabbitmq(services),
    ):
        yield services


@contextmanager
def queues() -> Iterator[Services]:
    """Run Slurm with one node, sshd, PostgreSQL and RabbitMQ."""
    with (
        _services(("setpriv", *PACKAGES)) as services,
        _sshd(services),
        _slurm(services),
        _postgresql(services),
        _rabbitmq(services),
    ):
        yield services


@contextmanager
def _services(programs: Sequence[str]) -> Iterator[Services]:
    """Find the programs, make the folder and choose the ports; remove the folder at the end."""
    for program in programs:
        find(program)
    folder = Path(mkdtemp(prefix="cse-", dir="/tmp"))  # sockets have paths of up to 107 characters
    folder.chmod(0o755)
    with ExitStack() as stack:
        names = ("postgresql", "rabbitmq", "erlang", "epmd", "slurmctld", "slurmd", "sshd")
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        ports = {name: opened.getsockname()[1] for name, opened in zip(names, sockets, strict=True)}
    path = os.pathsep.join([str(folder / "bin"), *_FOLDERS, os.environ["PATH"]])
    environment = {"HOME": str(folder), "PATH": path, "LANG": "C.UTF-8", "SLURM_CONF": str(folder / "slurm.conf")}
    try:
        yield Services(folder, environment, ports)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    """End a program, and the processes that it started, by their numbers."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.send_signal(stop)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.kill()
    process.wait()
    psutil.wait_procs(family, timeout=10)


def _account(user: str | None) -> list[str]:
    """Return the words before a command that must run as this account, if this is root's process."""
    return ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user and os.geteuid() == 0 else []


def _owned(folder: Path, user: str) -> Path:
    """Make a folder that belongs to an account, or to this one if it is not root."""
    folder.mkdir(mode=0o755)
    if os.geteuid() == 0:
        try:
            shutil.chown(folder, user, user)
        except LookupError as error:
            msg = f"the account {user} is missing, which its package makes"
            raise UnavailableError(msg) from error
    return folder


@contextmanager
def _postgresql(services: Services) -> Iterator[None]:
    """Run PostgreSQL with an empty database ``aiida``, which need not survive a power failure."""
    folder = _owned(services.folder / "postgresql", "postgres")
    account = ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
    words = [
        "initdb",
        "-D",
        folder / "data",
        "-U",
        "aiida",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "--no-sync",
    ]
    try:
        services.call("setpriv", *account, find("initdb"), *words[1:])
    except subprocess.CalledProcessError as error:
        msg = f"initdb does not run here: {error.stderr or error.stdout}"
        raise UnavailableError(msg) from error
    address = ["-h", "127.0.0.1", "-p", services.ports["postgresql"]]
    command = ["postgres", "-D", folder / "data", *address, "-F", "-c", "unix_socket_directories="]
    command += ["-c", "max_connections=200"]
    ask = ["psql", *address, "-U", "aiida", "-d", "postgres", "-tAc"]
    with services.running(
        "postgresql", command, lambda: services.call(*ask, "select 1"), user="postgres", stop=signal.SIGINT
    ):
        services.call(*ask, "create database aiida")
        yield


@contextmanager
def _rabbitmq(services: Services) -> Iterator[None]:
    """Run RabbitMQ without plugins, and the port mapper of Erlang, which would stay otherwise.

    A message is given back after ``consumer_timeout``: by default 30 min, shorter than a job.
    """
    folder = _owned(services.folder / "rabbitmq", "rabbitmq")
    (folder / "rabbitmq.conf").write_text("consumer_timeout = 3600000000\nlog.console = true\nlog.file = false\n")
    (folder / "plugins").write_text("[].\n")
    environment = {
        "HOME": folder,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": services.ports["epmd"],
        "RABBITMQ_NODENAME": "cse@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": services.ports["rabbitmq"],
        "RABBITMQ_DIST_PORT": services.ports["erlang"],
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
        "RABBITMQ_CONF_ENV_FILE": folder / "none",
        "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
        "RABBITMQ_LOG_BASE": folder,
        "RABBITMQ_MNESIA_BASE": folder / "data",
        "RABBITMQ_PID_FILE": folder / "pid",
        "RUNNING_UNDER_SYSTEMD": "yes",  # no shell stays between this process and Erlang's
    }
    given = {name: str(value) for name, value in environment.items()}

    def shake_hands() -> None:
        with socket.create_connection(("127.0.0.1", services.ports["rabbitmq"]), timeout=5) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            if not connection.recv(8):
                msg = "RabbitMQ closes the connection"
                raise ConnectionError(msg)

    port = services.ports["epmd"]
    epmd = services.running(
        "epmd", ["epmd", "-port", port, "-address", "127.0.0.1"], lambda: _connect(port),
        user="rabbitmq", environment=given,
    )  # fmt: skip
    server = services.running(
        "rabbitmq", ["rabbitmq-server"], shake_hands, user="rabbitmq", environment=given, stop=signal.SIGKILL
    )
    with epmd, server:
        yield


@contextmanager
def _slurm(services: Services) -> Iterator[None]:
    """Run munged and Slurm with one node and one partition; end all jobs before Slurm ends.

    A job that is queued again waits for ``cred_expire`` seconds, by default two minutes.
    """
    folder, host = services.folder, socket.gethostname().split(".")[0]
    munge = _owned(folder / "munge", "munge")
    key = munge / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    if os.geteuid() == 0:
        shutil.chown(key, "munge", "munge")
    names = {name: munge / name for name in ("socket", "pid", "log", "seed")}
    munged = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={names['socket']}"]
    munged += [f"--pid-file={names['pid']}", f"--log-file={names['log']}", f"--seed-file={names['seed']}"]
    user = psutil.Process().username()
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "slurm.conf").write_text(f"""\
ClusterName=cse
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={services.ports["slurmctld"]}
SlurmdPort={services.ports["slurmd"]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={names["socket"]},cred_expire=20
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
KillWait=2
MailProg=/bin/true
SlurmctldTimeout=60
SlurmdTimeout=60
NodeName={host} NodeAddr=127.0.0.1 CPUs={_PROCESSORS} State=UNKNOWN
PartitionName=normal Nodes={host} Default=YES MaxTime=INFINITE State=UP
""")
    with (
        services.running("munged", munged, lambda: _connect_local(names["socket"]), user="munge"),
        services.running("slurmctld", ["slurmctld", "-D", "-i"], lambda: services.call("sinfo")),
        services.running(
            "slurmd", ["slurmd", "-D", "-N", host], lambda: services.call("srun", "-t", "1", "true", timeout=60)
        ),
    ):
        try:
            yield
        finally:
            with suppress(subprocess.SubprocessError):
                services.call("scancel", "--user", user)
                deadline = time.monotonic() + 20
                while services.call("squeue", "-h").strip() and time.monotonic() < deadline:
                    time.sleep(0.2)


@contextmanager
def _sshd(services: Services) -> Iterator[None]:
    """Run sshd for this account alone, with a key of its own, and make ``cluster`` an entry of ``~/.ssh/config``.

    HOME is the folder of the services. Commands find Slurm, and jobs find ``module``, as on a cluster.
    """
    folder, ssh, port = services.folder, services.folder / ".ssh", services.ports["sshd"]
    ssh.mkdir(mode=0o700)
    for name in ("host", "id"):
        services.call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "cse", "-f", ssh / name)
    host_key = (ssh / "host.pub").read_text().split()[:2]
    (ssh / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(host_key)}\n")
    shutil.copy(ssh / "id.pub", ssh / "authorized")
    user = psutil.Process().username()
    (ssh / "config").write_text(f"""\
Host cluster
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {ssh}/id
    UserKnownHostsFile {ssh}/known_hosts
""")
    (ssh / "config").chmod(0o600)
    # OpenSSH's client looks in the home folder of the account, not in HOME
    client = folder / "bin" / "ssh"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\nexec {find("ssh")} -F {ssh}/config "$@"\n')
    client.chmod(0o755)
    (folder / "modules.sh").write_text('module() { echo "module $*"; }\n')
    given = {"BASH_ENV": folder / "modules.sh", "PATH": services.environment["PATH"]}
    given |= {"SLURM_CONF": services.environment["SLURM_CONF"]}
    (folder / "sshd.conf").write_text(f"""\
ListenAddress 127.0.0.1
Port {port}
HostKey {ssh}/host
PidFile {folder}/sshd.pid
AuthorizedKeysFile {ssh}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
SetEnv {" ".join(f"{name}={shlex.quote(str(value))}" for name, value in given.items())}
""")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it when it is root's
    ready = [client, "-o", "BatchMode=yes", "cluster", "true"]
    with services.running("sshd", ["sshd", "-D", "-e", "-f", folder / "sshd.conf"], lambda: services.call(*ready)):
        yield


def _connect(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


def _connect_local(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(path))
