"""Configuration of a reduction: the system, its ions and their regions, and the sampling in whole frames."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from typing_extensions import Self

from aiida_cse.physics.exchange.regions import REGION_NAMES, Region, RegionSet
from aiida_cse.reduction.grid import Grid
from aiida_cse.reduction.layers import Layers, displacement_layers, surface_regions
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.system import SystemDescription, refuse_unknown_ions
from aiida_cse.schema import located, nearest, parse_json
from aiida_cse.yaml_io import read_text

__all__ = [
    "ALL_ATOMS",
    "GRID",
    "LENGTH_TOLERANCE",
    "MOST_BYTES",
    "IonSpecies",
    "ReductionConfig",
    "Stream",
    "load_config",
]

#: largest configuration, which lists the type and the molecule of every atom: that of 4 million atoms
MOST_BYTES = 50_000_000
#: the largest number of frames, steps or bins; a double holds it exactly
MOST = 2**53
#: displacements are sums of multiples of 1/GRID Å
GRID = 1024
#: largest relative difference between the edges of a box and those of the configuration, from rounding
LENGTH_TOLERANCE = 1e-6
#: name of the stream that every observable takes for which there is none of its own
ALL_ATOMS = "atoms"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
#: Å
BinWidth = Annotated[float, Field(ge=0.001, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
TypeNumber = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class FrozenModel(BaseModel):
    """An immutable model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class IonSpecies(FrozenModel):
    """One species of ion and its regions.

    Attributes
    ----------
    types, point
        LAMMPS types of its atoms. With ``atom`` each such atom is an ion (for a molecule, the one type that stands
        for it); with ``centre_of_mass`` the atoms of these types in one molecule are an ion.
    edges, cores
        (6) bounds of the five regions and (5 pairs) of their cores, Å. The outermost regions reach to the periodic
        boundary, wherever it is.
    exchange
        Region whose entries and exits count.
    initial_ceramic
        Number of these ions that the slab started with, None if unknown.
    layers, layer_edges
        Names and bounds (one more, Å) of the layers by which displacements are distinguished, from LEFT to RIGHT;
        the outermost reach to the periodic boundary as well.
    """

    types: tuple[TypeNumber, ...] = Field(min_length=1)
    point: Literal["atom", "centre_of_mass"] = "atom"
    edges: tuple[Finite, Finite, Finite, Finite, Finite, Finite]
    cores: tuple[tuple[Finite, Finite], ...] = Field(min_length=len(REGION_NAMES), max_length=len(REGION_NAMES))
    exchange: Literal["ceramic", "layer"]
    initial_ceramic: int | None = Field(default=None, ge=0)
    layers: tuple[Name, ...] = Field(min_length=1)
    layer_edges: tuple[Finite, ...]

    @model_validator(mode="after")
    def _check_regions_and_layers(self) -> Self:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"edges = {self.edges}: must ascend")
        for name, low, high, core in zip(REGION_NAMES, self.edges, self.edges[1:], self.cores, strict=False):
            if not low <= core[0] < core[1] <= high:
                raise ValueError(f"cores: {core} of {name} must lie within {(low, high)}")
        if len(set(self.layers)) != len(self.layers):
            raise ValueError(f"layers = {self.layers}: each name must occur once")
        if len(self.layer_edges) != len(self.layers) + 1:
            raise ValueError(
                f"layer_edges has {len(self.layer_edges)} entries: {len(self.layers)} layers need "
                f"{len(self.layers) + 1}"
            )
        if list(self.layer_edges) != sorted(set(self.layer_edges)):
            raise ValueError(f"layer_edges = {self.layer_edges}: must ascend")
        return self

    def regions(self, name: str) -> RegionSet:
        """Return the five regions of the species, whose name is ``name``."""
        parts = zip(REGION_NAMES, self.edges, self.edges[1:], self.cores, strict=False)
        return RegionSet(name, tuple(Region(*part) for part in parts))

    @classmethod
    def from_regions(
        cls,
        regions: RegionSet,
        types: Sequence[int],
        *,
        point: Literal["atom", "centre_of_mass"] = "atom",
        exchange: Literal["ceramic", "layer"] = "ceramic",
        initial_ceramic: int | None = None,
        layers: Layers | None = None,
    ) -> IonSpecies:
        """Return a species of five regions, which are also its layers unless ``layers`` is given."""
        a, b, c, d, e, f = regions.edges
        names, layer_edges = (regions.names, regions.edges) if layers is None else layers
        return cls(
            types=tuple(types),
            point=point,
            edges=(a, b, c, d, e, f),
            cores=regions.cores,
            exchange=exchange,
            initial_ceramic=initial_ceramic,
            layers=names,
            layer_edges=layer_edges,
        )


class Stream(FrozenModel):
    """Histograms of the atom types, at a cadence and in bins of their own.

    Attributes
    ----------
    every_frames, per
        ``per`` histograms in every ``every_frames`` frames, counted from step 0; with more than one, at the frames
        nearest to equal times.
    bins
        Number of equal bins over the box along z; None for the bins of the ions.
    bin_width
        Width of the bins, Å, in a box that changes; None for that of the ions.
    """

    every_frames: int = Field(default=1, ge=1, le=MOST)
    per: int = Field(default=1, ge=1, le=MOST)
    bins: int | None = Field(default=None, ge=1, le=MOST)
    bin_width: BinWidth | None = None

    @model_validator(mode="after")
    def _check_cadence(self) -> Self:
        if self.per > self.every_frames:
            raise ValueError(f"per = {self.per}: must be at most every_frames = {self.every_frames}")
        return self

    @model_serializer(mode="wrap")
    def _leave_out_one_per(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # the configuration of a state is the same as before there was this field
        content: dict[str, Any] = dump(self)
        if self.per == 1:
            content.pop("per", None)
        return content

    @property
    def interval(self) -> float:
        """Mean number of frames from one histogram to the next."""
        return self.every_frames / self.per

    def counted(self, frames: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which frames have a histogram, those nearest to multiples of :attr:`interval`."""
        mask: NDArray[np.bool_] = (2 * self.per * frames + self.per - 1) % (2 * self.every_frames) < 2 * self.per
        return mask


class ReductionConfig(FrozenModel):
    """The system, its regions and the sampling of a reduction.

    Attributes
    ----------
    atom_types, molecules
        LAMMPS type (from 1) and molecule ID of each atom, in the order of the atom IDs.
    labels, masses, charges
        Label, mass (g/mol) and charge (e) of each type.
    framework, midplane_offset
        Types of the atoms that do not diffuse; their centre of mass plus the offset (Å) is z = 0.
    half_thickness
        Half the distance of the slab's surface planes, Å.
    box
        Edges of the box, Å, which every frame must have unless ``bin_width`` is given.
    ions
        Species that are followed, by name.
    bins
        Number of bins along z for the ions, which are counted in every frame: equal parts of the box or, with
        ``bin_width``, what :meth:`Grid.of_width` gives.
    bin_width
        Width of the bins, Å, for a box that changes. They are counted from the mid-plane of the slab; the first
        and the last one hold everything beyond half of ``box``. None for equal parts of a constant box.
    streams
        Histograms of the atom types, by name. An observable takes the stream of its own name (``density``,
        ``charge``), or else the stream ``atoms``.
    atom_ids
        (N,) IDs of the atoms if the trajectory holds only some atoms of the system, ascending; None for all.
    temperature
        K, None if it is unknown.
    timestep_fs, frame_steps
        Timestep and number of steps between frames.
    block_frames, snapshot_frames
        Frames per block of histograms, and between the snapshots of the snapshot rule. Both count from step 0,
        whichever frame is the first.
    core_scales
        The core rule is followed once more for each of these factors, with buffers scaled by it.
    displacement_frames, lags
        Displacements are taken between frames whose numbers are multiples of ``displacement_frames``, over each
        of the ``lags`` (frames, multiples of it). None and () for no displacements.
    """

    atom_types: tuple[TypeNumber, ...] = Field(min_length=1)
    molecules: tuple[Annotated[int, Field(ge=0)], ...]
    labels: tuple[Name, ...]
    masses: tuple[Positive, ...]
    charges: tuple[Finite, ...]
    framework: tuple[TypeNumber, ...] = Field(min_length=1)
    midplane_offset: Finite
    half_thickness: Positive
    box: tuple[Positive, Positive, Positive]
    ions: dict[Name, IonSpecies] = Field(min_length=1)
    bins: int = Field(default=520, ge=1, le=MOST)
    bin_width: BinWidth | None = None
    streams: dict[Name, Stream] = Field(default_factory=lambda: {ALL_ATOMS: Stream()})
    atom_ids: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    temperature: Positive | None = None
    timestep_fs: Positive
    frame_steps: int = Field(ge=1, le=MOST)
    block_frames: int = Field(ge=1, le=MOST)
    snapshot_frames: int = Field(ge=1, le=MOST)
    core_scales: tuple[Positive, ...] = ()
    displacement_frames: int | None = Field(default=None, ge=1, le=MOST)
    lags: tuple[Annotated[int, Field(ge=1, le=MOST)], ...] = ()

    @classmethod
    def build(
        cls, system: SystemDescription, sampling: Sampling, *, temperature: float | None = None
    ) -> ReductionConfig:
        """Return the configuration of the reduction of a trajectory of ``system``.

        The regions follow the slab's surface planes. Entries to and exits from the ceramic count for the cation,
        those of the first layer for the anion.

        Parameters
        ----------
        system
            The atoms, the slab and the ions.
        sampling
            Frames, blocks, snapshots, bins and layers, and which atoms are ions.
        temperature
            Temperature of the run, K, None if it is unknown.

        Raises
        ------
        ValueError
            The sampling names an ion or an atom type that the system does not have, the layers do not fit between
            the slab and its image, a time is no multiple of that of a frame, or a field is inconsistent.
        """
        labels, half = system.ion_labels(), system.thickness / 2
        refuse_unknown_ions(sampling.offsets, sampling.cation_atoms, sampling.anion_atom, labels)
        cation, anion = system.cation.name, system.anion.name
        cation_types, initial_cations = system.cations_among(sampling.cation_atoms)
        anion_types = system.anion.types
        if sampling.anion_atom is not None:
            anion_types = (anion_types[labels[anion].index(sampling.anion_atom)],)
        regions = {
            name: surface_regions(half, system.box[2] / 2, name, sampling.offsets.get(name)) for name in labels
        }
        for name in sampling.layers:
            if name not in labels:
                raise ValueError(f"layers = {name!r}: no ion of the system; {nearest(name, labels)}")
        layers = _layers(sampling, cation, system.box) or displacement_layers(regions[cation], half)
        return cls(
            atom_types=tuple(system.types.tolist()),
            molecules=tuple(system.molecules.tolist()),
            labels=system.labels,
            masses=system.masses,
            charges=system.charges,
            framework=system.framework,
            midplane_offset=system.midplane_offset,
            half_thickness=half,
            box=system.box,
            ions={
                cation: IonSpecies.from_regions(
                    regions[cation], cation_types, initial_ceramic=initial_cations, layers=layers
                ),
                anion: IonSpecies.from_regions(
                    regions[anion],
                    anion_types,
                    point=sampling.anion_point,
                    exchange="layer",
                    layers=_layers(sampling, anion, system.box),
                ),
            },
            atom_ids=None if system.ids is None else tuple(system.ids.tolist()),
            temperature=temperature,
            **_sampling_fields(sampling, system.box),
        )

    @property
    def natoms(self) -> int:
        """Number of atoms in a frame."""
        return len(self.atom_types)

    @property
    def ion_counts(self) -> dict[str, int]:
        """Number of ions of each species."""
        found = {}
        for name, species in self.ions.items():
            own = set(species.types)
            molecules = [one for one, kind in zip(self.molecules, self.atom_types, strict=True) if kind in own]
            found[name] = len(molecules) if species.point == "atom" else len(set(molecules))
        return found

    @property
    def grid(self) -> Grid:
        """Bins of the ions."""
        if self.bin_width is None:
            return Grid(self.bins, self.box[2])
        return Grid(self.bins, self.bins * self.bin_width, fixed=True)

    def stream_grid(self, name: str) -> Grid:
        """Return the bins of a stream."""
        stream = self.streams[name]
        if self.bin_width is not None:
            return self.grid if stream.bin_width is None else Grid.of_width(stream.bin_width, self.box[2])
        return self.grid if stream.bins is None else Grid(stream.bins, self.box[2])

    def stream_for(self, purpose: str) -> str | None:
        """Return the name of the stream for an observable: its own, or that of all; None if there is neither."""
        return next((name for name in (purpose, ALL_ATOMS) if name in self.streams), None)

    @property
    def shared_stream(self) -> str | None:
        """Name of the first stream with the bins of the ions at every frame, None if there is none."""
        for name, stream in self.streams.items():
            if stream.interval == 1 and self.stream_grid(name) == self.grid:
                return name
        return None

    @property
    def box_limits(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Smallest and largest edges (Å) that a frame's box may have.

        A box that changes must leave room for the cores of the outermost regions.
        """
        if self.bin_width is None:
            low, high = ([edge * (1 + sign * LENGTH_TOLERANCE) for edge in self.box] for sign in (-1, 1))
            return (low[0], low[1], low[2]), (high[0], high[1], high[2])
        cores = [
            species.regions(name).scaled_cores(scale).cores
            for name, species in self.ions.items()
            for scale in (1.0, *self.core_scales)
        ]
        farthest = max(max(-own[0][1], own[-1][0]) for own in cores)
        least = sys.float_info.min
        return (least, least, max(2 * farthest * (1 + LENGTH_TOLERANCE), least)), (math.inf, math.inf, math.inf)

    @property
    def frame_ps(self) -> float:
        """Time between frames, ps."""
        return self.frame_steps * self.timestep_fs / 1000

    @property
    def block_ps(self) -> float:
        """Length of a block, ps."""
        return self.block_frames * self.frame_ps

    @property
    def snapshot_ps(self) -> float:
        """Time between snapshots, ps."""
        return self.snapshot_frames * self.frame_ps

    @property
    def lags_ps(self) -> tuple[float, ...]:
        """Lags of the displacements, ps."""
        return tuple(lag * self.frame_ps for lag in self.lags)

    @property
    def lag_samples(self) -> tuple[int, ...]:
        """Lags in units of ``displacement_frames``."""
        return tuple(lag // (self.displacement_frames or 1) for lag in self.lags)

    @property
    def displacement_range(self) -> float:
        """Largest distance (Å) of an ion from the slab along an axis for which sums of squares fit 64 bits.

        A sum holds at most the ions of one species at all origins of one block, and two positions within the range
        are at most twice the range apart. A displacement fits 32 bits.
        """
        origins = -(-self.block_frames // (self.displacement_frames or 1))
        atoms = Counter(self.atom_types)
        ions = max(sum(atoms[one] for one in set(species.types)) for species in self.ions.values())
        largest = math.isqrt((2**63 - 1) // (origins * ions)) // 2
        return min(largest, 2**30 - 1) / GRID

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        ntypes = len(self.labels)
        for name, length, expected in (
            ("molecules", len(self.molecules), self.natoms),
            ("masses", len(self.masses), ntypes),
            ("charges", len(self.charges), ntypes),
        ):
            if length != expected:
                raise ValueError(f"{name} has {length} entries: must have {expected}")
        if max(self.atom_types) > ntypes:
            raise ValueError(f"atom_types has type {max(self.atom_types)}: labels has only {ntypes}")
        if len(set(self.labels)) != ntypes:
            raise ValueError(f"labels = {self.labels}: each must occur once")
        if len({name.lower() for name in self.ions}) != len(self.ions):
            raise ValueError(f"ions = {tuple(self.ions)}: names must differ by more than case")
        if self.atom_ids is not None:
            if len(self.atom_ids) != self.natoms:
                raise ValueError(f"atom_ids has {len(self.atom_ids)} entries: must have {self.natoms}")
            if any(before >= after for before, after in pairwise(self.atom_ids)):
                raise ValueError("atom_ids: must ascend")
        return self

    @model_validator(mode="after")
    def _check_bins(self) -> Self:
        unused, used = ("bins", "bin_width") if self.bin_width is not None else ("bin_width", "bins")
        for name, stream in self.streams.items():
            if getattr(stream, unused) is not None:
                raise ValueError(
                    f"streams.{name}.{unused} = {getattr(stream, unused):g}: the bins of the ions are given by "
                    f"{used}; give {used} here as well, or neither"
                )
            self.stream_grid(name)
        if self.bin_width is None:
            return self
        expected = Grid.of_width(self.bin_width, self.box[2]).bins
        if self.bins != expected:
            raise ValueError(
                f"bins = {self.bins}: with bin_width = {self.bin_width:g} in a box of {self.box[2]:g} Å it must "
                f"be {expected}"
            )
        if self.lags:
            raise ValueError(
                f"lags = {self.lags}: displacements are not defined in a box that changes (bin_width = "
                f"{self.bin_width:g}); there must be none"
            )
        return self

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        present = set(self.atom_types)
        if not present & set(self.framework):
            raise ValueError(f"framework = {self.framework}: no atom has one of these types")
        for name, species in self.ions.items():
            if not present & set(species.types):
                raise ValueError(f"ions.{name}.types = {species.types}: no atom has one of these types")
        if len({1.0, *self.core_scales}) != len(self.core_scales) + 1:
            raise ValueError(f"core_scales = {self.core_scales}: each must occur once and none be 1")
        for name, species in self.ions.items():
            for scale in self.core_scales:
                with located("core_scales"):
                    species.regions(name).scaled_cores(scale)
        return self

    @model_validator(mode="after")
    def _check_displacements(self) -> Self:
        if (self.displacement_frames is None) != (not self.lags):
            raise ValueError(
                f"displacement_frames = {self.displacement_frames} and lags = {self.lags}: "
                "give both, or neither for no displacements"
            )
        if self.displacement_frames is None:
            return self
        if list(self.lags) != sorted(set(self.lags)):
            raise ValueError(f"lags = {self.lags}: must ascend")
        for lag in self.lags:
            if lag % self.displacement_frames:
                raise ValueError(f"lags = {lag}: no multiple of displacement_frames = {self.displacement_frames}")
        if self.displacement_range < 2 * max(self.box):
            raise ValueError(
                f"displacement_frames = {self.displacement_frames} in blocks of {self.block_frames} frames: sums "
                "of so many displacements could overflow; it must be larger or the blocks shorter"
            )
        return self


def load_config(path: str | Path) -> ReductionConfig:
    """Read a configuration from a JSON file.

    Raises
    ------
    ValueError
        The file cannot be read or a field of it is wrong; names the file and the field.
    """
    text = read_text(Path(path), "the configuration of a reduction", MOST_BYTES)
    with located(Path(path)):
        return parse_json(ReductionConfig, text, MOST_BYTES)


def _layers(sampling: Sampling, ion: str, box: tuple[float, float, float]) -> Layers | None:
    """Return names and edges of the layers that a sampling gives for an ion, None if it gives none."""
    given, end = sampling.layers.get(ion), box[2] / 2
    if given is None:
        return None
    if given.edges and not -end < given.edges[0] <= given.edges[-1] < end:
        raise ValueError(
            f"layers.{ion}.edges = {', '.join(f'{edge:g}' for edge in given.edges)}: they must lie within the "
            f"box, between {-end:g} and {end:g}"
        )
    return given.names, (-end, *given.edges, end)


def _sampling_fields(sampling: Sampling, box: tuple[float, float, float]) -> dict[str, Any]:
    """Return the fields of a configuration that follow from the sampling, and from the box for bins by width."""
    fixed = sampling.bin_width is not None
    every, per = sampling.all_atoms_frames
    streams = {ALL_ATOMS: Stream(every_frames=every, per=per)}
    if sampling.streams is not None:
        streams = {}
        for name, (every_frames, per) in sampling.stream_frames.items():
            given = sampling.streams[name]
            bins = given.bins
            if given.bin_width is not None and not fixed:
                bins = max(1, round(box[2] / given.bin_width))
            streams[name] = Stream(
                every_frames=every_frames, per=per, bins=bins, bin_width=given.bin_width if fixed else None
            )
    ion_bins = sampling.bins if sampling.bin_width is None else Grid.of_width(sampling.bin_width, box[2]).bins
    if sampling.ion_bin_width is not None:
        ion_bins = max(1, round(box[2] / sampling.ion_bin_width))
    return {
        "bins": ion_bins,
        "bin_width": sampling.bin_width,
        "streams": streams,
        "timestep_fs": sampling.timestep_fs,
        "frame_steps": sampling.frame_steps,
        "block_frames": sampling.block_frames,
        "snapshot_frames": sampling.snapshot_frames,
        "core_scales": sampling.core_scales,
        "displacement_frames": sampling.displacement_frames,
        "lags": sampling.lags,
    }
