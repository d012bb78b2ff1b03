"""The profile of the fault bench, its small system, the undisturbed run, and the judgement of the others."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.faults.jobs import ALL_ATOMS_STEPS, CADENCE, FRAME_STEPS, jobs_below
from benchmarks.faults.strikes import Hit, Strike

if TYPE_CHECKING:
    from aiida import orm

    from aiida_cse.cli.site.environment import Environment
    from aiida_cse.reduction.state import State
    from tests.services.programs import Services

__all__ = ["OVERRIDES", "SEED", "TEMPERATURE", "TOTAL_STEPS", "Bench", "Striker", "Verdict"]

#: K, and the seed of the velocities
TEMPERATURE, SEED = 500.0, 1
TOTAL_STEPS = 420
#: what the bench changes in the protocol ``demo`` of a production: two segments, checkpoints and frames without a
#: common divisor, frames of all atoms in a file of their own, and every step in the log, so that a run can be hit
#: at a step that is a multiple of neither
OVERRIDES: dict[str, Any] = {
    "plan": {
        "length_ps": 0.84,
        "segment_ps": 0.42,
        "frame_ps": 0.014,
        "all_atoms_ps": 0.07,
        "thermo_ps": 0.002,
        "settings": {"restart_interval": CADENCE},
    },
    "sampling": {"block_ps": 0.14, "snapshot_ps": 0.07, "bins": 100, "lags_ps": [0.14]},
}
#: a look at the end of every segment
LOOKS: dict[str, Any] = {"rule": "fixed", "first_look_ns": 0.0001, "growth": 1}


@dataclass(frozen=True)
class Verdict:
    """Outcome of a run with faults; ``why`` names what did not hold and is empty if everything did."""

    hits: int = 0
    ended: bool = False
    commands: int = 0
    lost: int = 0
    twice: int = 0
    identical: bool = False
    wrong: int = 0
    jobs: int = 0
    words: str = ""
    why: str = ""

    @property
    def holds(self) -> bool:
        """True if the result equals that of the undisturbed run, with at most one command for each fault."""
        return (
            self.ended
            and self.identical
            and self.commands <= self.hits
            and not (self.lost or self.twice or self.wrong)
        )


@dataclass
class Bench:
    """A profile with the small system, in a folder; the working folders of the current run are below ``work``.

    ``seconds`` is the time that LAMMPS took for the undisturbed run; ``services`` has the servers of the profile.
    """

    folder: Path
    environment: Environment
    system: orm.Node
    reference: State | None = None
    seconds: float = 1.0
    ranks: int = 1
    services: Services | None = None
    references: dict[int, State] = field(default_factory=dict)
    _runs: int = field(default=0)

    @property
    def work(self) -> Path:
        """The folder of the current run."""
        return self.folder / "work" / f"{self._runs:04d}"

    @property
    def database(self) -> Path:
        """The database of the loaded profile, if SQLite's."""
        from aiida.manage import get_manager

        profile = get_manager().get_profile()
        assert profile is not None
        return Path(profile.storage_config["filepath"]) / "database.sqlite"

    @contextmanager
    def fresh_work(self) -> Iterator[Path]:
        """Give the next run its own folder, which is removed afterwards with all processes in it."""
        self._runs += 1
        _clear(self.work)  # of a bench that was killed itself
        self.work.mkdir(parents=True)
        self.environment.computer.set_workdir(str(self.work))
        try:
            yield self.work
        finally:
            _clear(self.work)

    def with_ranks(self, ranks: int) -> Bench:
        """Return the bench with this number of MPI ranks, whose sums round otherwise, with its undisturbed run."""
        bench = Bench(self.folder / f"ranks{ranks}", self.environment, self.system, ranks=ranks)
        if ranks not in self.references:
            from aiida_cse.engine.embedded import run_embedded

            with bench.fresh_work():
                node = run_embedded(bench.builder())
                verdict = bench.judge(node, [], commands=0)
                if not verdict.holds:
                    msg = f"the production on {ranks} ranks that nothing happened to is not well: {verdict}"
                    raise RuntimeError(msg)
                self.references[ranks] = node.outputs.reduction.get_state()
        bench.reference = self.references[ranks]
        return bench

    def builder(
        self, options: dict[str, Any] | None = None, segments: int = 2, *, looks: bool = False, half: bool = False
    ) -> Any:
        """Return the production of the bench with this number of segments, on request with a look after each.

        ``half`` of it ends in the middle.
        """
        from aiida_cse.workchains.production import ProductionWorkChain

        plan = OVERRIDES["plan"] | {"segment_ps": OVERRIDES["plan"]["length_ps"] / segments}
        if half:
            plan |= {"length_ps": plan["length_ps"] / 2}
        if looks:
            plan |= {"stop": LOOKS}
        return ProductionWorkChain.get_builder_from_protocol(
            codes={"lammps": self.environment.lammps, "cse": self.environment.cse},
            recipe={"seeds": {"velocities": SEED}},
            system=self.system,
            temperature=TEMPERATURE,
            protocol="demo",
            overrides=OVERRIDES | {"plan": plan},
            options={"resources": {"num_machines": 1, "num_mpiprocs_per_machine": self.ranks}} | (options or {}),
        )

    def judge(self, node: orm.ProcessNode, hits: Sequence[Hit], commands: int) -> Verdict:
        """Compare a run with the undisturbed one; exclude its jobs from the cache."""
        jobs = [job for job in node.called_descendants if job.process_label == "LammpsStageCalculation"]
        state = node.outputs.reduction.get_state() if "reduction" in node.outputs else None
        lost, twice = _frames(state)
        identical = self.reference is None or (state is not None and self.reference.equals(state))
        wrong = [why for job in jobs if (why := _wrongly_finished(job))]
        if node.is_finished_ok and (lost or twice or not identical):
            wrong.append(f"the production <{node.pk}> finished, but is another run")
        verdict = Verdict(
            len(hits),
            bool(node.is_finished_ok),
            commands,
            lost,
            twice,
            identical,
            len(wrong),
            len(jobs),
            "; ".join(f"step {hit.step}: {hit.words}" for hit in hits) or "not hit",
            "; ".join(wrong) or ("" if node.is_finished_ok else _failure(node)),
        )
        for made in node.called_descendants:
            made.base.caching.clear_hash()
        return verdict


def _clear(work: Path) -> None:
    """Remove a folder of jobs, after ending all processes in it."""
    for job in jobs_below(work):
        job.kill()
    shutil.rmtree(work, ignore_errors=True)


def _failure(node: orm.ProcessNode) -> str:
    return f"[{node.exit_status}] {node.exit_message or node.exception or node.process_state}"


def _frames(state: State | None) -> tuple[int, int]:
    """Return how many frames a reduction lacks, and how many it counted more than once."""
    frames, of_all_atoms = TOTAL_STEPS // FRAME_STEPS + 1, TOTAL_STEPS // ALL_ATOMS_STEPS + 1
    if state is None:
        return frames + of_all_atoms, 0
    counted = round(int(state.histograms.sum()) / len(state.config.atom_types))
    points = round(int(state.point_histograms.sum()) / int(state.region_counts[0].sum()))
    lost = frames - state.frames + max(0, of_all_atoms - counted)
    return lost, points - state.frames + max(0, counted - of_all_atoms)


def _wrongly_finished(job: orm.CalcJobNode) -> str | None:
    """Return why a job that is called finished is incomplete, judged by its files alone."""
    folder = Path(job.get_remote_workdir() or "none")
    if not job.is_finished_ok or not folder.is_dir():  # deleted by a blow, after the job was judged
        return None
    target = job.inputs.plan.get_dict()["stop_step"]
    final = folder / "final.data"
    with suppress(OSError):
        if f"timestep = {target}," in final.read_text().splitlines()[0]:
            return None
    return f"the job <{job.pk}> is called finished, {final} is not of step {target}"


class Striker:
    """A strike that waits in a separate process."""

    def __init__(self, strike: Strike) -> None:
        command = [sys.executable, "-m", "benchmarks.faults.strikes", json.dumps(asdict(strike))]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Striker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def hits(self) -> list[Hit]:
        """Return the hits so far, and end the strike."""
        self._process.terminate()
        said, _ = self._process.communicate()
        return [Hit(**json.loads(line)) for line in said.splitlines()]
