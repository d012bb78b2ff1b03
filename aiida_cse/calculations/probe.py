"""CalcJob that examines a LAMMPS program with runs of a few steps on a tiny system."""

from __future__ import annotations

from pathlib import PurePosixPath

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec

from aiida_cse.building.interface.read_data import ARGUMENTS, FILES, append_files
from aiida_cse.calculations.ports import checked_by, job_options
from aiida_cse.engine.workers import GuardedCalcJob
from aiida_cse.lammps.files.system import FILENAMES
from aiida_cse.lammps.probe.runs import HELP, JOIN, ProbePlans
from aiida_cse.lammps.probe.system import tiny_interface, tiny_phases
from aiida_cse.landscape.model import Ions, draw_landscape
from aiida_cse.landscape.system import landscape_system

__all__ = ["ProbeCalculation"]

#: Å between the phases
_GAP = 2.5


class ProbeCalculation(GuardedCalcJob):
    """Print the help of LAMMPS, then run each plan in a folder of its own, whatever becomes of the others."""

    #: raise this number when the same inputs give another examination
    CACHE_VERSION = 1

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define inputs, outputs and exit codes."""
        super().define(spec)
        spec.input(
            "plans",
            valid_type=orm.Dict,
            validator=checked_by(ProbePlans, "plans"),
            serializer=orm.to_aiida_type,
            help="The runs by name: see aiida_cse.lammps.probe.runs.ProbePlans.",
        )
        job_options(spec, "cse.probe", "probe.out")
        spec.input("metadata.options.withmpi", valid_type=bool, default=True)
        spec.output(
            "results",
            valid_type=orm.Dict,
            help="Version, packages, missing styles, and the outcome of each run: see "
            "aiida_cse.lammps.probe.runs.examined.",
        )
        spec.exit_code(390, "ERROR_NOT_STARTED", message="LAMMPS does not start: {error}", invalidates_cache=True)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the folder of each run."""
        plans = ProbePlans.model_validate(self.inputs.plans.get_dict())
        ions = Ions(cations=20, anions=10)
        systems = {
            "validation": landscape_system(draw_landscape(1, "drifting"), ions, 1),
            "study": tiny_interface(),
        }
        start_name, start = plans.start_file()
        for name, script in plans.scripts().items():
            system = systems.get(plans.runs[name].uses, systems["study"])
            _write(folder, f"{name}/{FILENAMES['data']}", system.data.format("probe"))
            _write(folder, f"{name}/{FILENAMES['forcefield']}", system.forcefield)
            _write(folder, f"{name}/{start_name}", start)
            _write(folder, f"{name}.in", script)
        for name, text in append_files(*tiny_phases(), _GAP).items():
            _write(folder, f"{JOIN}/{name}" if name != FILES[-1] else f"{JOIN}.in", text)
        with folder.open(f"{JOIN}.in") as handle:
            script = handle.read()
        _write(folder, f"{JOIN}.in", f"shell cd {JOIN}\n{script}")
        info = CalcInfo()
        info.codes_info = [self._call(["-h"], HELP)]
        for name, run in plans.runs.items():
            words = ["-in", f"{name}.in", "-log", f"{name}.log", "-nb", *run.arguments]
            info.codes_info.append(self._call(words, f"{name}.out"))
        words = ["-in", f"{JOIN}.in", "-log", f"{JOIN}.log", *ARGUMENTS[4:]]
        info.codes_info.append(self._call(words, f"{JOIN}.out"))
        names = [*plans.runs, JOIN]
        info.retrieve_list = [HELP, *(f"{name}.{ending}" for name in names for ending in ("log", "out"))]
        info.provenance_exclude_list = [
            str(PurePosixPath(name) / file) for name in names for file in (FILENAMES["data"], *FILES[:2])
        ]
        return info

    def _call(self, words: list[str], output: str) -> CodeInfo:
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = words
        code.stdout_name = output
        code.join_files = True
        return code


def _write(folder: Folder, name: str, text: str) -> None:
    path = PurePosixPath(name)
    if path.parent.name:
        folder.get_subfolder(str(path.parent), create=True)
    with folder.open(name, "w", encoding="utf-8") as handle:
        handle.write(text)
