"""Calibration of a LAMMPS code: its speed on a system with several numbers of ranks and threads."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, append_, while_

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.forecast import forecast_interface
from aiida_cse.building.recipe import Recipe
from aiida_cse.calculations.functions.calibration import tabulate_speeds
from aiida_cse.calculations.lammps import LammpsStageCalculation
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.outline import VersionedWorkChain
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, System
from aiida_cse.lammps.protocol.accelerator import Accelerator, accelerator_error
from aiida_cse.lammps.protocol.stage import JobPlan, RunSettings, Stage
from aiida_cse.schema import StrictModel, Whole
from aiida_cse.workchains.common.builders import job_options
from aiida_cse.workchains.common.exit_status import failure
from aiida_cse.workchains.common.options import checked_options

__all__ = ["CalibrateWorkChain", "Choice", "choices_for", "system_like"]

#: steps of the first job, from whose speed the lengths of the others follow; and of any job
_PILOT, _LEAST, _MOST = 20, 20, 100_000
#: number of ranks at which a speed is measured at most
_RANKS = 4
#: copies of a system along an axis
_MOST_COPIES = 40
#: K; no system falls apart at this temperature within seconds
_KELVIN = 300.0


class Choice(StrictModel):
    """Ranks and threads of a job, and its accelerator with the GPUs of each node."""

    ranks: Whole
    threads: Whole = 1
    accelerator: Accelerator = "none"
    gpus: Whole = 0

    @property
    def exact(self) -> bool:
        """Whether a run with it can be repeated bit for bit."""
        return accelerator_error(self.accelerator, self.threads, self.gpus, exact=True) is None


def choices_for(cores: int, accelerators: Iterable[str], *, parallel: bool = True) -> list[Choice]:
    """Return what is measured on a machine, the plain program with one rank first.

    Parameters
    ----------
    cores
        Cores of the machine.
    accelerators
        Packages that run there.
    parallel
        Whether LAMMPS runs with more than one rank.
    """
    works = set(accelerators)
    numbers = sorted({1, *(max(1, cores // part) for part in (8, 4, 2, 1))} if parallel else {1})[-_RANKS:]
    ranks = sorted({1, *numbers})
    found = [Choice(ranks=number) for number in ranks]
    if "omp" in works:
        found += [Choice(ranks=number, accelerator="omp") for number in ranks]
        found += [
            Choice(ranks=number, threads=cores // number, accelerator="omp")
            for number in ranks
            if cores // number > 1
        ]
    if "intel" in works:
        found.append(Choice(ranks=ranks[-1], accelerator="intel"))
    if "gpu" in works:
        found += [Choice(ranks=number, accelerator="gpu", gpus=1) for number in ranks]
    if "kokkos" in works:
        found.append(Choice(ranks=1, accelerator="kokkos", gpus=1))
    return found


class CalibrateWorkChain(VersionedWorkChain):
    """Run a system for some seconds with each choice of ranks and threads, one after the other."""

    OUTLINE_VERSION = 1

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("code", valid_type=orm.AbstractCode, help="Code of LAMMPS.")
        spec.input("system", valid_type=CseSystemData, help="The system that is run.")
        spec.input("settings", valid_type=orm.Dict, serializer=orm.to_aiida_type, help="See RunSettings.")
        spec.input("choices", valid_type=orm.List, serializer=orm.to_aiida_type, help="See Choice.")
        spec.input("timestep_fs", valid_type=orm.Float, serializer=orm.to_aiida_type, help="Timestep in fs.")
        spec.input("seconds", valid_type=float, non_db=True, default=30.0, help="Wall time of all runs, s.")
        spec.input("options", valid_type=dict, non_db=True, default=dict, help="Scheduler options of the jobs.")
        spec.outline(
            cls.run_pilot,
            cls.inspect_pilot,
            while_(cls.has_choices)(cls.run_choice, cls.inspect_choice),
            cls.tabulate,
        )
        spec.output("speeds", valid_type=orm.Dict, help="See aiida_cse.calculations.functions.calibration.")
        spec.exit_code(392, "ERROR_CALIBRATION", message="The job <{pk}> failed with [{status}] {reason}")
        spec.exit_code(
            393,
            "ERROR_NO_TIME",
            message="The log of the job <{pk}> gives no time of its run, from which the speed would follow",
        )

    @classmethod
    def get_builder_for(
        cls,
        code: orm.AbstractCode,
        system: CseSystemData,
        settings: dict[str, Any],
        choices: Iterable[Choice],
        timestep_fs: float = 2.0,
        options: dict[str, Any] | None = None,
    ) -> Any:
        """Return a builder that measures the speed of ``code`` on ``system``.

        Parameters
        ----------
        code
            Code of LAMMPS.
        system
            What is run; it need not be equilibrated, but its atoms must not overlap.
        settings
            Cutoff and electrostatics, as of :class:`~aiida_cse.lammps.protocol.stage.RunSettings`.
        choices
            Ranks, threads and accelerators.
        timestep_fs
            fs.
        options
            Scheduler options, such as account and queue.

        Raises
        ------
        ValueError
            An option or a setting is unknown or wrong; the message names it.
        """
        builder: Any = cls.get_builder()
        builder.code = code
        builder.system = system
        builder.settings = orm.Dict(RunSettings.model_validate(settings).model_dump())
        builder.choices = orm.List([choice.model_dump() | {"exact": choice.exact} for choice in choices])
        builder.timestep_fs = orm.Float(timestep_fs)
        given = {key: value for key, value in (options or {}).items() if key not in ("resources", "stash")}
        builder.options = job_options(code, {"max_wallclock_seconds": 3600}, given)
        builder.metadata.label = f"calibrate {code.full_label}"
        return builder

    def run_pilot(self) -> Any:
        """Run a few steps with the first choice."""
        self.ctx.choices = [
            Choice.model_validate({key: value for key, value in choice.items() if key != "exact"})
            for choice in self.inputs.choices.get_list()
        ]
        self.ctx.jobs = []
        return ToContext(pilot=self._submit(self.ctx.choices[0], _PILOT, "pilot"))

    def inspect_pilot(self) -> ExitCode | None:
        """Take the speed of the pilot; stop if it failed."""
        pilot = self.ctx.pilot
        if not pilot.is_finished_ok:
            return self.exit_codes.ERROR_CALIBRATION.format(**failure(pilot))
        stage = pilot.outputs.results["stages"][-1]
        if not stage["wall_seconds"]:
            return self.exit_codes.ERROR_NO_TIME.format(pk=pilot.pk)
        self.ctx.rate = (stage["step"] - stage["first_step"]) / stage["wall_seconds"]
        return None

    def has_choices(self) -> bool:
        """Return whether choices are left."""
        return len(self.ctx.jobs) < len(self.ctx.choices)

    def run_choice(self) -> Any:
        """Run the next choice for its share of the time; jobs at the same time would share the cores."""
        number = len(self.ctx.jobs)
        choice = self.ctx.choices[number]
        share = self.inputs.seconds / len(self.ctx.choices)
        steps = int(min(_MOST, max(_LEAST, self.ctx.rate * share)))
        self.report(
            f"ranks {choice.ranks}, threads {choice.threads}, accelerator {choice.accelerator}: {steps} steps"
        )
        return ToContext(jobs=append_(self._submit(choice, steps, f"run_{number:02d}")))

    def inspect_choice(self) -> None:
        """Report a choice that failed; the others go on."""
        job = self.ctx.jobs[-1]
        if not job.is_finished_ok:
            self.report("<{pk}> failed with [{status}] {reason}".format(**failure(job)))

    def tabulate(self) -> None:
        """Store the table."""
        jobs = enumerate(self.ctx.jobs)
        found = {f"run_{number:02d}": job.outputs.results for number, job in jobs if job.is_finished_ok}
        self.out("speeds", tabulate_speeds(self.inputs.choices, self.inputs.timestep_fs, **found))

    def _submit(self, choice: Choice, steps: int, name: str) -> Any:
        """Submit a run of this length with a choice."""
        step = self.inputs.timestep_fs.value
        stage = Stage(
            name="speed",
            kind="nvt",
            duration_ps=steps * step / 1000,
            timestep_fs=step,
            temperature=_KELVIN,
            velocities=_KELVIN,
            thermo_ps=steps * step / 1000,
        )
        given = choice.model_dump(exclude={"ranks"}) | {"exact": choice.exact, "restart_interval": steps}
        settings = RunSettings.model_validate(self.inputs.settings.get_dict() | given)
        plan = JobPlan(stages=(stage,), seed=1, settings=settings)
        resources = {"num_machines": 1, "num_mpiprocs_per_machine": choice.ranks}
        if choice.threads > 1:
            resources["num_cores_per_mpiproc"] = choice.threads
        options = checked_options({**self.inputs.options, "resources": resources}, self.inputs.code)
        return self.submit(
            LammpsStageCalculation,
            code=self.inputs.code,
            system=self.inputs.system,
            plan=orm.Dict(plan.model_dump(mode="json", exclude_none=True)),
            metadata={"options": options, "call_link_label": name, "disable_cache": True},
        )


def system_like(recipe: Recipe) -> tuple[System, str]:
    """Return a system with about as many atoms as the interface of a recipe, and what it is in words.

    Copies of the newest relaxed interface of the profile stand side by side, with the density and the bonds of an
    interface. If there is none that is small enough, it is a crystal of the recipe's ceramic.
    """
    atoms = forecast_interface(recipe).atoms
    node = _newest_interface(atoms)
    if node is None:
        system, words = build_slab(recipe), "crystal of the ceramic"
    else:
        system, words = node.get_system(), f"interface <{node.pk}>"
    counts = _copies(system.data.lengths, atoms / system.info.natoms, flat=node is not None)
    data = system.data.replicated(*counts, common=CERAMIC_MOLECULE)
    return system.evolved(data), f"{words}, {' × '.join(map(str, counts))} copies"


def _newest_interface(most: int) -> CseSystemData | None:
    """Return the system that LAMMPS left last at an interface with at most so many atoms.

    None in a profile without one.
    """
    query = orm.QueryBuilder().append(
        CseSystemData,
        filters={"attributes.phase": {"in": ["interface", "production"]}, "attributes.natoms": {"<=": most}},
        project="*",
        tag="system",
    )
    query.append(LammpsStageCalculation, with_outgoing="system")
    found: CseSystemData | None = query.order_by({"system": {"ctime": "desc"}}).first(flat=True)
    return found


def _copies(lengths: Any, ratio: float, *, flat: bool) -> tuple[int, int, int]:
    """Return how often a box is repeated along x, y and, unless ``flat``, z: a compact box of the right size."""
    least = max(1, round(ratio))
    several = range(1, min(least, _MOST_COPIES) + 1)
    candidates = [
        (x, y, z) for x in several for y in several if x * y <= least for z in ([1] if flat else several)
    ]
    fitting = [counts for counts in candidates if counts[0] * counts[1] * counts[2] <= max(1.0, 1.1 * ratio)]

    def unlikeness(counts: tuple[int, int, int]) -> float:
        edges = [length * count for length, count in zip(lengths, counts, strict=True)][: 2 if flat else 3]
        size = counts[0] * counts[1] * counts[2] / ratio
        return abs(math.log(size)) * 4 + math.log(max(edges) / min(edges))

    return min(fitting, key=unlikeness)
