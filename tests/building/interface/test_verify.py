"""An interface joined by another program is, to LAMMPS, that of the built-in assembly; others are refused."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.interface import moltemplate, read_data
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.interface.verify import RESULT, read_interface
from aiida_cse.lammps.files.data import TOPOLOGY, DataFile, read_contents
from aiida_cse.lammps.files.system import FILENAMES, System

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


@dataclass
class Evaluated:
    """Results of LAMMPS for a system: energy (kcal/mol), and per atom molecule, type and force (kcal/mol/Å)."""

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


@pytest.fixture(scope="module")
def by_moltemplate(
    ceramic: System, electrolyte: System, environment_bin: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder where Moltemplate ran on the templates."""
    folder = tmp_path_factory.mktemp("moltemplate")
    texts = moltemplate.templates(ceramic, electrolyte, GAP)
    words = run_on(texts, folder, "moltemplate.sh", *moltemplate.ARGUMENTS, environment_bin=environment_bin)
    assert "-- No errors detected. --" in words, "its own check finds all coefficients"
    return folder


@pytest.fixture(scope="module")
def by_lammps(
    ceramic: System, electrolyte: System, environment_bin: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder where LAMMPS appended one phase to the other."""
    folder = tmp_path_factory.mktemp("lammps")
    texts = read_data.append_files(ceramic, electrolyte, GAP)
    run_on(texts, folder, "lmp", *read_data.ARGUMENTS, environment_bin=environment_bin)
    return folder


def run_on(texts: dict[str, str], folder: Path, *command: str, environment_bin: Path) -> str:
    """Run a program of the environment on these files; return its output."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    # Moltemplate runs the first python3 on the path
    path = os.pathsep.join([str(environment_bin), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def evaluated(folder: Path, script: str, environment_bin: Path) -> Evaluated:
    words = run_on(
        {"run.in": script + RUN}, folder, "lmp", "-in", "run.in", "-log", "none", environment_bin=environment_bin
    )
    energy = next(float(line.split()[1]) for line in words.splitlines() if line.startswith("energy "))
    table = np.loadtxt((folder / "forces.dump").read_text().splitlines()[9:])
    return Evaluated(energy, table[:, 1].astype(int), table[:, 2].astype(int), table[:, 3:])


@pytest.mark.integration
def test_three_ways_to_join_the_phases_are_one_system_to_lammps(
    ceramic: System,
    electrolyte: System,
    interface: System,
    by_moltemplate: Path,
    by_lammps: Path,
    tmp_path: Path,
    environment_bin: Path,
) -> None:
    phases = (ceramic, electrolyte, GAP)
    styles = [line for line in interface.forcefield.splitlines() if line.startswith("pair_style")]
    runs = {"moltemplate's coefficients": (by_moltemplate, SETTINGS.format(pair_style=styles[0]))}
    for name, folder in (("moltemplate", by_moltemplate), ("lammps", by_lammps)):
        joined = read_interface((folder / RESULT).read_text(), *phases, name)
        runs[name] = written(joined, tmp_path / name)
    own = evaluated(*written(interface, tmp_path / "own"), environment_bin)
    scale = np.abs(own.forces).max()
    for name, run in runs.items():
        other = evaluated(*run, environment_bin)
        assert other.energy == pytest.approx(own.energy, rel=1e-6), name
        assert np.abs(other.forces - own.forces).max() < 1e-6 * scale, name
        assert np.array_equal(other.types, own.types), name
        assert np.array_equal(other.molecules, own.molecules), name


def written(system: System, folder: Path) -> tuple[Path, str]:
    folder.mkdir()
    system.write(folder)
    return folder, READ


@pytest.mark.integration
@pytest.mark.parametrize("program", ["by_moltemplate", "by_lammps"])
def test_a_program_keeps_every_property_of_the_phases(
    ceramic: System, electrolyte: System, interface: System, program: str, request: pytest.FixtureRequest
) -> None:
    text = (request.getfixturevalue(program) / RESULT).read_text()
    system = read_interface(text, ceramic, electrolyte, GAP, program)
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


@pytest.mark.integration
def test_lammps_joins_phases_as_a_run_leaves_them(
    ceramic: System, electrolyte: System, environment_bin: Path, tmp_path: Path
) -> None:
    """Molecules have crossed x and y and wrapped at z, both phases move, and terms have any order."""
    rng = np.random.default_rng(7)
    data = electrolyte.data
    cells = rng.integers(-2, 3, (int(data.molecules.max()) + 1, 3)) * [1, 1, 0]
    images = data.images + cells[data.molecules]
    topology = {kind: rng.permutation(terms) for kind, terms in data.topology.items()}
    velocities = rng.normal(0, 1e-3, data.positions.shape)
    above = electrolyte.evolved(replace(data, images=images, topology=topology, velocities=velocities))
    texts = read_data.append_files(ceramic, above, GAP)
    run_on(texts, tmp_path, "lmp", *read_data.ARGUMENTS, environment_bin=environment_bin)
    system = read_interface((tmp_path / RESULT).read_text(), ceramic, above, GAP, "LAMMPS")
    expected = assemble(ceramic, above, GAP).data
    assert np.abs(expected.images[:, :2]).max() >= 2
    assert system.data.unwrapped == pytest.approx(expected.unwrapped, abs=1e-12)
    assert system.data.velocities == pytest.approx(expected.velocities, abs=1e-17)


# -- what is refused -----------------------------------------------------------------------------------------


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
        (lambda d: replace(d, box=np.add(d.box, [[0], [0], [0.1]])), r"other box edges .*: number 3 with \["),
        (lambda d: replace(d, masses=d.masses + 0.1), r"other masses .*: number 1 with 139\.005, not 138\.905"),
        (lambda d: replace(d, charges=d.charges * 1.001), r"other charges .*: number 1 with 2\.1021, not 2\.1"),
        (
            lambda d: replace(d, positions=d.positions + np.eye(d.natoms)[:, 1:4] * 1e-6),
            r"other unwrapped positions .*: number 2 with",
        ),
        (lambda d: replace(d, images=np.add(d.images, [0, 1, 0])), "other unwrapped positions"),
        (lambda d: replace(d, velocities=None), r"other velocities .*: number 1 with \[0\.0, 0\.0, 0\.0\], not"),
    ],
)
def test_another_system_than_the_interface_is_refused(
    ceramic: System,
    electrolyte: System,
    interface: System,
    change: Callable[[DataFile], DataFile],
    message: str,
) -> None:
    text = labelled(change(interface.data).format(), interface)
    with pytest.raises(ValueError, match=f"^LAMMPS's data file has .*{message.removeprefix('has ')}"):
        read_interface(text, ceramic, electrolyte, GAP, "LAMMPS")


def test_a_result_without_finite_positions_is_refused(
    ceramic: System, electrolyte: System, interface: System
) -> None:
    damaged = replace(interface.data, positions=interface.data.positions * np.nan)
    text = labelled(damaged.format(), interface, check=False)
    with pytest.raises(
        ValueError, match=r"LAMMPS's data file: Atoms section, line \d+: .*: must be finite numbers"
    ):
        read_interface(text, ceramic, electrolyte, GAP, "LAMMPS")


def test_a_result_with_other_names_is_refused(ceramic: System, electrolyte: System, interface: System) -> None:
    text = labelled(interface.data.format(), interface).replace("# La", "# Y")
    with pytest.raises(ValueError, match="Moltemplate's data file has other atom types than the two phases"):
        read_interface(text, ceramic, electrolyte, GAP, "Moltemplate")


def test_phases_without_velocities_give_an_interface_without(slab: System, electrolyte: System) -> None:
    ceramic = cut_slab(slab, slab.data)
    interface = assemble(ceramic, electrolyte, GAP)
    assert interface.data.velocities is None
    resting = replace(interface.data, velocities=np.zeros((interface.data.natoms, 3)))
    text = labelled(resting.format(), interface)
    assert read_interface(text, ceramic, electrolyte, GAP, "LAMMPS").data.velocities is None


def with_terms(data: DataFile, kind: str, terms: np.ndarray) -> DataFile:
    return replace(data, topology=data.topology | {kind: terms})


def labelled(text: str, system: System, *, check: bool = True) -> str:
    """Return a data file with the labels of the types after their masses."""
    head, rest = text.split("Masses\n\n")
    lines = rest.splitlines()
    for number, entry in enumerate(system.info.types):
        lines[number] += f"  # {entry.label}"
    text = f"{head}Masses\n\n" + "\n".join(lines) + "\n"
    assert not check or read_contents(text).labels == {
        number: entry.label for number, entry in enumerate(system.info.types, 1)
    }
    return text
