"""The reduction of a trajectory that was not made here: a LAMMPS data file, and what it does not say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aiida_cse.building.reduction import reduction_config
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import FILENAMES, System
from aiida_cse.reduction.config import ReductionConfig, interface_config
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.schema import Number, StrictModel, Whole, located, nearest
from aiida_cse.yaml_io import read_mapping

__all__ = ["InterfaceDescription", "IonDescription", "interface_config", "load_interface"]

Label = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
TypeName = Annotated[Whole, Field(ge=1)] | Label


class IonDescription(StrictModel):
    """An ion: its name, and its atom types by number or by label."""

    name: Label
    types: tuple[TypeName, ...] = Field(min_length=1)


class InterfaceDescription(StrictModel):
    """What a data file does not say of an interface.

    Attributes
    ----------
    framework
        Types that do not diffuse and so say where the slab is, by number or by label.
    cation, anion
        The ions; each atom is a cation, an anion is the centre of mass of its atoms in a molecule or, with
        ``anion_point: atom``, the atom of its one type.
    thickness
        Distance of the surface planes of the slab, Å.
    midplane_offset
        The mid-plane minus the centre of mass of the framework, Å; by default the mid-plane is in the middle
        between the outermost atoms of the framework in the data file.
    initial_cations
        How many cations the slab started with; without it there is no excess.
    labels
        A label for each atom type, in order; by default type1, type2 and so on.
    sampling
        See :class:`~aiida_cse.reduction.sampling.Sampling`.
    """

    framework: tuple[TypeName, ...] = Field(min_length=1)
    cation: IonDescription
    anion: IonDescription
    thickness: Number = Field(gt=0)
    midplane_offset: Number | None = None
    initial_cations: Annotated[Whole, Field(ge=0)] | None = None
    labels: tuple[Label, ...] | None = None
    sampling: Sampling


def load_interface(data: str | Path, config: str | Path) -> ReductionConfig:
    """Return the configuration of the reduction from a data file and a YAML file.

    Beside a data file that was made here lies all that is known of the system, and the YAML file has the fields of
    :class:`~aiida_cse.building.sampling.Sampling`; for another it has those of :class:`InterfaceDescription`.

    Raises
    ------
    ValueError
        A file cannot be read or a field is wrong; names the file and the field.
    """
    config, path = Path(config), Path(data)
    content = read_mapping(config, "the description of an interface")
    try:
        if path.name == FILENAMES["data"] and (path.parent / FILENAMES["info"]).is_file():
            with located(config):
                sampling = Sampling.model_validate(content)
            return reduction_config(System.read(path.parent), sampling)
        with located(config):
            interface = InterfaceDescription.model_validate(content)
            return interface_config(DataFile.read(path), interface)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error


def interface_config(data: DataFile, interface: InterfaceDescription) -> ReductionConfig:
    """Return the configuration of the reduction of a trajectory of the atoms of ``data``.

    Raises
    ------
    ValueError
        A field names no type of the data file, atoms of one type differ in charge, or the layers do not fit.
    """
    labels = _labels(data, interface)
    framework = _numbers("framework", interface.framework, labels)
    x, y, z = (float(length) for length in data.lengths)
    offset = interface.midplane_offset
    return interface_config(
        types=data.types.tolist(),
        molecules=data.molecules.tolist(),
        labels=labels,
        masses=data.masses.tolist(),
        charges=_charges(data, labels),
        framework=framework,
        half_thickness=interface.thickness / 2,
        midplane_offset=_midplane_offset(data, framework) if offset is None else offset,
        box=(x, y, z),
        cation=interface.cation.name,
        cation_types=_numbers("cation.types", interface.cation.types, labels),
        initial_cations=interface.initial_cations,
        anion=interface.anion.name,
        anion_types=_numbers("anion.types", interface.anion.types, labels),
        sampling=interface.sampling,
    )


def _labels(data: DataFile, interface: InterfaceDescription) -> tuple[str, ...]:
    ntypes = len(data.masses)
    labels = interface.labels or tuple(f"type{number}" for number in range(1, ntypes + 1))
    if len(labels) != ntypes:
        raise ValueError(f"labels has {len(labels)} entries, the data file has {ntypes} atom types")
    return labels


def _numbers(field: str, names: tuple[int | str, ...], labels: tuple[str, ...]) -> list[int]:
    numbers = []
    for name in names:
        if isinstance(name, str) and name not in labels:
            raise ValueError(f"{field}: there is no atom type {name!r}; {nearest(name, labels)}")
        number = labels.index(name) + 1 if isinstance(name, str) else name
        if number > len(labels):
            raise ValueError(f"{field}: there is no atom type {number}, the data file has {len(labels)}")
        numbers.append(number)
    return numbers


def _charges(data: DataFile, labels: tuple[str, ...]) -> list[float]:
    """Return the charge of each type, 0 for one without atoms."""
    charges = []
    for number, label in enumerate(labels, 1):
        own: NDArray[np.float64] = data.charges[data.types == number]
        if len(own) and np.ptp(own) > 1e-9:
            raise ValueError(
                f"atoms of type {number} ({label}) have charges from {own.min():g} to {own.max():g} e; "
                "a profile of the charge needs one charge per type"
            )
        charges.append(float(own[0]) if len(own) else 0.0)
    return charges


def _midplane_offset(data: DataFile, framework: list[int]) -> float:
    own = np.isin(data.types, framework)
    if not own.any():
        raise ValueError(f"framework: no atom has one of the types {framework}")
    z = data.unwrapped[own, 2]
    centre = np.average(z, weights=data.masses[data.types[own] - 1])
    return float((z.min() + z.max()) / 2 - centre)
