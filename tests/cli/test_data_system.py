"""``verdi data cse-system``: list, show and export, as verdi calls them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import click
import MDAnalysis
import numpy as np
import pytest
from aiida.orm import Dict, load_node
from click.testing import CliRunner, Result

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import load_recipe
from aiida_cse.cli import main
from aiida_cse.cli.data_system import FORMATS, cse_system
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import Phase, System, SystemInfo
from tests.reduction.synthetic import write_dcd
from tests.systems import crystal_and_molecules

pytestmark = pytest.mark.usefixtures("aiida_profile")

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Return a function that calls the command and expects an exit code."""

    def call(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(cse_system, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    return call


@pytest.fixture
def interface() -> CseSystemData:
    system = crystal_and_molecules(seed=4)
    info = system.info.model_copy(update={"forcefield": ("jalem-2015",), "citations": ("R. Jalem et al.",)})
    return CseSystemData(replace(system, info=info)).store()


@pytest.fixture
def slab() -> CseSystemData:
    system = crystal_and_molecules()
    return CseSystemData(replace(system, info=system.info.model_copy(update={"phase": "slab"}))).store()


def test_verdi_finds_the_command() -> None:
    from aiida.cmdline.commands.cmd_data import verdi_data

    command = verdi_data.get_command(None, "cse-system")
    assert sorted(command.commands) == ["export", "list", "show"]


def test_the_phases_are_those_of_a_system() -> None:
    (phase,) = [option for option in cse_system.commands["list"].params if option.name == "phase"]
    assert isinstance(phase.type, click.Choice)
    assert SystemInfo.model_fields["phase"].annotation is Phase
    assert tuple(phase.type.choices) == get_args(Phase)


def line_of(output: str, pk: int | None) -> str | None:
    """Return the line of one system, None if it is not listed; the profile holds systems of other tests too."""
    return next((line for line in output.splitlines() if line.split()[:1] == [str(pk)]), None)


def test_list(run: Run, interface: CseSystemData, slab: CseSystemData) -> None:
    output = run("list").output
    assert output.splitlines()[0].split()[:3] == ["PK", "Phase", "Atoms"]
    line = line_of(output, interface.pk)
    assert line is not None
    cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
    assert cells[1:6] == ["interface", "113", "0", "11.20 × 11.20 × 35.20", "La O Li PEO"]
    assert line_of(output, slab.pk) is not None
    assert output.splitlines()[-1] == f"{len(output.splitlines()) - 4} systems"


def test_list_one_phase(run: Run, interface: CseSystemData, slab: CseSystemData) -> None:
    output = run("list", "--phase", "slab").output
    assert line_of(output, slab.pk) is not None
    assert line_of(output, interface.pk) is None
    assert "'solid' is not one of" in run("list", "--phase", "solid", code=2).output


def test_list_what_is_new_without_headers(run: Run, interface: CseSystemData) -> None:
    output = run("list", "--past-days", 1, "--raw").output
    assert line_of(output, interface.pk) is not None
    assert "PK" not in output
    assert "systems" not in output
    assert run("list", "--past-days", 0, "--raw").output.strip() == ""


def test_show(run: Run, interface: CseSystemData) -> None:
    output = run("show", interface.pk).output
    for words in (
        interface.uuid,
        "Composition",
        "32 La, 32 O_c, 5 Li, 44 C",
        "11.20 × 11.20 × 35.20",
        "Slab thickness (Å)",
        "test 4",
        "138.905",
        "jalem-2015",
        "R. Jalem et al.",
    ):
        assert words in output
    (lithium,) = (line.split() for line in output.splitlines() if " Li  " in line)
    assert lithium == ["3", "Li", "Li", "6.94", "0", "Li", "both", "5"]


def test_show_a_system_without_slab_and_seeds(run: Run) -> None:
    system = crystal_and_molecules()
    info = system.info.model_copy(update={"slab": None, "seeds": {}, "phase": "electrolyte"})
    output = run("show", CseSystemData(replace(system, info=info)).store().pk).output
    assert "Slab" not in output
    assert "Seeds" in output
    assert "none" in output
    assert "Citations" not in output


def test_only_a_system_is_shown(run: Run) -> None:
    other = Dict({"a": 1}).store()
    assert f"no CseSystemData found with ID<{other.pk}>" in run("show", other.pk, code=2).output


def test_exported_files_are_the_system(run: Run, interface: CseSystemData, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    run("export", interface.pk, "--output", folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        *("facts.yaml", "forcefield.in", "system.data", "system.json")
    ]
    assert (folder / "system.data").read_text() == interface.lammps_data
    assert (folder / "forcefield.in").read_text() == interface.forcefield
    assert DataFile.read(folder / "system.data").natoms == 113


@pytest.mark.integration
def test_lammps_reads_what_was_exported(
    run: Run, interface: CseSystemData, tmp_path: Path, environment_bin: Path
) -> None:
    run("export", interface.pk, "--format", "lammps", "--output", tmp_path)
    script = """\
units real
atom_style full
variable cutoff equal 5
read_data system.data
include forcefield.in
kspace_style pppm 1e-4
run 0
"""
    (tmp_path / "input.in").write_text(script)
    command = [environment_bin / "lmp", "-in", "input.in", "-log", "none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert "with 113 atoms" in done.stdout


@pytest.mark.parametrize("fmt", [fmt for fmt in FORMATS if fmt != "lammps"])
def test_coordinates_for_other_programs(run: Run, interface: CseSystemData, tmp_path: Path, fmt: str) -> None:
    path = tmp_path / f"interface.{fmt}"
    run("export", interface.pk, "--format", fmt, "--output", path)
    atoms = MDAnalysis.Universe(str(path), format="XYZ" if "xyz" in fmt else None).atoms
    data = interface.get_system().data
    assert len(atoms) == 113
    assert abs(atoms.positions - data.unwrapped).max() < 6e-3
    if fmt in ("pdb", "gro"):
        assert atoms.dimensions[:3] == pytest.approx(data.lengths, abs=2e-3)


def test_the_last_frames_are_written_beside_the_coordinates(
    run: Run, interface: CseSystemData, tmp_path: Path
) -> None:
    data = interface.get_system().data
    x, y, z = (float(edge) for edge in data.lengths)
    places = data.unwrapped + np.arange(5)[:, None, None] * 0.1
    dcd = write_dcd(tmp_path / "run.dcd", places.astype(np.float32), lengths=(x, y, z))
    words = ("export", interface.pk, "--format", "gro", "--output", tmp_path / "end.gro", "--trajectory", dcd)
    output = " ".join(run(*words, "--frames", 2).output.split())
    assert f"end.xtc: the last 2 of the 5 frames of {dcd}" in output
    found = MDAnalysis.Universe(str(tmp_path / "end.gro"), str(tmp_path / "end.xtc"))
    assert [abs(moment.positions - places[3 + moment.frame]).max() < 0.01 for moment in found.trajectory] == [
        True
    ] * 2
    assert "end.gro exists already" in run(*words, code=1).output.replace("\n", " ")


def test_frames_of_another_system_are_refused(run: Run, interface: CseSystemData, tmp_path: Path) -> None:
    dcd = write_dcd(tmp_path / "run.dcd", np.zeros((2, 3, 3), dtype=np.float32))
    words = ("export", interface.pk, "--format", "gro", "--output", tmp_path / "a.gro", "--trajectory", dcd)
    assert "run.dcd: has 3 atoms; the system has 113" in " ".join(run(*words, code=1).output.split())


def test_an_exported_system_is_imported_as_an_equal_node(run: Run, tmp_path: Path) -> None:
    system = assembled()
    node = CseSystemData(system).store()
    run("export", node.pk, "--output", tmp_path)
    result = CliRunner().invoke(main, ["system", "import", str(tmp_path / "system.data")])
    assert result.exit_code == 0, result.output
    assert f"note: {tmp_path / 'system.json'} has the types, the slab, the seeds and the sources" in result.output
    (pk,) = (int(line.split("<")[1].rstrip(">")) for line in result.output.splitlines() if "stored as" in line)
    found = load_node(pk)
    assert found.base.attributes.all == node.base.attributes.all
    assert found.base.repository.hash() == node.base.repository.hash()

    other = tmp_path / "other.in"
    other.write_text(system.forcefield.replace("0.066 3.5", "0.07 3.5"))
    words = ["system", "import", str(tmp_path / "system.data"), "--forcefield", str(other), "--check"]
    result = CliRunner().invoke(main, words)
    assert result.output.startswith(f"note: {tmp_path / 'system.json'} has the types, the slab and the seeds\n")

    facts = ["--facts", str(tmp_path / "facts.yaml"), "--forcefield", str(tmp_path / "forcefield.in")]
    (tmp_path / "system.json").unlink()
    result = CliRunner().invoke(main, ["system", "import", str(tmp_path / "system.data"), *facts])
    assert result.exit_code == 0, result.output
    (pk,) = (int(line.split("<")[1].rstrip(">")) for line in result.output.splitlines() if "stored as" in line)
    assert load_node(pk).base.attributes.all == node.base.attributes.all
    assert load_node(pk).base.repository.hash() == node.base.repository.hash()


def assembled() -> System:
    """Return the demo interface as built."""
    recipe = load_recipe("llzo-peo-litfsi-demo")
    slab = build_slab(recipe)
    lx, ly = (float(edge) for edge in slab.data.lengths[:2])
    return assemble(cut_slab(slab, slab.data), build_electrolyte(recipe, lx, ly))


def test_the_default_name_says_which_system(
    run: Run, interface: CseSystemData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("export", interface.pk, "--format", "xyz")
    assert [path.name for path in tmp_path.iterdir()] == [f"cse-system-{interface.pk}.xyz"]


@pytest.mark.parametrize(("fmt", "target"), [("lammps", "."), ("xyz", "a.xyz")])
def test_files_are_replaced_on_demand_only(
    run: Run, interface: CseSystemData, tmp_path: Path, fmt: str, target: str
) -> None:
    words = ("export", interface.pk, "--format", fmt, "--output", tmp_path / target)
    run(*words)
    written = max(tmp_path.iterdir())
    written.write_text("mine")
    assert "exists already" in run(*words, code=1).output
    assert written.read_text() == "mine"
    run(*words, "--force")
    assert written.read_text() != "mine"


def test_a_folder_is_no_file_and_a_file_no_folder(run: Run, interface: CseSystemData, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = run("export", interface.pk, "--output", tmp_path / "file", code=1).output
    assert "is a file; the format lammps needs a folder" in " ".join(told.split())
    told = run("export", interface.pk, "--format", "pdb", "--output", tmp_path, code=1).output
    assert "is a folder; the format pdb needs the name of a file" in " ".join(told.split())
