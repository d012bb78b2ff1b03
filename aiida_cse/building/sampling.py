"""What a reduction needs to know of a system, taken from the system itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, System
from aiida_cse.physics.exchange.regions import SurfaceOffsets
from aiida_cse.reduction.config import ReductionConfig, default_config, whole_frames
from aiida_cse.schema import Number, StrictModel, Whole, nearest

__all__ = ["LayerOffsets", "Sampling", "reduction_config", "refuse_unknown_cations", "refuse_unknown_ions"]

Margin = Annotated[Number, Field(ge=0, le=50)]
Scale = Annotated[Number, Field(gt=0, le=100)]
Duration = Annotated[Number, Field(gt=0, le=1e9)]


class LayerOffsets(StrictModel):
    """Where the first layer of a species lies, in Å outward from the surface plane.

    ``inner`` and ``outer`` bound the layer. ``margins`` are the widths of the buffers of the core rule at these
    two boundaries, from the ceramic outward: before and behind ``inner``, before and behind ``outer``.
    """

    inner: Number = Field(ge=-50, le=50)
    outer: Number = Field(ge=-50, le=100)
    margins: tuple[Margin, Margin, Margin, Margin] = (1.0, 1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _has_core(self) -> LayerOffsets:
        low, high = self.inner + self.margins[1], self.outer - self.margins[2]
        if low >= high:
            msg = f"the core of the layer from {low:g} to {high:g} Å is empty; outer must lie farther out"
            raise ValueError(msg)
        return self


class Sampling(StrictModel):
    """How a trajectory is sampled: frames as LAMMPS wrote them, blocks and snapshots in ps.

    ``anion_point`` says which point stands for an anion: its centre of mass, or the one atom type
    ``anion_atom``. ``offsets`` says, by name of the ion, where its first layer lies; without an entry it is
    that of the published study, which knows Li and TFSI. ``cation_atoms`` counts only the cations of these atom
    types, where a recipe tells them apart by origin; without it all are one species.

    ``core_scales`` are further widths of the buffers of the core rule, in units of the given ones. Displacements
    are taken over each of ``lags_ps``, from origins ``displacement_ps`` apart: by default ten frames, or as many
    below as divide every lag. A lag longer than the run has no samples; without lags there are no displacements.
    """

    timestep_fs: Number = Field(gt=0, le=4)
    frame_ps: Duration
    block_ps: Duration = 1000.0
    snapshot_ps: Duration = 1000.0
    bins: Whole = Field(default=520, ge=10, le=100_000)
    anion_point: Literal["centre_of_mass", "atom"] = "centre_of_mass"
    anion_atom: str | None = None
    cation_atoms: tuple[str, ...] = ()
    offsets: dict[str, LayerOffsets] = Field(default_factory=dict)
    core_scales: tuple[Scale, ...] = ()
    displacement_ps: Duration | None = None
    lags_ps: tuple[Duration, ...] = (1000.0,)

    @model_validator(mode="after")
    def _one_atom_or_the_centre(self) -> Sampling:
        if (self.anion_point == "atom") != (self.anion_atom is not None):
            msg = f"anion_atom = {self.anion_atom!r}: give an atom type with anion_point: atom, else null"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _displacements_fit_the_frames(self) -> Sampling:
        lags = [whole_frames("lags_ps", lag, self.frame_ps) for lag in self.lags_ps]
        if lags != sorted(set(lags)):
            msg = f"lags_ps are {', '.join(f'{lag:g}' for lag in self.lags_ps)}, they must ascend"
            raise ValueError(msg)
        if self.displacement_ps is None:
            return self
        stride = whole_frames("displacement_ps", self.displacement_ps, self.frame_ps)
        for lag in lags:
            if lag % stride:
                msg = (
                    f"lags_ps: {lag * self.frame_ps:g} is no multiple of displacement_ps {self.displacement_ps:g}"
                )
                raise ValueError(msg)
        return self

    def settings(self) -> dict[str, Any]:
        """Return what :func:`~aiida_cse.reduction.config.default_config` takes of the sampling."""
        return {
            "anion_point": self.anion_point,
            "timestep_fs": self.timestep_fs,
            "frame_steps": max(1, round(self.frame_ps * 1000 / self.timestep_fs)),
            "block_ps": self.block_ps,
            "snapshot_ps": self.snapshot_ps,
            "bins": self.bins,
            "core_scales": self.core_scales,
            "displacement_ps": self.displacement_ps,
            "lags_ps": self.lags_ps,
            "offsets": {
                name: SurfaceOffsets(layer.inner, layer.outer, layer.margins)
                for name, layer in self.offsets.items()
            },
        }


def reduction_config(system: System, sampling: Sampling) -> ReductionConfig:
    """Return the configuration of the reduction of a trajectory of ``system``.

    The regions follow the slab's surface planes; the cation is the species that both phases share, the anion
    the species of the electrolyte whose molecules are negative.

    Raises
    ------
    ValueError
        The system has no slab, no such ions, its layers do not fit between the slab and its image, or the
        offsets of the layers of an ion are not known or name another species.
    """
    info, data = system.info, system.data
    if info.slab is None:
        msg = f"a system of phase '{info.phase}' without a slab has no interface to analyse"
        raise ValueError(msg)
    cation = _only([t.species for t in info.types if t.phase == "both"], "cation shared by both phases")
    anion = _only(_anions(system), "species with negative molecules")
    labels = [t.label for t in info.types if t.species == anion]
    refuse_unknown_ions(sampling.offsets, sampling.anion_atom, cation, anion, labels)
    cation_types, started_with = _cations(system, sampling, cation)
    if sampling.anion_point == "atom":
        anion_types = info.type_numbers(labels=(sampling.anion_atom or "",))
    else:
        anion_types = info.type_numbers(species=anion)
    x, y, z = (float(length) for length in data.lengths)
    return default_config(
        types=data.types.tolist(),
        molecules=data.molecules.tolist(),
        labels=[t.label for t in info.types],
        masses=[t.mass for t in info.types],
        charges=[t.charge for t in info.types],
        framework=info.type_numbers(labels=info.slab.framework),
        half_thickness=info.slab.thickness / 2,
        midplane_offset=info.slab.midplane_offset,
        box=(x, y, z),
        cation=cation,
        cation_types=cation_types,
        anion=anion,
        anion_types=anion_types,
        initial_cations=info.slab.lithium if started_with is None else started_with,
        **sampling.settings(),
    )


def _cations(system: System, sampling: Sampling, cation: str) -> tuple[list[int], int | None]:
    """Return the types that are counted, and how many of them the slab started with; None if that is all of it."""
    info, data = system.info, system.data
    if not sampling.cation_atoms:
        return info.type_numbers(species=cation), None
    refuse_unknown_cations(
        sampling.cation_atoms, cation, [entry.label for entry in info.types if entry.species == cation]
    )
    types = info.type_numbers(labels=sampling.cation_atoms)
    return types, int((np.isin(data.types, types) & (data.molecules == CERAMIC_MOLECULE)).sum())


def refuse_unknown_cations(cation_atoms: Iterable[str], cation: str, labels: Sequence[str]) -> None:
    """Refuse atom types that the cation does not have.

    Raises
    ------
    ValueError
        Names the type and those that there are.
    """
    for label in cation_atoms:
        if label not in labels:
            msg = f"cation_atoms: {label!r} is no atom type of {cation}; {nearest(str(label), labels)}"
            raise ValueError(msg)


def refuse_unknown_ions(
    offsets: Iterable[str], anion_atom: str | None, cation: str, anion: str, anion_labels: Sequence[str]
) -> None:
    """Refuse offsets of ions that there are not, and an atom that the anion does not have.

    Raises
    ------
    ValueError
        Names the field, its value and what is known.
    """
    for name in offsets:
        if name not in (cation, anion):
            msg = f"offsets: {name!r} is no ion of the system; {nearest(str(name), (cation, anion))}"
            raise ValueError(msg)
    if anion_atom is not None and anion_atom not in anion_labels:
        msg = f"anion_atom: {anion_atom!r} is no atom type of {anion}; {nearest(anion_atom, anion_labels)}"
        raise ValueError(msg)


def _anions(system: System) -> list[str]:
    """Return the species of the electrolyte with a negative total charge."""
    charges: dict[str, float] = {}
    per_type = np.bincount(system.data.types - 1, minlength=len(system.info.types))
    for atom_type, count in zip(system.info.types, per_type.tolist(), strict=True):
        if atom_type.phase == "electrolyte":
            charges[atom_type.species] = charges.get(atom_type.species, 0.0) + count * atom_type.charge
    return [species for species, charge in charges.items() if charge < -1e-6]


def _only(species: list[str], what: str) -> str:
    names = sorted(set(species))
    if len(names) != 1:
        msg = f"the system must have exactly one {what}, it has {', '.join(names) or 'none'}"
        raise ValueError(msg)
    return names[0]
