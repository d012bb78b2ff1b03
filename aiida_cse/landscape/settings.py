"""What a validation is told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from aiida_cse.landscape.model import Ions, Landscape
from aiida_cse.schema import Number, StrictModel, Whole

__all__ = ["Planted", "ValidationSettings"]

Factor = Annotated[Number, Field(gt=0, le=100)]
Reduced = Annotated[Number, Field(ge=1, le=50)]


class Planted(StrictModel):
    """Mistakes to be found: factors on the barriers and on the mass that LAMMPS gets, and nobody else."""

    barrier: Factor = 1.0
    mass: Factor = 1.0

    def applied(self, landscape: Landscape) -> Landscape:
        """Return the landscape with the mistakes."""
        wrong = {
            "barrier_left": landscape.barrier_left * self.barrier,
            "barrier_right": landscape.barrier_right * self.barrier,
            "mass": landscape.mass * self.mass,
        }
        return landscape.model_copy(update=wrong)


class ValidationSettings(StrictModel):
    """The runs of a validation and how sure its checks are to be.

    Attributes
    ----------
    ions
        How many there are, and where they start.
    reduced_barriers
        ΔF / T of the runs, the hottest first, with the mean barrier of the landscape; at the last one nobody is to
        cross.
    shots
        Of the reference, per side and temperature.
    level
        Level of the interval of each check. Of n checks a right program passes all with a probability of at least
        1 − n (1 − level), whatever they have to do with each other (Bonferroni).
    planted
        Mistakes, to see that they are found.
    """

    ions: Ions = Ions()
    reduced_barriers: tuple[Reduced, ...] = Field(default=(4.0, 4.7, 5.6, 8.0, 16.0), min_length=3)
    shots: Whole = Field(default=5000, ge=100, le=10_000_000)
    level: Number = Field(default=0.9998, gt=0.5, lt=1)
    planted: Planted = Planted()

    @model_validator(mode="after")
    def _hottest_first(self) -> Self:
        if list(self.reduced_barriers) != sorted(set(self.reduced_barriers)):
            raise ValueError(f"reduced_barriers are {self.reduced_barriers}, they must ascend: the hottest first")
        return self

    def temperatures(self, landscape: Landscape) -> list[float]:
        """Return the temperatures of the runs, whole K, the hottest first."""
        return [float(round(landscape.barrier / reduced)) for reduced in self.reduced_barriers]
