"""The LAMMPS CalcJob: one or more stages of a run, from a system or from the checkpoint of an earlier job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida_lammps.calculations.raw import LammpsRawCalculation

from aiida_cse.calculations.ports import checked_by, remote_link
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import FILENAMES
from aiida_cse.lammps.job.records import (
    END_RECORD,
    START_RECORD,
    job_scripts,
    text_after,
    text_before,
    wall_time_error,
)
from aiida_cse.lammps.job.script import FINAL_DATA, LOG, render_script
from aiida_cse.lammps.protocol.accelerator import accelerator_words
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.schema import nearest

__all__ = ["LammpsStageCalculation"]

#: keys of `settings`, and what they hold
SETTINGS = {
    "additional_retrieve_list": "a list of names of files, or of [pattern, folder, depth]",
    "additional_cmdline_params": "a list of words, none with a line break",
    "keep_system": "true or false",
}


class LammpsStageCalculation(LammpsRawCalculation):
    """Run the stages of a plan with LAMMPS; stop cleanly before the wall time and go on from a checkpoint."""

    #: to be raised when the same inputs give another script: AiiDA's cache sees the inputs alone
    CACHE_VERSION = 4

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        spec.inputs["script"].required = False
        spec.outputs["results"].required = False
        spec.input(
            "system",
            valid_type=CseSystemData,
            required=False,
            help="The system where the run starts; also names the types and holds the force field.",
        )
        spec.input(
            "plan",
            valid_type=orm.Dict,
            required=False,
            validator=checked_by(JobPlan, "plan"),
            serializer=orm.to_aiida_type,
            help="Stages, first and last step, seed and settings: see aiida_cse.lammps.protocol.stage.JobPlan.",
        )
        spec.input(
            "parent_folder",
            valid_type=(orm.RemoteData, orm.RemoteStashData),
            required=False,
            help="The folder of the job that this one goes on from; its newest whole checkpoint is used.",
        )
        spec.input("metadata.options.parser_name", valid_type=str, default="cse.lammps")
        spec.input("metadata.options.withmpi", valid_type=bool, default=True)
        spec.input(
            "metadata.options.resources",
            valid_type=dict,
            default=lambda: {"num_machines": 1, "num_mpiprocs_per_machine": 1},
        )
        spec.inputs["settings"].validator = _validate_settings
        spec.inputs.validator = _validate_inputs

        spec.output("thermo", valid_type=orm.ArrayData, required=False, help=THERMO_HELP)
        spec.output(
            "system",
            valid_type=CseSystemData,
            required=False,
            help="The system at the end, if settings.keep_system asks for it.",
        )
        for status, label, message, depends_on_luck in EXIT_CODES:
            spec.exit_code(status, label, message=message, invalidates_cache=depends_on_luck)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the system, the script, and what takes the folder, picks the checkpoint and cleans up."""
        if "script" in self.inputs:
            return self._keep_log(super().prepare_for_submission(folder))
        plan = JobPlan.model_validate(self.inputs.plan.get_dict())
        with folder.open(self.inputs.metadata.options.input_filename, "w", encoding="utf-8") as handle:
            handle.write(render_script(plan))
        return self._calcinfo(folder, plan)

    def _keep_log(self, info: Any) -> CalcInfo:
        """Return what a script of the user's own needs: its log is all that the parser can judge it by."""
        settings = self.inputs.settings.get_dict() if "settings" in self.inputs else {}
        info.codes_info[0].cmdline_params += ["-log", LOG, *settings.get("additional_cmdline_params", [])]
        info.retrieve_list.append(LOG)
        whole: CalcInfo = info
        return whole

    def _calcinfo(self, folder: Folder, plan: JobPlan) -> CalcInfo:
        system: CseSystemData = self.inputs.system
        settings = self.inputs.settings.get_dict() if "settings" in self.inputs else {}
        options = self.inputs.metadata.options
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.stdout_name = options.output_filename
        code.cmdline_params = [
            "-in",
            options.input_filename,
            "-log",
            LOG,
            "-nb",
            *accelerator_words(plan.settings.accelerator, plan.settings.threads, plan.settings.gpus),
            *settings.get("additional_cmdline_params", []),
        ]
        for name, text in job_scripts().items():
            with folder.open(name, "w", encoding="utf-8") as handle:
                handle.write(text)
        info = CalcInfo()
        info.codes_info = [code]
        info.prepend_text = text_before(
            str(self.node.uuid),
            str(self.inputs.code.get_executable()),
            options.get("max_wallclock_seconds"),
            plan.latest_checkpoint,
            one_trajectory=plan.one_trajectory,
        )
        info.append_text = text_after()
        info.local_copy_list = [(system.uuid, FILENAMES[key], FILENAMES[key]) for key in ("data", "forcefield")]
        info.provenance_exclude_list = list(job_scripts())
        info.retrieve_list = [LOG, START_RECORD, END_RECORD, *settings.get("additional_retrieve_list", [])]
        info.retrieve_temporary_list = [
            options.output_filename,
            *([FINAL_DATA] if settings.get("keep_system", False) else []),
        ]
        if "parent_folder" in self.inputs:
            info.remote_symlink_list = [remote_link(self.inputs.parent_folder, "parent")]
        return info


def _validate_settings(value: orm.Dict | None, _: Any) -> str | None:
    if value is None:
        return None
    for key, content in value.get_dict().items():
        if key not in SETTINGS:
            return f"settings: '{key}' is no known key: {nearest(key, SETTINGS)}"
        if not _SETTING_CHECKS[key](content):
            return f"settings.{key} = {content!r}: must be {SETTINGS[key]}"
    return None


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _is_retrievable(value: Any) -> bool:
    if not isinstance(value, (list, tuple)):
        return _is_word(value)
    if len(value) != 3:
        return False
    source, target, depth = value
    return (
        _is_word(source) and _is_word(target) and (depth is None or isinstance(depth, int)) and depth is not True
    )


def _each(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(map(check, value))


_SETTING_CHECKS: dict[str, Callable[[Any], bool]] = {
    "additional_retrieve_list": _each(_is_retrievable),
    "additional_cmdline_params": _each(_is_word),
    "keep_system": lambda value: isinstance(value, bool),
}


def _validate_inputs(value: dict[str, Any], ports: Any) -> str | None:
    if "script" in value:
        both = [key for key in ("system", "plan", "parent_folder") if key in value]
        if both:
            return f"a whole script and {', '.join(both)} exclude each other"
        message: str | None = LammpsRawCalculation.validate_inputs(value, ports)
        return message
    missing = [key for key in ("system", "plan") if key in ports and key not in value]
    if missing:
        return f"inputs {', '.join(missing)} are missing: give system and plan, or a whole script"
    return _validate_parent(value) or _validate_wall_time(value)


def _validate_wall_time(value: dict[str, Any]) -> str | None:
    if "plan" not in value:
        return None
    options = value.get("metadata", {}).get("options", {})
    return wall_time_error(options.get("max_wallclock_seconds"), JobPlan.model_validate(value["plan"].get_dict()))


def _validate_parent(value: dict[str, Any]) -> str | None:
    if "parent_folder" not in value or "code" not in value:
        return None
    parent, code = value["parent_folder"].computer, value["code"].computer
    if code is not None and parent.uuid != code.uuid:
        return (
            f"parent_folder lies on {parent.label}, the code on {code.label}: "
            "a run goes on where its checkpoint is"
        )
    return None


THERMO_HELP = (
    "One array per thermo column over all rows: step, temp (K), press, pxx, pyy, pzz (atm), pe, ke, etotal, "
    "econserve (kcal/mol), vol (Å^3), density (g/cm^3), lx, ly, lz (Å), and c_held_shift (Å), how far the held "
    "atom that moved most has moved (NaN where none is held); `stage` is the index into results.stages."
)

#: status, label, message, whether time, machine or luck decide it (then it is never served from the cache)
EXIT_CODES = (
    (303, "ERROR_NO_LOG", "LAMMPS wrote no log: see the scheduler's output.", True),
    (310, "ERROR_LAMMPS", "LAMMPS stopped with an error: {error}", True),
    (311, "ERROR_FINAL_SYSTEM", "The final system could not be read: {error}", True),
    (312, "ERROR_CANNOT_OPEN", "A file or folder could not be opened: {error}", True),
    (320, "ERROR_RESTART_UNREADABLE", "The checkpoint cannot be gone on from: {error}", True),
    (
        400,
        "ERROR_OUT_OF_WALLTIME",
        "Stopped before the wall time at step {step} of {target}; go on from the checkpoint.",
        True,
    ),
    (
        403,
        "ERROR_WALLTIME_TOO_SHORT",
        "The wall time ended at step {step}, before the first checkpoint: give more time or a smaller "
        "settings.restart_interval.",
        True,
    ),
    (410, "ERROR_LOST_ATOMS", "Atoms were lost: {error}", True),
    (411, "ERROR_BOND_ATOMS_MISSING", "Atoms of a bonded term drifted apart: {error}", True),
    (412, "ERROR_NOT_A_NUMBER", "A thermo value is no finite number: {error}", True),
    (413, "ERROR_KSPACE_OUT_OF_RANGE", "Atoms left the k-space mesh: {error}", True),
    (
        420,
        "ERROR_INTERRUPTED",
        "The run ended without a word at step {step} of {target}; go on from the newest checkpoint.",
        True,
    ),
    (421, "ERROR_FOLDER_IN_USE", "Another job may still write: {error}", True),
    (422, "ERROR_OUT_OF_MEMORY", "The memory was used up at step {step} of {target}: {error}", True),
    (423, "ERROR_SEGMENTATION_FAULT", "LAMMPS crashed at step {step} of {target}: {error}", True),
    (424, "ERROR_DISK_FULL", "A file could not be written at step {step} of {target}: {error}", True),
    (425, "ERROR_MPI_ABORT", "MPI ended the run at step {step} of {target}: {error}", True),
)
