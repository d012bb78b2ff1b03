"""CalcJob that reduces the segments of a production with ``aiida-cse reduce``, on the computer that holds them."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec

from aiida_cse.building.reduction import describe_system
from aiida_cse.calculations.discard import discarded_by
from aiida_cse.calculations.ports import checked_by, job_options, remote_link
from aiida_cse.data.reduction import FILENAME, CseReductionData, checked_temperature
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.workers import GuardedCalcJob
from aiida_cse.lammps.job.script import IONS, TRAJECTORY
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.schema import nearest

__all__ = ["ReduceCalculation", "reduction_error"]

CONFIG = "reduction.json"
PREVIOUS = "previous.npz"
CHECKSUMS = "checksums.txt"


class ReduceCalculation(GuardedCalcJob):
    """Reduce trajectory segments, in order, to one mergeable state; only the state and the output are retrieved.

    The output shows the progress of a running job (``verdi calcjob outputcat``). The job is one process with as
    many threads as ``resources`` reserves cores on a machine: processes times ``num_cores_per_mpiproc``.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        spec.input("system", valid_type=CseSystemData, help="System from which the production started.")
        spec.input(
            "sampling",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=checked_by(Sampling, "sampling"),
            help="Timestep, frames, blocks and snapshots: see aiida_cse.reduction.sampling.Sampling.",
        )
        spec.input_namespace(
            "folders",
            valid_type=(orm.RemoteData, orm.RemoteStashFolderData),
            dynamic=True,
            help="Folders with the segments, of jobs or stashed; the order of the keys is the order of time.",
        )
        spec.input(
            "checksums",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            required=False,
            help="Expected SHA-256 of segments, by the keys of their folders, and by KEY/ions for those of "
            "the ions; other files are not checked.",
        )
        spec.input("previous", valid_type=CseReductionData, required=False, help="State to extend.")
        spec.input(
            "temperature",
            valid_type=orm.Float,
            serializer=orm.to_aiida_type,
            required=False,
            help="Temperature of the run in K, which the state keeps.",
        )
        job_options(spec, "cse.reduce", "reduce.out")
        spec.inputs.validator = _validate_inputs
        spec.output(
            "reduction",
            valid_type=CseReductionData,
            required=False,
            help="State of all segments; with `previous` its file has the part that follows that state.",
        )
        spec.exit_code(
            334,
            "ERROR_REDUCTION_FAILED",
            message="The trajectory could not be reduced: {error}",
            invalidates_cache=True,
        )
        spec.exit_code(
            335,
            "ERROR_STATE_MISSING",
            message="The reduction ended without a complete state: {error}",
            invalidates_cache=True,
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the configuration, link the segments and call ``aiida-cse reduce``."""
        sampling = Sampling.model_validate(self.inputs.sampling.get_dict())
        temperature = self.inputs.temperature.value if "temperature" in self.inputs else None
        system = self.inputs.system.get_system()
        described = describe_system(system)
        config = ReductionConfig.build(described, sampling, temperature=temperature)
        with folder.open(CONFIG, "w", encoding="utf-8") as handle:
            handle.write(config.model_dump_json())
        names = sorted(self.inputs.folders)
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.stdout_name = self.metadata.options.output_filename
        code.join_files = True
        code.cmdline_params = [
            "reduce",
            *(f"{name}/{TRAJECTORY if sampling.all_atoms_ps is None else IONS}" for name in names),
            "--config",
            CONFIG,
            "--out",
            FILENAME,
            "--skip-missing",
            "--threads",
            str(_threads(self.metadata.options)),
        ]
        if sampling.all_atoms_ps is not None:
            labels = [system.info.types[number - 1].label for number in system.info.ion_types()]
            code.cmdline_params += ["--ions", ",".join(labels)]
            code.cmdline_params += [word for name in names for word in ("--all-atoms", f"{name}/{TRAJECTORY}")]
        info = CalcInfo()
        info.codes_info = [code]
        info.remote_symlink_list = [remote_link(self.inputs.folders[name], name) for name in names]
        info.provenance_exclude_list = [CONFIG, CHECKSUMS]
        if "previous" in self.inputs:
            previous = self.inputs.previous
            code.cmdline_params += ["--previous", PREVIOUS, "--increment"]
            info.local_copy_list = [(previous.uuid, previous.filename, PREVIOUS)]
        if "checksums" in self.inputs:
            sums = self.inputs.checksums.get_dict()
            with folder.open(CHECKSUMS, "w", encoding="utf-8") as handle:
                for name in names:
                    keys = {f"{name}/{TRAJECTORY}": name, f"{name}/{IONS}": f"{name}/ions"}
                    handle.writelines(f"{sums[key]}  {path}\n" for path, key in keys.items() if key in sums)
            code.cmdline_params += ["--checksums", CHECKSUMS]
        info.retrieve_list = [self.metadata.options.output_filename]
        info.retrieve_temporary_list = [FILENAME]
        return info


def _threads(options: Any) -> int:
    """Return the number of cores that a job reserves on a machine; with MPI, those of one process."""
    resources = options.resources
    cores = int(resources.get("num_cores_per_mpiproc") or 1)
    if options.get("withmpi"):
        return cores
    machines = int(resources.get("num_machines") or 1)
    processes = resources.get("num_mpiprocs_per_machine") or (resources.get("tot_num_mpiprocs") or 1) // machines
    return max(int(processes), 1) * cores


def _validate_inputs(value: dict[str, Any], ports: Any) -> str | None:
    if "folders" not in ports:
        return None
    if not value.get("folders"):
        return "folders: at least one segment is needed"
    # a sampling that is none is refused by its own port
    apart = "sampling" in value and value["sampling"].get_dict().get("all_atoms_ps") is not None
    error = _folders_error(value["folders"], value.get("code"), apart=apart)
    if error is None and "checksums" in value:
        error = _checksums_error(value["checksums"].get_dict(), list(value["folders"]), apart=apart)
    if error is None and "temperature" in value:
        error = _temperature_error(value["temperature"].value, value.get("previous"))
    if error is None and "system" in value and "sampling" in value:
        error = reduction_error(value["system"], value["sampling"].get_dict())
    return error


def _folders_error(
    folders: dict[str, orm.RemoteData | orm.RemoteStashFolderData], code: orm.AbstractCode | None, *, apart: bool
) -> str | None:
    """Refuse folders without a trajectory, or on another computer than the code."""
    for name, folder in folders.items():
        patterns = folder.source_list if isinstance(folder, orm.RemoteStashFolderData) else ["*"]
        for file in (TRAJECTORY, *([IONS] if apart else [])):
            if not any(fnmatch(file, pattern) for pattern in patterns):
                return f"folders.{name}: has no {file}, only {', '.join(patterns)} was stashed"
        if isinstance(folder, orm.RemoteData) and folder.is_stored and (gone := discarded_by(folder)) is not None:
            return (
                f"folders.{name}: its trajectory was deleted by <{gone.pk}> when the reduction "
                f"<{gone.inputs.reduction.pk}> had been stored, as plan.keep_trajectory = until-reduced says; "
                "analyse that reduction"
            )
        there, here = folder.computer, None if code is None else code.computer
        if there is not None and here is not None and there.uuid != here.uuid:
            return (
                f"folders.{name}: lies on {there.label}, the code on {here.label}; a trajectory is reduced on the "
                "computer that holds it, set up the code cse there"
            )
    return None


def _checksums_error(checksums: dict[str, Any], folders: list[str], *, apart: bool) -> str | None:
    """Refuse checksums of unknown folders and values that are no SHA-256."""
    names = [*folders, *(f"{name}/ions" for name in folders if apart)]
    for name, value in checksums.items():
        if name not in names:
            return f"checksums: {name!r} is none of the folders; {nearest(name, names)}"
        if not isinstance(value, str) or re.fullmatch("[0-9a-f]{64}", value) is None:
            return f"checksums.{name} = {value!r}: must be the 64 hexadecimal digits of a SHA-256"
    return None


def _temperature_error(temperature: float, previous: CseReductionData | None) -> str | None:
    """Refuse a temperature that is none, or another one than that of the state to extend."""
    if not temperature > 0:
        return f"temperature = {temperature:g}: must be above 0 K"
    if previous is None:
        return None
    try:
        checked_temperature(previous, temperature)
    except ValueError as error:
        return f"previous: {error}"
    return None


def reduction_error(system: CseSystemData, sampling: dict[str, Any]) -> str | None:
    """Return why a trajectory of ``system`` could not be reduced, None if it can."""
    try:
        ReductionConfig.build(describe_system(system.get_system()), Sampling.model_validate(sampling))
    except ValueError as error:
        return f"system and sampling: {error}"
    return None
