"""What a reduction needs to know besides the trajectory itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from aiida_cse.physics.regions import REGION_NAMES, RegionSet, SurfaceOffsets, surface_regions

__all__ = ["IonSpecies", "ReductionConfig", "default_config", "whole_frames"]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
TypeNumber = Annotated[int, Field(ge=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IonSpecies(_Model):
    """One species of ion and its regions.

    ``types`` are the LAMMPS types of its atoms. With ``point`` = ``atom`` each such atom is an ion (for a
    molecule, name the one type that stands for it); with ``centre_of_mass`` the atoms of these types in one
    molecule are. ``edges`` (6, Å) bound the five regions, ``cores`` (5 pairs, Å) their cores; the outermost
    regions reach to the periodic boundary wherever it is. ``exchange`` names the region whose entries and exits
    count. ``initial_ceramic`` is the number of these ions that the slab started with.
    """

    types: tuple[TypeNumber, ...] = Field(min_length=1)
    point: Literal["atom", "centre_of_mass"] = "atom"
    edges: tuple[Finite, Finite, Finite, Finite, Finite, Finite]
    cores: tuple[tuple[Finite, Finite], ...] = Field(min_length=len(REGION_NAMES), max_length=len(REGION_NAMES))
    exchange: Literal["ceramic", "layer"]
    initial_ceramic: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _check_regions(self) -> Self:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"edges are {self.edges}, they must ascend")
        for name, low, high, core in zip(REGION_NAMES, self.edges, self.edges[1:], self.cores, strict=False):
            if not low <= core[0] < core[1] <= high:
                raise ValueError(f"cores: that of {name} is {core}, it must lie within {(low, high)}")
        return self

    @classmethod
    def from_regions(
        cls,
        regions: RegionSet,
        types: Sequence[int],
        *,
        point: Literal["atom", "centre_of_mass"] = "atom",
        exchange: Literal["ceramic", "layer"] = "ceramic",
        initial_ceramic: int | None = None,
    ) -> IonSpecies:
        """Make a species of five regions; see the attributes of the class."""
        a, b, c, d, e, f = regions.edges
        return cls(
            types=tuple(types),
            point=point,
            edges=(a, b, c, d, e, f),
            cores=regions.cores,
            exchange=exchange,
            initial_ceramic=initial_ceramic,
        )


class ReductionConfig(_Model):
    """The system, its regions and the sampling of a reduction.

    Attributes
    ----------
    atom_types, molecules
        LAMMPS type (from 1) and molecule ID of each atom, in the order of the atom IDs.
    labels, masses, charges
        Label, mass (g/mol) and charge (e) of each type.
    framework
        Types of the atoms that do not diffuse; their centre of mass plus ``midplane_offset`` (Å) is z = 0.
    half_thickness
        Half the distance of the slab's surface planes, Å.
    box
        Edges of the box, Å; the trajectory must have the same length along z.
    ions
        The species that are followed, by name.
    bins
        Number of equal bins over the box along z.
    timestep_fs, frame_steps
        Timestep and number of steps between frames.
    block_frames, snapshot_frames
        Frames per block of histograms, and between the snapshots of the snapshot rule. Both count from step 0,
        whichever frame is the first.
    """

    atom_types: tuple[TypeNumber, ...] = Field(min_length=1)
    molecules: tuple[Annotated[int, Field(ge=0)], ...]
    labels: tuple[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")], ...]
    masses: tuple[Positive, ...]
    charges: tuple[Finite, ...]
    framework: tuple[TypeNumber, ...] = Field(min_length=1)
    midplane_offset: Finite
    half_thickness: Positive
    box: tuple[Positive, Positive, Positive]
    ions: dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")], IonSpecies] = Field(min_length=1)
    bins: int = Field(default=520, ge=1)
    timestep_fs: Positive
    frame_steps: int = Field(ge=1)
    block_frames: int = Field(ge=1)
    snapshot_frames: int = Field(ge=1)

    @property
    def natoms(self) -> int:
        """The number of atoms in a frame."""
        return len(self.atom_types)

    @property
    def frame_ps(self) -> float:
        """Time between frames, ps."""
        return self.frame_steps * self.timestep_fs / 1000

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        ntypes = len(self.labels)
        for name, length, expected in (
            ("molecules", len(self.molecules), self.natoms),
            ("masses", len(self.masses), ntypes),
            ("charges", len(self.charges), ntypes),
        ):
            if length != expected:
                raise ValueError(f"{name} has {length} entries, it must have {expected}")
        if max(self.atom_types) > ntypes:
            raise ValueError(f"atom_types has type {max(self.atom_types)}, labels has only {ntypes}")
        if len(set(self.labels)) != ntypes:
            raise ValueError(f"labels are {self.labels}, each must be there once")
        if len({name.lower() for name in self.ions}) != len(self.ions):
            raise ValueError(f"ions are {tuple(self.ions)}, their names must differ by more than case")
        return self

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        present = set(self.atom_types)
        if not present & set(self.framework):
            raise ValueError(f"framework: no atom has one of the types {self.framework}")
        for name, species in self.ions.items():
            if not present & set(species.types):
                raise ValueError(f"ions.{name}.types: no atom has one of the types {species.types}")
        return self


def whole_frames(name: str, duration_ps: float, frame_ps: float) -> int:
    """Return how many frames of ``frame_ps`` the duration is.

    Raises
    ------
    ValueError
        It is not a whole number of at least 1.
    """
    frames = round(duration_ps / frame_ps)
    if frames < 1 or abs(frames * frame_ps - duration_ps) > 1e-6 * frame_ps:
        raise ValueError(f"{name} is {duration_ps:g} ps, it must be a multiple of the {frame_ps:g} ps of a frame")
    return frames


def default_config(
    *,
    types: Sequence[int],
    molecules: Sequence[int],
    labels: Sequence[str],
    masses: Sequence[float],
    charges: Sequence[float],
    framework: Sequence[int],
    half_thickness: float,
    midplane_offset: float,
    box: tuple[float, float, float],
    cation_types: Sequence[int],
    anion_types: Sequence[int],
    initial_cations: int,
    timestep_fs: float,
    frame_steps: int,
    block_ps: float = 1000.0,
    snapshot_ps: float = 1000.0,
    bins: int = 520,
    cation: str = "Li",
    anion: str = "TFSI",
    anion_point: Literal["atom", "centre_of_mass"] = "centre_of_mass",
    offsets: dict[str, SurfaceOffsets] | None = None,
) -> ReductionConfig:
    """Return the configuration of an interface of one mobile cation and one anion.

    Parameters
    ----------
    types, molecules, labels, masses, charges, framework, half_thickness, midplane_offset, box, timestep_fs, \
frame_steps, bins
        As the attributes of :class:`ReductionConfig`.
    cation, cation_types, initial_cations
        Name and types of the cation, and how many of them the slab started with. Each atom is an ion; its
        entries to and exits from the ceramic count.
    anion, anion_types, anion_point
        Name and types of the anion and the point that stands for it; its entries to and exits from the first
        layer count. With ``atom``, ``anion_types`` names the one type of that atom.
    block_ps, snapshot_ps
        Length of a block and time between snapshots.
    offsets
        Where the first layer of a species lies, by name; by default that of the published study.

    Raises
    ------
    ValueError
        An argument is inconsistent or the layers do not fit the box.
    """
    frame_ps = frame_steps * timestep_fs / 1000
    layers = offsets or {}

    def regions(species: str) -> RegionSet:
        return surface_regions(half_thickness, box[2] / 2, species, layers.get(species))

    return ReductionConfig(
        atom_types=tuple(types),
        molecules=tuple(molecules),
        labels=tuple(labels),
        masses=tuple(masses),
        charges=tuple(charges),
        framework=tuple(framework),
        midplane_offset=midplane_offset,
        half_thickness=half_thickness,
        box=box,
        ions={
            cation: IonSpecies.from_regions(regions(cation), cation_types, initial_ceramic=initial_cations),
            anion: IonSpecies.from_regions(regions(anion), anion_types, point=anion_point, exchange="layer"),
        },
        bins=bins,
        timestep_fs=timestep_fs,
        frame_steps=frame_steps,
        block_frames=whole_frames("block_ps", block_ps, frame_ps),
        snapshot_frames=whole_frames("snapshot_ps", snapshot_ps, frame_ps),
    )
