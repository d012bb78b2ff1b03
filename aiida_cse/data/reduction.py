"""The ``cse.reduction`` node: mergeable state of a reduced trajectory."""

from __future__ import annotations

import io
from typing import Any

from aiida.orm import SinglefileData

from aiida_cse.analysis.registry import Documented
from aiida_cse.reduction.state import State

__all__ = ["REDUCTION", "CseReductionData"]

FILENAME = "state.npz"


REDUCTION = Documented(
    "reduction",
    (
        "Attributes of the reduced trajectory (`cse.reduction`); the state itself is its file, read with "
        "`get_state()`."
    ),
    {
        "frames": ("", "Number of frames"),
        "first_step": ("", "Step of the first frame"),
        "last_step": ("", "Step of the last frame"),
        "time_ps": ("ps", "Number of frames times the time between them"),
        "lags_ps": ("ps", "Lags of the displacements that were kept"),
    },
)


class CseReductionData(SinglefileData):
    """State of a reduced trajectory, from which every analysis is made.

    Attributes to query: ``frames``, ``first_step``, ``last_step``, ``time_ps`` and ``lags_ps``.
    """

    #: the state, once read
    _state: State | None = None

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
                    "lags_ps": [lag * state.config.frame_ps for lag in state.config.lags],
                }
            )

    def set_file(self, file: Any, filename: Any = None) -> None:
        """Replace the file of the state."""
        super().set_file(file, filename)
        self._state = None

    def get_state(self) -> State:
        """Return the state.

        The file is read once per object. The steps of an analysis share the state; do not change it.
        """
        if self._state is None:
            with self.open(mode="rb") as handle:
                self._state = State.load(io.BytesIO(handle.read()))
        return self._state
