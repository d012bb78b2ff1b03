"""What every analysis is about: a state at a temperature, the window that is looked at, and its ions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.resolution import coarser, other_boundaries, unanswerable
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.window import Window
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.sensitivity import labels_from_events
from aiida_cse.physics.exchange.transitions import Exchange, Rule, exchange, transition_matrix
from aiida_cse.physics.statistics import arguments as checks
from aiida_cse.reduction.coarsen import Boundaries, Recount, join_bins, recount
from aiida_cse.reduction.config import IonSpecies
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State, Track

__all__ = ["Ion", "IonTransitions", "ReducedProduction"]


@dataclass(frozen=True)
class IonTransitions:
    """The transitions of one species under one rule.

    Attributes
    ----------
    events
        (E, 4) int64: frame, ion, from, to.
    matrix
        (5, 5) int64, transitions from region i to region j.
    sides
        Entries to and exits from the region that counts, by ``left`` and ``right``.
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
        As in the configuration of the state, with the boundaries that are asked for.
    numbers
        (ions,) which of the ions of the state are of this species.
    first, stride
        Number of the frame in which they were counted first, and how many frames later each time again: every
        frame of the window, or the snapshots for other boundaries than those of the reduction.
    counts
        Per region, per ``layer`` and ``bulk`` of both sides together, and per ``excess`` where the slab started
        with such ions: their number in each of these frames, (F,) int64.
    """

    name: str
    species: IonSpecies
    numbers: NDArray[np.int64]
    first: int
    stride: int
    counts: dict[str, NDArray[np.int64]]

    @property
    def key(self) -> str:
        """The name as it stands in keys."""
        return self.name.lower()

    @property
    def exchange_key(self) -> str:
        """The name and the region whose entries and exits count, as they stand in keys."""
        return f"{self.key}_{self.species.exchange}"

    @property
    def exchange_labels(self) -> tuple[int, ...]:
        """The labels of that region."""
        return tuple(label for label, name in enumerate(REGION_NAMES) if name.startswith(self.species.exchange))

    def rows(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of the counts that are of the frames with these numbers, where there are counts."""
        return (frames - self.first) // self.stride

    @property
    def donors(self) -> NDArray[np.int64]:
        """The number of ions that may enter it next, each time: in the layers, or in the bulk."""
        return self.counts["layer" if self.species.exchange == "ceramic" else "bulk"]

    def entries(self, events: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the events (E, 4) by which an ion enters it."""
        return events[np.isin(events[:, 3], self.exchange_labels)]

    def exchange_counts(self, events: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how often each ion entered it and left it, (ions, 2), in events (E, 4) of this species."""
        counts = np.zeros((len(self.numbers), 2), dtype=np.int64)
        for column, label in ((0, 3), (1, 2)):
            crossed = events[np.isin(events[:, label], self.exchange_labels), 1]
            np.add.at(counts[:, column], np.searchsorted(self.numbers, crossed), 1)
        return counts

    def transitions(self, events: NDArray[np.int64]) -> IonTransitions:
        """Return those of the events (E, 4) of all ions that are of this species, and what they amount to."""
        own = events[np.isin(events[:, 1], self.numbers)]
        matrix = transition_matrix(own)
        return IonTransitions(own, matrix, exchange(matrix, self.species.exchange))


@dataclass(frozen=True)
class ReducedProduction:
    """A production as it is analysed.

    Attributes
    ----------
    reduction
        The reduced production.
    temperature
        K.
    settings
        What to leave out, how to count, and the criteria.

    Raises
    ------
    ValueError
        The temperature is not above zero, the range leaves nothing to analyse, or the reduction cannot answer what
        the settings ask; says all reasons.
    """

    reduction: State
    temperature: float
    settings: AnalysisSettings = field(default_factory=AnalysisSettings)

    def __post_init__(self) -> None:
        checks.positive("temperature", self.temperature)
        if reasons := unanswerable(self.settings, self.reduction.config):
            raise ValueError("; ".join(dict.fromkeys(reasons)))
        looks = self.window.looks("snapshot")
        if self._boundaries and not len(looks):
            raise ValueError("boundaries: there is no snapshot between start_ns and end_ns to count the ions in")

    @cached_property
    def window(self) -> Window:
        """The frames that are looked at."""
        return Window.of(self._coarser, self.settings.start_ns, self.settings.end_ns)

    @cached_property
    def state(self) -> State:
        """The reduced production with the bins, blocks, snapshots and lags that are asked for."""
        bins = self.settings.bins
        return self._coarser if bins is None else join_bins(self._coarser, self._coarser.config.bins // bins)

    @cached_property
    def recounted(self) -> Recount | None:
        """What is known of the ions with other boundaries than the reduction had; None without such."""
        return recount(self._coarser, self._boundaries) if self._boundaries else None

    @cached_property
    def tracks(self) -> dict[Rule, Track]:
        """The way of the ions under each rule that is known; ``core`` is not with other boundaries."""
        return dict(self.state.tracks) if self.recounted is None else {"snapshot": self.recounted.track}

    @property
    def core_tracks(self) -> dict[float, Track]:
        """The same under the core rule with buffers of each width that the reduction was asked for."""
        return {1.0: self.tracks["core"], **self.state.core_tracks} if "core" in self.tracks else {}

    @property
    def facts(self) -> dict[str, Any]:
        """What every result says about where it is from."""
        return {"temperature_K": self.temperature} | self.window.facts

    def region_facts(self, *exchanges: str) -> dict[str, Any]:
        """Return what results say about the regions they rest on: of all ions, or of those with an exchange."""
        ions = [ion for ion in self.ions.values() if not exchanges or ion.species.exchange in exchanges]
        return {
            **{f"boundaries_{ion.key}_A": list(ion.species.edges[1:-1]) for ion in ions},
            "counted_in_snapshots": [ion.name for ion in ions if ion.name in self._boundaries],
        }

    @cached_property
    def ions(self) -> dict[str, Ion]:
        """The species of ions by name."""
        species_of_ion = Selection.from_config(self.state.config).ion_species
        return {
            name: self._ion(name, index, np.flatnonzero(species_of_ion == index))
            for index, name in enumerate(self.state.config.ions)
        }

    @property
    def deciding(self) -> list[str]:
        """The ions whose exchange with the ceramic decides; all of them where none has one."""
        crossing = [name for name, ion in self.ions.items() if ion.species.exchange == "ceramic"]
        return crossing or list(self.ions)

    def transitions(self, rule: Rule) -> dict[str, IonTransitions]:
        """Return the transitions of each species within the window."""
        events = self.window.events(self.tracks[rule].events, rule)
        return {name: ion.transitions(events) for name, ion in self.ions.items()}

    def labels_at_start(self, rule: Rule) -> NDArray[np.int8]:
        """Return the label that each ion of the state has under a rule when the window begins, (ions,)."""
        track = self.tracks[rule]
        labels: NDArray[np.int8] = labels_from_events(track.first_labels, track.events, [self.window.begin])[0]
        return labels

    @cached_property
    def _coarser(self) -> State:
        """The reduced production with the blocks, snapshots and lags that are asked for, and all its bins."""
        return coarser(self.reduction, self.settings)

    @cached_property
    def _boundaries(self) -> dict[str, Boundaries]:
        return other_boundaries(self.settings, self.reduction.config)

    def _ion(self, name: str, index: int, numbers: NDArray[np.int64]) -> Ion:
        species, window = self.state.config.ions[name], self.window
        if self.recounted is None or name not in self.recounted.counts:
            each_frame = self.state.region_counts[window.rows, index]
            return Ion(name, species, numbers, window.begin, 1, _by_region(each_frame, species))
        looks = window.looks("snapshot")
        rows = np.searchsorted(self.state.snapshots, looks)
        species = _with_boundaries(species, self.recounted.boundaries[name])
        counts = _by_region(self.recounted.counts[name][rows], species)
        return Ion(name, species, numbers, int(looks[0]), window.look_frames("snapshot"), counts)


def _by_region(table: NDArray[np.int32], species: IonSpecies) -> dict[str, NDArray[np.int64]]:
    """Return the counts (F, 5) of a species by region, with both sides together and the excess."""
    counts = dict(zip(REGION_NAMES, table.astype(np.int64).T, strict=True))
    for name in ("layer", "bulk"):
        counts[name] = counts[f"{name}_left"] + counts[f"{name}_right"]
    if species.initial_ceramic is not None:
        counts["excess"] = counts["ceramic"] - species.initial_ceramic
    return counts


def _with_boundaries(species: IonSpecies, boundaries: Boundaries) -> IonSpecies:
    """Return the species with other regions, without buffers."""
    edges = (species.edges[0], *boundaries, species.edges[-1])
    return species.model_copy(update={"edges": edges, "cores": tuple(pairwise(edges))})
