"""The configuration of a reduction from a data file and a YAML file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from aiida_cse.building.imported import interface as imported
from aiida_cse.building.reduction import describe_system
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from tests.nodes import SAMPLING, interface

SMALL = Path(__file__).parents[2] / "small_interface"

REGIONS: dict[str, Any] = {
    "framework": ["La", "Zr"],
    "cation": {"name": "Li", "types": ["Li"]},
    "anion": {"name": "TFSI", "types": []},
    "sampling": SAMPLING,
}


def load_interface(data: Path, config: Path) -> ReductionConfig:
    return ReductionConfig.build(*imported.load_interface(data, config))


@pytest.fixture
def expected() -> ReductionConfig:
    return ReductionConfig.build(describe_system(interface()), Sampling.model_validate(SAMPLING))


@pytest.fixture
def regions(expected: ReductionConfig) -> dict[str, Any]:
    """A description of the synthetic interface, written by hand."""
    slab = interface().info.slab
    assert slab is not None
    return REGIONS | {
        "labels": list(expected.labels),
        "framework": [expected.labels[number - 1] for number in expected.framework],
        "cation": {"name": "Li", "types": list(expected.ions["Li"].types)},
        "anion": {"name": "TFSI", "types": list(expected.ions["TFSI"].types)},
        "thickness": slab.thickness,
        "midplane_offset": slab.midplane_offset,
        "initial_cations": slab.lithium,
    }


def written(folder: Path, regions: dict[str, Any]) -> tuple[Path, Path]:
    data, config = folder / "foreign.data", folder / "regions.yaml"
    interface().data.write(data)
    config.write_text(yaml.safe_dump(regions))
    return data, config


def test_a_described_data_file_gives_the_configuration_of_its_system(
    tmp_path: Path, regions: dict[str, Any], expected: ReductionConfig
) -> None:
    assert load_interface(*written(tmp_path, regions)) == expected


def test_a_system_built_here_needs_only_a_sampling(tmp_path: Path, expected: ReductionConfig) -> None:
    interface().write(tmp_path)
    (tmp_path / "sampling.yaml").write_text(yaml.safe_dump(SAMPLING))
    assert load_interface(tmp_path / "system.data", tmp_path / "sampling.yaml") == expected


def test_optional_fields_have_defaults(tmp_path: Path, regions: dict[str, Any]) -> None:
    for name in ("labels", "midplane_offset", "initial_cations"):
        del regions[name]
    regions["framework"] = [1]
    config = load_interface(*written(tmp_path, regions))
    assert config.labels[0] == "type1"
    assert config.ions["Li"].initial_ceramic is None
    data = interface().data
    z = data.unwrapped[data.types == 1, 2]
    assert config.midplane_offset == pytest.approx((z.min() + z.max()) / 2 - z.mean())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"framwork": ["La"]}, r"regions.yaml: unknown key 'framwork'; did you mean 'framework'\?"),
        ({"framework": ["Xx"]}, "regions.yaml: framework: there is no atom type 'Xx'; "),
        ({"framework": [99]}, "regions.yaml: framework: there is no atom type 99; the data file has"),
        ({"labels": ["A"]}, "regions.yaml: labels: has 1 entries; the data file has"),
        ({"midplane_offset": 30}, "midplane_offset = 30: the centre of mass of the framework would lie outside"),
        (
            {"framework": [1], "cation": REGIONS["cation"] | {"types": [1]}},
            "cation.types: type 1 .* is named in framework",
        ),
        ({"thickness": -3}, "regions.yaml: thickness = -3: must be greater than 0"),
        ({"thickness": 500}, "half thickness of 250 Å need more than .* a box longer than"),
        ({"sampling": {"timestep_fs": 2}}, "regions.yaml: sampling.frame_ps: is missing"),
        ({"sampling": 3}, "regions.yaml: sampling = 3: must be a mapping"),
    ],
)
def test_a_wrong_field_of_the_description_is_named(
    tmp_path: Path, regions: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        load_interface(*written(tmp_path, regions | changes))


@pytest.mark.parametrize("shift", [0.0, 37.5, 42.0])
def test_the_mid_plane_of_a_slab_across_the_end_of_the_box(tmp_path: Path, shift: float) -> None:
    cases = Path(__file__).parent / "cases"
    data = DataFile.read(cases / "small.data")
    data.set_unwrapped(data.unwrapped + np.array([0, 0, shift]))
    data.images[:] = 0
    data.write(tmp_path / "box.data")
    regions = REGIONS | {"framework": [1], "thickness": 20.0}
    regions |= {"cation": {"name": "Li", "types": [2]}, "anion": {"name": "TFSI", "types": [3]}}
    (tmp_path / "regions.yaml").write_text(yaml.safe_dump(regions))
    system, _ = imported.load_interface(tmp_path / "box.data", tmp_path / "regions.yaml")
    assert system.midplane_offset == pytest.approx(0.0, abs=1e-9)


def test_charges_that_differ_within_a_type_are_refused(tmp_path: Path, regions: dict[str, Any]) -> None:
    data, config = written(tmp_path, regions)
    changed = interface().data
    changed.charges = changed.charges + np.where(np.arange(changed.natoms) == 0, 0.1, 0.0)
    changed.write(data)
    with pytest.raises(ValueError, match=r"foreign.data: atoms of type 1 have charges from .* one charge"):
        load_interface(data, config)


def test_a_sampling_alone_does_not_describe_a_data_file(tmp_path: Path) -> None:
    data, config = written(tmp_path, {"thickness": 20.0, "sampling": SAMPLING})
    why = "regions.yaml: framework, cation and anion are missing; give them and thickness for the atoms of "
    with pytest.raises(ValueError, match=f"{why}.*foreign.data"):
        load_interface(data, config)


@pytest.mark.parametrize("numbers", ["none", "same", "apart"])
def test_bonds_tell_which_atoms_are_an_anion(tmp_path: Path, numbers: str) -> None:
    text = re.sub(
        r"(?m)^(\d+) \d+ 3 ",
        lambda match: f"{match[1]} { {'none': 0, 'same': 20, 'apart': match[1]}[numbers] } 3 ",
        (SMALL / "box.data").read_text(),
    )
    (tmp_path / "box.data").write_text(text)
    system, sampling = imported.load_interface(tmp_path / "box.data", SMALL / "regions.yaml")
    assert ReductionConfig.build(system, sampling).ion_counts == {"Li": 8, "TFSI": 8}
    assert "TFSI: by their bonds there are 8 of An2, by molecule IDs" in system.notes[0]


def test_anions_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    text = (SMALL / "box.data").read_text().split("\nBonds")[0].replace("8 bonds\n1 bond types\n", "")
    text = re.sub(r"(?m)^(2[7-9]|30) \d+ 3 ", r"\1 20 3 ", text)
    (tmp_path / "box.data").write_text(text)
    with pytest.raises(ValueError, match=r"the molecule IDs of the data file give .*1 of An4.*; each anion needs"):
        imported.load_interface(tmp_path / "box.data", SMALL / "regions.yaml")


def test_unreadable_files_are_refused(tmp_path: Path, regions: dict[str, Any]) -> None:
    data, config = written(tmp_path, regions)
    with pytest.raises(ValueError, match=r"none.data: cannot be read: No such file"):
        load_interface(tmp_path / "none.data", config)
    with pytest.raises(ValueError, match=r"none.yaml: cannot be read: No such file"):
        load_interface(data, tmp_path / "none.yaml")
    config.write_text("a: [")
    with pytest.raises(ValueError, match=r"regions.yaml: not valid YAML"):
        load_interface(data, config)
