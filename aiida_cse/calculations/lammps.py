"""LAMMPS CalcJob: one or more stages of a run, from a system or from the checkpoint of an earlier job."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida_lammps.calculations.raw import LammpsRawCalculation

from aiida_cse.calculations.ports import checked_by, remote_link, system_error
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.workers import GuardedCalcJob
from aiida_cse.lammps.files.system import FILENAMES
from aiida_cse.lammps.job.records import (
    COMPRESSED_LOG,
    END_RECORD,
    EPILOGUE_LINES,
    START_RECORD,
    UNFINISHED_LOG,
    job_scripts,
    prologue_lines,
    wall_time_error,
)
from aiida_cse.lammps.job.script import FINAL_DATA, LOG, SHOTS, render_script
from aiida_cse.lammps.protocol.accelerator import accelerator_words
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.schema import nearest

__all__ = ["LammpsStageCalculation"]

#: keys of `settings` and their content
SETTINGS = {
    "additional_retrieve_list": "a list of names of files, or of [pattern, folder, depth]",
    "additional_cmdline_params": "a list of words, none with a line break",
    "keep_system": "true or false",
}


class LammpsStageCalculation(GuardedCalcJob, LammpsRawCalculation):
    """Run the stages of a plan with LAMMPS, stop before the wall time and continue from a checkpoint."""

    #: raise this number when the same inputs give another script: AiiDA's cache compares only the inputs
    CACHE_VERSION = 5

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        spec.inputs["script"].required = False
        spec.outputs["results"].required = False
        spec.input(
            "system",
            valid_type=CseSystemData,
            required=False,
            validator=system_error,
            help="Initial system of the run; also contains the type table and the force field.",
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
            help="Folder of the job to continue; its newest complete checkpoint is used.",
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
        spec.output("shots", valid_type=orm.ArrayData, required=False, help=SHOTS_HELP)
        spec.output(
            "system",
            valid_type=CseSystemData,
            required=False,
            help="Final system, if settings.keep_system is true.",
        )
        for status, label, message, depends_on_luck in EXIT_CODES:
            spec.exit_code(status, label, message=message, invalidates_cache=depends_on_luck)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the system, the input script and the shell scripts around LAMMPS."""
        settings = self.inputs.settings.get_dict() if "settings" in self.inputs else {}
        arguments = settings.get("additional_cmdline_params", [])
        if "script" in self.inputs:
            # the parser judges a user's own script by its log alone
            raw: Any = super().prepare_for_submission(folder)
            raw.codes_info[0].cmdline_params += ["-log", LOG, *arguments]
            raw.retrieve_list.append(LOG)
            info: CalcInfo = raw
            return info
        plan = JobPlan.model_validate(self.inputs.plan.get_dict())
        system: CseSystemData = self.inputs.system
        system.refuse_unsafe()
        options = self.inputs.metadata.options
        with folder.open(options.input_filename, "w", encoding="utf-8") as handle:
            handle.write(render_script(plan, system.info.ion_types() if plan.writes_ions else ()))
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
            *arguments,
        ]
        for name, text in job_scripts().items():
            with folder.open(name, "w", encoding="utf-8") as handle:
                handle.write(text)
        info = CalcInfo()
        info.codes_info = [code]
        info.prepend_text = prologue_lines(
            str(self.node.uuid),
            str(self.inputs.code.get_executable()),
            options.get("max_wallclock_seconds"),
            plan.latest_checkpoint,
            one_trajectory=plan.one_trajectory,
        )
        info.append_text = EPILOGUE_LINES
        info.local_copy_list = [(system.uuid, FILENAMES[key], FILENAMES[key]) for key in ("data", "forcefield")]
        info.provenance_exclude_list = list(job_scripts())
        info.retrieve_list = [
            COMPRESSED_LOG,
            (UNFINISHED_LOG, LOG, 0),
            START_RECORD,
            END_RECORD,
            *settings.get("additional_retrieve_list", []),
        ]
        if plan.has_shots:
            info.retrieve_list.append(SHOTS)
        info.retrieve_temporary_list = [
            options.output_filename,
            LOG,
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
        if key == "keep_system":
            valid = isinstance(content, bool)
        else:
            check = _is_retrievable if key == "additional_retrieve_list" else _is_word
            valid = isinstance(content, (list, tuple)) and all(map(check, content))
        if not valid:
            return f"settings.{key} = {content!r}: must be {SETTINGS[key]}"
    return None


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _is_retrievable(value: Any) -> bool:
    """Return whether AiiDA can retrieve this entry: a name, or [pattern, folder, depth]."""
    if not isinstance(value, (list, tuple)):
        return _is_word(value)
    if len(value) != 3:
        return False
    source, target, depth = value
    return (
        _is_word(source) and _is_word(target) and (depth is None or isinstance(depth, int)) and depth is not True
    )


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
    if "parent_folder" in value and "code" in value:
        parent, code = value["parent_folder"].computer, value["code"].computer
        if code is not None and parent.uuid != code.uuid:
            return (
                f"parent_folder lies on {parent.label}, the code on {code.label}: a run can be continued only on "
                "the computer of its checkpoint"
            )
    if "plan" not in value:
        return None
    options, plan = value.get("metadata", {}).get("options", {}), JobPlan.model_validate(value["plan"].get_dict())
    error = _other_atoms(value["system"], plan) if "system" in value else None
    if error is not None:
        return error
    if "system" in value and plan.writes_ions:
        try:
            value["system"].info.ion_types()
        except ValueError as error:
            return f"system: {error}, so that a stage with ions_ps cannot write its ions"
    return wall_time_error(options.get("max_wallclock_seconds"), plan)


def _other_atoms(system: CseSystemData, plan: JobPlan) -> str | None:
    """Return which atom or type of a bias or of shots the system does not have; None if it has all."""
    info = system.info
    for number, stage in enumerate(plan.stages):
        for key, place in (("bias", stage.bias), ("shots", stage.shots)):
            if place is None:
                continue
            where = f"plan.stages.{number}.{key}"
            if place.atom > info.natoms:
                return f"{where}.atom = {place.atom}: the system has atoms 1 to {info.natoms}"
            inside = stage.bias.inside if key == "bias" and stage.bias is not None else None
            types = {*place.reference, *(() if inside is None else inside.types)}
            unknown = sorted(one for one in types if one > len(info.types))
            if unknown:
                return f"{where}: the system has atom types 1 to {len(info.types)}, not {unknown[0]}"
            if not info.atoms_of(place.reference):
                return f"{where}.reference = {list(place.reference)}: the system has no atom of these types"
    return None


THERMO_HELP = (
    "One array per thermo column over all rows: step, temp (K), press, pxx, pyy, pzz (atm), pe, ke, etotal, "
    "econserve (kcal/mol), vol (Å^3), density (g/cm^3), lx, ly, lz (Å), and c_held_shift (Å), the largest "
    "displacement of a held atom (NaN if none is held); `stage` is the index into results.stages. A stage with a "
    "bias adds v_bias_z (Å), the place of its ion, v_bias_force (kcal/mol/Å), the force of its spring, and "
    "v_inside, the number of ions that its `inside` counts (NaN in other stages)."
)

SHOTS_HELP = (
    "The short trajectories of stages of kind shots, one row for each start: `stage` (index into results.stages), "
    "`start` (from 1), `z_start` (Å), `velocity` (Å/fs, as drawn, relative to the framework), `backward` (1: the "
    "ion came from the end on its own side, -1: it met its start first, 0: neither), `forward` (side at the end: "
    "-1 low, 1 high, 0 neither or not followed), `backward_steps`, `forward_steps`, `followed` (1: forward in any "
    "case), `trace` (Å, z of those forward trajectories, NaN after their end) at the times `time` (fs)."
)

#: status, label, message, and whether the failure depends on time, machine or chance, so that it is not cached
EXIT_CODES = (
    (303, "ERROR_NO_LOG", "LAMMPS wrote no log; the last lines of the job: {said}", True),
    (
        304,
        "ERROR_NOT_STARTED",
        "LAMMPS did not start, so the job is not repeated; correct the code {code} or its computer: {error}",
        True,
    ),
    (310, "ERROR_LAMMPS", "LAMMPS stopped with an error: {error}", True),
    (311, "ERROR_FINAL_SYSTEM", "The final system could not be read: {error}", True),
    (312, "ERROR_CANNOT_OPEN", "A file or folder could not be opened: {error}", True),
    (320, "ERROR_RESTART_UNREADABLE", "The checkpoint cannot be used: {error}", True),
    (
        400,
        "ERROR_OUT_OF_WALLTIME",
        "Stopped before the wall time at step {step} of {target}; continue from the checkpoint.",
        True,
    ),
    (
        403,
        "ERROR_WALLTIME_TOO_SHORT",
        "The wall time ended at step {step}, before the first checkpoint; give more time or a smaller "
        "settings.restart_interval.",
        True,
    ),
    (410, "ERROR_LOST_ATOMS", "Atoms were lost: {error}", True),
    (411, "ERROR_BOND_ATOMS_MISSING", "Atoms of a bonded term drifted apart: {error}", True),
    (412, "ERROR_NOT_A_NUMBER", "A thermo value is not finite: {error}", True),
    (413, "ERROR_KSPACE_OUT_OF_RANGE", "Atoms left the k-space mesh: {error}", True),
    (
        420,
        "ERROR_INTERRUPTED",
        "The run ended without a message at step {step} of {target}{said}",
        True,
    ),
    (421, "ERROR_FOLDER_IN_USE", "Another job may still write into the folder: {error}", True),
    (422, "ERROR_OUT_OF_MEMORY", "Out of memory at step {step} of {target}: {error}", True),
    (423, "ERROR_SEGMENTATION_FAULT", "LAMMPS crashed at step {step} of {target}: {error}", True),
    (
        424,
        "ERROR_DISK_FULL",
        "A file could not be written at step {step} of {target}; free disk space or quota: {error}",
        True,
    ),
    (425, "ERROR_MPI_ABORT", "MPI ended the run at step {step} of {target}: {error}", True),
)
