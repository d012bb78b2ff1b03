"""Configuration of the reduction of a trajectory from elsewhere, from a LAMMPS data file and a description."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aiida_cse.building.imported.description import Label, TypeName
from aiida_cse.building.reduction import reduction_config
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import FILENAMES, System
from aiida_cse.reduction.config import ReductionConfig, interface_config
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.schema import Number, StrictModel, Whole, located, nearest
from aiida_cse.yaml_io import read_mapping

__all__ = ["InterfaceDescription", "IonDescription", "described_config", "load_interface"]

#: e; largest difference of charges that are the same
_SAME_CHARGE = 1e-9


class IonDescription(StrictModel):
    """An ion: its name, and its atom types by number or by label."""

    name: Label
    types: tuple[TypeName, ...] = Field(min_length=1)


class InterfaceDescription(StrictModel):
    """Description of an interface: what its data file does not contain.

    Attributes
    ----------
    framework
        Types that do not diffuse and define the position of the slab, by number or by label.
    cation, anion
        The ions. Each atom is a cation. An anion is the centre of mass of its atoms in a molecule or, with
        ``anion_point: atom``, the atom of its one type.
    thickness
        Distance of the surface planes of the slab, Å.
    midplane_offset
        Mid-plane minus centre of mass of the framework, Å; by default the mid-plane is halfway between the
        outermost atoms of the framework in the data file.
    initial_cations
        Number of cations in the slab at the start; without it there is no excess.
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

    A data file built by this package lies beside a summary of its system, and the YAML file has the fields of
    :class:`~aiida_cse.reduction.sampling.Sampling`. For any other data file it has those of
    :class:`InterfaceDescription`.

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
            return described_config(DataFile.read(path), interface)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error


def described_config(data: DataFile, interface: InterfaceDescription) -> ReductionConfig:
    """Return the configuration of the reduction of a trajectory of the atoms of ``data``.

    Raises
    ------
    ValueError
        A field names no type of the data file, atoms of one type differ in charge, or the layers do not fit.
    """
    ntypes = len(data.masses)
    labels = interface.labels or tuple(f"type{number}" for number in range(1, ntypes + 1))
    if len(labels) != ntypes:
        raise ValueError(f"labels: has {len(labels)} entries; the data file has {ntypes} atom types")
    framework = _numbers("framework", interface.framework, labels)
    x, y, z = (float(length) for length in data.lengths)
    offset = interface.midplane_offset
    if offset is None:
        own = np.isin(data.types, framework)
        if not own.any():
            raise ValueError(f"framework: no atom has one of the types {framework}")
        heights = data.unwrapped[own, 2]
        centre = np.average(heights, weights=data.masses[data.types[own] - 1])
        offset = float((heights.min() + heights.max()) / 2 - centre)
    return interface_config(
        types=data.types.tolist(),
        molecules=data.molecules.tolist(),
        labels=labels,
        masses=data.masses.tolist(),
        charges=_charges(data, labels),
        framework=framework,
        half_thickness=interface.thickness / 2,
        midplane_offset=offset,
        box=(x, y, z),
        cation=interface.cation.name,
        cation_types=_numbers("cation.types", interface.cation.types, labels),
        initial_cations=interface.initial_cations,
        anion=interface.anion.name,
        anion_types=_numbers("anion.types", interface.anion.types, labels),
        sampling=interface.sampling,
    )


def _numbers(field: str, names: tuple[TypeName, ...], labels: tuple[str, ...]) -> list[int]:
    numbers = []
    for name in names:
        if isinstance(name, str) and name not in labels:
            raise ValueError(f"{field}: there is no atom type {name!r}; {nearest(name, labels)}")
        number = labels.index(name) + 1 if isinstance(name, str) else name
        if number > len(labels):
            raise ValueError(f"{field}: there is no atom type {number}; the data file has {len(labels)}")
        numbers.append(number)
    return numbers


def _charges(data: DataFile, labels: tuple[str, ...]) -> list[float]:
    """Return the charge of each type, 0 for one without atoms."""
    charges = []
    for number, label in enumerate(labels, 1):
        own: NDArray[np.float64] = data.charges[data.types == number]
        if len(own) and np.ptp(own) > _SAME_CHARGE:
            raise ValueError(
                f"atoms of type {number} ({label}) have charges from {own.min():g} to {own.max():g} e; "
                "a charge profile needs one charge per type"
            )
        charges.append(float(own[0]) if len(own) else 0.0)
    return charges
