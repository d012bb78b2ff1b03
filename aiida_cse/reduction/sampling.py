"""Sampling of a trajectory: frames, blocks, snapshots, bins, and the layers of the ions.

The fields of :class:`Sampling` are what a production stores and what a user writes. Times are in ps; the number of
frames that they span follows from them.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from aiida_cse.reduction.layers import SurfaceOffsets
from aiida_cse.schema import Number, StrictModel, Whole, worded

__all__ = ["LayerSampling", "Sampling", "StreamSampling"]

Scale = Annotated[Number, Field(gt=0, le=100)]
Duration = Annotated[Number, Field(gt=0, le=1e9)]
Bins = Annotated[Whole, Field(ge=10, le=100_000)]
Width = Annotated[Number, Field(ge=0.001, le=100)]
_NAME = worded(r"^[A-Za-z][A-Za-z0-9_]*$", "letters, digits and '_', first a letter")
StreamName = Annotated[str, Field(strict=True, pattern=_NAME, max_length=40)]
LayerName = StreamName

#: by default displacements start at every tenth frame, or more often if the lags require it
_DEFAULT_STRIDE = 10


class StreamSampling(StrictModel):
    """Histograms of the atom types every ``every_ps``, in ``bins`` or in bins of about ``bin_width`` (Å).

    ``every_ps`` is a multiple of half the time between frames. If it is none of the whole, histograms are taken at
    the frames nearest to equal times: of 25 ps, with frames every 2 ps, alternately after 26 and 24 ps.

    With neither they have the bins of the ions. In a box of constant size there is a whole number of bins, so that
    their width is rounded; in a box that changes only a width can be given.
    """

    every_ps: Duration
    bins: Bins | None = None
    bin_width: Width | None = None

    @model_validator(mode="after")
    def _check_bins(self) -> Self:
        if self.bins is not None and self.bin_width is not None:
            raise ValueError(f"bins = {self.bins}: bin_width is given as well; give one of them")
        return self


class LayerSampling(StrictModel):
    """Layers of an ion by which its displacements are distinguished, from LEFT to RIGHT.

    ``edges`` are the positions between them, Å from the mid-plane of the slab, one fewer than there are ``names``;
    the outermost layers reach to the periodic boundary.
    """

    names: tuple[LayerName, ...] = Field(min_length=1)
    edges: tuple[Number, ...] = ()

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"names = {', '.join(self.names)}: each must occur once")
        if len(self.edges) != len(self.names) - 1:
            raise ValueError(
                f"edges = {', '.join(f'{edge:g}' for edge in self.edges) or 'none'}: {len(self.names)} layers "
                f"have {len(self.names) - 1} edges between them"
            )
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"edges = {', '.join(f'{edge:g}' for edge in self.edges)}: they must ascend")
        return self


class Sampling(StrictModel):
    """Sampling of a trajectory: frames as LAMMPS wrote them, blocks and snapshots in ps.

    ``bins`` divide the box, which must then be of constant size. With ``bin_width`` (Å) the box may change: bins
    of this width are counted from the mid-plane of the slab, and ``bins`` is not used. In a box of constant size
    ``ion_bin_width`` (Å) gives the ions the whole number of bins of about this width, in place of ``bins``.

    Ions are counted in every frame. By default the atoms of all types are as well, in the same bins, or
    every ``all_atoms_ps`` if frames of all atoms are in files of their own, that far apart; ``streams`` are
    histograms of the atom types at other times and in other bins: ``charge`` for the charge integral, ``density``
    for the densities, ``atoms`` for what has none of its own.

    ``anion_point`` selects the point that stands for an anion: its centre of mass, or the one atom type
    ``anion_atom``. ``offsets`` gives, by name of the ion, its first layer; the default is that of the published
    study, which covers Li and TFSI. ``cation_atoms`` counts only the cations of these atom types, for a recipe
    that distinguishes them by origin; by default all are one species.

    ``core_scales`` are further widths of the buffers of the core rule, in units of the given ones. Displacements
    are taken over each of ``lags_ps``, from origins ``displacement_ps`` apart: by default ten frames, or the
    largest smaller number that divides every lag. A lag longer than the run has no samples; without lags there
    are no displacements. ``layers`` are those of an ion for its displacements, by default its regions, those of
    the cation with the surface of the ceramic apart from its inside.
    """

    timestep_fs: Number = Field(gt=0, le=4)
    frame_ps: Duration
    all_atoms_ps: Duration | None = None
    block_ps: Duration = 1000.0
    snapshot_ps: Duration = 1000.0
    bins: Bins = 520
    bin_width: Width | None = None
    ion_bin_width: Width | None = None
    streams: dict[StreamName, StreamSampling] | None = None
    anion_point: Literal["centre_of_mass", "atom"] = "centre_of_mass"
    anion_atom: str | None = None
    cation_atoms: tuple[str, ...] = ()
    offsets: dict[str, SurfaceOffsets] = Field(default_factory=dict)
    core_scales: tuple[Scale, ...] = ()
    displacement_ps: Duration | None = None
    lags_ps: tuple[Duration, ...] = (1000.0,)
    layers: dict[str, LayerSampling] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_choices(self) -> Self:
        if (self.anion_point == "atom") != (self.anion_atom is not None):
            raise ValueError(
                f"anion_atom = {self.anion_atom!r}: give an atom type with anion_point: atom, else null"
            )
        for name, stream in (self.streams or {}).items():
            _half_frames(f"streams.{name}.every_ps", stream.every_ps, self.frame_ps)
            self._refuse_part_of_all_atoms(f"streams.{name}.every_ps", stream.every_ps)
            if self.bin_width is not None and stream.bins is not None:
                raise ValueError(
                    f"streams.{name}.bins = {stream.bins}: with bin_width = {self.bin_width:g} the box may "
                    "change, so that bins have a width; give bin_width here as well"
                )
        if self.bin_width is not None and self.ion_bin_width is not None:
            raise ValueError(
                f"ion_bin_width = {self.ion_bin_width:g}: the bins of the ions are given by bin_width = "
                f"{self.bin_width:g} as well; give one of them"
            )
        if self.bin_width is not None and self.lags_ps:
            raise ValueError(
                f"lags_ps = {', '.join(f'{lag:g}' for lag in self.lags_ps)}: with bin_width = {self.bin_width:g} "
                "the box may change, and displacements are not defined; it must be []"
            )
        return self

    @model_validator(mode="after")
    def _check_all_atoms(self) -> Self:
        if self.all_atoms_ps is not None:
            _half_frames("all_atoms_ps", self.all_atoms_ps, self.frame_ps)
            self._refuse_part_of_all_atoms("block_ps", self.block_ps)
        return self

    def _refuse_part_of_all_atoms(self, name: str, duration_ps: float) -> None:
        """Refuse a duration that is no whole number of frames of all atoms."""
        if self.all_atoms_ps is None:
            return
        frames = duration_ps / self.all_atoms_ps
        if not math.isfinite(frames) or round(frames) < 1 or abs(frames - round(frames)) > 1e-6:
            raise ValueError(
                f"{name} = {duration_ps:g}: must be a multiple of all_atoms_ps = {self.all_atoms_ps:g}, the time "
                "between frames of all atoms"
            )

    @model_validator(mode="after")
    def _check_displacements(self) -> Self:
        lags = [_whole_frames("lags_ps", lag, self.frame_ps) for lag in self.lags_ps]
        if lags != sorted(set(lags)):
            raise ValueError(f"lags_ps = {', '.join(f'{lag:g}' for lag in self.lags_ps)}: lags must ascend")
        if self.displacement_ps is None:
            return self
        stride = _whole_frames("displacement_ps", self.displacement_ps, self.frame_ps)
        for lag in lags:
            if lag % stride:
                raise ValueError(
                    f"lags_ps = {lag * self.frame_ps:g}: no multiple of displacement_ps = {self.displacement_ps:g}"
                )
        return self

    @property
    def frame_steps(self) -> int:
        """Number of steps between frames."""
        return max(1, round(self.frame_ps * 1000 / self.timestep_fs))

    @property
    def block_frames(self) -> int:
        """Number of frames per block."""
        return self._frames("block_ps", self.block_ps)

    @property
    def snapshot_frames(self) -> int:
        """Number of frames between snapshots."""
        return self._frames("snapshot_ps", self.snapshot_ps)

    @property
    def stream_frames(self) -> dict[str, tuple[int, int]]:
        """Number of frames, and of histograms in them, of each stream that is given."""
        given, frame_ps = self.streams or {}, self.frame_steps * self.timestep_fs / 1000
        return {
            name: _half_frames(f"streams.{name}.every_ps", one.every_ps, frame_ps) for name, one in given.items()
        }

    @property
    def all_atoms_frames(self) -> tuple[int, int]:
        """Number of frames, and of frames of all atoms in them."""
        if self.all_atoms_ps is None:
            return 1, 1
        return _half_frames("all_atoms_ps", self.all_atoms_ps, self.frame_steps * self.timestep_fs / 1000)

    @property
    def lags(self) -> tuple[int, ...]:
        """Number of frames of each lag."""
        return tuple(self._frames("lags_ps", lag) for lag in self.lags_ps)

    @property
    def displacement_frames(self) -> int | None:
        """Number of frames between the origins of displacements, None without lags."""
        lags = self.lags
        if not lags:
            return None
        if self.displacement_ps is not None:
            return self._frames("displacement_ps", self.displacement_ps)
        return max(stride for stride in range(1, _DEFAULT_STRIDE + 1) if not any(lag % stride for lag in lags))

    def _frames(self, name: str, duration_ps: float) -> int:
        return _whole_frames(name, duration_ps, self.frame_steps * self.timestep_fs / 1000)


def _whole_frames(name: str, duration_ps: float, frame_ps: float) -> int:
    """Return how many frames the duration is; raise ValueError unless that is a whole number of at least 1."""
    ratio = duration_ps / frame_ps
    frames = round(ratio) if math.isfinite(ratio) else 0
    if frames < 1 or abs(frames * frame_ps - duration_ps) > 1e-6 * frame_ps:
        raise ValueError(f"{name} = {duration_ps:g}: must be a multiple of the {frame_ps:g} ps between frames")
    return frames


def _half_frames(name: str, duration_ps: float, frame_ps: float) -> tuple[int, int]:
    """Return how many frames the duration is, and 1; or, with half a frame more, those of two durations, and 2.

    Raises
    ------
    ValueError
        The duration is shorter than a frame, or no multiple of half of one.
    """
    halves = round(2 * duration_ps / frame_ps) if math.isfinite(duration_ps / frame_ps) else 0
    if halves < 2 or abs(halves * frame_ps / 2 - duration_ps) > 1e-6 * frame_ps:
        raise ValueError(
            f"{name} = {duration_ps:g}: must be a multiple of half of the {frame_ps:g} ps between frames, and at "
            "least one frame"
        )
    return (halves, 2) if halves % 2 else (halves // 2, 1)
