"""The CalcJob that reduces the segments of a production where they lie, with ``aiida-cse reduce``."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec

from aiida_cse.building.sampling import Sampling, reduction_config
from aiida_cse.calculations.ports import checked_by, remote_link
from aiida_cse.data.reduction import FILENAME, CseReductionData
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.script import TRAJECTORY

__all__ = ["ReduceCalculation", "reduction_error"]

CONFIG = "reduction.json"
PREVIOUS = "previous.npz"


class ReduceCalculation(CalcJob):
    """Reduce trajectory segments, in order, to one mergeable state; only the state is retrieved."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        spec.input("system", valid_type=CseSystemData, help="The system that the production started from.")
        spec.input(
            "sampling",
            valid_type=orm.Dict,
            serializer=orm.to_aiida_type,
            validator=checked_by(Sampling, "sampling"),
            help="Timestep, frames, blocks and snapshots: see aiida_cse.building.sampling.Sampling.",
        )
        spec.input_namespace(
            "folders",
            valid_type=(orm.RemoteData, orm.RemoteStashData),
            dynamic=True,
            help="The folders with the segments; the order of the keys is the order of time.",
        )
        spec.input("previous", valid_type=CseReductionData, required=False, help="The state to extend.")
        spec.input("metadata.options.parser_name", valid_type=str, default="cse.reduce")
        spec.input("metadata.options.output_filename", valid_type=str, default="reduce.out")
        spec.input(
            "metadata.options.resources",
            valid_type=dict,
            default=lambda: {"num_machines": 1, "num_mpiprocs_per_machine": 1},
        )
        spec.inputs.validator = _validate_inputs
        spec.output("reduction", valid_type=CseReductionData, required=False, help="The state of all segments.")
        spec.exit_code(
            334,
            "ERROR_REDUCTION_FAILED",
            message="The trajectory could not be reduced: {error}",
            invalidates_cache=True,
        )
        spec.exit_code(
            335,
            "ERROR_STATE_MISSING",
            message="The reduction ended without a whole state: {error}",
            invalidates_cache=True,
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the configuration, link the segments and call ``aiida-cse reduce``."""
        config = reduction_config(
            self.inputs.system.get_system(), Sampling.model_validate(self.inputs.sampling.get_dict())
        )
        with folder.open(CONFIG, "w", encoding="utf-8") as handle:
            handle.write(config.model_dump_json())
        names = sorted(self.inputs.folders)
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.stdout_name = self.metadata.options.output_filename
        code.join_files = True
        code.cmdline_params = [
            "reduce",
            *(f"{name}/{TRAJECTORY}" for name in names),
            "--config",
            CONFIG,
            "--out",
            FILENAME,
            "--skip-missing",
        ]
        info = CalcInfo()
        info.codes_info = [code]
        info.remote_symlink_list = [remote_link(self.inputs.folders[name], name) for name in names]
        info.provenance_exclude_list = [CONFIG]
        if "previous" in self.inputs:
            previous = self.inputs.previous
            code.cmdline_params += ["--previous", PREVIOUS]
            info.local_copy_list = [(previous.uuid, previous.filename, PREVIOUS)]
        info.retrieve_list = [self.metadata.options.output_filename]
        info.retrieve_temporary_list = [FILENAME]
        return info


def _validate_inputs(value: dict[str, Any], ports: Any) -> str | None:
    if "folders" not in ports:
        return None
    if not value.get("folders"):
        return "folders: at least one segment is needed"
    if "code" in value:
        computer = value["code"].computer
        for name, folder in value["folders"].items():
            if folder.computer.uuid != computer.uuid:
                return (
                    f"folders.{name} lies on {folder.computer.label}, the code on {computer.label}: "
                    "a trajectory is reduced where it lies, set up the code cse there"
                )
    if "system" in value and "sampling" in value:
        return reduction_error(value["system"], value["sampling"].get_dict())
    return None


def reduction_error(system: CseSystemData, sampling: dict[str, Any]) -> str | None:
    """Return why a trajectory of ``system`` could not be reduced, None if it can."""
    try:
        reduction_config(system.get_system(), Sampling.model_validate(sampling))
    except ValueError as error:
        return f"system and sampling: {error}"
    return None
