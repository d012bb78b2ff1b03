"""A reduced production as it is analysed: temperature, time window, and ions with their counts and transitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.resolution import coarser, other_boundaries, unanswerable
from aiida_cse.analysis.settings import AnalysisSettings, single
from aiida_cse.analysis.window import Window
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.sensitivity import labels_from_events
from aiida_cse.physics.exchange.transitions import Exchange, Rule, exchange, transition_matrix
from aiida_cse.physics.statistics import arguments
from aiida_cse.reduction.coarsen import Boundaries, Recount, join_bins, recount
from aiida_cse.reduction.config import IonSpecies
from aiida_cse.reduction.selection import Selection
from aiida_cse.reduction.state import State, Track
from aiida_cse.schema import located

__all__ = ["FACT_KEYS", "REGION_KEYS", "Ion", "IonTransitions", "ReducedProduction", "agreed_temperature"]

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
    def _donor_region(self) -> str:
        return "layer" if self.species.exchange == "ceramic" else "bulk"

    @property
    def donors(self) -> NDArray[np.int64]:
        """(F,) number of ions beside the exchange region: in the layers for the ceramic, else in the bulk."""
        return self.counts[self._donor_region]

    @property
    def donor_labels(self) -> tuple[int, ...]:
        """Labels of the regions in which :attr:`donors` are."""
        return tuple(label for label, name in enumerate(REGION_NAMES) if name.startswith(self._donor_region))

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
