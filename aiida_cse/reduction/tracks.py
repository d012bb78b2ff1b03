"""The ions' way through regions or cores, and how two pieces of it join."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.scratch import Scratch

__all__ = ["Track"]


@dataclass
class Track:
    """The ions' way through the labels of one rule.

    Attributes
    ----------
    first_labels, first_frames, last_labels
        (ions,) the first label of each ion, the frame where it had it, and its last label; −1 for none yet.
    events
        (E, 4) int64, sorted by frame and ion: frame, ion, from, to.
    """

    first_labels: NDArray[np.int8]
    first_frames: NDArray[np.int64]
    last_labels: NDArray[np.int8]
    events: NDArray[np.int64]

    @classmethod
    def empty(cls, ions: int) -> Track:
        """Return the track of ions of which nothing is known."""
        unknown = np.full(ions, -1, dtype=np.int8)
        return cls(unknown, np.full(ions, -1, dtype=np.int64), unknown.copy(), np.zeros((0, 4), np.int64))

    def merge(self, later: Track, scratch: Scratch) -> Track:
        """Return this track followed by ``later``."""
        labelled = later.first_labels >= 0
        new = (self.last_labels < 0) & labelled
        crossed = np.flatnonzero((self.last_labels >= 0) & labelled & (self.last_labels != later.first_labels))
        seam = np.column_stack(
            [
                later.first_frames[crossed],
                crossed,
                self.last_labels[crossed],
                later.first_labels[crossed],
            ]
        ).astype(np.int64)
        last = int(seam[:, 0].max(initial=-1))
        mixed = int(np.searchsorted(later.events[:, 0], last, side="right"))
        around = np.concatenate([seam, later.events[:mixed]])
        around = around[np.lexsort((around[:, 1], around[:, 0]))]
        return Track(
            first_labels=np.where(new, later.first_labels, self.first_labels),
            first_frames=np.where(new, later.first_frames, self.first_frames),
            last_labels=np.where(labelled, later.last_labels, self.last_labels),
            events=scratch.join(self.events, around, later.events[mixed:]),
        )

    def arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Return everything as arrays by name, with a prefix."""
        return {f"{prefix}_{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], prefix: str) -> Track:
        """Return what :meth:`arrays` was made from; raises KeyError where an array is missing."""
        return cls(**{field.name: arrays[f"{prefix}_{field.name}"] for field in fields(cls)})
