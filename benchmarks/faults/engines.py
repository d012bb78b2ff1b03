"""Ways to bring a run with faults to its end: by itself, by a new launch, or by ``aiida-cse resume``."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.faults.bench import CADENCE, OVERRIDES, TEMPERATURE, TOTAL_STEPS, Bench, Striker, Verdict
from benchmarks.faults.damage import make_writable
from benchmarks.faults.jobs import jobs_below, wait_until
from benchmarks.faults.strikes import Blow, Hit, Moment, Strike

__all__ = [
    "FAKETIME",
    "PATIENCE",
    "by_itself",
    "clock_jumps",
    "draw_steps",
    "launch_command",
    "launched_again",
    "out_of_walltime",
    "python_killed",
]

#: seconds that a run may take
PATIENCE = 300.0
#: how often the clock is set in a run
JUMPS = 2
FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"

_AIIDA_CSE = str(Path(sys.executable).parent / "aiida-cse")

Run = Callable[[Bench, random.Random], Verdict]


def by_itself(*blows: tuple[str, Moment], times: int = 1, segments: int = 2) -> Run:
    """Return a run that is hit by all blows, repeatedly, and must continue without any command."""

    def run(bench: Bench, rng: random.Random) -> Verdict:
        with bench.fresh_work() as work, Striker(_strike(work, rng, blows * times)) as striker:
            node = _run(bench.builder(segments=segments))
            return bench.judge(node, striker.hits(), commands=0)

    return run


def launched_again(blow: str) -> Run:
    """Return a run that is hit, fails, and is launched again with AiiDA's caching after the cause is removed."""

    def run(bench: Bench, rng: random.Random) -> Verdict:
        from aiida.manage.caching import enable_caching

        with bench.fresh_work() as work, Striker(_strike(work, rng, [(blow, "running")])) as striker:
            commands = 0
            try:
                node = _run(bench.builder())
            finally:
                for job in jobs_below(work):
                    make_writable(job.folder)
            first = node
            if not node.is_finished_ok:
                commands = 1
                with enable_caching(identifier="aiida.calculations:cse.*"):
                    node = _run(bench.builder())
            verdict = bench.judge(node, striker.hits(), commands)
            bench.judge(first, [], 0)
            return verdict

    return run


def out_of_walltime(bench: Bench, rng: random.Random) -> Verdict:
    """Run everything in one segment, with a wall time that ends it more than once."""
    seconds = 2 + max(1, round(bench.seconds / rng.choice([2, 3])))
    with bench.fresh_work():
        node = _run(bench.builder({"max_wallclock_seconds": seconds}, segments=1))
        stops = [job for job in node.called_descendants if job.exit_status == 400]
        hits = [Hit(job.outputs.results["step"], f"wall time of {seconds} s") for job in stops]
        return bench.judge(node, hits, commands=0)


def clock_jumps(bench: Bench, rng: random.Random) -> Verdict:
    """Shift the clock of a running job with a wall time by hours, forwards or backwards."""
    with bench.fresh_work() as work, Striker(_strike(work, rng, [("clock_jump", "running")] * JUMPS)) as striker:
        (library,) = list(Path("/usr/lib").glob(FAKETIME.removeprefix("/usr/lib/")))
        (work / "clock").write_text("+0\n")
        environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": work / "clock",
            "FAKETIME_NO_CACHE": 1,
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
        }
        text = "\n".join(f"export {name}={value}" for name, value in environment.items())
        node = _run(bench.builder({"prepend_text": text, "max_wallclock_seconds": 600}))
        return bench.judge(node, striker.hits(), commands=0)


def python_killed(bench: Bench, rng: random.Random) -> Verdict:
    """Kill ``aiida-cse launch`` at a step or shortly after it, and continue with ``aiida-cse resume``."""
    from aiida import orm

    from aiida_cse.workchains.production import ProductionWorkChain

    (step,), delay = draw_steps(rng), rng.uniform(0, 2)
    with bench.fresh_work() as work:
        python = _start(launch_command(bench, work, "faults"))
        try:
            deadline = time.monotonic() + PATIENCE
            wait_until(lambda: any(job.step >= step for job in jobs_below(work)) or _over(python), deadline)
            time.sleep(delay)
            alive = python.poll() is None
            python.send_signal(signal.SIGKILL)
        finally:
            python.kill()
            python.communicate()
        query = orm.QueryBuilder().append(ProductionWorkChain, tag="run").order_by({"run": {"id": "desc"}})
        (node,) = query.limit(1).first()
        resumed = _start([_AIIDA_CSE, "resume", str(node.pk)])
        try:
            resumed.communicate(timeout=PATIENCE)
        finally:
            resumed.kill()
            resumed.communicate()
        hits = [Hit(step, f"SIGKILL to the embedded Python {delay:.1f} s later")] if alive else []
        return bench.judge(orm.load_node(node.pk), hits, commands=1)


def launch_command(bench: Bench, work: Path, profile: str) -> list[str]:
    """Return the command that launches the bench's production in a profile."""
    overrides = work / "overrides.yaml"
    overrides.write_text(yaml.safe_dump(OVERRIDES))
    words = (
        "launch",
        "production",
        "--profile",
        profile,
        "--system",
        bench.system.pk,
        "--temperature",
        TEMPERATURE,
    )
    return [_AIIDA_CSE, *map(str, words), "--seed", "1", "--protocol", "demo", "--overrides", str(overrides)]


def _start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)


def _over(process: subprocess.Popen[str]) -> bool:
    return process.poll() is not None


def _run(builder: Any) -> Any:
    from aiida_cse.engine.embedded import run_embedded

    return run_embedded(builder)


def draw_steps(rng: random.Random, count: int = 1) -> tuple[int, ...]:
    """Draw steps after the first checkpoint, one in each of several parts of the run, none near its end."""
    first, last = CADENCE + 1, TOTAL_STEPS - CADENCE // 2
    length = (last - first) // count
    return tuple(first + part * length + rng.randrange(length) for part in range(count))


def _strike(work: Path, rng: random.Random, blows: Sequence[tuple[str, Moment]]) -> Strike:
    steps = draw_steps(rng, len(blows))
    drawn = (Blow(step, name, moment) for step, (name, moment) in zip(steps, blows, strict=True))
    return Strike(str(work), tuple(drawn), seed=rng.randrange(2**31), deadline=PATIENCE)
