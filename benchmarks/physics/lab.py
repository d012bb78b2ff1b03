"""Folders and lengths of the runs of a check, and whether new runs may start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.protocol.schedule import Schedule
from aiida_cse.lammps.protocol.stage import JobPlan, Stage
from aiida_cse.workchains.common.protocol import ProtocolMixin
from benchmarks.physics.runs import Run

__all__ = ["Lab", "NotRunYetError", "protocol_stages"]

_T = TypeVar("_T")
#: steps between checkpoints; at each of them the mesh is fitted to the box anew, which shrinks fast at first
_CHECKPOINT = 500


class NotRunYetError(Exception):
    """A check needs a run that has not finished, and none may start."""


@dataclass(frozen=True)
class Lab:
    """The folder of all runs.

    ``small`` selects small systems in runs of full length; ``quick`` small systems and short runs, in which every
    part runs and nothing is equilibrated. Without ``start`` nothing runs, and only finished runs are evaluated.
    The settings of all runs are those of the stage language.
    """

    folder: Path
    small: bool = False
    quick: bool = False
    start: bool = True

    def run(
        self,
        name: str,
        stages: list[dict[str, Any]],
        seed: int,
        build: Callable[[], System],
        least_ps: float | None = None,
    ) -> Run:
        """Return a finished run; start or continue it if necessary.

        If no run may start, it may also be one that has run ``least_ps`` of its last stage.

        Raises
        ------
        NotRunYetError
            It has not come so far, and none may start.
        RuntimeError
            LAMMPS failed.
        """
        light = {"cutoff": 9.0, "kspace_accuracy": 1e-4} if self.quick else {}
        settings = {"restart_interval": _CHECKPOINT} | light
        plan = JobPlan.model_validate({"stages": stages, "seed": seed, "settings": settings})
        run = Run((self.folder / "quick" if self.quick else self.folder) / f"{name}-seed{seed}", plan)
        if self.start:
            return run.finish(build)
        if not (run.done or (least_ps is not None and run.reached_ps >= least_ps)):
            raise NotRunYetError(f"{run.name} has not been run to its end")
        return run

    def sized(self, full: _T, small: _T) -> _T:
        """Return one of two sizes of a system."""
        return small if self.small or self.quick else full

    def pick(self, full: _T, quick: _T) -> _T:
        """Return one of two lengths, or of two other settings that make a run short."""
        return quick if self.quick else full


def protocol_stages(
    phase: str, protocol: str, temperature: float, barostat: str | None = None
) -> list[dict[str, Any]]:
    """Return the stages of a phase in a protocol of the package, with other barostat axes."""

    class Phase(ProtocolMixin):
        protocol_name = phase

    schedule = Schedule.model_validate({"stages": Phase.get_protocol_inputs(protocol)["schedule"]["stages"]})
    return [_with_barostat(stage, barostat) for stage in schedule.resolve(temperature)]


def _with_barostat(stage: Stage, barostat: str | None) -> dict[str, Any]:
    found = stage.model_dump(exclude_none=True)
    return found | {"barostat": barostat} if barostat and stage.kind == "npt" else found
