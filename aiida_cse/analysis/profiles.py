"""Profiles along z: densities, free energies of the ions, and the charge integral."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import FACT_KEYS, REGION_KEYS, ReducedProduction
from aiida_cse.analysis.registry import Need, Quantity, observable
from aiida_cse.physics.exchange.regions import REFERENCE_OFFSET
from aiida_cse.physics.profiles.charge import charge_integral
from aiida_cse.physics.profiles.density import density_profile, free_energy_profile
from aiida_cse.reduction.config import ALL_ATOMS, IonSpecies, ReductionConfig
from aiida_cse.reduction.grid import Grid

__all__ = [
    "Counts",
    "all_atoms",
    "charge_integrals",
    "density_profiles",
    "free_energy_profiles",
    "rebinned",
]

Floats = NDArray[np.float64]
Side = Literal["left", "right"]

_Z_KEYS = {
    "z_A": (
        "Å",
        "(bins,) centres of the bins, from the mid-plane of the slab. With bins of a fixed width (`bin_width`) "
        "the first and the last one hold everything beyond them, up to the end of the box",
    )
}
_STREAM_KEYS = {"sampled_ps": ("ps", "Time between the frames in which atoms were counted")}


# -- counts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    """Counts per bin in the window of a production, with the frames and the volumes in which they were counted.

    Attributes
    ----------
    grid
        The bins.
    blocks
        (B, rows, bins) counts of each block of the window.
    every
        Mean number of frames from one count to the next.
    frames
        (B,) number of frames of each block in which atoms were counted.
    whole
        Indices of the blocks that are complete and have such a frame.
    areas, volumes
        (B,) cross-section of the box, Å², and (B, bins) volume of each bin, Å³, means over these frames.
    """

    grid: Grid
    blocks: NDArray[np.int64]
    every: float
    frames: NDArray[np.int64]
    whole: NDArray[np.int64]
    areas: Floats
    volumes: Floats

    @classmethod
    def of_points(cls, production: ReducedProduction) -> Counts:
        """Return the counts (B, ions, bins) of the points of the ions."""
        state = production.state
        counted = np.arange(production.window.begin, production.window.stop)
        return cls._of(production, state.point_histograms, state.config.grid, 1.0, counted)

    @classmethod
    def of_types(cls, production: ReducedProduction, purpose: str) -> Counts:
        """Return the counts (B, types, bins) of the atom types in the stream for ``purpose``.

        Raises
        ------
        ValueError
            The reduction has no such stream, or the window has no frame of it.
        """
        state = production.state
        name = state.config.stream_for(purpose)
        if name is None or state.config.atom_ids is not None:
            raise ValueError(f"the reduction has no {all_atoms(purpose).words}")
        stream = state.config.streams[name]
        frames = np.arange(production.window.begin, production.window.stop)
        counted = frames[stream.counted(frames)]
        if not len(counted):
            raise ValueError(
                f"start_ns, end_ns: there is no frame of the stream {name} between them; choose a longer range"
            )
        return cls._of(production, state.streams[name], state.config.stream_grid(name), stream.interval, counted)

    @classmethod
    def _of(
        cls,
        production: ReducedProduction,
        counts: NDArray[np.int64],
        grid: Grid,
        every: float,
        counted: NDArray[np.int64],
    ) -> Counts:
        state, window = production.state, production.window
        block = window.block_of(counted)
        frames = np.bincount(block, minlength=len(window.block_lengths))
        x, y, z = state.config.box
        areas, volumes = np.full(len(frames), x * y), np.full((len(frames), grid.bins), x * y * z / grid.bins)
        if grid.fixed:
            ends = np.cumsum(frames)
            for index, own in enumerate(np.split(state.edges[counted - window.origin], ends[:-1])):
                if not len(own):
                    continue
                areas[index] = (own[:, 0] * own[:, 1]).mean()
                volumes[index] = grid.volumes(own) / len(own)
        whole = window.whole[frames[window.whole] > 0]
        return cls(grid, window.blocks(counts), every, frames, whole, areas, volumes)

    @property
    def total(self) -> NDArray[np.int64]:
        """(rows, bins) counts in all frames."""
        return np.asarray(self.blocks.sum(axis=0))

    @property
    def total_frames(self) -> int:
        """Number of frames in which atoms were counted."""
        return int(self.frames.sum())

    @property
    def volume(self) -> float | Floats:
        """Volume of every bin or, with bins of a fixed width, the mean of each (bins,), Å³."""
        if not self.grid.fixed:
            return float(self.volumes[0, 0])
        return self.frames @ self.volumes / self.total_frames

    @property
    def slice_volume(self) -> float:
        """Mean cross-section times width of a bin, Å³; charge divided by it is charge per area and width."""
        if not self.grid.fixed:
            return float(self.volumes[0, 0])
        return float(self.frames @ self.areas / self.total_frames) * self.grid.width

    @property
    def block_frames(self) -> int:
        """Number of frames that each of the :meth:`equal_blocks` stands for; 1 if there is none."""
        return int(self.frames[self.whole].max(initial=1))

    def equal_blocks(self, *, per: Literal["volume", "area"] = "volume") -> NDArray[Any]:
        """Return (W, rows, bins) the counts of the whole blocks, as if their frames and volumes were the same.

        If they differ, counts are scaled to :attr:`block_frames` and to the mean volume of the bin, or area.
        """
        counts, frames = self.blocks[self.whole], self.frames[self.whole]
        scale = (self.block_frames / frames)[:, None, None]
        if self.grid.fixed:
            own = self.volumes[self.whole] if per == "volume" else self.areas[self.whole, None]
            mean = self.volume if per == "volume" else self.slice_volume / self.grid.width
            scale = scale * np.divide(mean, own, out=np.zeros_like(own), where=own > 0)[:, None]
        return counts if (scale == 1).all() else counts * scale

    def complete(self) -> NDArray[np.bool_]:
        """Return (bins,) which bins lie within the box in all frames and are no overflow beyond a fixed width."""
        if not self.grid.fixed:
            return np.ones(self.grid.bins, dtype=bool)
        volume = np.broadcast_to(self.volume, self.grid.bins)
        # an overflow bin may be wider than all others
        found = np.asarray(volume > volume[1:-1].max() * (1 - 1e-6))
        found[[0, -1]] = False
        return found


def all_atoms(purpose: str) -> Need:
    """Return the need of an observable that counts the atoms of all types in the stream for ``purpose``."""
    return Need(
        f"histograms of all atoms (a stream `{purpose}` or `{ALL_ATOMS}`, and no subset of the atoms)",
        lambda config: config.atom_ids is None and config.stream_for(purpose) is not None,
    )


def rebinned(values: Floats, z: Floats, other: Floats) -> Floats:
    """Return densities (..., bins) of the bins around ``z`` (bins,) on the bins around ``other``.

    The density is constant within a bin and zero beyond the last one. A bin is divided in proportion to overlap.
    """
    width, other_width = ((each[-1] - each[0]) / (len(each) - 1) for each in (z, other))
    low = np.maximum(z - width / 2, other[:, None] - other_width / 2)
    high = np.minimum(z + width / 2, other[:, None] + other_width / 2)
    shares = np.maximum(high - low, 0) / other_width
    found: Floats = values @ shares.T
    return found


# -- densities -----------------------------------------------------------------------------------------------


@observable(
    "density_profiles",
    kind="ArrayData",
    summary="Densities along z in Å^-3.",
    description="Densities along z, as arrays of one value per bin from one end of the box to the other.",
    need=all_atoms("density"),
    keys={
        **FACT_KEYS,
        **_Z_KEYS,
        **_STREAM_KEYS,
        "<label>_per_A3": ("Å⁻³", "Number density of the atoms of one type"),
        "<label>_error_per_A3": (
            "Å⁻³",
            "Its standard error, from the means of whole blocks of time; NaN with fewer than two",
        ),
        "point_z_A": ("Å", "(bins,) centres of the bins of the ions, which are counted in every frame"),
        "point_<ion>_per_A3": ("Å⁻³", "Number density of the points that represent the ions"),
        "point_<ion>_error_per_A3": ("Å⁻³", "Its standard error"),
        "charge_e_per_A3": ("e Å⁻³", "Charge density; NaN without charges"),
    },
)
def density_profiles(production: ReducedProduction) -> dict[str, Any]:
    """Return the density of each type of atom, of the point of each ion, and of charge."""
    config = production.state.config
    types, points = Counts.of_types(production, "density"), Counts.of_points(production)
    results = production.facts | {
        "z_A": types.grid.centres,
        "point_z_A": points.grid.centres,
        "sampled_ps": types.every * config.frame_ps,
    }
    ions = [f"point_{ion.key}" for ion in production.ions.values()]
    for counts, names in ((types, config.labels), (points, ions)):
        total, blocks = counts.total, counts.equal_blocks()
        for index, name in enumerate(names):
            profile = density_profile(
                total[index],
                counts.total_frames,
                counts.volume,
                block_counts=blocks[:, index],
                block_frames=counts.block_frames,
            )
            results[f"{name}_per_A3"] = profile.density
            results[f"{name}_error_per_A3"] = profile.standard_error
    volume = np.where(np.greater(types.volume, 0), types.volume, np.nan)
    # all are 0 if the file of the system has no charges
    charges = np.array(config.charges) if any(config.charges) else np.full(len(config.charges), np.nan)
    results["charge_e_per_A3"] = charges @ types.total / (types.total_frames * volume)
    return results


# -- free energies -------------------------------------------------------------------------------------------


@observable(
    "free_energy_profiles",
    kind="ArrayData",
    summary="F along z in K, with bounds.",
    description="F / k_B along z, as arrays of one value per bin; see [profiles](../science/profiles.md).",
    calculation="cse.free_energy",
    keys={
        **FACT_KEYS,
        **REGION_KEYS,
        **_Z_KEYS,
        "<ion>_K": ("K", "Free energy; NaN in a bin without a visit"),
        "<ion>_error_K": ("K", "Its standard error"),
        "<ion>_lower_bound_K": ("K", "Lower bound of the free energy in a bin without a visit; NaN elsewhere"),
        "<ion>_counts_per_visit": ("", "Number of counts that make one independent visit"),
        "<ion>_zero": ("", "Position of the zero, in words"),
    },
)
def free_energy_profiles(production: ReducedProduction) -> dict[str, Any]:
    """Return the free energy of each ion along z (eq 2 of Kozdra et al., PCCP 27, 24918 (2025)).

    Raises
    ------
    ValueError
        An ion was never seen.
    """
    points = Counts.of_points(production)
    z = points.grid.centres
    results = production.facts | production.region_facts() | {"z_A": z}
    for index, ion in enumerate(production.ions.values()):
        counts = points.total[index]
        reference, words = _reference(production.state.config, ion.species, counts)
        profile = free_energy_profile(
            counts,
            production.temperature,
            points.volume,
            z=z,
            frames=points.total_frames,
            block_counts=points.equal_blocks()[:, index],
            level=production.settings.level,
            **reference,
        )
        results |= {
            f"{ion.key}_K": profile.free_energy,
            f"{ion.key}_error_K": profile.standard_error,
            f"{ion.key}_lower_bound_K": profile.lower_bound,
            f"{ion.key}_counts_per_visit": profile.dispersion,
            f"{ion.key}_zero": words,
        }
    return results


def _reference(
    config: ReductionConfig, species: IonSpecies, counts: NDArray[np.int64]
) -> tuple[dict[str, Any], str]:
    """Return the zero of F: inside the ceramic for ions of the slab, else in the bulk electrolyte."""
    z = config.grid.centres
    if species.initial_ceramic is not None:
        inside = config.half_thickness + REFERENCE_OFFSET
        bins = np.array([np.argmin(np.abs(z - inside)), np.argmin(np.abs(z + inside))])
        if inside > 0 and counts[bins].all():
            return {"reference_z": z[bins]}, f"mean of the bins at z = ±{inside:.2f} Å"
    else:
        bulk = (z < species.edges[1]) | (z >= species.edges[-2])
        if counts[bulk].any():
            return {"reference_mask": bulk}, "mean density of the bulk electrolyte"
    return {}, "the bin with most counts, because those of the reference are empty"


# -- charge integral -----------------------------------------------------------------------------------------


def _charge_rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    for side in ("left", "right"):
        yield Quantity.of(found, f"charge reversals outside, {side}", f"sign_changes_{side}_electrolyte{{}}")
    # the box is neutral: that of the right half is the opposite
    key, reason = "charge_enclosed_left{}_e_per_A2", "fewer than two whole blocks of time"
    yield Quantity.of(found, "charge of the left half", key, "e Å⁻²", reason=reason)


@observable(
    "charge_integral",
    kind="ArrayData",
    summary="Charge between each end of the box and z, in e Å^-2.",
    description=(
        "The charge integral (equation 6 of Kozdra et al.), ∫ρ dz from the end of the box: each half from its own "
        "end, as arrays of one value per bin, NaN in the other half. A change of sign is a charge reversal."
    ),
    need=Need(
        f"charges of the atoms and {all_atoms('charge').words}",
        lambda config: any(config.charges) and all_atoms("charge").met(config),
    ),
    rows=_charge_rows,
    section="Charge",
    keys={
        **FACT_KEYS,
        **_Z_KEYS,
        **_STREAM_KEYS,
        "<side>_e_per_A2": (
            "e Å⁻²",
            "Integral from this end of the box to z. On the right it is minus the charge between z and the end, "
            "or that charge itself if `charge_direction` is `inward`",
        ),
        "charge_direction": (
            "",
            "`along-z` or `inward`, see the settings; results of earlier versions lack this key and are along z",
        ),
        "<side>_error_e_per_A2": (
            "e Å⁻²",
            "Its standard error, from the integrals of whole blocks of time; NaN with fewer than two",
        ),
        "sign_changes_<side>": (
            "",
            "Number of changes of sign between two lobes that both exceed two standard errors",
        ),
        "sign_changes_<side>_electrolyte": (
            "",
            "Number of these outside the slab; inside, each plane of the crystal causes some",
        ),
        "sign_changes_<side>_A": ("Å", "Their positions, from left to right"),
        "charge_enclosed_<side>_e_per_A2": (
            "e Å⁻²",
            "Charge of this half of the box, up to the mid-plane of the slab",
        ),
        "charge_enclosed_<side>_error_e_per_A2": (
            "e Å⁻²",
            "Its standard error; null with fewer than two whole blocks",
        ),
    },
)
def charge_integrals(production: ReducedProduction) -> dict[str, Any]:
    """Return the charge integral (eq 6) of each half of the box, from its end to the mid-plane of the slab.

    The ends of the box are the bulk farthest from both surfaces. Each half is integrated from its own end, so that
    the noise of one interface does not reach the other. ``charge_direction`` of the settings chooses the sign of
    the right half.
    """
    config, counts = production.state.config, Counts.of_types(production, "charge")
    charges, slice_volume = np.array(config.charges), counts.slice_volume
    density = charges @ counts.total / (counts.total_frames * slice_volume)
    blocks = charges @ counts.equal_blocks(per="area") / (counts.block_frames * slice_volume)
    results = production.facts | {"z_A": counts.grid.centres, "sampled_ps": counts.every * config.frame_ps}
    results["charge_direction"] = production.settings.charge_direction
    sides: tuple[Side, ...] = ("left", "right")
    for side in sides:
        results |= _half_box(results["z_A"], density, blocks, side)
        places = np.abs(results[f"sign_changes_{side}_A"])
        results[f"sign_changes_{side}_electrolyte"] = int((places > config.half_thickness).sum())
    if results["charge_direction"] == "inward":
        results["right_e_per_A2"] = -results["right_e_per_A2"]
    return results


def _half_box(z: Floats, density: Floats, blocks: Floats, side: Side) -> dict[str, Any]:
    """Return the results of one half, from the charge density (bins,) and that of whole blocks (B, bins)."""
    width = (z[-1] - z[0]) / (len(z) - 1)
    right = np.clip(np.round(z / width + 0.5, 9), 0, 1)
    #: part of each bin on this side of z = 0
    share: Floats = right if side == "right" else 1 - right
    half = share > 0
    found = charge_integral(z[half], density[half], side, block_densities=blocks[:, half])
    enclosed = blocks @ share * width
    integral, error = np.full((2, len(z)), np.nan)
    integral[half], error[half] = found.integral, found.standard_error
    return {
        f"{side}_e_per_A2": integral,
        f"{side}_error_e_per_A2": error,
        f"sign_changes_{side}": len(found.sign_changes),
        f"sign_changes_{side}_A": found.sign_changes.tolist(),
        f"charge_enclosed_{side}_e_per_A2": float(density @ share * width),
        f"charge_enclosed_{side}_error_e_per_A2": (
            float(enclosed.std(ddof=1) / np.sqrt(len(enclosed))) if len(enclosed) > 1 else None
        ),
    }
