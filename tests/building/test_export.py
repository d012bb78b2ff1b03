"""Exported systems: imported again unchanged, and read back by MDAnalysis and ASE."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import ase.io
import MDAnalysis
import numpy as np
import pytest
import yaml

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.export import (
    FACTS,
    lammps_files,
    make_universe,
    residue_names,
    write_frames,
    write_structure,
)
from aiida_cse.building.imported.description import SystemFacts
from aiida_cse.building.imported.interface import load_interface
from aiida_cse.building.imported.system import import_described, import_system
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.interface.excess import transfer_cations
from aiida_cse.lammps.files.data import TOPOLOGY
from aiida_cse.lammps.files.system import FILENAMES, AtomType, System, SystemInfo
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.readers.checked import Entrance, atoms_of_files
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.reduction.segments import plan_segments
from tests.reduction.synthetic import TIMESTEP, write_dcd
from tests.systems import crystal_and_molecules


@pytest.fixture(scope="module")
def interface(slab: System, electrolyte: System) -> System:
    return assemble(cut_slab(slab, slab.data), electrolyte)


def contents(system: System) -> tuple[dict[str, object], str, str]:
    """Return attributes and files of the node of a system."""
    return system.info.model_dump(mode="json"), system.data.format(system.info.phase), system.forcefield


# -- files of LAMMPS ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["slab", "ceramic", "electrolyte", "interface", "emptied", "production", "small"])
def test_an_exported_system_is_imported_unchanged(
    slab: System, electrolyte: System, interface: System, name: str
) -> None:
    moved = interface.data.select(np.full(interface.data.natoms, True))
    moved.velocities = np.random.default_rng(1).normal(0, 1e-3, (moved.natoms, 3))
    systems = {
        "slab": slab,
        "ceramic": cut_slab(slab, slab.data),
        "electrolyte": electrolyte,
        "interface": interface,
        "emptied": transfer_cations(interface, -3, 1),
        "production": interface.evolved(moved, phase="production"),
    }
    system = systems[name] if name in systems else replace(crystal_and_molecules(), info=negative_anions().info)
    texts, notes = lammps_files(system), list[str]()
    info = SystemInfo.model_validate_json(texts[FILENAMES["info"]])
    found = import_described(texts[FILENAMES["data"]], info, texts[FILENAMES["forcefield"]], notes)
    assert contents(found) == contents(system)
    assert notes == []


def negative_anions() -> System:
    """Return the small system as a ceramic, whose regions are not checked."""
    system = crystal_and_molecules()
    return replace(system, info=system.info.model_copy(update={"phase": "ceramic"}))


@pytest.mark.parametrize("name", ["slab", "electrolyte", "interface"])
def test_the_exported_facts_describe_the_data_file(
    slab: System, electrolyte: System, interface: System, name: str
) -> None:
    system = {"slab": slab, "electrolyte": electrolyte, "interface": interface}[name]
    texts = lammps_files(system)
    facts = SystemFacts.model_validate(yaml.safe_load(texts[FACTS]))
    found = import_system(texts[FILENAMES["data"]], facts, texts[FILENAMES["forcefield"]])
    assert contents(found) == contents(system)
    if system.info.slab is not None:
        assert found.info.slab is not None
        assert found.info.slab.thickness == pytest.approx(25.94, abs=1e-12)


def test_a_summary_of_other_atoms_is_refused(interface: System, slab: System, tmp_path: Path) -> None:
    interface.write(tmp_path)
    slab.data.write(tmp_path / FILENAMES["data"])
    with pytest.raises(
        ValueError, match=r"system\.json: natoms = 1066: the data file has 384; it is that of another"
    ):
        System.read(tmp_path)
    masses = interface.data.masses.copy()
    masses[7] = 1.008
    replace(interface.data, masses=masses).write(tmp_path / FILENAMES["data"])
    with pytest.raises(ValueError, match=r"system\.json: the mass of HCO is 2\.014, in the data file 1\.008"):
        System.read(tmp_path)


# -- coordinates --------------------------------------------------------------------------------------------


def test_residues_are_named_by_species(interface: System) -> None:
    names = dict(zip((entry.label for entry in interface.info.types), residue_names(interface.info), strict=True))
    assert {names[label] for label in ("La", "Zr", "O")} == {"LLZ"}
    assert (names["Li"], names["CT2"], names["NBT"], names["W"]) == ("LI", "PEO", "TFSI", "WALL")


def test_residues_of_other_chemistries_have_different_names(interface: System) -> None:
    def named(label: str, element: str, charge: float, phase: str, species: str) -> AtomType:
        kinds = {
            "label": label,
            "element": element,
            "mass": 1.0,
            "charge": charge,
            "phase": phase,
            "species": species,
        }
        return AtomType.model_validate(kinds)

    types = (
        named("Na", "Na", 1.0, "both", "Na"),
        named("Zr", "Zr", 4.0, "ceramic", "Zr"),
        named("Si", "Si", 4.0, "ceramic", "Si"),
        named("P", "P", 5.0, "ceramic", "P"),
        named("O", "O", -2.0, "ceramic", "O"),
        named("C1", "C", 0.0, "electrolyte", "P-EO_long"),
        named("C2", "C", 0.0, "electrolyte", "PEO-longer"),
    )
    assert residue_names(interface.info.model_copy(update={"types": types})) == (
        *("NA", "NZSP", "NZSP", "NZSP", "NZSP"),
        *("PEOL", "PEO1"),
    )


def test_molecules_and_ions_are_residues(interface: System) -> None:
    universe = make_universe(interface)
    residues = list(universe.residues)
    names = [residue.resname for residue in residues]
    assert {name: names.count(name) for name in dict.fromkeys(names)} == {
        "LLZ": 1,
        "LI": 119,
        "PEO": 10,
        "TFSI": 7,
    }
    assert [residue.resid for residue in residues] == list(range(1, 138))
    for residue in residues[113:]:
        assert len(set(interface.data.molecules[residue.atoms.indices])) == 1
    assert {segment.segid: set(segment.atoms.chainIDs) for segment in universe.segments if len(segment.atoms)} == {
        "LLZ": {"A"}, "LI": {"B"}, "PEO": {"C"}, "TFSI": {"D"}
    }  # fmt: skip
    bonds = universe.bonds.indices
    assert np.abs(universe.atoms.positions[bonds[:, 0]] - universe.atoms.positions[bonds[:, 1]]).max() < 2
    assert len(universe.dihedrals) == len(interface.data.topology["dihedrals"])
    assert set(TOPOLOGY) >= {"bonds", "dihedrals"}


@pytest.mark.parametrize(("fmt", "digits"), [("pdb", 6e-4), ("gro", 6e-3)])
def test_mdanalysis_reads_what_was_written(interface: System, tmp_path: Path, fmt: str, digits: float) -> None:
    path = tmp_path / f"interface.{fmt}"
    write_structure(interface, path, fmt)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = MDAnalysis.Universe(str(path))
    ours = make_universe(interface)
    assert np.abs(found.atoms.positions - interface.data.unwrapped).max() < digits
    assert found.dimensions == pytest.approx([*interface.data.lengths, 90, 90, 90], abs=digits)
    for name in ("names", "resnames", "resids"):
        assert list(getattr(found.atoms, name)) == list(getattr(ours.atoms, name)), name
    assert len(found.residues) == len(ours.residues)
    if fmt == "pdb":
        assert list(found.atoms.elements) == list(ours.atoms.elements)
        assert list(found.atoms.chainIDs) == list(ours.atoms.chainIDs)
        assert len(found.bonds) == len(ours.bonds)


def test_ase_reads_what_was_written(interface: System, tmp_path: Path) -> None:
    path = tmp_path / "interface.extxyz"
    write_structure(interface, path, "extxyz")
    found = ase.io.read(path)
    data, types = interface.data, interface.info.types
    assert found.get_chemical_symbols() == [types[number - 1].element for number in data.types]
    assert np.abs(found.get_positions() - data.unwrapped).max() < 1e-8
    assert found.cell.lengths() == pytest.approx(data.lengths)
    assert found.pbc.all()
    assert found.get_initial_charges() == pytest.approx(data.charges)
    assert found.get_masses() == pytest.approx(data.masses[data.types - 1])
    assert list(found.arrays["residuenames"]) == list(make_universe(interface).atoms.resnames)
    assert list(found.arrays["residuenumbers"]) == list(make_universe(interface).atoms.resids)


def test_the_last_frames_of_a_trajectory_are_written(interface: System, tmp_path: Path) -> None:
    drift = np.array([0.1, -0.2, 0.3])
    places = interface.data.unwrapped + np.arange(7)[:, None, None] * drift
    x, y, z = (float(edge) for edge in interface.data.lengths)
    write_dcd(
        tmp_path / "run.dcd", places.astype(np.float32), first_step=5000, frame_steps=1000, lengths=(x, y, z)
    )
    with open_trajectory(tmp_path / "run.dcd") as reader:
        assert write_frames(interface, reader, tmp_path / "run.xtc", 3) == 3
    write_structure(interface, tmp_path / "run.gro", "gro")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = MDAnalysis.Universe(str(tmp_path / "run.gro"), str(tmp_path / "run.xtc"))
    assert len(found.trajectory) == 3
    for moment, frame in zip(found.trajectory, (4, 5, 6), strict=True):
        assert np.abs(moment.positions - places[frame]).max() < 0.01
        assert moment.dimensions[:3] == pytest.approx(interface.data.lengths, abs=0.01)
        assert moment.data["step"] == 5000 + 1000 * frame
        assert moment.time == pytest.approx((5000 + 1000 * frame) * TIMESTEP / 1000)


def test_the_exported_structure_and_frames_are_read_together(interface: System, tmp_path: Path) -> None:
    edges = interface.data.lengths + np.array([3.7e-5, -2.3e-5, 4.1e-5])
    bounds = np.column_stack([np.zeros(3), edges])
    odd = replace(interface, data=replace(interface.data, box=bounds))
    x, y, z = (float(edge) for edge in edges)
    places = interface.data.unwrapped[None].astype(np.float32)
    write_dcd(tmp_path / "run.dcd", places, first_step=0, frame_steps=1000, lengths=(x, y, z))
    with open_trajectory(tmp_path / "run.dcd") as reader:
        write_frames(odd, reader, tmp_path / "run.xtc", 1)
    write_structure(odd, tmp_path / "run.gro", "gro")
    facts = {"framework": ["La", "Zr"], "cation": {"name": "Li", "types": ["name Li"]}, "thickness": 12.0}
    facts |= {"anion": {"name": "TFSI", "types": ["TFSI"]}, "sampling": {"timestep_fs": 1, "frame_ps": 1}}
    (tmp_path / "regions.yaml").write_text(yaml.safe_dump(facts))
    described, sampling = load_interface(tmp_path / "run.gro", tmp_path / "regions.yaml")
    assert described.box != pytest.approx(edges, rel=1e-6, abs=0)
    system = atoms_of_files([tmp_path / "run.xtc"], described, sampling)
    assert system.box == pytest.approx(edges, rel=1e-6, abs=0)
    plan = plan_segments(
        [tmp_path / "run.xtc"], ReductionConfig.build(system, sampling), entrance=Entrance(system)
    )
    assert len(plan.segments) == 1


def test_a_dump_of_other_types_is_refused(interface: System, tmp_path: Path) -> None:
    rows = [f"{number} 1 0 0 0" for number in range(1, interface.data.natoms + 1)]
    box = "ITEM: BOX BOUNDS pp pp pp\n0 10\n0 10\n0 10\n"
    head = f"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{len(rows)}\n{box}ITEM: ATOMS id type xu yu zu\n"
    (tmp_path / "run.dump").write_text(head + "\n".join(rows) + "\n")
    words = r"run\.dump: atom 49 is of type 1; in the system it is of type 2"
    with open_trajectory(tmp_path / "run.dump") as reader, pytest.raises(ValueError, match=words):
        write_frames(interface, reader, tmp_path / "run.xtc", 1)


def test_a_trajectory_of_other_atoms_is_refused(interface: System, slab: System, tmp_path: Path) -> None:
    with MDAnalysis.Writer(str(tmp_path / "run.dcd"), slab.data.natoms) as writer:
        writer.write(make_universe(slab).atoms)
    with (
        open_trajectory(tmp_path / "run.dcd") as reader,
        pytest.raises(ValueError, match=r"run\.dcd: has 384 atoms; the system has 1066"),
    ):
        write_frames(interface, reader, tmp_path / "run.xtc", 3)
