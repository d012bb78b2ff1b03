"""Ions that are moved between the salt and the slab: how many, where to, how far apart, and from which seed."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.interface.excess import (
    cations_in_slab,
    population_deviation,
    transfer_cations,
    vacant_sites,
)
from aiida_cse.building.recipe import CeramicRecipe, Recipe
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, FILENAMES, System
from aiida_cse.physics.periodic import find_contacts
from aiida_cse.workchains.common.starts import start_excess_of

#: relaxation of an interface with an excess, in which nothing is held
MINIMIZE = f"""\
units real
atom_style full
variable cutoff index 9.0
read_data {FILENAMES["data"]}
include {FILENAMES["forcefield"]}
kspace_style pppm 1e-4
thermo_style custom step pe
thermo 20
minimize 0 0 20 200
write_data after.data nocoeff
variable e equal pe
print "energy ${{e}}"
"""


@pytest.fixture(scope="module")
def interface(slab: System, electrolyte: System) -> System:
    return assemble(cut_slab(slab, slab.data), electrolyte)


def moved(before: System, after: System) -> np.ndarray:
    """Return the indices of the atoms at other positions; all else that should stay has stayed."""
    same = ("types", "charges", "box")
    assert all(np.array_equal(getattr(before.data, name), getattr(after.data, name)) for name in same)
    return np.flatnonzero((before.data.unwrapped != after.data.unwrapped).any(axis=1))


@pytest.mark.parametrize("known_sites", [True, False])
def test_ions_of_the_salt_fill_vacant_sites_over_the_depth(
    interface: System, recipe: Recipe, known_sites: bool
) -> None:
    ceramic = recipe.ceramic if known_sites else None
    filled = transfer_cations(interface, 6, 1, ceramic)
    ions = moved(interface, filled)
    assert len(ions) == 6
    assert (interface.data.molecules[ions] > CERAMIC_MOLECULE).all()
    assert (filled.data.molecules[ions] == CERAMIC_MOLECULE).all(), "held where the ceramic is held"
    assert (filled.data.images[ions] == 0).all()
    assert (filled.info.charge, filled.info.initial_excess) == (0, 6)
    assert filled.info.slab == interface.info.slab, "the excess refers to the slab without it"
    assert filled.info.seeds == interface.info.seeds | {"initial_excess": 1}

    places, z = filled.data.positions[ions], np.sort(filled.data.positions[ions, 2])
    sites = vacant_sites(interface, ceramic)
    assert all((np.abs(sites - place) < 1e-9).all(axis=1).any() for place in places)
    half = filled.info.slab.thickness / 2 if filled.info.slab else 0
    assert np.abs(z - half * (2 * (np.arange(6) + 0.5) / 6 - 1)).max() < half / 3, "one in each sixth, about"
    pairs, distances = find_contacts(filled.data.positions, filled.data.lengths, 1.5 if known_sites else 1.8)
    assert not np.isin(ions, pairs[distances < 1.4]).any()


def test_ions_of_the_slab_leave_from_every_depth(interface: System) -> None:
    emptied = transfer_cations(interface, -14, 1)
    ions = moved(interface, emptied)
    assert len(ions) == 14
    assert (interface.data.molecules[ions] == CERAMIC_MOLECULE).all()
    own = emptied.data.molecules[ions]
    assert len(np.unique(own)) == 14
    assert own.min() > interface.data.molecules.max(), "each is a molecule of the electrolyte"
    assert (emptied.info.charge, emptied.info.initial_excess) == (0, -14)

    half = interface.info.slab.thickness / 2 if interface.info.slab else 0
    z = np.sort(interface.data.positions[ions, 2])
    assert np.abs(z - half * (2 * (np.arange(14) + 0.5) / 14 - 1)).max() < half / 3
    assert np.abs(emptied.data.positions[ions, 2]).min() > half + 3.5
    pairs, distances = find_contacts(emptied.data.positions, emptied.data.lengths, 2.0)
    assert not np.isin(ions, pairs[distances < 2 - 1e-9]).any()


@pytest.mark.parametrize("excess", [5, -5])
def test_the_seed_decides_which_ions_move(interface: System, excess: int) -> None:
    first, again, other = (transfer_cations(interface, excess, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.data.positions, again.data.positions)
    assert not np.array_equal(first.data.positions, other.data.positions)


def test_no_excess_changes_nothing_and_excesses_add_up(interface: System) -> None:
    assert transfer_cations(interface, 0, 1) is interface
    back = transfer_cations(transfer_cations(interface, -3, 1), 2, 2)
    assert back.info.initial_excess == -1
    assert (back.data.molecules == CERAMIC_MOLECULE).sum() == 384 - 1


def test_cations_in_the_slab_are_counted_around_its_present_centre(interface: System, recipe: Recipe) -> None:
    built = cations_in_slab(interface)
    assert built == 112, "none of the salt is within 3.5 Å of the slab"
    assert cations_in_slab(transfer_cations(interface, 6, 1, recipe.ceramic)) == built + 6
    emptied = transfer_cations(interface, -14, 1)
    assert cations_in_slab(emptied) == built - 14
    drifted = replace(emptied.data)
    drifted.set_unwrapped(emptied.data.unwrapped + np.array([0, 0, 0.4]) * emptied.data.lengths)
    assert cations_in_slab(emptied.evolved(drifted)) == built - 14


def test_sites_follow_the_lattice_of_an_expanded_slab(slab: System, electrolyte: System, recipe: Recipe) -> None:
    larger = np.array([1.01, 1.01, 1.02])
    grown = replace(slab.data, box=slab.data.box * larger[:, None], positions=slab.data.positions * larger)
    ceramic = cut_slab(slab, grown)
    liquid = electrolyte.data
    wide = replace(liquid, box=np.vstack([ceramic.data.box[:2], liquid.box[2:]]))
    sites = vacant_sites(assemble(ceramic, electrolyte.evolved(wide)), recipe.ceramic)
    before = vacant_sites(assemble(cut_slab(slab, slab.data), electrolyte), recipe.ceramic)
    for site in before:
        assert np.abs(sites - site * larger).max(axis=1).min() < 1e-6


def test_excesses_that_do_not_fit_are_refused(interface: System, recipe: Recipe) -> None:
    other = recipe.ceramic.model_dump() | {"repeat": (1, 1, 1)}
    for excess, ceramic, message in (
        (8, recipe.ceramic, r"initial_excess = 8: the salt has 7 Li; give at most 7"),
        (-57, None, r"initial_excess = -57: the slab has 112 Li, .* half .*; give at least -56"),
        ("3", None, r"initial_excess = '3': must be a whole number"),
        (2.5, None, r"initial_excess = 2\.5: must be a whole number"),
        (float("nan"), None, r"initial_excess = nan: must be a whole number"),
        (3, CeramicRecipe.model_validate(other), r"recipe\.ceramic: its crystal is not that of the slab"),
    ):
        with pytest.raises(ValueError, match=message):
            transfer_cations(interface, excess, 1, ceramic)
    full = interface.data.positions.copy()
    anions = np.flatnonzero(interface.data.molecules > CERAMIC_MOLECULE)[: len(sites := vacant_sites(interface))]
    full[anions] = sites[: len(anions)]
    crowded = interface.evolved(replace(interface.data, positions=full))
    with pytest.raises(
        ValueError, match=r"initial_excess = 7: only \d vacant sites in the slab are at least 2\.2 Å"
    ):
        transfer_cations(crowded, 7, 1)
    info = interface.info.model_copy(update={"slab": None})
    with pytest.raises(ValueError, match=r"a system of phase 'interface' has no slab"):
        transfer_cations(replace(interface, info=info), 1, 1)


def test_an_ion_that_keeps_its_origin_does_not_change_phase(interface: System) -> None:
    types = tuple(
        entry.model_copy(update={"phase": "both"}) if entry.label == "W" else entry
        for entry in interface.info.types
    )
    info = interface.info.model_copy(update={"types": types})
    with pytest.raises(ValueError, match=r"2 types, .* give forcefield\.lithium = one"):
        transfer_cations(replace(interface, info=info), 1, 1)


def test_starts_are_ten_deviations_from_the_slab_as_built() -> None:
    assert start_excess_of({}, 90) == {"filled": 48, "emptied": -48}
    assert start_excess_of({}, 7) == {"filled": 7, "emptied": -14}, "no more than the salt has"
    p = np.linspace(0, 1, 101)
    assert population_deviation(90) == pytest.approx(np.sqrt(90 * p * (1 - p)).max())


@pytest.mark.integration
@pytest.mark.parametrize("excess", [7, -14])
def test_lammps_relaxes_an_interface_with_an_excess(
    interface: System, recipe: Recipe, excess: int, tmp_path: Path, environment_bin: Path
) -> None:
    started = transfer_cations(interface, excess, 1, recipe.ceramic)
    started.write(tmp_path)
    (tmp_path / "run.in").write_text(MINIMIZE)
    path = os.pathsep.join([str(environment_bin), os.environ["PATH"]])
    done = subprocess.run(
        ["lmp", "-in", "run.in", "-log", "none"],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    energies = [float(line.split()[1]) for line in done.stdout.splitlines() if line.split()[:1] in (["0"], ["20"])]
    final = float(next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("energy ")))
    assert np.isfinite([*energies, final]).all()
    assert final < energies[0]
    after = DataFile.read(tmp_path / "after.data")
    lithium = started.info.type_numbers(species="Li")
    ions = np.isin(after.types, lithium)
    pairs, distances = find_contacts(after.positions, after.lengths, 1.6)
    assert not ions[pairs[distances < 1.5]].any(), "no ion overlaps with another atom"
