"""The interface of a trajectory from elsewhere, from whatever describes it: a system, a YAML file or a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from aiida_cse.building.imported.description import Label, SlabDescription, SystemFacts
from aiida_cse.building.imported.reduction import (
    InterfaceDescription,
    describe_interface,
    describe_topology,
    type_charges,
    type_labels,
)
from aiida_cse.building.imported.slab import number_molecules, slab_of
from aiida_cse.building.imported.topology import SUFFIXES, read_topology
from aiida_cse.building.imported.types import TypeTable
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.reduction import describe_system
from aiida_cse.lammps.files.data import DataFileContents, load_contents
from aiida_cse.lammps.files.system import FILENAMES, System
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.system import SystemDescription
from aiida_cse.schema import Number, StrictModel, Whole, located, nearest
from aiida_cse.yaml_io import read_mapping

__all__ = ["DEFAULT_RECIPE", "ForeignInterface", "UndescribedError", "find_interface", "load_interface"]

#: recipe whose labels describe a data file without a description
DEFAULT_RECIPE = "llzo-peo-litfsi"


class UndescribedError(ValueError):
    """Nothing says which atoms are the framework, the cation and the anion."""


@dataclass(frozen=True)
class ForeignInterface:
    """An interface with its origin.

    Attributes
    ----------
    description
        The atoms, the slab and the ions.
    origin
        What described it, in words.
    sampling
        Fields of :class:`~aiida_cse.reduction.sampling.Sampling` that the user gives.
    system
        The complete system with its force field, None if there is none.
    by_recipe
        Whether a recipe described it.
    """

    description: SystemDescription
    origin: str
    sampling: Mapping[str, Any] = field(default_factory=dict)
    system: System | None = None
    by_recipe: bool = False


class _SlabOfRecipe(StrictModel):
    """The fields of an :class:`InterfaceDescription` that a recipe does not contain."""

    thickness: Annotated[Number, Field(gt=0)] | None = None
    midplane_offset: Number | None = None
    initial_cations: Annotated[Whole, Field(ge=0)] | None = None
    labels: tuple[Label, ...] | None = None
    sampling: dict[str, Any] = Field(default_factory=dict)


def find_interface(
    data: Path,
    config: Path | None,
    recipe: tuple[str, Callable[[], Recipe]] | None,
    trajectory: Path | None = None,
) -> ForeignInterface:
    """Return the interface of a data file or topology.

    A data file of this package lies beside a summary of its system, and ``config`` may have the fields of a
    sampling. Any other data file is described by ``config`` with the fields of
    :class:`~aiida_cse.building.imported.reduction.InterfaceDescription`, whose ``sampling`` is optional, or by the
    labels of its types and a recipe that has them all. A topology needs a description.

    Parameters
    ----------
    data
        LAMMPS data file, or a topology of another program.
    config
        YAML file, None without one.
    recipe
        Name of the recipe that explains the labels, and a function that returns it; None for none.
    trajectory
        A trajectory of the atoms, whose first frame gives the box and the positions that a topology lacks.

    Raises
    ------
    UndescribedError
        Neither a summary nor a description is there, and the recipe does not know the labels.
    ValueError
        A file cannot be read or a field is wrong; names the file and the field.
    """
    content = {} if config is None else read_mapping(config, "the description of an interface")
    place = Path("sampling") if config is None else config
    if data.name == FILENAMES["data"] and (data.parent / FILENAMES["info"]).is_file():
        system = System.read(data.parent)
        with located(data):
            own = describe_system(system)
        with located(place):
            _check_sampling(content)
        return ForeignInterface(own, FILENAMES["info"], content, system)
    described = "framework" in content or "cation" in content
    topology = contents = None
    if data.suffix.lower() not in SUFFIXES:
        contents = load_contents(data)
        with located(data):
            type_charges(contents.data)
    elif described:
        topology = read_topology(data, trajectory)
    if described:
        assert config is not None
        with located(config):
            sampling = content.pop("sampling", None) or {}
            _check_sampling(sampling, "sampling")
            complete = {"timestep_fs": 1.0, "frame_ps": 1.0, "lags_ps": []}
            complete |= {key: value for key, value in sampling.items() if key.startswith("anion_")}
            interface = InterfaceDescription.model_validate(content | {"sampling": complete})
            if topology is not None:
                return ForeignInterface(describe_topology(topology, interface), config.name, sampling)
            assert contents is not None
            return ForeignInterface(describe_interface(contents, interface), config.name, sampling)
    if contents is None:
        raise UndescribedError(f"{data}: nothing says which of its atoms are the framework and the ions")
    with located(place):
        added = _SlabOfRecipe.model_validate(content)
        _check_sampling(added.sampling, "sampling")
    return _by_recipe(data, contents, added, recipe)


def load_interface(
    data: str | Path, config: str | Path, trajectory: str | Path | None = None
) -> tuple[SystemDescription, Sampling]:
    """Return the system of a trajectory and its complete sampling from a data file or topology and a YAML file.

    The files are those of :func:`find_interface`, without a recipe.

    Raises
    ------
    ValueError
        A file cannot be read or a field is missing or wrong; names the file and the field.
    """
    config = Path(config)
    try:
        found = find_interface(Path(data), config, None, None if trajectory is None else Path(trajectory))
    except UndescribedError as error:
        raise ValueError(
            f"{config}: framework, cation and anion are missing; give them and thickness for the atoms of {data}"
        ) from error
    with located(config), located("sampling" if found.system is None else ""):
        return found.description, Sampling.model_validate(found.sampling)


def _check_sampling(given: Any, place: str = "") -> None:
    """Refuse unknown fields of a sampling and wrong times; the others are checked once all are known."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{place} = {given!r}: must be a mapping of keys to values")
    with located(place):
        for key, value in given.items():
            if key not in Sampling.model_fields:
                raise ValueError(f"unknown key {key!r}; {nearest(str(key), Sampling.model_fields)}")
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if key in ("frame_ps", "timestep_fs") and not (is_number and 0 < value < math.inf):
                raise ValueError(f"{key} = {value!r}: must be a number above 0")


def _by_recipe(
    data: Path,
    contents: DataFileContents,
    added: _SlabOfRecipe,
    recipe: tuple[str, Callable[[], Recipe]] | None,
) -> ForeignInterface:
    """Return the interface of a data file whose labels a recipe explains.

    Masses and charges are those of the data file; its force field is not needed.
    """
    from aiida_cse.building.ceramic.slab import build_slab
    from aiida_cse.building.type_table import chemistry_of

    file, labels = contents.data, dict(contents.labels)
    if added.labels is not None:
        labels = dict(enumerate(type_labels(contents, added.labels), 1))
    unlabelled = [number for number in range(1, len(file.masses) + 1) if number not in labels]
    if recipe is None or unlabelled:
        what = "there is no recipe"
        if unlabelled:
            what = f"has no labels of its atom types (type {unlabelled[0]} has none), which a recipe could explain"
        raise UndescribedError(f"{data}: {what}, so that nothing says which atoms are the ions")
    name, load = recipe
    chosen = load()
    known = {entry.label: entry for entry in chemistry_of(chosen).types}
    if unknown := [label for label in labels.values() if label not in known]:
        raise UndescribedError(
            f"{data}: label {unknown[0]!r} is no type of the recipe {name}; {nearest(unknown[0], known)}"
        )
    for number, label in labels.items():
        own = file.charges[file.types == number]
        charge = float(own[0]) if len(own) else known[label].charge
        known[label] = known[label].model_copy(update={"charge": charge})
    slab = SlabDescription(
        thickness=added.thickness, midplane_offset=added.midplane_offset, lithium=added.initial_cations
    )
    table = TypeTable(file, SystemFacts(slab=slab), labels, known, [])
    types = table.entries()
    geometry = slab_of(table, types, build_slab(chosen))
    if types is not None:
        file = replace(file, molecules=number_molecules(table, types, geometry))
    if table.problems or types is None:
        ways = ", as thickness in --config, or give another --recipe or --propose-regions"
        problems = [
            problem.removeprefix("slab.") + ways if problem.startswith("slab.thickness: is missing") else problem
            for problem in table.problems
        ]
        raise ValueError("\n".join(f"{data}: {problem}" for problem in problems))
    file.charges = np.array([entry.charge for entry in types])[file.types - 1]
    system = System.create(file, "", phase="interface", types=types, slab=geometry)
    with located(data):
        described = describe_system(system)
    return ForeignInterface(described, f"the labels of recipe {name}", added.sampling, by_recipe=True)
