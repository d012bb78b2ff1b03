"""Parser of the examination of a LAMMPS program."""

from __future__ import annotations

from typing import Any

from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_cse.lammps.files.system import FILENAMES
from aiida_cse.lammps.probe.runs import HELP, JOIN, ProbePlans, examined
from aiida_cse.parsers.build import ended_by_machine, output_lines, program_output

__all__ = ["ProbeParser"]


class ProbeParser(Parser):
    """Store what the help of LAMMPS and the log of each run say."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Attach the results; LAMMPS that does not start is an error, a style that it lacks is a result."""
        plans = ProbePlans.model_validate(self.node.inputs.plans.get_dict())
        uses: dict[str, str] = {**{name: run.uses for name, run in plans.runs.items()}, JOIN: "study"}
        scripts = {
            name: self._written(f"{name}.in") + "\n" + self._written(f"{name}/{FILENAMES['forcefield']}")
            for name in uses
        }
        logs = {name: program_output(self, f"{name}.log") or program_output(self, f"{name}.out") for name in uses}
        said = program_output(self, self.node.get_option("scheduler_stderr") or "_scheduler-stderr.txt")
        found = examined(program_output(self, HELP), scripts, uses, logs, said)
        self.out("results", orm.Dict(found))
        if found["lammps_version"] is not None:
            return None
        ended = ended_by_machine(self, output_lines(self))
        if ended is not None:
            return ended
        failed: ExitCode = self.exit_codes.ERROR_NOT_STARTED
        return failed.format(error=found["error"] or "it printed nothing")

    def _written(self, name: str) -> str:
        """Return an input file of the job, an empty text if it has none of this name."""
        try:
            return str(self.node.base.repository.get_object_content(name, "r"))
        except FileNotFoundError:
            return ""
