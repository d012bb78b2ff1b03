"""Cooling of a system by a schedule of ramps and holds."""

from __future__ import annotations

from typing import Any

from aiida.engine import while_

from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains.common.phase import PhaseWorkChain
from aiida_cse.workchains.common.ports import validate_neutral

__all__ = ["CoolingWorkChain"]


class CoolingWorkChain(PhaseWorkChain):
    """Run a system, with its velocities, through the stages of a schedule; part of a quench."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Define inputs, outline and outputs."""
        super().define(spec)
        spec.input("system", valid_type=CseSystemData, validator=validate_neutral, help="The system to be cooled.")
        spec.outline(
            cls.start,
            cls.plan_jobs,
            while_(cls.has_jobs)(cls.run_job, cls.inspect_job),
            cls.attach_stages,
            cls.attach_system,
        )
        spec.output("system", valid_type=CseSystemData, help="The cooled system.")

    def start(self) -> None:
        """Accept the system."""
        self.ctx.system = self.inputs.system

    def attach_system(self) -> None:
        """Attach the cooled system."""
        self.out("system", self.ctx.final)
