"""Systems from GRO, PDB, PSF and PRMTOP files, against the same system from a LAMMPS data file."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import MDAnalysis
import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from aiida_cse.building.imported.interface import UndescribedError, find_interface, load_interface
from aiida_cse.building.imported.topology import SUFFIXES, read_topology
from aiida_cse.cli import main
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from aiida_cse.reduction.system import SystemDescription
from tests.reduction.readers.files import mutated, write_with_mdanalysis

SMALL = Path(__file__).parents[2] / "small_interface"
REGIONS: dict[str, Any] = {
    "framework": ["ZR"],
    "cation": {"name": "Li", "types": ["name LI"]},
    "anion": {"name": "TFSI", "types": ["TFS"]},
    "thickness": 20.0,
    "initial_cations": 2,
    "masses": {"ZR": 100.0, "name LI": 7.0, "TFS": 20.0},
    "charges": {"ZR": 0.0, "name LI": 1.0, "TFS": -0.5},
    "sampling": {"timestep_fs": 2, "frame_ps": 1, "block_ps": 2, "snapshot_ps": 2, "lags_ps": [2]},
}
FACTS = ("masses", "charges")


@pytest.fixture(scope="module")
def small() -> SystemDescription:
    return load_interface(SMALL / "box.data", SMALL / "regions.yaml")[0]


def universe_of(system: SystemDescription, named: tuple[str, str, str] = ("ZR", "LI", "AN")) -> Any:
    """Return the small interface as a universe: a crystal in one residue, lone ions, anions of two atoms."""
    numbers = system.types - 1
    residues = np.unique(system.molecules, return_inverse=True)[1]
    universe = MDAnalysis.Universe.empty(len(numbers), residues.max() + 1, atom_resindex=residues, trajectory=True)
    kinds = [numbers[residues == one][0] for one in range(residues.max() + 1)]
    own = [np.flatnonzero(residues == residues[atom]).tolist().index(atom) + 1 for atom in range(len(numbers))]
    names = [named[kind] + (str(place) if kind == 2 else "") for kind, place in zip(numbers, own, strict=True)]
    universe.add_TopologyAttr("names", names)
    universe.add_TopologyAttr("resnames", [("LLZ", "LI", "TFS")[kind] for kind in kinds])
    universe.add_TopologyAttr("resids", np.arange(1, len(kinds) + 1))
    universe.dimensions = [*system.box, 90, 90, 90]
    universe.atoms.positions = system.positions
    return universe


def write_psf(path: Path, system: SystemDescription, universe: Any) -> None:
    lines = ["PSF", "", "       1 !NTITLE", " REMARKS small", "", f"{len(universe.atoms):8d} !NATOM"]
    for atom in universe.atoms:
        kind = system.types[atom.index] - 1
        words = (atom.resid, atom.resname, atom.name, ("Fr", "Li", "An")[kind])
        facts = (system.charges[kind], system.masses[kind])
        lines.append("{:8d} S {} {} {} {} {:.6f} {:.4f} 0".format(atom.index + 1, *words, *facts))
    assert system.bonds is not None
    lines += ["", f"{len(system.bonds):8d} !NBOND: bonds"]
    ends = [f"{one + 1:8d}" for one in system.bonds.ravel().tolist()]
    lines += ["".join(ends[start : start + 8]) for start in range(0, len(ends), 8)]
    for section in ("NTHETA: angles", "NPHI: dihedrals", "NIMPHI: impropers", "NDON", "NACC", "NNB"):
        lines += ["", f"       0 !{section}"]
    path.write_text("\n".join([*lines, ""]))


def write_prmtop(path: Path, system: SystemDescription, universe: Any) -> None:
    atoms, residues = universe.atoms, universe.residues
    kinds = system.types - 1
    assert system.bonds is not None
    bonds = [value for first, second in system.bonds.tolist() for value in (3 * first, 3 * second, 1)]
    pointers = [len(atoms), 3, 0, len(system.bonds), *[0] * 7, len(residues), *[0] * 19]
    sections = {
        "TITLE": ("20a4", ["smal"]),
        "POINTERS": ("10I8", pointers),
        "ATOM_NAME": ("20a4", [atom.name for atom in atoms]),
        "CHARGE": ("5E16.8", [system.charges[kind] * 18.2223 for kind in kinds]),
        "MASS": ("5E16.8", [system.masses[kind] for kind in kinds]),
        "ATOM_TYPE_INDEX": ("10I8", [kind + 1 for kind in kinds]),
        "RESIDUE_LABEL": ("20a4", [residue.resname for residue in residues]),
        "RESIDUE_POINTER": ("10I8", [residue.atoms[0].index + 1 for residue in residues]),
        "BONDS_INC_HYDROGEN": ("10I8", []),
        "BONDS_WITHOUT_HYDROGEN": ("10I8", bonds),
        **{
            f"{kind}S_{which}_HYDROGEN": ("10I8", [])
            for kind in ("ANGLE", "DIHEDRAL")
            for which in ("INC", "WITHOUT")
        },
        "AMBER_ATOM_TYPE": ("20a4", [("Fr", "Li", "An")[kind] for kind in kinds]),
    }
    shapes: dict[str, tuple[int, Callable[[Any], str]]] = {
        "10I8": (10, lambda value: f"{value:8d}"),
        "20a4": (20, lambda value: f"{value:<4}"),
        "5E16.8": (5, lambda value: f"{value:16.8E}"),
    }
    lines = ["%VERSION  VERSION_STAMP = V0001.000  DATE = 01/01/20 00:00:00"]
    for title, (form, values) in sections.items():
        width, text = shapes[form]
        rows = [values[start : start + width] for start in range(0, len(values), width)] or [[]]
        lines += [f"%FLAG {title:<74}", f"%FORMAT({form})", *("".join(map(text, row)) for row in rows)]
    path.write_text("\n".join([*lines, ""]))


def written(folder: Path, suffix: str, system: SystemDescription) -> Path:
    """Write the topology of the small interface, and without coordinates in it also a trajectory of one frame."""
    universe = universe_of(system)
    path = folder / f"small{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if suffix == ".psf":
            write_psf(path, system, universe)
        elif suffix == ".prmtop":
            write_prmtop(path, system, universe)
        else:
            universe.atoms.write(str(path))
        universe.atoms.write(str(folder / "first.trr"))
    return path


def described(folder: Path, path: Path, **changes: Any) -> SystemDescription:
    config = folder / "regions.yaml"
    content = {name: value for name, value in (REGIONS | changes).items() if value is not None}
    config.write_text(yaml.safe_dump(content))
    return load_interface(path, config, folder / "first.trr")[0]


@pytest.mark.parametrize("suffix", [".gro", ".pdb", ".psf", ".prmtop"])
def test_a_topology_describes_what_the_data_file_does(
    tmp_path: Path, suffix: str, small: SystemDescription
) -> None:
    path = written(tmp_path, suffix, small)
    own = dict.fromkeys(FACTS) if suffix in (".psf", ".prmtop") else {}
    system = described(tmp_path, path, **own)
    for name in ("types", "framework", "cation", "anion", "thickness", "initial_cations", "ids"):
        assert np.array_equal(getattr(system, name), getattr(small, name)), name
    assert system.masses == pytest.approx(small.masses)
    assert system.charges == pytest.approx(small.charges)
    assert system.box == pytest.approx(small.box)
    assert system.midplane_offset == pytest.approx(small.midplane_offset, abs=0.01)
    anions = small.types == 3
    assert np.array_equal(
        np.unique(system.molecules[anions], return_inverse=True)[1],
        np.unique(small.molecules[anions], return_inverse=True)[1],
    )
    assert system.positions is not None
    assert small.positions is not None
    apart = (system.positions - small.positions) / np.array(small.box)
    np.testing.assert_allclose(apart, np.rint(apart), atol=1e-3)
    assert (system.bonds is not None) == (suffix in (".psf", ".prmtop"))
    assert system.notes == ()


def test_a_run_of_gromacs_gives_the_results_of_the_dump(tmp_path: Path, small: SystemDescription) -> None:
    described_system, sampling = load_interface(SMALL / "box.data", SMALL / "regions.yaml")
    expected = reduce_segments([SMALL / "run.dump"], ReductionConfig.build(described_system, sampling))
    universe = universe_of(small)
    path = written(tmp_path, ".gro", small)
    with open_trajectory(SMALL / "run.dump") as file, MDAnalysis.Writer(str(tmp_path / "run.trr"), 42) as writer:
        for number in range(file.frames):
            frame = file.read_xyz(number, 1)
            universe.atoms.positions = np.column_stack([frame.along(axis)[0] for axis in range(3)])
            timestep = universe.trajectory.ts
            timestep.frame, timestep.time = number, 1.0 * number
            timestep.data["step"] = 500 * number
            writer.write(universe.atoms)
    system = described(tmp_path, path)
    state = reduce_segments([tmp_path / "run.trr"], ReductionConfig.build(system, sampling))
    assert np.array_equal(state.region_counts, expected.region_counts)
    assert {name: track.events.tolist() for name, track in state.tracks.items()} == {
        name: track.events.tolist() for name, track in expected.tracks.items()
    }
    assert state.region_counts[0, 0].sum() == 8


def test_masses_are_guessed_aloud_and_charges_are_not(tmp_path: Path, small: SystemDescription) -> None:
    universe = universe_of(small, ("ZR", "LI", "S"))
    path = tmp_path / "small.gro"
    universe.atoms.write(str(path))
    system = described(tmp_path, path, masses=None, charges=None)
    assert system.labels == ("ZR", "LI", "S")
    assert system.masses == pytest.approx([91.224, 6.94, 32.06], abs=0.1)
    assert system.charges == (0.0, 0.0, 0.0)
    assert system.notes == (
        "small.gro: has no masses; those of the elements were taken: LI Li, S S, ZR Zr",
        "small.gro: has no charges, so that there is no charge profile; charges by name give one",
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"framework": ["ZX"]}, r"framework: no atom, atom type or residue has the name 'ZX'; did you mean 'ZR'"),
        (
            {"framework": ["name LI"]},
            "framework and cation.types and anion.types: atom 19 .LI of LLZ. is in two of them",
        ),
        ({"masses": {"ZR": 100.0}}, "masses: atom 27 .AN1 of TFS. has none"),
        ({"charges": {"ZR": 0.0}}, "charges: atom 19 .LI of LLZ. has none; give those of all atoms"),
        ({"charges": {"ZT": 0.0}}, "charges.ZT: no atom, atom type or residue has the name 'ZT'"),
        ({"labels": ["a", "b", "c"]}, "labels: those of a topology are the names of its atoms"),
        (
            {"anion": {"name": "TFSI", "types": ["AN1", "name AN2", "ZR"]}},
            "framework and .* atom 1 .ZR of LLZ. is in two of them",
        ),
    ],
)
def test_a_wrong_field_is_named(
    tmp_path: Path, small: SystemDescription, changes: dict[str, Any], why: str
) -> None:
    path = written(tmp_path, ".gro", small)
    with pytest.raises(ValueError, match=f"regions.yaml: {why}"):
        described(tmp_path, path, **changes)


def test_a_name_with_two_meanings_must_say_which(tmp_path: Path, small: SystemDescription) -> None:
    path = written(tmp_path, ".gro", small)
    cation = {"name": "Li", "types": ["LI"]}
    with pytest.raises(
        ValueError,
        match=r"'LI' is the name of an atom \(8 atoms\), a residue \(6 atoms\); write name LI or resname LI",
    ):
        described(tmp_path, path, cation=cation)
    cation["types"] = ["resname LI"]
    system = described(tmp_path, path, cation=cation)
    assert system.labels == ("ZR", "LLZ_LI", "LI_LI", "AN")
    assert system.cation.types == (3,)


def test_a_part_of_a_type_becomes_a_type(tmp_path: Path, small: SystemDescription) -> None:
    path = written(tmp_path, ".gro", small)
    system = described(
        tmp_path,
        path,
        anion={"name": "TFSI", "types": ["AN2"]},
        masses={"ZR": 9, "name LI": 7, "AN1": 3, "AN2": 3},
    )
    assert system.labels == ("ZR", "LI", "TFS_AN", "TFS_AN_2")
    assert system.anion.types == (4,)
    assert (system.types == 4).sum() == 8


def test_anions_that_differ_are_refused(tmp_path: Path, small: SystemDescription) -> None:
    universe = universe_of(small)
    # two anions under one number, as in files whose writer knows no molecules
    path = tmp_path / "small.pdb"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe.atoms.write(str(path))
        universe.atoms.write(str(tmp_path / "first.trr"))
    lines = path.read_text().splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if " TFS " in line)
    for number in (2, 3):
        lines[first + number] = lines[first + number][:22] + lines[first][22:26] + lines[first + number][26:]
    path.write_text("".join(lines))
    with pytest.raises(ValueError, match=r"anion.types: the molecules, by the residues .*: 6 of AN2 and 1 of AN4"):
        described(tmp_path, path)
    system = described(tmp_path, path, sampling=REGIONS["sampling"] | {"anion_point": "atom", "anion_atom": "AN"})
    assert (system.types == 3).sum() == 16


def test_the_slab_across_the_end_of_the_box_is_measured_in_one_piece(
    tmp_path: Path, small: SystemDescription
) -> None:
    universe = universe_of(small)
    universe.atoms.positions += np.array([0, 0, 40.0])
    universe.atoms.wrap()
    path = tmp_path / "small.gro"
    universe.atoms.write(str(path))
    assert described(tmp_path, path).midplane_offset == pytest.approx(small.midplane_offset, abs=0.01)


def test_numbers_of_large_gro_files_wrap_around(tmp_path: Path) -> None:
    path = tmp_path / "large.gro"
    lines = ["large", "100010"]
    for atom in range(100_010):
        residue, name = ("LLZ", "ZR") if atom < 100_000 else ("LI", "LI")
        number = 1 if atom < 100_000 else atom - 99_998
        x, y, z = atom % 50, atom // 50 % 50, atom // 2500
        lines.append(f"{number % 100000:5d}{residue:<5}{name:>5}{(atom + 1) % 100000:5d}{x:8.3f}{y:8.3f}{z:8.3f}")
    path.write_text("\n".join([*lines, "  50.0  50.0  90.0", ""]))
    topology = read_topology(path)
    assert len(topology.molecules) == 100_010
    assert topology.select("LI").sum() == 10
    assert len(np.unique(topology.molecules)) == 11


def test_other_atoms_and_a_missing_box_are_refused(tmp_path: Path, small: SystemDescription) -> None:
    path = written(tmp_path, ".psf", small)
    with pytest.raises(ValueError, match=r"small.psf: has no box and positions; a trajectory"):
        read_topology(path)
    fewer = universe_of(small).atoms[:-1]
    fewer.write(str(tmp_path / "first.trr"))
    with pytest.raises(ValueError, match=r"first.trr: has 41 atoms, .*small.psf has 42"):
        described(tmp_path, path)
    path = written(tmp_path, ".gro", small)
    path.write_text(path.read_text().rstrip().rsplit("\n", 1)[0] + "\n 1.4 1.6 8.4 0 0 0.3 0 0 0\n")
    with pytest.raises(ValueError, match=r"small.gro: its box is tilted"):
        described(tmp_path, path)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_damaged_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    for content in (b"", b"hello " * 50, b"title\n2147483647\n", b"PSF\n\n 2147483647 !NATOM\n", bytes(300)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"a{suffix}: "):
            read_topology(path, tmp_path / "none.trr")
    with pytest.raises(ValueError, match=rf"none{suffix}: cannot be read: No such file"):
        read_topology(tmp_path / f"none{suffix}")


def test_an_analysis_takes_a_topology_with_a_description(tmp_path: Path, small: SystemDescription) -> None:
    path = written(tmp_path, ".psf", small)
    described(tmp_path, path, **dict.fromkeys(FACTS))
    found = find_interface(path, tmp_path / "regions.yaml", None, tmp_path / "first.trr")
    assert found.description.labels == ("Fr", "Li", "An")
    assert found.sampling == REGIONS["sampling"]
    with pytest.raises(UndescribedError, match=r"small.psf: nothing says which of its atoms are the framework"):
        find_interface(path, None, None)


def faults(folder: Path, suffix: str, system: SystemDescription, seeds: range) -> list[str]:
    """Return how mutated topologies were neither read nor refused by name."""
    path, found = written(folder, suffix, system), []
    content = path.read_bytes()
    for seed in seeds:
        path.write_bytes(mutated(content, seed))
        start = time.perf_counter()
        try:
            described(folder, path, **(dict.fromkeys(FACTS) if suffix in (".psf", ".prmtop") else {}))
        except ValueError as error:
            if path.name not in str(error) and "regions.yaml: " not in str(error):
                found.append(f"seed {seed}: does not name the file: {error}")
        except Exception as error:
            found.append(f"seed {seed}: {type(error).__name__}: {error}")
        if time.perf_counter() - start > 5:
            found.append(f"seed {seed}: takes too long")
    return found


@pytest.mark.parametrize(("suffix", "edge"), [(".gro", "14.0004"), (".pdb", "14"), (".data", "14")])
def test_a_box_that_a_file_rounds_is_that_of_the_trajectory(
    tmp_path: Path, small: SystemDescription, suffix: str, edge: str
) -> None:
    path, config, run = SMALL / "box.data", SMALL / "regions.yaml", tmp_path / "run.xtc"
    box = (14.000377, 16.000423, 84.000483)
    if suffix != ".data":
        path, config = written(tmp_path, suffix, replace(small, box=box)), tmp_path / "regions.yaml"
        config.write_text(yaml.safe_dump(REGIONS))
    with open_trajectory(SMALL / "run.dump") as file:
        frames = file.read_xyz(0, file.frames)
    positions, steps = np.stack([frames.along(axis) for axis in range(3)], axis=2), list(range(0, 6000, 500))
    times = np.array(steps, np.float64) / 500

    def reduce(*edges: float) -> Result:
        write_with_mdanalysis(run, positions, times, steps, (*edges, 90.0, 90.0, 90.0))
        arguments = (run, "--system", path, "--config", config, "--out", tmp_path / "state.npz")
        return CliRunner().invoke(main, ["reduce", *map(str, arguments)])

    result = reduce(*box)
    assert result.exit_code == 0, result.output
    assert "note: run.xtc: its box of 14.000376 × 16.000423 × 84.000483 Å is taken; the system " in result.output
    assert f"file rounds it to {edge} × 16" in result.output
    state = State.load(tmp_path / "state.npz")
    assert state.config.box == pytest.approx(box, abs=1e-5)
    assert state.region_counts[0].tolist() == [[1, 0, 2, 2, 3], [3, 0, 0, 1, 4]]
    result = reduce(14.01, *box[1:])
    assert result.exit_code == 2
    assert "has a box of 14.010000 Å along x, the system file says 14.000" in result.output


@pytest.mark.parametrize("suffix", [".gro", ".pdb", ".psf", ".prmtop"])
def test_a_damaged_topology_is_read_or_refused_by_name(
    tmp_path: Path, small: SystemDescription, suffix: str
) -> None:
    assert faults(tmp_path, suffix, small, range(20)) == []


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".gro", ".pdb", ".psf", ".prmtop"])
def test_many_damaged_topologies_are_read_or_refused_by_name(
    tmp_path: Path, small: SystemDescription, suffix: str
) -> None:
    assert faults(tmp_path, suffix, small, range(20, 320)) == []
