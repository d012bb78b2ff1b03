"""Timed MD runs of an input, as written by the package or modified: speed and force error."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.system import FILENAMES, System
from aiida_cse.lammps.job.script import START_FILE, render_script
from aiida_cse.lammps.log.reader import read_log
from aiida_cse.lammps.protocol.accelerator import accelerator_words
from aiida_cse.lammps.protocol.stage import JobPlan, RunSettings, Stage
from aiida_cse.workchains.production import ProductionWorkChain
from benchmarks.md.system import TEMPERATURE, run_lammps

__all__ = [
    "Input",
    "Measurement",
    "Variant",
    "default_bins",
    "in_force_field",
    "in_script",
    "measure",
    "overlay",
    "protocol_settings",
]

#: the commands of an input: the script and the force field
Input = tuple[str, str]

_RUN = re.compile(r"^run \d+ upto .*$", re.M)
_COULOMB_ONLY = re.compile(r"^pair_coeff \d+ \d+ lj/cut/coul/long 0 ")
_LOOP = re.compile(r"^Loop time of (\S+) on (\d+) procs for (\d+) steps", re.M)
_USE = re.compile(r"^(\S+)% CPU use", re.M)
_PART = re.compile(r"^(\w+) +\| \S+ +\| (\S+)", re.M)
#: what the table shows of LAMMPS' own breakdown
PARTS = ("Pair", "Kspace", "Neigh")


@dataclass(frozen=True)
class Variant:
    """A variant of the run of one system; ``edit`` modifies the input that the package writes from the settings.

    ``substeps`` is the number of steps of 2 fs in one step of LAMMPS: more than one with r-RESPA.
    """

    name: str
    settings: RunSettings
    edit: Callable[[Input], Input] | None = None
    processes: int = 1
    substeps: int = 1


@dataclass(frozen=True)
class Measurement:
    """Result of one run.

    Attributes
    ----------
    cpu_s
        Processor seconds per step of 2 fs, of all processes and threads.
    parts
        The seconds of each of :data:`PARTS` in it.
    forces
        Forces on the starting configuration, (N, 3) kcal/mol/Å, by atom ID.
    pressure
        Of the starting configuration, atm.
    """

    cpu_s: float
    parts: dict[str, float]
    forces: NDArray[np.float64]
    pressure: float

    def error(self, reference: NDArray[np.float64]) -> float:
        """Return the root mean square of the force error over atoms, kcal/mol/Å."""
        return float(np.sqrt(np.mean(np.sum((self.forces - reference) ** 2, axis=1))))


def protocol_settings(protocol: str) -> RunSettings:
    """Return the settings of a protocol's production."""
    return RunSettings.model_validate(ProductionWorkChain.get_protocol_inputs(protocol)["plan"]["settings"])


def measure(variant: Variant, system: System, steps: int, *, copies: int = 1) -> Measurement:
    """Run ``steps`` of NVT at 2 fs from a system, or from ``copies`` of it side by side along x.

    Raises
    ------
    RuntimeError
        LAMMPS ended with an error, or its log has no timing.
    """
    settings = variant.settings
    script, forcefield = _input(variant, system.forcefield, steps)
    words = accelerator_words(settings.accelerator, settings.threads, settings.gpus)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        system.write(folder)
        (folder / FILENAMES["forcefield"]).write_text(forcefield, encoding="utf-8")
        start = ["variable timeout string off", "read_data system.data"]
        start += [f"replicate {copies} 1 1"] if copies > 1 else []
        (folder / START_FILE).write_text("\n".join(start) + "\n", encoding="utf-8")
        log = run_lammps(folder, script, words, variant.processes)
        forces = np.loadtxt(folder / "forces.dump", skiprows=9)
    loops, shares = _LOOP.findall(log), _USE.findall(log)
    if not loops or not shares:
        msg = f"{variant.name}: the log has no timing"
        raise RuntimeError(msg)
    seconds, processes, count = loops[-1]
    share = float(shares[-1]) / 100 * int(processes) / (int(count) * variant.substeps)
    breakdown = dict(_PART.findall(log[log.rindex("Loop time") :]))
    parts = {part: float(breakdown[part]) * share for part in PARTS if part in breakdown}
    first = read_log(log.splitlines(keepends=True)).tables[0]
    pressure = first.rows[0][first.columns.index("press")]
    return Measurement(float(seconds) * share, parts, forces[:, 1:], pressure)


def _input(variant: Variant, forcefield: str, steps: int) -> Input:
    """Return the package's input for an NVT stage, with the initial forces and a timed run."""
    stage = Stage(name="timed", kind="nvt", duration_ps=1000, temperature=TEMPERATURE, thermo_ps=10)
    script = render_script(JobPlan(stages=(stage,), settings=variant.settings))
    timed = (
        "run 0 post no\n"
        "write_dump all custom forces.dump id fx fy fz modify sort id format float %.12g\n"
        f"run {steps}"
    )
    text, found = _RUN.subn(timed, script)
    if found != 1:
        msg = f"the script of one stage has {found} runs instead of 1"
        raise ValueError(msg)
    return variant.edit((text, forcefield)) if variant.edit else (text, forcefield)


def overlay(given: Input) -> Input:
    """Return the input as the publication reads: Coulomb, Lennard-Jones and Buckingham superposed.

    Pairs with charges only appear in no other style. Neighbour lists and sorting use the default bins of LAMMPS.
    """
    script, forcefield = given
    lines = []
    for line in forcefield.splitlines():
        if _COULOMB_ONLY.match(line):
            continue
        if line.startswith("pair_style"):
            lines += [
                "pair_style hybrid/overlay coul/long ${cutoff} lj/cut ${cutoff} buck ${cutoff}",
                "pair_coeff * * coul/long",
            ]
        else:
            lines.append(line.replace("lj/cut/coul/long", "lj/cut").replace("buck/coul/long", "buck"))
    return default_bins((script, "\n".join(lines) + "\n"))


def default_bins(given: Input) -> Input:
    """Return an input with the default bins of LAMMPS for neighbour lists and sorting."""
    script = re.sub(r" binsize \S+", "", given[0])
    return re.sub(r"^(atom_modify sort \S+) \S+$", r"\1 0.0", script, flags=re.M), given[1]


def in_script(pattern: str, words: str) -> Callable[[Input], Input]:
    """Return the edit that replaces the matches of a pattern in the script.

    Raises
    ------
    ValueError
        The edit, when applied: there is no match, and the row would repeat another one.
    """
    return lambda given: (_replaced(pattern, words, given[0]), given[1])


def in_force_field(pattern: str, words: str) -> Callable[[Input], Input]:
    """Return the edit that replaces what a pattern finds in the force field; as :func:`in_script`."""
    return lambda given: (given[0], _replaced(pattern, words, given[1]))


def _replaced(pattern: str, words: str, text: str) -> str:
    changed, found = re.subn(pattern, words, text, flags=re.M)
    if not found:
        msg = f"nothing in the input matches {pattern!r}"
        raise ValueError(msg)
    return changed
