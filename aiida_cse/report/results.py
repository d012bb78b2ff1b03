"""The file ``results.json``: all results of a production with units and meanings, its sources and its settings.

Figures, tables and pages are drawn from this file alone. Its form has a version;
:func:`load_results` refuses every other one by name.
"""
# ruff: noqa: N815 - the keys of the file end with their unit, as those of results do

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import Documented, observables
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.schema import StrictModel, located
from aiida_cse.version import __version__
from aiida_cse.yaml_io import read_text

__all__ = [
    "FILENAME",
    "ObservableResult",
    "Results",
    "Source",
    "collect_results",
    "describe_result",
    "load_json",
    "load_results",
    "save_json",
    "value_beside",
]

FILENAME = "results.json"

Form = TypeVar("Form", bound=StrictModel)

#: largest file
_MOST_BYTES = 1_000_000_000
#: most points of a population in time
_POINTS = 2000


class Source(StrictModel):
    """A trajectory file.

    Attributes
    ----------
    name
        Name of the file, without its folder.
    bytes
        Size of the file, null if it is unknown.
    sha256
        SHA-256 of the file, hexadecimal, null if it is unknown.
    first_step
        Step of its first frame.
    frames
        Number of its frames that were used.
    """

    name: str
    bytes: int | None = None
    sha256: str | None = None
    first_step: int
    frames: int


class IonSummary(StrictModel):
    """A species of ion.

    Attributes
    ----------
    number
        Number of its ions.
    types
        Labels of its atom types.
    point
        What stands for an ion: ``atom`` or ``centre_of_mass``.
    exchange
        Region whose entries and exits count: ``ceramic`` or ``layer``.
    initial_ceramic
        Number of these ions that the slab started with, null if unknown.
    regions_A
        Bounds of the five regions, Å from the mid-plane of the slab.
    """

    number: int
    types: tuple[str, ...]
    point: str
    exchange: str
    initial_ceramic: int | None
    regions_A: tuple[float, ...]


class SystemSummary(StrictModel):
    """The atoms, the slab and the ions.

    Attributes
    ----------
    natoms
        Number of atoms.
    composition
        Number of atoms by label.
    masses_g_per_mol
        Mass of an atom by label, g/mol.
    charges_e
        Charge of an atom by label, e.
    box_A
        Edges of the box, Å.
    framework
        Labels of the atoms that do not diffuse.
    thickness_A
        Distance of the surface planes of the slab, Å.
    midplane_offset_A
        Mid-plane of the slab minus the centre of mass of the framework, Å.
    ions
        The ions by name.
    """

    natoms: int
    composition: dict[str, int]
    masses_g_per_mol: dict[str, float]
    charges_e: dict[str, float]
    box_A: tuple[float, float, float]
    framework: tuple[str, ...]
    thickness_A: float
    midplane_offset_A: float
    ions: dict[str, IonSummary]


class SamplingSummary(StrictModel):
    """Frames of the reduction and their grouping.

    Attributes
    ----------
    timestep_fs
        Timestep, fs.
    frame_ps
        Time between frames, ps.
    frames
        Number of frames.
    first_step
        Step of the first frame.
    last_step
        Step of the last frame.
    block_ps
        Length of the blocks of time, ps.
    snapshot_ps
        Time between snapshots, ps.
    lags_ps
        Lags of the displacements, ps.
    bins
        Number of bins along z for the ions.
    bin_width_A
        Their width in a box that changes, Å; null if they are equal parts of the box.
    """

    timestep_fs: float
    frame_ps: float
    frames: int
    first_step: int
    last_step: int
    block_ps: float
    snapshot_ps: float
    lags_ps: tuple[float, ...]
    bins: int
    bin_width_A: float | None


class Entry(StrictModel):
    """A value with its unit and its meaning.

    Attributes
    ----------
    value
        A number, a word, a list or a mapping; null is an unknown or infinite number.
    unit
        Its unit, empty without one.
    meaning
        Its meaning.
    """

    value: Any
    unit: str
    meaning: str


class ObservableResult(StrictModel):
    """The result of an observable.

    Attributes
    ----------
    description
        Its content, in Markdown.
    entries
        By key, records of :class:`Entry`.
    """

    description: str
    entries: dict[str, Entry]

    def value(self, key: str) -> Any:
        """Return a value as it is in the file."""
        return self.entries[key].value

    def array(self, key: str) -> NDArray[np.float64]:
        """Return the numbers of a list as an array, null as NaN."""
        return np.array(self.entries[key].value, dtype=np.float64)

    @property
    def values(self) -> dict[str, Any]:
        """All values by key."""
        return {key: entry.value for key, entry in self.entries.items()}


class PopulationsInTime(StrictModel):
    """Numbers of ions per region over time.

    Attributes
    ----------
    time_ns
        Middle of each interval, from the first frame of the reduction.
    mean_over_frames
        Number of frames over which each value is the mean; the last interval may be shorter.
    ions
        By name of the ion, then of the region, the mean number of ions in each interval.
    """

    time_ns: tuple[float, ...]
    mean_over_frames: int
    ions: dict[str, dict[str, tuple[float, ...]]]


class TransitionsInTime(StrictModel):
    """The transitions under one counting rule, in the order of time; all lists have one entry per transition.

    Attributes
    ----------
    rule
        The counting rule.
    time_ns
        Time of the frame in which the transition was seen, from the first frame of the reduction.
    ion
        Name of the species.
    number
        Number of the ion within the species, from 0.
    source
        Name of the region that it left.
    target
        Name of the region that it entered.
    """

    rule: Rule
    time_ns: tuple[float, ...]
    ion: tuple[str, ...]
    number: tuple[int, ...]
    source: tuple[str, ...]
    target: tuple[str, ...]


class Results(StrictModel):
    """All results of a production.

    Attributes
    ----------
    schema_name
        Name of this form.
    schema_version
        Version of this form.
    program_version
        Version of aiida-cse that wrote the file.
    label
        Name of the run.
    temperature_K
        Temperature, K.
    system
        The atoms, the slab and the ions.
    sources
        The trajectory files.
    sampling
        The frames and their grouping.
    notes
        What was left out, repaired or chosen, one sentence each.
    settings
        Settings of the analysis, see :class:`~aiida_cse.analysis.settings.AnalysisSettings`.
    observables
        By name of the observable, records of :class:`ObservableResult`.
    missing
        For each observable without a result the reason.
    populations_in_time
        Numbers of ions per region over time.
    transitions_in_time
        Each transition with its time.
    """

    schema_name: Literal["aiida-cse results"] = "aiida-cse results"
    schema_version: Literal[1] = 1
    program_version: str
    label: str
    temperature_K: float = Field(gt=0)
    system: SystemSummary
    sources: tuple[Source, ...]
    sampling: SamplingSummary
    notes: tuple[str, ...]
    settings: dict[str, Any]
    observables: dict[str, ObservableResult]
    missing: dict[str, str]
    populations_in_time: PopulationsInTime
    transitions_in_time: TransitionsInTime

    def scalars(self) -> dict[str, dict[str, Any]]:
        """Return the values by observable and key, as tables and kinetics take them."""
        return {name: one.values for name, one in self.observables.items()}

    def save(self, path: str | Path) -> None:
        """Write the file, which appears under its name only when it is complete."""
        save_json(self, Path(path))


def value_beside(values: Mapping[str, Any], key: str, word: str) -> Any:
    """Return what a result has of a number: of its key with ``word`` as late as possible in it; None without it.

    ``interval`` of ``rate_0400K_per_s`` is ``rate_0400K_interval_per_s``.
    """
    places = [len(key), *(place for place in range(len(key) - 1, 0, -1) if key[place] == "_")]
    found = (values.get(f"{key[:place]}_{word}{key[place:]}") for place in places)
    return next((one for one in found if one is not None), None)


def save_json(content: StrictModel, path: Path) -> None:
    """Write a model as JSON to a file, which appears under its name only when it is complete."""
    partial = path.with_name(path.name + ".part")
    text = json.dumps(content.model_dump(mode="json"), ensure_ascii=False, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def load_results(path: str | Path) -> Results:
    """Read a file of results.

    Raises
    ------
    ValueError
        The file cannot be read, is of another form or version, or a field of it is wrong; names the file.
    """
    path = Path(path)
    results = load_json(path, Results, "a file of results", "repeat the analysis from its state.npz")
    for name, observable in results.observables.items():
        entry = observable.entries.get("temperature_K")
        if entry is not None and entry.value != results.temperature_K:
            raise ValueError(
                f"{path}: observables.{name}.temperature_K = {entry.value!r}: must be temperature_K = "
                f"{results.temperature_K:g} of the file; repeat the analysis from its state.npz"
            )
    return results


def load_json(path: Path, form: type[Form], wanted: str, repeat: str) -> Form:
    """Read a file that :func:`save_json` wrote.

    Parameters
    ----------
    form
        Model with the fields ``schema_name`` and ``schema_version``.
    wanted
        The kind of file, as "a file of results".
    repeat
        How to make the file again, as "repeat the analysis from its state.npz".

    Raises
    ------
    ValueError
        The file cannot be read, is of another form or version, or a field of it is wrong; names the file.
    """
    text = read_text(path, wanted, _MOST_BYTES)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not valid JSON: {error}") from error
    schema, known = (form.model_fields[f"schema_{part}"].default for part in ("name", "version"))
    found = content.get("schema_name") if isinstance(content, Mapping) else None
    if found != schema:
        raise ValueError(f"{path}: schema_name = {found!r}: must be {schema!r}; give {wanted}")
    version = content.get("schema_version")
    if version != known:
        raise ValueError(
            f"{path}: schema_version = {version!r}: written by aiida-cse {content.get('program_version')}; this "
            f"program, {__version__}, reads version {known}; {repeat}"
        )
    with located(path):
        return form.model_validate(content)


# -- collection ----------------------------------------------------------------------------------------------


def collect_results(
    production: ReducedProduction,
    found: Mapping[str, Mapping[str, Any]],
    missing: Mapping[str, str],
    *,
    label: str,
    notes: Sequence[str] = (),
) -> Results:
    """Return all results of a production.

    Parameters
    ----------
    production
        The production.
    found, missing
        As :func:`~aiida_cse.analysis.registry.analyse_separately` returns them.
    label
        Name of the run.
    notes
        What was left out, repaired or chosen.
    """
    state = production.reduction
    config = state.config
    return Results(
        program_version=__version__,
        label=label,
        temperature_K=production.temperature,
        system=_system(config, production),
        sources=tuple(Source.model_validate(asdict(source)) for source in state.sources),
        sampling=SamplingSummary(
            timestep_fs=config.timestep_fs,
            frame_ps=config.frame_ps,
            frames=state.frames,
            first_step=state.first_step,
            last_step=state.last_step,
            block_ps=config.block_ps,
            snapshot_ps=config.snapshot_ps,
            lags_ps=config.lags_ps,
            bins=config.bins,
            bin_width_A=config.bin_width,
        ),
        notes=tuple(notes),
        settings=production.settings.model_dump(mode="json"),
        observables={name: describe_result(observables()[name], results) for name, results in found.items()},
        missing=dict(missing),
        populations_in_time=_populations(production),
        transitions_in_time=_transitions(production),
    )


def _system(config: ReductionConfig, production: ReducedProduction) -> SystemSummary:
    labels, types = config.labels, np.array(config.atom_types)
    counts = np.bincount(types - 1, minlength=len(labels)).tolist()
    return SystemSummary(
        natoms=config.natoms,
        composition=dict(zip(labels, counts, strict=True)),
        masses_g_per_mol=dict(zip(labels, config.masses, strict=True)),
        charges_e=dict(zip(labels, config.charges, strict=True)),
        box_A=config.box,
        framework=tuple(labels[number - 1] for number in config.framework),
        thickness_A=2 * config.half_thickness,
        midplane_offset_A=config.midplane_offset,
        ions={
            name: IonSummary(
                number=len(ion.numbers),
                types=tuple(labels[number - 1] for number in ion.species.types),
                point=ion.species.point,
                exchange=ion.species.exchange,
                initial_ceramic=ion.species.initial_ceramic,
                regions_A=ion.species.edges,
            )
            for name, ion in production.ions.items()
        },
    )


def describe_result(documented: Documented, results: Mapping[str, Any]) -> ObservableResult:
    """Return a result with unit and meaning of each entry."""
    described = documented.documentation(results)
    return ObservableResult(
        description=documented.description,
        entries={
            key: Entry(value=_plain(value), unit=described[key][0], meaning=described[key][1])
            for key, value in results.items()
        },
    )


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: arrays as lists, and numbers that are not finite as None."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _populations(production: ReducedProduction) -> PopulationsInTime:
    """Return the numbers of ions over the time that is analysed, at most :data:`_POINTS` of them."""
    window, frame_ns = production.window, production.window.frame_ns
    stride = max(ion.stride for ion in production.ions.values())
    length = stride * max(1, -(-window.frames // (stride * _POINTS)))
    starts = np.arange(window.begin, window.stop, length)
    stops = np.minimum(starts + length, window.stop)
    intervals = {
        name: (ion.first + ion.stride * np.arange(len(ion.counts[REGION_NAMES[0]])) - window.begin) // length
        for name, ion in production.ions.items()
    }
    numbers = {name: np.bincount(interval, minlength=len(starts)) for name, interval in intervals.items()}
    # the last interval may end before a snapshot, where ions are counted in these
    counted = np.all(list(numbers.values()), axis=0)
    ions = {
        name: {
            region: tuple(
                (np.bincount(intervals[name], counts, len(starts))[counted] / numbers[name][counted]).tolist()
            )
            for region, counts in ion.counts.items()
        }
        for name, ion in production.ions.items()
    }
    middle = ((starts + stops - 1)[counted] / 2 - window.origin) * frame_ns
    return PopulationsInTime(time_ns=tuple(middle.tolist()), mean_over_frames=length, ions=ions)


def _transitions(production: ReducedProduction) -> TransitionsInTime:
    """Return the transitions within the time that is analysed, under the rule of the settings."""
    rule, window = production.settings.rule, production.window
    rows = []
    for name, transitions in production.transitions(rule).items():
        numbers = production.ions[name].numbers
        for frame, ion, source, target in transitions.events.tolist():
            number = int(np.searchsorted(numbers, ion))
            rows.append((frame, name, number, REGION_NAMES[source], REGION_NAMES[target]))
    rows.sort(key=lambda row: row[0])
    frames, names, order, sources, targets = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return TransitionsInTime(
        rule=rule,
        time_ns=tuple((frame - window.origin) * window.frame_ns for frame in frames),
        ion=names,
        number=order,
        source=sources,
        target=targets,
    )
