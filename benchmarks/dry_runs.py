"""Test of every script of a protocol in LAMMPS, at full size, without dynamics.

``python -m benchmarks.dry_runs`` builds slab, electrolyte and interface of a recipe and renders each script of a
protocol as its jobs receive it: one per stage, at each temperature of the study, and the first and last segment of
a production. Every ``run`` becomes ``run 0`` and every minimisation has no iterations; all other commands are
unchanged. All stages of a phase start from the phase as built. A line per script gives the number of atoms, the
exit status of LAMMPS and the final potential energy. The exit code is 0 only if each stage reached its last line
with a finite energy.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import load_recipe
from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.job.script import LOG, START_FILE, render_script
from aiida_cse.lammps.log.reader import read_log
from aiida_cse.lammps.protocol.accelerator import accelerator_words
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.schedule import job_plans
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.workchains.ceramic import CeramicWorkChain
from aiida_cse.workchains.electrolyte import ElectrolyteWorkChain
from aiida_cse.workchains.interface import InterfaceWorkChain
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.study import StudyWorkChain

__all__ = ["dry_script", "main"]

RECIPE, QUICK = "llzo-peo-litfsi", "llzo-peo-litfsi-demo"
PROTOCOL = "paper"
SEED = 7
LAMMPS = Path(sys.executable).parent / "lmp"

_RUN = re.compile(r"^run \d+ upto .*$", re.M)
_MINIMIZE = re.compile(r"^minimize .*$", re.M)


@dataclass(frozen=True)
class Script:
    """Script of one job of a phase, and the system on which it is tested."""

    part: str
    name: str
    temperature: float
    plan: JobPlan
    system: System


@dataclass(frozen=True)
class Row:
    """Result of LAMMPS for a script; energy in kcal/mol, None if none was printed."""

    script: Script
    status: int
    ended: bool
    energy: float | None
    error: str

    @property
    def holds(self) -> bool:
        """Whether LAMMPS reached the last line of the stage with a finite energy."""
        return self.status == 0 and self.ended and self.energy is not None and math.isfinite(self.energy)

    def __str__(self) -> str:
        script = self.script
        stage, settings = script.plan.stages[0], script.plan.settings
        energy = "none" if self.energy is None else f"{self.energy:.6g}"
        solver = f"{settings.kspace_style} {settings.kspace_accuracy:g}"
        return (
            f"{script.part:<11} {script.temperature:>5g} {script.name:<24} {stage.kind:<8} {stage.mobile:<11} "
            f"{solver:<13} {settings.cutoff:>4g} {script.system.info.natoms:>6} {self.status:>2} {energy:>13}"
            f"{'' if self.holds else '  FAILS ' + self.error}"
        )


HEADER = (
    f"{'part':<11} {'T (K)':>5} {'stage':<24} {'kind':<8} {'mobile':<11} {'solver':<13} {'cut':>4} {'atoms':>6} "
    f"{'rc':>2} {'pe (kcal/mol)':>13}"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dry_runs", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"build {QUICK}; one temperature, one segment")
    parser.add_argument("--recipe", help="build this one")
    parser.add_argument("--protocol", default=PROTOCOL)
    parser.add_argument("--skip", help="leave out stages with names that this regular expression finds")
    options = parser.parse_args(arguments)
    recipe = options.recipe or (QUICK if options.quick else RECIPE)
    print(f"protocol {options.protocol} of {recipe}\n{HEADER}", flush=True)
    rows = []
    for script in _scripts(recipe, options.protocol, quick=options.quick):
        if options.skip and re.search(options.skip, script.name):
            continue
        rows.append(_run(script))
        print(rows[-1], flush=True)
    failed = sum(not row.holds for row in rows)
    kinds = ", ".join(sorted({row.script.plan.stages[0].kind for row in rows}))
    print(f"{len(rows)} scripts ({kinds}) through LAMMPS, {failed} failed")
    return 1 if failed or not rows else 0


def _scripts(recipe_name: str, protocol: str, *, quick: bool) -> Iterator[Script]:
    temperatures = StudyWorkChain.get_protocol_inputs(protocol)["temperatures"]
    systems = _systems(recipe_name)
    for part, chain in (("ceramic", CeramicWorkChain), ("electrolyte", ElectrolyteWorkChain)):
        inputs = chain.get_protocol_inputs(protocol)
        yield from _phase(part, inputs["schedule"], inputs["temperature"], systems[part])
    for temperature in temperatures[-1:] if quick else temperatures:
        schedule = InterfaceWorkChain.get_protocol_inputs(protocol)["schedule"]
        yield from _phase("interface", schedule, temperature, systems["interface"])
        plan = ProductionPlan.model_validate(ProductionWorkChain.get_protocol_inputs(protocol)["plan"])
        segments = plan.at(temperature).segments(temperature, SEED)
        for number in (1,) if quick else (1, len(segments)):
            job = JobPlan.model_validate(segments[number - 1])
            name = f"segment {number} of {len(segments)}"
            yield Script("production", name, temperature, job, systems["interface"])


def _phase(part: str, schedule: dict[str, object], temperature: float, system: System) -> Iterator[Script]:
    for plan in job_plans(schedule | {"stages_per_job": 1}, seed=SEED, temperature=temperature):
        job = JobPlan.model_validate(plan)
        yield Script(part, job.stages[0].name, temperature, job, system)


def _systems(recipe_name: str) -> dict[str, System]:
    """Build the initial systems of the phases; for the ceramic, the crystal from which the slab is cut."""
    recipe = load_recipe(recipe_name)
    crystal = build_slab(recipe)
    lx, ly = (float(edge) for edge in crystal.data.lengths[:2])
    electrolyte = build_electrolyte(recipe, lx, ly)
    interface = assemble(cut_slab(crystal, crystal.data), electrolyte)
    return {"ceramic": crystal, "electrolyte": electrolyte, "interface": interface}


def dry_script(plan: JobPlan, ion_types: Sequence[int] = ()) -> str:
    """Return the script of a job with no step in it.

    Raises
    ------
    ValueError
        The script has no run that could be emptied.
    """
    text, runs = _RUN.subn("run 0 post no", render_script(plan, ion_types))
    text, minimisations = _MINIMIZE.subn("minimize 0 0 0 0", text)
    if runs + minimisations == 0:
        msg = "the script has neither a run nor a minimisation: it would try nothing"
        raise ValueError(msg)
    return text


def _run(script: Script) -> Row:
    plan, settings = script.plan, script.plan.settings
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script.system.write(folder)
        types = script.system.info.ion_types() if plan.writes_ions else ()
        (folder / "input.in").write_text(dry_script(plan, types), encoding="utf-8")
        start = max(plan.first_step, plan.resume_step)
        commands = ["variable timeout string off", "read_data system.data", f"reset_timestep {start}"]
        (folder / START_FILE).write_text("\n".join(commands) + "\n", encoding="utf-8")
        words = accelerator_words(settings.accelerator, settings.threads, settings.gpus)
        done = subprocess.run(
            [str(LAMMPS), "-in", "input.in", "-log", LOG, "-nb", *words],
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        with (folder / LOG).open(encoding="utf-8") as lines:
            report = read_log(lines)
    table = report.tables[-1] if report.tables else None
    energy = table.rows[-1][table.columns.index("pe")] if table and table.rows else None
    ended = report.finished_step is not None and bool(report.stages) and report.stages[-1].ended
    return Row(script, done.returncode, ended, energy, report.error or "")


if __name__ == "__main__":
    sys.exit(main())
