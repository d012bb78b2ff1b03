"""Settings of a validation: ions, temperatures, levels and planted errors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from aiida_cse.landscape.model import Ions, Landscape, World
from aiida_cse.schema import Number, StrictModel, Whole

__all__ = ["Planted", "ValidationSettings"]

Factor = Annotated[Number, Field(gt=0, le=100)]
Reduced = Annotated[Number, Field(ge=1, le=50)]


class Planted(StrictModel):
    """Planted errors: factors on the barriers and on the mass in the input of LAMMPS only."""

    barrier: Factor = 1.0
    mass: Factor = 1.0

    def applied(self, landscape: Landscape) -> Landscape:
        """Return the landscape with the planted errors."""
        wrong = {
            "barrier_left": landscape.barrier_left * self.barrier,
            "barrier_right": landscape.barrier_right * self.barrier,
            "mass": landscape.mass * self.mass,
        }
        return landscape.model_copy(update=wrong)


class ValidationSettings(StrictModel):
    """Runs of a validation, and the level of its checks.

    Attributes
    ----------
    world
        ``plain`` or ``drifting``, see :mod:`~aiida_cse.landscape.model`.
    ions
        Numbers of ions, and where they start.
    reduced_barriers
        ΔF / T of the runs with the mean barrier of the landscape, the hottest first. At the last one, no ion is
        expected to cross.
    second_start
        Fraction of the cations inside the slab at the start of another run at the highest temperature. It must
        meet the run that starts with ``ions.inside`` in every layer of depth. None for no such run.
    shots
        Shots of the reference per side and temperature.
    level
        Level of the interval of each check. A correct program passes all of n checks with a probability of at
        least 1 − n (1 − level), whatever their correlation (Bonferroni).
    planted
        Errors that the checks must detect.
    """

    world: World = "plain"
    ions: Ions = Ions()
    reduced_barriers: tuple[Reduced, ...] = Field(default=(4.0, 4.7, 5.6, 8.0, 16.0), min_length=3)
    second_start: Annotated[Number, Field(ge=0, le=1)] | None = None
    shots: Whole = Field(default=5000, ge=100, le=10_000_000)
    level: Number = Field(default=0.9998, gt=0.5, lt=1)
    planted: Planted = Planted()

    @model_validator(mode="after")
    def _hottest_first(self) -> Self:
        if list(self.reduced_barriers) != sorted(set(self.reduced_barriers)):
            raise ValueError(f"reduced_barriers = {self.reduced_barriers}: must ascend, the hottest run first")
        if self.second_start == self.ions.inside:
            raise ValueError(f"second_start = {self.second_start}: is that of ions.inside; it must differ")
        return self

    def temperatures(self, landscape: Landscape) -> list[float]:
        """Return the temperatures of the runs, rounded to K, the hottest first."""
        return [float(round(landscape.barrier / reduced)) for reduced in self.reduced_barriers]
