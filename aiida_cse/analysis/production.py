"""A reduced production as it is analysed: temperature, time window, and ions with their counts and transitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.resolution import coarser, other_boundaries, unanswerable
from aiida_cse.analysis.settings import AnalysisSettings, single
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.sensitivity import labels_from_events
from aiida_cse.physics.exchange.transitions import Exchange, Rule, exchange, transition_matrix
from aiida_cse.physics.statistics import arguments
from aiida_cse.reduction.coarsen import Boundaries, Recount, join_bins, recount
from aiida_cse.reduction.config import IonSpecies, ReductionConfig
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State, Track
from aiida_cse.schema import located

__all__ = [
    "FACT_KEYS",
    "REGION_KEYS",
    "Ion",
    "IonTransitions",
    "ReducedProduction",
    "Window",
    "agreed_temperature",
]

Number = TypeVar("Number", np.int64, np.float64)

#: K; largest difference between two spellings of a temperature
_SAME_TEMPERATURE = 1e-3

#: documentation of :attr:`ReducedProduction.facts`, which are part of every result of a production
FACT_KEYS = {
    "temperature_K": ("K", "Temperature of the production"),
    "start_ns": ("ns", "Start of the time that was analysed, from the first frame"),
    "end_ns": ("ns", "Time of the last frame that was analysed, from the first frame"),
    "time_ns": ("ns", "Time that was analysed"),
    "frames": ("", "Number of frames that were analysed"),
    "frame_ps": ("ps", "Time between frames"),
}
#: documentation of :meth:`ReducedProduction.region_facts`
REGION_KEYS = {
    "boundaries_<ion>_A": ("Å", "The four boundaries between the regions, from the mid-plane of the slab"),
    "counted_in_snapshots": (
        "",
        "Ions with other boundaries than those of the reduction (`boundaries` of the settings). They are counted "
        "in the snapshots, and their transitions under the snapshot rule. Empty if every frame counts",
    ),
}


@dataclass(frozen=True)
class Window:
    """The frames ``begin`` to ``stop`` − 1 of a production, from the start of a block or of the state.

    Attributes
    ----------
    config
        Configuration of the reduction.
    origin
        First frame of the state.
    begin, stop
        First frame of the window, and the frame after its last one.
    """

    config: ReductionConfig
    origin: int
    begin: int
    stop: int

    @classmethod
    def of(
        cls, state: State, start_ns: float, end_ns: float | None = None, last_ns: float | None = None
    ) -> Window:
        """Return the window from ``start_ns`` to ``end_ns``, or to the end of the state, in whole blocks.

        The start is rounded up and the end rounded down. Both are times from the first frame of the state. With
        ``last_ns`` the window begins at most this long before its last frame, rounded to whole blocks as well.

        Raises
        ------
        ValueError
            No block is left, ``end_ns`` is after the end of the state, or ``last_ns`` is less than a block.
        """
        block, frame_ns = state.config.block_frames, state.config.frame_ps / 1000
        skipped = int(np.ceil(start_ns / frame_ns - 1e-9))
        begin = state.start if skipped == 0 else -(-(state.start + skipped) // block) * block
        if begin >= state.stop:
            latest = (state.stop - 1) // block * block
            possible = max(latest - state.start, 0) * frame_ns
            raise ValueError(
                f"start_ns = {start_ns:g}: it leaves nothing to analyse; it must be at most {possible:g}, the "
                f"start of the last block of {block * frame_ns:g} ns"
            )
        stop = state.stop
        kept = state.frames if end_ns is None else int(np.floor(end_ns / frame_ns + 1e-9))
        if kept > state.frames:
            raise ValueError(
                f"end_ns = {end_ns:g}: it is after the end of the reduction; it must be at most "
                f"{state.frames * frame_ns:g}"
            )
        if kept < state.frames:
            stop = (state.start + kept) // block * block
        if stop <= begin:
            earliest = min((begin // block + 1) * block, state.stop)
            raise ValueError(
                f"end_ns = {end_ns:g}: it leaves nothing to analyse; it must be at least "
                f"{(earliest - state.start) * frame_ns:g}, the end of the first block of {block * frame_ns:g} ns "
                "after start_ns"
            )
        if last_ns is not None:
            if last_ns < block * frame_ns - 1e-9:
                raise ValueError(f"last_ns = {last_ns:g}: it must be at least one block, {block * frame_ns:g} ns")
            begin = max(begin, -(-(stop - 1 - int(np.floor(last_ns / frame_ns + 1e-9))) // block) * block)
        return cls(state.config, state.start, begin, stop)

    @property
    def sentence(self) -> str:
        """The times of the first and the last frame, and the number of blocks, in words."""
        block, first, last = self.config.block_frames, self.begin - self.origin, self.stop - 1 - self.origin
        blocks = -(-self.stop // block) - self.begin // block
        return (
            f"{first * self.frame_ns:g} to {last * self.frame_ns:g} ns after the first frame "
            f"({blocks} block{'s' * (blocks != 1)} of {block * self.frame_ns:g} ns)"
        )

    @property
    def frame_ns(self) -> float:
        """Time between frames, ns."""
        return self.config.frame_ps / 1000

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.stop - self.begin

    @property
    def facts(self) -> dict[str, Any]:
        """Facts on the window that every result contains; times are from the first frame of the state."""
        return {
            "start_ns": (self.begin - self.origin) * self.frame_ns,
            "end_ns": (self.stop - 1 - self.origin) * self.frame_ns,
            "time_ns": (self.frames - 1) * self.frame_ns,
            "frames": self.frames,
            "frame_ps": self.config.frame_ps,
        }

    @cached_property
    def block_lengths(self) -> NDArray[np.int64]:
        """Frames in each block of the window."""
        blocks = np.arange(self.begin, self.stop) // self.config.block_frames
        lengths: NDArray[np.int64] = np.bincount(blocks - blocks[0])
        return lengths

    def late(self, frames: NDArray[np.int64], last_ns: float) -> NDArray[np.bool_]:
        """Return which frames are at most ``last_ns`` before the last one of the window."""
        return frames >= self.stop - 1 - last_ns / self.frame_ns - 1e-9

    def block_of(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the index of the block of the window to which each frame belongs."""
        return frames // self.config.block_frames - self.begin // self.config.block_frames

    def blocks(self, values: NDArray[Number]) -> NDArray[Number]:
        """Return the blocks of the window out of those of the state (B, ...)."""
        first = self.begin // self.config.block_frames - self.origin // self.config.block_frames
        return values[first:][: len(self.block_lengths)]

    @cached_property
    def whole(self) -> NDArray[np.int64]:
        """Indices of the blocks of the window that have all their frames."""
        return np.flatnonzero(self.block_lengths == self.config.block_frames)

    # -- looks and events ------------------------------------------------------------------------------

    def look_frames(self, rule: Rule) -> int:
        """Return the number of frames between two looks of a counting rule, 1 for ``core``."""
        return self.config.snapshot_frames if rule == "snapshot" else 1

    def looks(self, rule: Rule) -> NDArray[np.int64]:
        """Return the frames at which a counting rule compares the regions of the ions."""
        stride = self.look_frames(rule)
        first = -(-self.begin // stride) * stride
        return np.arange(first, self.stop, stride)

    def events(self, events: NDArray[np.int64], rule: Rule) -> NDArray[np.int64]:
        """Return the events (E, 4) of a rule with both of their looks in the window."""
        looks = self.looks(rule)
        earliest = looks[0] + 1 if len(looks) else self.stop
        return events[(events[:, 0] >= earliest) & (events[:, 0] < self.stop)]

    def observed_ns(self, rule: Rule) -> float:
        """Return the time in which an event of a rule would have been counted, ns."""
        return max(len(self.looks(rule)) - 1, 0) * self.look_frames(rule) * self.frame_ns

    def net_fluxes(self, events: NDArray[np.int64], labels: tuple[int, ...]) -> NDArray[np.int64]:
        """Return entries to minus exits from the regions with these labels, per block of the window."""
        change = np.isin(events[:, 3], labels).astype(np.int64) - np.isin(events[:, 2], labels)
        flux = np.zeros(len(self.block_lengths), dtype=np.int64)
        np.add.at(flux, self.block_of(events[:, 0]), change)
        return flux


@dataclass(frozen=True)
class IonTransitions:
    """Transitions of one species under one counting rule.

    Attributes
    ----------
    events
        (E, 4) int64: frame, ion, from, to.
    matrix
        (5, 5) int64, number of transitions from region i to region j.
    sides
        Entries to and exits from the exchange region, by ``left`` and ``right``.
    """

    events: NDArray[np.int64]
    matrix: NDArray[np.int64]
    sides: dict[str, Exchange]

    @property
    def both(self) -> Exchange:
        """Entries and exits of both sides together."""
        return self.sides["left"] + self.sides["right"]


@dataclass(frozen=True)
class Ion:
    """One species of ion.

    Attributes
    ----------
    name, species
        As in the configuration of the state, with the boundaries of the settings.
    numbers
        (ions,) indices of the ions of this species among all ions of the state.
    first, stride
        First frame in which the ions were counted, and number of frames between counts: every frame of the window,
        or the snapshots if the boundaries are not those of the reduction.
    counts
        (F,) int64 number of ions in each of these frames: per region, for ``layer`` and ``bulk`` of both sides
        together, and for ``excess`` if the slab started with such ions.
    """

    name: str
    species: IonSpecies
    numbers: NDArray[np.int64]
    first: int
    stride: int
    counts: dict[str, NDArray[np.int64]]

    @property
    def key(self) -> str:
        """Name of the ion in the keys of results."""
        return self.name.lower()

    @property
    def exchange_key(self) -> str:
        """Name of the ion and of its exchange region in the keys of results."""
        return f"{self.key}_{self.species.exchange}"

    @property
    def exchange_labels(self) -> tuple[int, ...]:
        """Labels of the exchange region, whose entries and exits are counted."""
        return tuple(label for label, name in enumerate(REGION_NAMES) if name.startswith(self.species.exchange))

    def rows(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of ``counts`` that belong to frames in which the ions were counted."""
        return (frames - self.first) // self.stride

    @property
    def donors(self) -> tuple[NDArray[np.int64], tuple[int, ...]]:
        """(F,) number of ions beside the exchange region, and the labels of the regions in which they are.

        These are the layers for the ceramic, else the bulk.
        """
        region = "layer" if self.species.exchange == "ceramic" else "bulk"
        labels = tuple(label for label, name in enumerate(REGION_NAMES) if name.startswith(region))
        return self.counts[region], labels

    def exchange_counts(self, events: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the entries and exits of each ion, (ions, 2), from events (E, 4) of this species."""
        counts = np.zeros((len(self.numbers), 2), dtype=np.int64)
        for column, label in ((0, 3), (1, 2)):
            crossed = events[np.isin(events[:, label], self.exchange_labels), 1]
            np.add.at(counts[:, column], np.searchsorted(self.numbers, crossed), 1)
        return counts

    def transitions(self, events: NDArray[np.int64]) -> IonTransitions:
        """Return the transitions of this species from the events (E, 4) of all ions."""
        own = events[np.isin(events[:, 1], self.numbers)]
        matrix = transition_matrix(own)
        return IonTransitions(own, matrix, exchange(matrix, self.species.exchange))


def agreed_temperature(
    known: float | None, given: float | None, *, field: str = "temperature", subject: str = "the reduction"
) -> float:
    """Return the temperature at which a reduction is analysed, K: its own, which a given one must not contradict.

    Parameters
    ----------
    known, given
        That of the reduction and the one that was asked for, K; None if it is unknown or not given.
    field, subject
        Name of the given temperature and of the reduction in messages.

    Raises
    ------
    ValueError
        Neither is known, the given one is not above zero, or they differ.
    """
    asked = None if given is None else arguments.number(field, given, above=0)
    if known is None:
        if asked is None:
            raise ValueError(f"{field}: is missing; {subject} does not say that of its run, give it in K")
        return asked
    if asked is not None and abs(asked - known) > _SAME_TEMPERATURE:
        raise ValueError(f"{field} = {asked:g}: {subject} is of a run at {known:g} K; omit it or give {known:g}")
    return known


@dataclass(frozen=True)
class ReducedProduction:
    """A reduced production at its temperature, with the settings of its analysis.

    Attributes
    ----------
    reduction
        State of the reduction.
    given_temperature
        K; None for that of the reduction.
    settings
        Time range, resolution, counting rule, and criteria of the verdict, at the temperature of the production.

    Raises
    ------
    ValueError
        The temperature is not above zero, not that of the reduction, or unknown; the time range is empty; or the
        reduction does not resolve what the settings ask for. The message gives all reasons.
    """

    reduction: State
    given_temperature: float | None = None
    settings: AnalysisSettings = field(default_factory=AnalysisSettings)

    def __post_init__(self) -> None:
        kelvin = agreed_temperature(self.reduction.temperature, self.given_temperature)
        # settings may have pairs of a temperature and a value
        object.__setattr__(self, "settings", self.settings.at(kelvin))
        if reasons := unanswerable(self.settings, self.reduction.config):
            raise ValueError("; ".join(dict.fromkeys(reasons)))
        looks = self.window.looks("snapshot")
        if self._boundaries and not len(looks):
            raise ValueError("boundaries: there is no snapshot between start_ns and end_ns; choose a longer range")
        if self.reduction.config.lags:
            for species in self.reduction.config.ions.values():
                self.displacement_window(species)

    @cached_property
    def temperature(self) -> float:
        """Temperature, K."""
        return agreed_temperature(self.reduction.temperature, self.given_temperature)

    @cached_property
    def window(self) -> Window:
        """The frames that are analysed."""
        return Window.of(
            self._coarser, self.settings.start_ns, self.settings.end_ns, single(self.settings.last_ns)
        )

    def displacement_window(self, species: IonSpecies) -> Window | None:
        """Return the frames at which the displacements of a species begin, None if the run ends before.

        A number of the settings is counted from the end of :attr:`window`, whatever its start. Two times end with
        the state at the latest.
        """
        role = "cation" if species.exchange == "ceramic" else "anion"
        given = getattr(self.settings.displacement_ns, role)
        if given is None:
            return self.window
        with located(f"displacement_ns.{role}"):
            if not isinstance(given, tuple):
                return Window.of(self._coarser, 0.0, self.settings.end_ns, given)
            length = self._coarser.frames * self._coarser.config.frame_ps / 1000
            try:
                return Window.of(self._coarser, given[0], min(given[1], length))
            except ValueError:
                # that no block is left is all that can be wrong with times within the state
                return None

    @cached_property
    def state(self) -> State:
        """State with the bins, blocks, snapshots and lags of the settings."""
        bins = self.settings.bins
        return (
            self._coarser if bins is None else join_bins(self._coarser, self._coarser.config.grid.factors()[bins])
        )

    @cached_property
    def recounted(self) -> Recount | None:
        """Counts and labels with boundaries other than those of the reduction; None if there are none."""
        return recount(self._coarser, self._boundaries) if self._boundaries else None

    @cached_property
    def tracks(self) -> dict[Rule, Track]:
        """Labels of the ions over time by counting rule; with other boundaries only ``snapshot`` is known."""
        return dict(self.state.tracks) if self.recounted is None else {"snapshot": self.recounted.track}

    @property
    def facts(self) -> dict[str, Any]:
        """Facts that every result contains, see :data:`FACT_KEYS`."""
        return {"temperature_K": self.temperature} | self.window.facts

    def region_facts(self, *exchanges: str) -> dict[str, Any]:
        """Return facts on the regions (:data:`REGION_KEYS`) of all ions, or of those with these exchanges."""
        ions = [ion for ion in self.ions.values() if not exchanges or ion.species.exchange in exchanges]
        return {
            **{f"boundaries_{ion.key}_A": list(ion.species.edges[1:-1]) for ion in ions},
            "counted_in_snapshots": [ion.name for ion in ions if ion.name in self._boundaries],
        }

    @cached_property
    def ions(self) -> dict[str, Ion]:
        """Species of ions by name, counted at every frame, or in the snapshots if the settings move boundaries."""
        window, recounted = self.window, self.recounted
        looks = window.looks("snapshot")
        species_of_ion = Selection.from_config(self.state.config).ion_species
        found = {}
        for index, (name, species) in enumerate(self.state.config.ions.items()):
            if recounted is None or name not in recounted.counts:
                first, stride = window.begin, 1
                table = self.state.region_counts[window.begin - window.origin : window.stop - window.origin, index]
            else:
                first, stride = int(looks[0]), window.look_frames("snapshot")
                table = recounted.counts[name][np.searchsorted(self.state.snapshots, looks)]
                edges = (species.edges[0], *recounted.boundaries[name], species.edges[-1])
                species = species.model_copy(update={"edges": edges, "cores": tuple(pairwise(edges))})
            counts = dict(zip(REGION_NAMES, table.astype(np.int64).T, strict=True))
            for both in ("layer", "bulk"):
                counts[both] = counts[f"{both}_left"] + counts[f"{both}_right"]
            if species.initial_ceramic is not None:
                counts["excess"] = counts["ceramic"] - species.initial_ceramic
            numbers = np.flatnonzero(species_of_ion == index)
            found[name] = Ion(name, species, numbers, first, stride, counts)
        return found

    @property
    def deciding(self) -> list[str]:
        """Ions whose exchange decides the verdict: those that cross into the ceramic, or all if none does."""
        crossing = [name for name, ion in self.ions.items() if ion.species.exchange == "ceramic"]
        return crossing or list(self.ions)

    def transitions(self, rule: Rule) -> dict[str, IonTransitions]:
        """Return the transitions of each species within the window, by name."""
        events = self.window.events(self.tracks[rule].events, rule)
        return {name: ion.transitions(events) for name, ion in self.ions.items()}

    def labels_at_start(self, rule: Rule) -> NDArray[np.int8]:
        """Return the label of each ion of the state at the start of the window, (ions,)."""
        track = self.tracks[rule]
        labels: NDArray[np.int8] = labels_from_events(track.first_labels, track.events, [self.window.begin])[0]
        return labels

    @cached_property
    def _coarser(self) -> State:
        """State with the blocks, snapshots and lags of the settings, and the bins of the reduction."""
        return coarser(self.reduction, self.settings)

    @cached_property
    def _boundaries(self) -> dict[str, Boundaries]:
        return other_boundaries(self.settings, self.reduction.config)
