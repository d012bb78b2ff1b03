"""Numbers as a node can hold them: None for what is not known."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["known", "known_range"]


def known(value: float) -> float | None:
    """Return ``value``, None if it is not finite."""
    return float(value) if math.isfinite(value) else None


def known_range(ends: Sequence[float]) -> list[float] | None:
    """Return the ends of an interval, None if one is not finite."""
    return [float(end) for end in ends] if all(map(math.isfinite, ends)) else None
