"""LAMMPS commands that write checkpoints and look at the clock."""

from __future__ import annotations

from typing import Final

__all__ = ["CHECK_CLOCK", "CLOCK", "KEPT_CHECKPOINTS", "LOG", "REPORT_CHECKPOINT", "WRITE_CHECKPOINT"]

#: log of the job
LOG: Final = "log.lammps"
#: written by the job itself at every checkpoint: whether its time has expired
CLOCK: Final = "clock.in"

#: checkpoints of a stage that are kept; an older one is used if the newest is incomplete
KEPT_CHECKPOINTS: Final = 3
#: write a restart file, and report in the log that it is complete
WRITE_CHECKPOINT: Final = "write_restart restart.$(step:%.0f)"
REPORT_CHECKPOINT: Final = 'print "CSE restart=restart.$(step:%.0f)"'

#: set the variable ``expired``. The timer checks the clock only within runs longer than its interval. All
#: processes must stop together: the clock of the first process decides, which alone writes the file.
CHECK_CLOCK: Final = (
    f"print 'variable expired equal $(v_limited && timeremain <= 0)' file {CLOCK} screen no",
    f"include {CLOCK}",
)
