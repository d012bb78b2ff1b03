"""CalcJob that deletes the trajectories that a stored reduction holds, on the computer that has them."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.common.links import LinkType
from aiida.engine import CalcJobProcessSpec

from aiida_cse.calculations.ports import job_options, remote_link
from aiida_cse.data.reduction import FILENAME, CseReductionData
from aiida_cse.engine.workers import GuardedCalcJob
from aiida_cse.lammps.job.script import IONS, TRAJECTORY

__all__ = ["DiscardCalculation", "discarded_by", "is_discarded"]

_TYPE = "aiida.calculations:cse.discard"


class DiscardCalculation(GuardedCalcJob):
    """Delete the trajectories in the folders of jobs whose frames a reduction holds, with ``aiida-cse discard``.

    A file that the reduction does not name, by its size, its first step and its checksum, stays.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        spec.input("reduction", valid_type=CseReductionData, help="Stored reduction of these trajectories.")
        spec.input_namespace(
            "folders", valid_type=orm.RemoteData, dynamic=True, help="Folders of jobs with the trajectories."
        )
        job_options(spec, "cse.discard", "discard.out")
        # a job from the cache would delete nothing
        spec.input("metadata.disable_cache", valid_type=bool, default=True)
        spec.output(
            "deleted",
            valid_type=orm.Dict,
            required=False,
            help="Names of the deleted files by the labels of their folders; jobs of earlier versions lack it.",
        )
        spec.exit_code(
            386,
            "ERROR_NOT_DISCARDED",
            message="The trajectories could not be deleted: {error}",
            invalidates_cache=True,
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Link the folders and call ``aiida-cse discard``."""
        reduction, names = self.inputs.reduction, sorted(self.inputs.folders)
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.stdout_name = self.metadata.options.output_filename
        code.join_files = True
        files = [f"{name}/{file}" for name in names for file in (TRAJECTORY, IONS)]
        code.cmdline_params = ["discard", *files, "--state", FILENAME, "--yes"]
        info = CalcInfo()
        info.codes_info = [code]
        info.remote_symlink_list = [remote_link(self.inputs.folders[name], name) for name in names]
        info.local_copy_list = [(reduction.uuid, reduction.filename, FILENAME)]
        info.retrieve_list = [self.metadata.options.output_filename]
        return info


def discarded_by(folder: orm.RemoteData) -> Any:
    """Return the job that deleted a trajectory in a folder, None if there is none."""
    for link in folder.base.links.get_outgoing(orm.CalcJobNode, LinkType.INPUT_CALC).all():
        job, label = link.node, link.link_label.removeprefix("folders__")
        if job.process_type != _TYPE or not job.is_finished_ok:
            continue
        if "deleted" not in job.outputs or job.outputs.deleted.get_dict().get(label):
            return job
    return None


def is_discarded(job: orm.CalcJobNode) -> bool:
    """Return whether the trajectories that a job left in its folder were deleted."""
    return "remote_folder" in job.outputs and discarded_by(job.outputs.remote_folder) is not None
