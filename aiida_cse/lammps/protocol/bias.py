"""Stages of a crossing: a spring on one ion along z, and short trajectories that begin where the ion is.

Both have the coordinate of the profiles: z of the ion relative to the mid-plane of the slab, as in the reduction.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from aiida_cse.schema import Number, StrictModel, Whole

__all__ = ["Bias", "BiasBy", "Coordinate", "Count", "Shots"]

#: the fix that applies a bias: ``fix spring couple`` of every LAMMPS, or ``fix colvars`` of its package COLVARS
BiasBy = Literal["spring", "colvars"]

#: Å; longer than any box
Place = Annotated[Number, Field(ge=-1e4, le=1e4)]
AtomTypes = Annotated[tuple[Annotated[Whole, Field(gt=0)], ...], Field(min_length=1)]


class Count(StrictModel):
    """Number of atoms of some ``types`` from ``low`` to ``high`` (Å) in the coordinate of a bias."""

    types: AtomTypes
    low: Place
    high: Place

    @model_validator(mode="after")
    def _ascends(self) -> Count:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g}: must be below high = {self.high:g}")
        return self


class Coordinate(StrictModel):
    """Position of one atom along z.

    ``atom`` is the ID of the ion. ``reference`` lists the atom types that define the frame, and ``zero`` is the
    position of z = 0 relative to their centre of mass, Å: the mid-plane of the slab. The image of the ion nearest
    to where it is expected counts, so that places are those within the box.
    """

    atom: Whole = Field(gt=0, le=10**9)
    reference: AtomTypes
    zero: Place = 0.0


class Bias(Coordinate):
    """Spring on one ion along z in a stage of kind ``nvt``, an umbrella window.

    ``atom`` is the ID of the ion. Its z counts from ``zero``, the place of the mid-plane of the slab relative to
    the centre of mass of the framework, whose atom types ``reference`` lists. The energy is ½ ``spring`` (z −
    ``centre``)², with ``spring`` in kcal/mol/Å² and ``centre`` in Å; the framework takes the opposite force. The
    log has z (``v_bias_z``, Å) and the force on the ion (``v_bias_force``, kcal/mol/Å) every ``thermo_ps``, and
    with ``inside`` the number of ions there (``v_inside``). With ``by: colvars`` the package COLVARS applies the
    same force.
    """

    centre: Place
    spring: Number = Field(gt=0, le=1e5)
    inside: Count | None = None
    by: BiasBy = "spring"


class Shots(Coordinate):
    """Short trajectories of a stage of kind ``shots``, all from the structure at its start.

    Each of the ``number`` starts has new velocities of the stage's ``temperature``. Its trajectory is followed
    backward in time until the ion reaches ``low`` or ``high`` (Å), or meets its start again; then forward until it
    reaches either, for at most ``most_ps``. A start that met itself again is followed forward only if it is the
    first of ``followed`` starts: these give κ(t), and z every ``trace_fs``. Without a thermostat (``nose-hoover``)
    energy is conserved; with ``langevin`` friction and noise act as in an ``nvt`` stage. The structure is restored
    after each start, which is written to ``shots.txt`` and counts as one step. ``atom``, ``reference`` and
    ``zero`` are those of a ``bias``.
    """

    low: Place
    high: Place
    number: Whole = Field(gt=0, le=10_000)
    most_ps: Number = Field(default=4.0, gt=0, le=1000)
    followed: Whole = Field(default=1, gt=0, le=10_000)
    trace_fs: Number = Field(default=20.0, gt=0, le=1e6)

    @model_validator(mode="after")
    def _ascends(self) -> Shots:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g}: must be below high = {self.high:g}")
        return self
