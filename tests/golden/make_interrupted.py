"""Makes ``interrupted-0.1.tar.xz``: a profile with runs that were interrupted, as a release leaves them.

``python tests/golden/make_interrupted.py`` runs with the release whose checkpoints are to be kept. The profile is
made in :data:`ROOT`, a path that stands for the place where a test unpacks it (see ``interrupted.py``).
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

ROOT = Path("/tmp/cse-golden")
TARGET = Path(__file__).parent / "interrupted-0.1.tar.xz"
#: the label of each interrupted run, and of the run in it that was under way
MOMENTS = {
    "study-in-production": "segment_002",
    "study-in-ceramic": "job_01",
    "study-in-interface": "job_01",
    "quench-in-cooling": "job_01",
    "validation-in-production": "segment_001",
}
SEED = 11


def main() -> None:
    """Make the profile, interrupt each run at its moment and pack what a test needs."""
    if len(sys.argv) > 1:
        run(sys.argv[1])
        return
    shutil.rmtree(ROOT, ignore_errors=True)
    (ROOT / ".aiida").mkdir(parents=True)
    (ROOT / "bin").symlink_to(Path(sys.executable).parent)
    for label in MOMENTS:
        environment = os.environ | {"AIIDA_PATH": str(ROOT), "PYTHONPATH": str(Path.cwd())}
        done = subprocess.run([sys.executable, __file__, label], env=environment, check=False)
        print(label, "stopped with", done.returncode, flush=True)
    time.sleep(20)  # the jobs that were under way end by themselves
    pack()


def run(label: str) -> None:
    """Run one process until its moment."""
    from aiida_cse.cli.site.environment import ensure_code, ensure_computer, ensure_profile
    from aiida_cse.engine.embedded import InterruptedRunError, run_embedded

    ensure_profile()
    computer = ensure_computer(ROOT / "work", mpirun=ROOT / "bin" / "mpirun").entity
    computer.set_minimum_job_poll_interval(0)
    codes = {
        "lammps": ensure_code(computer, "lmp", ROOT / "bin" / "lmp", "cse.lammps", with_mpi=None).entity,
        "cse": ensure_code(computer, "cse", ROOT / "bin" / "aiida-cse", "cse.build", with_mpi=False).entity,
    }
    builder = builders()[label.split("-", maxsplit=1)[0]](codes)
    builder.metadata.label = label
    try:
        run_embedded(builder, Stop(label))
    except InterruptedRunError as error:
        print(error)
        sys.exit(130)


def builders() -> dict[str, Any]:
    """Return the functions that make the builders, by the first word of the label."""
    from aiida_cse.workchains.validate import ValidationWorkChain
    from tests.integration.short import SETTLED, short_study

    tiny = {
        "settings": {"ions": {"cations": 60, "anions": 15}, "shots": 200},
        "production": {"plan": {"length_ps": 1600, "segment_ps": 800}},
    }
    return {
        "study": lambda codes: short_study(codes, temperatures=[500], overrides=SETTLED),
        "quench": quench,
        "validation": lambda codes: ValidationWorkChain.get_builder_from_protocol(
            codes, seed=3, protocol="quick", overrides=tiny
        ),
    }


def quench(codes: Any) -> Any:
    """Return the builder of a quench of ions in a landscape."""
    from aiida_cse.data.system import CseSystemData
    from aiida_cse.landscape.model import Ions, draw_landscape
    from aiida_cse.landscape.system import landscape_system
    from aiida_cse.workchains.quench import QuenchWorkChain

    settings = {"cutoff": 2.5, "kspace_style": "none", "skin": 5.0, "restart_interval": 2500, "exact": False}
    base = {"sanity": {"density": {"fail": None}}}
    bath = {
        "timestep_fs": 4, "thermostat": "langevin", "thermostat_fs": 100, "thermo_ps": 2, "settings": settings
    }  # fmt: skip
    produce = {
        "base": base,
        "plan": bath | {"length_ps": 40, "segment_ps": 40, "frame_ps": 0.2, "velocities": "draw"},
        "sampling": {"block_ps": 2, "snapshot_ps": 1, "bins": 240, "core_scales": [], "lags_ps": []},
        "analysis": {"settings": {"start_ns": 0.02, "rule": "core"}},
    }
    landscape = draw_landscape(SEED)
    hot, cold = (float(round(landscape.barrier / reduced)) for reduced in (3.5, 12.0))
    system = landscape_system(landscape, Ions(cations=60, anions=15, inside=0.2), SEED)
    ramp = {"rate_K_per_ns": (hot - cold) / 4, "step_K": (hot - cold) / 4, "hold_ps": 4, "last_ps": 4}
    cooling = {"base": base, "plan": bath | ramp | {"box": "scaled", "expansion_per_K": 0, "stages_per_job": 2}}
    return QuenchWorkChain.get_builder_from_protocol(
        codes=codes,
        recipe={"seeds": {"velocities": SEED}},
        system=CseSystemData(system).store(),
        temperature=cold,
        protocol="demo",
        overrides={"hot_temperature": hot, "hot": produce, "cold": produce, "cooling": cooling},
        options={"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}},
    )


class Stop:
    """Interrupts this Python when LAMMPS runs in the part that is asked for."""

    def __init__(self, label: str) -> None:
        self.part, self.moment = label.split("-in-")[1], MOMENTS[label]
        self.stopped = False

    def __call__(self, root: Any) -> None:
        if not self.stopped and any(self._is_there(node) for node in root.called_descendants):
            self.stopped = True
            os.kill(os.getpid(), signal.SIGINT)

    def _is_there(self, node: Any) -> bool:
        if node.process_type != "aiida.calculations:cse.lammps" or node.is_terminated:
            return False
        state = node.get_scheduler_state()
        labels = []
        while node is not None:
            labels += [link.link_label for link in node.base.links.get_incoming() if "CALL" in link.link_type.name]
            node = node.caller
        at_work = state is not None and state.value == "running"
        return at_work and self.moment in labels and any(label.startswith(self.part) for label in labels)


def pack() -> None:
    """Pack the storage, and of the working folders what the production that is resumed reads."""
    database = next((ROOT / ".aiida" / "repository").glob("*/database.sqlite"))
    for command in ("DELETE FROM db_dblog", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        connection = sqlite3.connect(database, isolation_level=None)
        connection.execute(command)
        connection.close()
    kept = [folder for folder in (ROOT / "work").glob("*/*/*") if is_segment(folder)]
    with tarfile.open(TARGET, "w:xz") as archive:
        for path in sorted(
            [*(ROOT / ".aiida").rglob("*"), *(part for folder in kept for part in folder.rglob("*"))]
        ):
            if path.is_symlink() or (path.is_file() and is_needed(path)):
                archive.add(path, arcname=str(path.relative_to(ROOT)))
        for folder in (ROOT / ".aiida").rglob("*"):
            if folder.is_dir():
                archive.add(folder, arcname=str(folder.relative_to(ROOT)), recursive=False)
    print(f"{TARGET}: {TARGET.stat().st_size / 1e6:.2f} MB")


def is_segment(folder: Path) -> bool:
    """Return whether a job of the production of the study ran here: with frames, and many atoms."""
    script = folder / "input.in"
    text = script.read_text() if script.exists() else ""
    return "CSE begin=production" in text and "kspace_style pppm" in text


def is_needed(path: Path) -> bool:
    """Return whether a file is read once more: of the checkpoints the last, and no lock of the dead Python."""
    if path.name.startswith("restart."):
        return int(path.suffix[1:]) == max(int(other.suffix[1:]) for other in path.parent.glob("restart.*"))
    if path.name in ("final.data", "system.data") or path.suffix in (".pid", ".lock", ".log"):
        return False
    return not path.name.startswith("config.json.")


if __name__ == "__main__":
    main()
