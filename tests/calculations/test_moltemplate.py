"""The job of Moltemplate: its templates and command, what it refuses, and the real program."""

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory

from aiida_cse.building.interface.assembly import assemble
from aiida_cse.calculations.moltemplate import MoltemplateCalculation
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System
from tests.calculations.conftest import Prepare
from tests.nodes import interface
from tests.systems import slab_and_molecules

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.fixture
def moltemplate(installed_code: Callable[..., orm.InstalledCode], environment_bin: Path) -> orm.InstalledCode:
    """The Moltemplate of this Python environment."""
    return installed_code("moltemplate", environment_bin / "moltemplate.sh", "cse.moltemplate")


def inputs(code: orm.InstalledCode, *given: System) -> dict[str, Any]:
    ceramic, electrolyte = (CseSystemData(system) for system in given or slab_and_molecules())
    return {"code": code, "ceramic": ceramic, "electrolyte": electrolyte, "gap": orm.Float(2.0)}


def test_the_entry_point() -> None:
    assert CalculationFactory("cse.moltemplate") is MoltemplateCalculation


def test_templates_and_command(prepare: Prepare, moltemplate: orm.InstalledCode, environment_bin: Path) -> None:
    info, files = prepare("cse.moltemplate", **inputs(moltemplate))
    assert set(files) == {"forcefield.lt", "ceramic.lt", "electrolyte.lt", "system.lt"}
    assert "pair_coeff @atom:La @atom:La 0.10 2.6" in files["forcefield.lt"]
    assert info.codes_info[0].cmdline_params == ["-atomstyle", "full", "system.lt"]
    assert info.prepend_text == f'export PATH={environment_bin}:"$PATH"', "whose python3 it is to take"
    assert info.retrieve_temporary_list == ["system.data"]
    assert set(info.provenance_exclude_list) == {"ceramic.lt", "electrolyte.lt"}, "the inputs hold all of that"


def test_phases_that_do_not_fit_are_refused(prepare: Prepare, moltemplate: orm.InstalledCode) -> None:
    with pytest.raises(ValueError, match="cannot be joined: ceramic and electrolyte have different type tables"):
        prepare("cse.moltemplate", **inputs(moltemplate, slab_and_molecules()[0], interface()))


@pytest.mark.integration
def test_the_real_program_makes_the_same_interface(moltemplate: orm.InstalledCode) -> None:
    outputs, node = run_get_node(CalculationFactory("cse.moltemplate"), **inputs(moltemplate))
    assert node.is_finished_ok, node.exit_message
    found, expected = outputs["system"].get_system(), assemble(*slab_and_molecules(), 2.0)
    assert found.info == CseSystemData(expected).store().info
    assert found.data.unwrapped == pytest.approx(expected.data.unwrapped, abs=1e-12)


@pytest.mark.integration
def test_what_moltemplate_misses_is_its_exit_message(moltemplate: orm.InstalledCode) -> None:
    """A bond without its coefficient is found by Moltemplate's own check."""
    without = [
        replace(system, forcefield=system.forcefield.replace("bond_coeff 1 100.0 1.5\n", ""))
        for system in slab_and_molecules()
    ]
    outputs, node = run_get_node(CalculationFactory("cse.moltemplate"), **inputs(moltemplate, *without))
    assert node.exit_status == 380
    assert node.exit_message.startswith("Moltemplate ended without a data file: ")
    assert 'No coeffs for the "@/bond:Electrolyte/t1" bond type have been' in node.exit_message
    assert "---" not in node.exit_message
    assert "system" not in outputs


@pytest.mark.integration
def test_a_program_that_says_nothing(installed_code: Callable[..., orm.InstalledCode], tmp_path: Path) -> None:
    silent = tmp_path / "moltemplate.sh"
    silent.write_text("#!/bin/sh\nexit 1\n")
    silent.chmod(silent.stat().st_mode | stat.S_IXUSR)
    code = installed_code("silent", silent, "cse.moltemplate")
    _, node = run_get_node(CalculationFactory("cse.moltemplate"), **inputs(code))
    assert node.exit_status == 380
    assert node.exit_message.endswith("it printed nothing; is the code's path right, and its Python?")
