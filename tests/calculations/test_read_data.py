"""The job in which LAMMPS joins the phases: its files and command, what it refuses, and the real program."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory

from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.interface.read_data import append_files
from aiida_cse.calculations.read_data import ReadDataCalculation
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System
from tests.calculations.conftest import Prepare
from tests.nodes import interface
from tests.systems import slab_and_molecules

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

GAP = 2.0


def inputs(code: orm.AbstractCode, *given: System) -> dict[str, Any]:
    ceramic, electrolyte = (CseSystemData(system) for system in given or slab_and_molecules())
    return {"code": code, "ceramic": ceramic, "electrolyte": electrolyte, "gap": orm.Float(GAP)}


def test_the_entry_point() -> None:
    assert CalculationFactory("cse.read_data") is ReadDataCalculation


def test_files_and_command(prepare: Prepare, lmp: orm.InstalledCode) -> None:
    info, files = prepare("cse.read_data", **inputs(lmp))
    assert files == append_files(*slab_and_molecules(), GAP)
    (call,) = info.codes_info
    assert call.cmdline_params == ["-in", "join.in", "-log", "none", "-nb"]
    assert (call.stdout_name, call.join_files) == ("lammps.out", True)
    assert info.retrieve_list == ["lammps.out"]
    assert info.retrieve_temporary_list == ["system.data"]
    assert set(info.provenance_exclude_list) == {"ceramic.data", "electrolyte.data"}, "the inputs hold all of that"


def test_it_is_started_as_the_code_says() -> None:
    """A site's LAMMPS that needs its launcher gets it for one process, too; a code that wants none gets none."""
    options: Any = ReadDataCalculation.spec().inputs["metadata"]["options"]
    assert options["withmpi"].default is True
    assert options["resources"].default() == {"num_machines": 1, "num_mpiprocs_per_machine": 1}


def test_phases_that_do_not_fit_are_refused(prepare: Prepare, lmp: orm.InstalledCode) -> None:
    with pytest.raises(ValueError, match="cannot be joined: ceramic and electrolyte have different type tables"):
        prepare("cse.read_data", **inputs(lmp, slab_and_molecules()[0], interface()))


@pytest.mark.integration
@pytest.mark.parametrize("with_mpi", [None, True, False])
def test_the_real_program_makes_the_same_interface(
    installed_code: Callable[..., orm.InstalledCode], environment_bin: Path, with_mpi: bool | None
) -> None:
    code = installed_code(f"lmp_{with_mpi}", environment_bin / "lmp", "cse.lammps", with_mpi=with_mpi)
    outputs, node = run_get_node(CalculationFactory("cse.read_data"), **inputs(code))
    assert node.is_finished_ok, node.exit_message
    found, expected = outputs["system"].get_system(), assemble(*slab_and_molecules(), GAP)
    assert found.info == CseSystemData(expected).store().info
    assert found.data.unwrapped == pytest.approx(expected.data.unwrapped, abs=1e-12)
    assert found.data.velocities is None
    assert set(node.outputs.retrieved.list_object_names()) >= {"lammps.out"}


@pytest.fixture
def changed_lmp(
    installed_code: Callable[..., orm.InstalledCode], environment_bin: Path, tmp_path: Path
) -> Callable[..., orm.InstalledCode]:
    """Return a function that gives a LAMMPS before which a command of the shell runs."""

    def factory(command: str, label: str, **more: Any) -> orm.InstalledCode:
        program = tmp_path / "lmp"
        program.write_text(f'#!/bin/sh\n{command}\nexec {environment_bin / "lmp"} "$@"\n')
        program.chmod(0o755)
        return installed_code(label, program, "cse.lammps", **more)

    return factory


@pytest.mark.integration
def test_what_lammps_says_is_the_exit_message(changed_lmp: Callable[..., orm.InstalledCode]) -> None:
    code = changed_lmp("rm electrolyte.data", "without", with_mpi=True)
    outputs, node = run_get_node(CalculationFactory("cse.read_data"), **inputs(code))
    assert node.exit_status == 380
    assert node.exit_message.startswith(
        "LAMMPS ended without a data file: ERROR: Cannot open file electrolyte.data: No such file or directory"
    )
    assert "system" not in outputs


@pytest.mark.integration
def test_another_system_than_the_phases_is_no_interface(changed_lmp: Callable[..., orm.InstalledCode]) -> None:
    code = changed_lmp('sed -i "s/shift 0 0/shift 0 1e-3/" join.in', "other")
    outputs, node = run_get_node(CalculationFactory("cse.read_data"), **inputs(code))
    assert node.exit_status == 381
    assert node.exit_message.startswith(
        "What LAMMPS wrote is not the interface: LAMMPS's data file has other box edges (x, y, z; Å) than"
    )
    assert "system" not in outputs


@pytest.mark.integration
def test_coefficients_are_not_its_business(lmp: orm.InstalledCode) -> None:
    """It joins atoms and terms; that a coefficient is missing is said where the first stage needs it."""
    without = [
        replace(system, forcefield=system.forcefield.replace("bond_coeff 1 100.0 1.5\n", ""))
        for system in slab_and_molecules()
    ]
    _, node = run_get_node(CalculationFactory("cse.read_data"), **inputs(lmp, *without))
    assert node.is_finished_ok, node.exit_message
