"""The LAMMPS CalcJob: one or more stages of a run, from a system or from the checkpoint of an earlier job."""

from __future__ import annotations

import shlex
from importlib import resources
from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida_lammps.calculations.raw import LammpsRawCalculation

from aiida_cse.calculations.ports import checked_by, remote_link
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.script import FINAL_DATA, LOG, PROLOGUE, START_RECORD, render_script
from aiida_cse.lammps.stage import JobPlan
from aiida_cse.lammps.system import FILENAMES
from aiida_cse.validation import nearest

__all__ = ["LammpsStageCalculation"]

#: share of the wall time after which LAMMPS is asked to stop and write a checkpoint
SOFT_STOP = 0.95

#: keys of `settings`, and what they hold
SETTINGS = {
    "additional_retrieve_list": "a list",
    "additional_cmdline_params": "a list",
    "keep_system": "true or false",
}


class LammpsStageCalculation(LammpsRawCalculation):
    """Run the stages of a plan with LAMMPS; stop cleanly before the wall time and go on from a checkpoint."""

    #: to be raised when the same inputs give another script: AiiDA's cache sees the inputs alone
    CACHE_VERSION = 1

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
            help="Stages, first and last step, seed and settings: see aiida_cse.lammps.stage.JobPlan.",
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
        """Write the system, the script and the prologue that picks the checkpoint."""
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
            "-var",
            "timeout",
            _soft_limit(options.get("max_wallclock_seconds")),
            *settings.get("additional_cmdline_params", []),
        ]
        with folder.open(PROLOGUE, "w", encoding="utf-8") as handle:
            handle.write(resources.files("aiida_cse.lammps").joinpath(PROLOGUE).read_text(encoding="utf-8"))
        info = CalcInfo()
        info.codes_info = [code]
        latest = "" if plan.latest_checkpoint is None else f" {plan.latest_checkpoint}"
        info.prepend_text = f"sh {PROLOGUE} {shlex.quote(str(self.inputs.code.get_executable()))}{latest}"
        info.local_copy_list = [(system.uuid, FILENAMES[key], FILENAMES[key]) for key in ("data", "forcefield")]
        info.provenance_exclude_list = [PROLOGUE]
        info.retrieve_list = [LOG, START_RECORD, *settings.get("additional_retrieve_list", [])]
        info.retrieve_temporary_list = [FINAL_DATA] if settings.get("keep_system", False) else []
        if "parent_folder" in self.inputs:
            info.remote_symlink_list = [remote_link(self.inputs.parent_folder, "parent")]
        return info


def _soft_limit(seconds: int | None) -> str:
    """Return the LAMMPS timer limit for a wall time, ``hh:mm:ss`` or ``off``."""
    if not seconds:
        return "off"
    limit = max(1, int(SOFT_STOP * seconds))
    return f"{limit // 3600:02d}:{limit // 60 % 60:02d}:{limit % 60:02d}"


def _validate_settings(value: orm.Dict | None, _: Any) -> str | None:
    if value is None:
        return None
    for key, content in value.get_dict().items():
        if key not in SETTINGS:
            return f"settings: '{key}' is no known key: {nearest(key, SETTINGS)}"
        if not isinstance(content, bool if key == "keep_system" else (list, tuple)):
            return f"settings: '{key}' = {content!r} must be {SETTINGS[key]}"
    return None


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
    return _validate_parent(value)


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
    "One array per thermo column over all rows: step, temp (K), press, pxx, pyy, pzz (atm), pe, ke, etotal "
    "(kcal/mol), vol (Å^3), density (g/cm^3), lx, ly, lz (Å); `stage` is the index into results.stages."
)

#: status, label, message, whether time, machine or luck decide it (then it is never served from the cache)
EXIT_CODES = (
    (303, "ERROR_NO_LOG", "LAMMPS wrote no log: see the scheduler's output.", True),
    (310, "ERROR_LAMMPS", "LAMMPS stopped with an error: {error}", True),
    (311, "ERROR_FINAL_SYSTEM", "The final system could not be read: {error}", True),
    (320, "ERROR_RESTART_UNREADABLE", "LAMMPS could not read the checkpoint: {error}", True),
    (
        400,
        "ERROR_OUT_OF_WALLTIME",
        "Stopped before the wall time at step {step} of {target}; go on from the checkpoint.",
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
)
