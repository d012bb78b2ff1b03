"""The files for LAMMPS; its result is tested with the other ways to join the phases."""

import numpy as np
import pytest

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.interface.read_data import FILES, append_files
from aiida_cse.lammps.files.data import TOPOLOGY, DataFile
from aiida_cse.lammps.files.system import System

GAP = 2.5


@pytest.fixture(scope="module")
def ceramic(slab: System) -> System:
    return cut_slab(slab, slab.data)


@pytest.fixture(scope="module")
def texts(ceramic: System, electrolyte: System) -> dict[str, str]:
    return append_files(ceramic, electrolyte, GAP)


def test_the_script_asks_for_the_recipe_s_molecules(texts: dict[str, str]) -> None:
    assert tuple(texts) == FILES
    lines = texts["join.in"].splitlines()
    assert lines[:3] == ["units real", "atom_style full", "boundary p p p"]
    # a carbon of the chain is the middle of 6 angles and the end of 4
    assert lines[3] == (
        "read_data ceramic.data extra/bond/per/atom 4 extra/angle/per/atom 10 extra/dihedral/per/atom 16 "
        "extra/improper/per/atom 0"
    )
    assert lines[4].startswith("labelmap atom 1 La 2 Zr 3 O 4 Li ")
    assert lines[5].startswith("read_data electrolyte.data add append shift 0 0 ")
    assert lines[6:] == ["write_data system.data nocoeff"]


def test_the_files_hold_the_phases_at_their_positions(
    texts: dict[str, str], ceramic: System, electrolyte: System
) -> None:
    expected = assemble(ceramic, electrolyte, GAP).data
    solid, liquid = (DataFile.parse(texts[name]) for name in FILES[:2])
    shift = float(texts["join.in"].splitlines()[5].split()[-1])
    assert np.array_equal(solid.box, expected.box)
    assert np.add(liquid.box, [[0], [0], [shift]]) == pytest.approx(expected.box, abs=1e-12)
    moved = np.add(liquid.unwrapped, [0, 0, shift])
    assert np.vstack([solid.unwrapped, moved]) == pytest.approx(expected.unwrapped, abs=1e-12)
    for part in (solid, liquid):
        inside = (part.positions >= part.box[:, 0]) & (part.positions < part.box[:, 1])
        assert inside.all(), "LAMMPS would lose them"
    last = solid.molecules.max()
    assert np.array_equal(np.concatenate([solid.molecules, liquid.molecules + last]), expected.molecules)
    assert liquid.molecules.min() == 1
    for kind in TOPOLOGY:
        terms = liquid.topology[kind]
        offset = [0, *[solid.natoms] * TOPOLOGY[kind]]
        assert np.array_equal(np.add(terms, offset), expected.topology[kind]), kind


def test_phases_that_do_not_fit_are_refused(ceramic: System, electrolyte: System) -> None:
    with pytest.raises(ValueError, match=r"gap = -1: must be a positive number"):
        append_files(ceramic, electrolyte, -1)
