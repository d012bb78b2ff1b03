"""What every analysis is about: a state at a temperature, the window that is looked at, and its ions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics import checks
from aiida_cse.physics.regions import REGION_NAMES
from aiida_cse.physics.sensitivity import labels_from_events
from aiida_cse.physics.transitions import Exchange, Rule, exchange, transition_matrix
from aiida_cse.trajectory.analysis.settings import AnalysisSettings
from aiida_cse.trajectory.analysis.window import Window
from aiida_cse.trajectory.ions import IonSpecies
from aiida_cse.trajectory.selection import Selection
from aiida_cse.trajectory.state import State

__all__ = ["Ion", "IonTransitions", "Subject"]


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
        As in the configuration of the state.
    numbers
        (ions,) which of the ions of the state are of this species.
    counts
        Per region, per ``layer`` and ``bulk`` of both sides together, and per ``excess`` where the slab started
        with such ions: their number in each frame of the window, (frames,) int64.
    """

    name: str
    species: IonSpecies
    numbers: NDArray[np.int64]
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

    @property
    def donors(self) -> NDArray[np.int64]:
        """The number of ions that may enter it next, per frame of the window: in the layers, or in the bulk."""
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
class Subject:
    """A production as it is analysed.

    Attributes
    ----------
    state
        The reduced production.
    temperature
        K.
    settings
        What to leave out, and the criteria.

    Raises
    ------
    ValueError
        The temperature is not above zero, or ``start_ns`` leaves nothing to analyse.
    """

    state: State
    temperature: float
    settings: AnalysisSettings = field(default_factory=AnalysisSettings)

    def __post_init__(self) -> None:
        checks.positive("temperature", self.temperature)
        Window.of(self.state, self.settings.start_ns)

    @cached_property
    def window(self) -> Window:
        """The frames that are looked at."""
        return Window.of(self.state, self.settings.start_ns)

    @property
    def facts(self) -> dict[str, Any]:
        """What every result says about where it is from."""
        return {"temperature_K": self.temperature} | self.window.facts

    @cached_property
    def ions(self) -> dict[str, Ion]:
        """The species of ions by name."""
        species_of_ion = Selection.from_config(self.state.config).ion_species
        return {
            name: Ion(name, species, np.flatnonzero(species_of_ion == index), self._counts(index, species))
            for index, (name, species) in enumerate(self.state.config.ions.items())
        }

    @property
    def deciding(self) -> list[str]:
        """The ions whose exchange with the ceramic decides; all of them where none has one."""
        crossing = [name for name, ion in self.ions.items() if ion.species.exchange == "ceramic"]
        return crossing or list(self.ions)

    def transitions(self, rule: Rule) -> dict[str, IonTransitions]:
        """Return the transitions of each species within the window."""
        events = self.window.events(self.state.tracks[rule].events, rule)
        return {name: ion.transitions(events) for name, ion in self.ions.items()}

    def labels_at_start(self, rule: Rule) -> NDArray[np.int8]:
        """Return the label that each ion of the state has under a rule when the window begins, (ions,)."""
        track = self.state.tracks[rule]
        labels: NDArray[np.int8] = labels_from_events(track.first_labels, track.events, [self.window.begin])[0]
        return labels

    def _counts(self, index: int, species: IonSpecies) -> dict[str, NDArray[np.int64]]:
        table = self.state.region_counts[self.window.rows, index].astype(np.int64)
        counts = dict(zip(REGION_NAMES, table.T, strict=True))
        for name in ("layer", "bulk"):
            counts[name] = counts[f"{name}_left"] + counts[f"{name}_right"]
        if species.initial_ceramic is not None:
            counts["excess"] = counts["ceramic"] - species.initial_ceramic
        return counts
