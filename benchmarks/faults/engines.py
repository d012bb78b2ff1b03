"""Ways to bring a run with faults to its end: by itself, by a new launch, or by ``aiida-cse resume``."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from benchmarks.faults import damage
from benchmarks.faults.bench import OVERRIDES, TEMPERATURE, TOTAL_STEPS, Bench, Striker, Verdict
from benchmarks.faults.jobs import CADENCE, Job, jobs_below, wait_until
from benchmarks.faults.strikes import Blow, Hit, Moment, Strike

__all__ = [
    "FAKETIME",
    "INNER",
    "NOT_LAST",
    "PATIENCE",
    "by_itself",
    "clock_jumps",
    "database_locked",
    "disk_of_the_profile_full",
    "draw_steps",
    "extended",
    "launch_command",
    "launched_again",
    "newest_production",
    "out_of_walltime",
    "python_killed",
    "stashed",
    "work_write_protected",
]

#: seconds that a run may take
PATIENCE = 600.0
#: seconds for which the database is locked, and the disk of the profile is full, if the engine does not end before
_LOCKED, _FULL = 60.0, 30.0
#: steps of all segments but the last one of four, and of those in between
NOT_LAST, INNER = (0, TOTAL_STEPS * 3 // 4), (TOTAL_STEPS // 4, TOTAL_STEPS * 3 // 4)
#: how often the clock is set in a run
JUMPS = 2
FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"

_AIIDA_CSE = str(Path(sys.executable).parent / "aiida-cse")

Run = Callable[[Bench, random.Random], Verdict]


def by_itself(
    *blows: tuple[str, Moment],
    times: int = 1,
    segments: int = 2,
    looks: bool = False,
    ranks: int = 1,
    part: tuple[int, int] = (0, TOTAL_STEPS),
) -> Run:
    """Return a run that is hit by all blows, repeatedly, and must continue without any command."""

    def run(usual: Bench, rng: random.Random) -> Verdict:
        bench = usual if ranks == 1 else usual.with_ranks(ranks)
        with bench.fresh_work(), Striker(_strike(bench, rng, blows * times, part)) as striker:
            node = _run(bench.builder(segments=segments, looks=looks))
            return bench.judge(node, striker.hits(), commands=0)

    return run


def stashed(bench: Bench, rng: random.Random) -> Verdict:
    """Delete the folders of ended jobs whose files are stashed; the run continues from there, and is reduced."""
    from aiida_cse.workchains.common.options import STASHED

    blows: list[tuple[str, Moment]] = [("delete_folder", "followed")] * 3
    with bench.fresh_work() as work, Striker(_strike(bench, rng, blows, NOT_LAST)) as striker:
        stash = {"target_base": str(work / "stash"), "stash_mode": "copy", "source_list": list(STASHED)}
        node = _run(bench.builder({"stash": stash}, segments=4))
        return bench.judge(node, striker.hits(), commands=0)


def extended(bench: Bench, rng: random.Random) -> Verdict:
    """Delete the folder of the last segment of half a run, and let ``aiida-cse extend`` run the whole."""
    from aiida import orm

    with bench.fresh_work() as work:
        first = _run(bench.builder(segments=4, looks=True, half=True))
        _, folder = max(first.outputs.folders.items())
        hit = Hit(TOTAL_STEPS // 2, damage.delete_folder(Job(Path(folder.get_remote_path())), rng))
        said = work.parent / f"{work.name}.out"
        length = OVERRIDES["plan"]["length_ps"] / 1000
        extending = _start([_AIIDA_CSE, "extend", str(first.pk), "--length", str(length)], said)
        try:
            extending.wait(timeout=PATIENCE)
        finally:
            extending.kill()
            extending.wait()
        node = orm.load_node(newest_production()[0])
        told = f"continues from step {TOTAL_STEPS // 4}," in " ".join(said.read_text().split())
        verdict = bench.judge(node, [hit], commands=1 if told else 2)
        bench.judge(first, [], 0)
        return verdict


def launched_again(*blows: str) -> Run:
    """Return a run that each blow makes fail; it is launched again with caching after the cause is gone."""

    def run(bench: Bench, rng: random.Random) -> Verdict:
        from aiida.manage.caching import enable_caching

        node, failed, hits = None, [], []
        with bench.fresh_work() as work, enable_caching(identifier="aiida.calculations:cse.*"):
            for blow in (*blows, None):
                with Striker(_strike(bench, rng, [(blow, "anywhere")] if blow else [])) as striker:
                    try:
                        node = _run(bench.builder())
                    finally:
                        for job in jobs_below(work):
                            damage.make_writable(job.folder)
                    hits += striker.hits()
                if node.is_finished_ok:
                    break
                failed.append(node)
            verdict = bench.judge(node, hits, commands=len(failed))
            for one in failed:
                bench.judge(one, [], 0)
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
    with bench.fresh_work() as work, Striker(_strike(bench, rng, [("clock_jump", "anywhere")] * JUMPS)) as striker:
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
    """Kill ``aiida-cse launch``, and then ``aiida-cse resume``, shortly after a step."""

    def kill(python: subprocess.Popen[str]) -> str:
        python.send_signal(signal.SIGKILL)
        python.wait()
        return "SIGKILL to the embedded Python"

    return _harmed(bench, rng, kill, times=3, says=False)


def database_locked(bench: Bench, rng: random.Random) -> Verdict:
    """Lock the database of the profile until the engine ends, or for long, as another program may."""

    def lock(python: subprocess.Popen[str]) -> str:
        with damage.locked(bench.database):
            wait_until(lambda: _over(python), time.monotonic() + _LOCKED)
        return f"database locked for up to {_LOCKED:.0f} s"

    return _harmed(bench, rng, lock)


def disk_of_the_profile_full(bench: Bench, rng: random.Random) -> Verdict:
    """Fill the disk with database and repository until the engine ends, or for long."""

    def fill(python: subprocess.Popen[str]) -> str:
        filler = bench.database.parent / "filler"
        try:
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            wait_until(lambda: _over(python), time.monotonic() + _FULL)
        finally:
            filler.unlink()
        return f"no space in the profile for up to {_FULL:.0f} s"

    return _harmed(bench, rng, fill, times=2)


def work_write_protected(bench: Bench, rng: random.Random) -> Verdict:
    """Let nobody make folders for jobs until the engine ends, or for long."""

    def protect(python: subprocess.Popen[str]) -> str:
        damage.write_protect(Job(bench.work), rng)
        try:
            wait_until(lambda: _over(python), time.monotonic() + PATIENCE / 2)
        finally:
            damage.make_writable(bench.work)
        return "folder of all jobs read-only"

    return _harmed(bench, rng, protect)


def _harmed(
    bench: Bench,
    rng: random.Random,
    harm: Callable[[subprocess.Popen[str]], str],
    *,
    times: int = 1,
    says: bool = True,
) -> Verdict:
    """Harm ``aiida-cse launch`` shortly after steps, and continue with ``aiida-cse resume`` whenever it ended.

    A command that the engine, which ``says`` why it ended, did not name counts as too many.
    """
    from aiida import orm

    steps, hits, commands = list(draw_steps(rng, times)), [], 0
    with bench.fresh_work() as work:
        said = work.parent / f"{work.name}.out"
        python = _start(launch_command(bench, work, segments=4), said)
        deadline = time.monotonic() + PATIENCE

        def stops() -> bool:
            return _over(python) or (bool(steps) and any(job.step >= steps[0] for job in jobs_below(work)))

        try:
            while wait_until(stops, deadline):
                if _over(python):
                    pk, ended = newest_production()
                    if ended or commands > times:
                        break
                    commands += 1 if not says or "aiida-cse resume" in " ".join(said.read_text().split()) else 9
                    python = _start([_AIIDA_CSE, "resume", str(pk)], said)
                else:
                    delay = rng.uniform(0, 2)
                    time.sleep(delay)
                    if not _over(python):
                        hits.append(Hit(steps.pop(0), f"{harm(python)} {delay:.1f} s later"))
        finally:
            python.kill()
            python.wait()
        verdict = bench.judge(orm.load_node(newest_production()[0]), hits, commands)
        if verdict.holds:
            said.unlink()
        return verdict


def newest_production() -> tuple[int, bool]:
    """Return the PK of the production that was made last, and whether it has ended."""
    from aiida import orm

    from aiida_cse.engine.database import roll_back
    from aiida_cse.workchains.production import ProductionWorkChain

    roll_back()  # the session may still see the past
    query = orm.QueryBuilder().append(ProductionWorkChain, tag="run", project=["id", "attributes.process_state"])
    pk, state = query.order_by({"run": {"id": "desc"}}).limit(1).first()
    return pk, state in ("finished", "excepted", "killed")


def launch_command(bench: Bench, work: Path, segments: int = 2) -> list[str]:
    """Return the command that launches the bench's production in its profile."""
    overrides = work / "overrides.yaml"
    plan = OVERRIDES["plan"] | {"segment_ps": OVERRIDES["plan"]["length_ps"] / segments}
    overrides.write_text(yaml.safe_dump(OVERRIDES | {"plan": plan}))
    words = (
        "launch",
        "production",
        "--profile",
        bench.environment.profile.name,
        "--system",
        bench.system.pk,
        "--temperature",
        TEMPERATURE,
    )
    return [_AIIDA_CSE, *map(str, words), "--seed", "1", "--protocol", "demo", "--overrides", str(overrides)]


def _start(command: list[str], said: Path) -> subprocess.Popen[str]:
    with said.open("w") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)


def _over(process: subprocess.Popen[str]) -> bool:
    return process.poll() is not None


def _run(builder: Any) -> Any:
    from aiida_cse.engine.embedded import run_embedded

    return run_embedded(builder)


def draw_steps(rng: random.Random, count: int = 1, part: tuple[int, int] = (0, TOTAL_STEPS)) -> tuple[int, ...]:
    """Draw steps after the first checkpoint, evenly spread over a part of the run, none near its end."""
    first, last = max(part[0], CADENCE) + 1, part[1] - CADENCE // 2
    length = (last - first) // count
    return tuple(first + number * length + rng.randrange(length) for number in range(count))


def _strike(
    bench: Bench,
    rng: random.Random,
    blows: Sequence[tuple[str, Moment]],
    part: tuple[int, int] = (0, TOTAL_STEPS),
) -> Strike:
    steps = draw_steps(rng, len(blows), part)
    drawn = (Blow(step, name, moment) for step, (name, moment) in zip(steps, blows, strict=True))
    return Strike(str(bench.work), tuple(drawn), rng.randrange(2**31), PATIENCE, str(bench.database))
