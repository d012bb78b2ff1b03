"""The ``cse.reduction`` node: the mergeable state of a reduced trajectory."""

from __future__ import annotations

import io
from typing import Any

from aiida.orm import SinglefileData

from aiida_cse.trajectory.state import State

__all__ = ["CseReductionData"]

FILENAME = "state.npz"


class CseReductionData(SinglefileData):
    """Integer histograms, counts and seams of a trajectory; every analysis reads this, not the trajectory.

    Attributes to query: ``frames``, ``first_step``, ``last_step`` and ``time_ps``.
    """

    def __init__(self, file: Any = None, filename: Any = None, **kwargs: Any) -> None:
        super().__init__(file=file, filename=filename or FILENAME, **kwargs)
        if file is not None:
            state = self.get_state()
            self.base.attributes.set_many(
                {
                    "frames": state.frames,
                    "first_step": state.first_step,
                    "last_step": state.last_step,
                    "time_ps": state.frames * state.config.frame_ps,
                }
            )

    def get_state(self) -> State:
        """Return the state as the plain library knows it."""
        with self.open(mode="rb") as handle:
            return State.load(io.BytesIO(handle.read()))
