"""The interface by the real moltemplate.sh: to LAMMPS the same system as by the built-in assembly or its own."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from aiida_cse.building.assembly import assemble
from aiida_cse.building.cut import cut_slab
from aiida_cse.building.moltemplate import ARGUMENTS, RESULT, TEMPLATES, read_interface, templates
from aiida_cse.building.wall import remove_wall
from aiida_cse.lammps.datafile import TOPOLOGY, DataFile
from aiida_cse.lammps.labels import type_labels
from aiida_cse.lammps.system import FILENAMES, System

GAP = 2.5

RUN = """\
kspace_style pppm 1e-6
thermo_style custom step pe evdwl ecoul elong ebond eangle edihed
run 0
variable e equal pe
print "energy ${e}"
write_dump all custom forces.dump id mol type fx fy fz modify sort id format float %.17g
"""

READ = f"""\
units real
atom_style full
variable cutoff index 9.0
read_data {FILENAMES["data"]}
include {FILENAMES["forcefield"]}
"""

#: with what Moltemplate writes beside the data file; the pair style is the user's
SETTINGS = """\
variable cutoff index 9.0
include system.in.init
{pair_style}
read_data system.data
include system.in.settings
"""

#: LAMMPS' own way: room for the types and neighbours of the second file, which is shifted as it is appended
APPEND = f"""\
units real
atom_style full
variable cutoff index 9.0
region all block 0 {{lx:.17g}} 0 {{ly:.17g}} {{low:.17g}} {{high:.17g}} units box
create_box {{ntypes}} all bond/types {{nbonds}} angle/types {{nangles}} dihedral/types {{ndihedrals}} &
  extra/bond/per/atom 4 extra/angle/per/atom 12 extra/dihedral/per/atom 24 extra/special/per/atom 24
include {FILENAMES["forcefield"]}
read_data ceramic.data add append
read_data electrolyte.data add append shift 0 0 {{shift:.17g}}
"""


@dataclass
class Evaluated:
    """What LAMMPS says of a system: energy (kcal/mol), and per atom molecule, type and force (kcal/mol/Å)."""

    energy: float
    molecules: np.ndarray
    types: np.ndarray
    forces: np.ndarray


@pytest.fixture(scope="module")
def ceramic(slab: System) -> System:
    rng = np.random.default_rng(5)
    velocities = rng.normal(0, 1e-3, (slab.data.natoms, 3))
    return cut_slab(slab, replace(slab.data, velocities=velocities))


@pytest.fixture(scope="module")
def interface(ceramic: System, electrolyte: System) -> System:
    return assemble(ceramic, electrolyte, GAP)


Moltemplate = Callable[[Path], None]


@pytest.fixture(scope="module")
def moltemplate(environment_bin: Path) -> Moltemplate:
    """Return a function that runs the real program in a folder."""

    def run(folder: Path) -> None:
        # it takes the first python3 on the path for its own
        path = os.pathsep.join([str(environment_bin), os.environ["PATH"]])
        done = subprocess.run(
            ["moltemplate.sh", *ARGUMENTS],
            cwd=folder,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert "-- No errors detected. --" in done.stdout + done.stderr, "its own check finds all coefficients"

    return run


@pytest.fixture(scope="module")
def folder(
    ceramic: System, electrolyte: System, moltemplate: Moltemplate, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Where Moltemplate ran."""
    folder = tmp_path_factory.mktemp("moltemplate")
    for name, text in templates(ceramic, electrolyte, GAP).items():
        (folder / name).write_text(text)
    moltemplate(folder)
    return folder


@pytest.fixture(scope="module")
def built(folder: Path) -> str:
    return (folder / RESULT).read_text()


def evaluated(folder: Path, script: str, environment_bin: Path) -> Evaluated:
    (folder / "run.in").write_text(script + RUN)
    done = subprocess.run(
        [environment_bin / "lmp", "-in", "run.in", "-log", "none"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    energy = next(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("energy "))
    table = np.loadtxt((folder / "forces.dump").read_text().splitlines()[9:])
    return Evaluated(energy, table[:, 1].astype(int), table[:, 2].astype(int), table[:, 3:])


@pytest.mark.integration
def test_three_ways_to_join_the_phases_are_one_system_to_lammps(
    ceramic: System,
    electrolyte: System,
    interface: System,
    folder: Path,
    built: str,
    tmp_path: Path,
    environment_bin: Path,
) -> None:
    styles = [line for line in interface.forcefield.splitlines() if line.startswith("pair_style")]
    runs = {
        "own": written(interface, tmp_path / "own"),
        "moltemplate": written(read_interface(built, ceramic, electrolyte, GAP), tmp_path / "moltemplate"),
        "moltemplate's coefficients": (folder, SETTINGS.format(pair_style=styles[0])),
        "read_data add": appended(ceramic, electrolyte, interface, tmp_path),
    }
    found = {name: evaluated(*run, environment_bin) for name, run in runs.items()}
    own = found.pop("own")
    scale = np.abs(own.forces).max()
    for name, other in found.items():
        assert other.energy == pytest.approx(own.energy, rel=1e-6), name
        assert np.abs(other.forces - own.forces).max() < 1e-6 * scale, name
        assert np.array_equal(other.types, own.types), name
        assert np.array_equal(other.molecules, own.molecules), name


def written(system: System, folder: Path) -> tuple[Path, str]:
    folder.mkdir()
    system.write(folder)
    return folder, READ


def appended(ceramic: System, electrolyte: System, interface: System, tmp_path: Path) -> tuple[Path, str]:
    """Write what LAMMPS joins itself; molecule IDs of a file that is appended count on from those there."""
    folder = tmp_path / "append"
    folder.mkdir()
    solid, liquid = ceramic.data, remove_wall(electrolyte.data)
    shift = solid.unwrapped[:, 2].max() + GAP - liquid.unwrapped[:, 2].min()
    whole = liquid.unwrapped
    # as far down as it is shifted up: LAMMPS lets the box grow until it holds that of the file
    liquid = replace(liquid, molecules=liquid.molecules - 1, box=interface.data.box - [[0.0], [0.0], [shift]])
    liquid.set_unwrapped(whole)
    solid.write(folder / "ceramic.data")
    liquid.write(folder / "electrolyte.data")
    (folder / FILENAMES["forcefield"]).write_text(interface.forcefield)
    (_, lx), (_, ly), (low, high) = interface.data.box
    numbers = {f"n{kind}": count for kind, count in interface.data.topology_types.items()}
    return folder, APPEND.format(
        lx=lx, ly=ly, low=low, high=high, shift=shift, ntypes=len(interface.info.types), **numbers
    )


@pytest.mark.integration
def test_what_moltemplate_keeps(ceramic: System, electrolyte: System, interface: System, built: str) -> None:
    system = read_interface(built, ceramic, electrolyte, GAP)
    assert system.info == interface.info
    assert system.forcefield == interface.forcefield
    for name in ("box", "masses", "molecules", "types", "charges", "images"):
        assert np.array_equal(getattr(system.data, name), getattr(interface.data, name)), name
    assert system.data.positions == pytest.approx(interface.data.positions, abs=1e-12)
    assert system.data.velocities == pytest.approx(interface.data.velocities, abs=1e-17)
    assert system.data.topology_types == interface.data.topology_types
    for kind in TOPOLOGY:
        ours, theirs = interface.data.topology[kind], system.data.topology[kind]
        reversed_too = np.column_stack([ours[:, :1], ours[:, :0:-1]])
        same = (theirs == ours).all(axis=1) | (theirs == reversed_too).all(axis=1)
        assert same.all(), f"{kind}: in this order, each from one end or the other"


def test_phases_without_velocities_have_none_as_templates(slab: System, electrolyte: System) -> None:
    texts = templates(cut_slab(slab, slab.data), electrolyte, GAP)
    assert tuple(texts) == TEMPLATES
    assert not any("Velocities" in text for text in texts.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.select(np.arange(d.natoms) != 0), "has 1065 atoms, the two phases have 1066"),
        (lambda d: replace(d, types=np.where(d.types == 4, 3, d.types)), r"other atoms .* type \[1, 3\], not"),
        (lambda d: replace(d, molecules=d.molecules + 1), r"the molecule and type \[2, 1\], not \[1, 1\]"),
        (lambda d: replace(d, topology_types=d.topology_types | {"bonds": 9}), "other types of bonded terms"),
        (lambda d: with_terms(d, "bonds", d.topology["bonds"][1:]), "has 657 bonds"),
        (lambda d: with_terms(d, "bonds", d.topology["bonds"] - [0, 0, 1]), "other bonds"),
        (lambda d: with_terms(d, "angles", d.topology["angles"][:, [0, 2, 1, 3]]), "other angles"),
    ],
)
def test_a_result_that_is_another_system_is_refused(
    ceramic: System,
    electrolyte: System,
    interface: System,
    change: Callable[[DataFile], DataFile],
    message: str,
) -> None:
    text = labelled(change(interface.data).format(), interface)
    with pytest.raises(ValueError, match=message):
        read_interface(text, ceramic, electrolyte, GAP)


def test_a_result_with_other_names_is_refused(ceramic: System, electrolyte: System, interface: System) -> None:
    text = labelled(interface.data.format(), interface).replace("# La", "# Y")
    with pytest.raises(ValueError, match="Moltemplate's data file has other atom types than the two phases"):
        read_interface(text, ceramic, electrolyte, GAP)


def with_terms(data: DataFile, kind: str, terms: np.ndarray) -> DataFile:
    return replace(data, topology=data.topology | {kind: terms})


def labelled(text: str, system: System) -> str:
    """Return a data file with the names of the types behind their masses."""
    head, masses = text.split("Masses\n\n")
    lines = masses.splitlines()
    for number, entry in enumerate(system.info.types):
        lines[number] += f"  # {entry.label}"
    text = f"{head}Masses\n\n" + "\n".join(lines) + "\n"
    assert type_labels(text) == {number: entry.label for number, entry in enumerate(system.info.types, 1)}
    return text
