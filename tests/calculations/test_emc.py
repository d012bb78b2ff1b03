"""The job of EMC: its files, its two programs after each other, and what the real ones answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import CalculationFactory

from aiida_cse.building.electrolyte.emc_input import emc_files
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.calculations.emc import EmcCalculation
from tests.calculations.conftest import Prepare
from tests.emc import emc_program, emc_script
from tests.nodes import system_node

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

MakeCode = Callable[..., orm.InstalledCode]


@pytest.fixture
def recipe() -> dict[str, Any]:
    return load_recipe("llzo-peo-litfsi-demo").model_dump(mode="json")


@pytest.fixture
def emc(installed_code: MakeCode) -> orm.InstalledCode:
    return installed_code("emc", emc_program(), "cse.emc")


@pytest.fixture
def inputs(installed_code: MakeCode, emc: orm.InstalledCode, recipe: dict[str, Any]) -> dict[str, Any]:
    setup = installed_code("emc_setup", emc_script("emc.pl"), "cse.emc")
    return {"code": emc, "setup_code": setup, "recipe": orm.Dict(recipe), "ceramic": system_node()}


def test_the_entry_point() -> None:
    assert CalculationFactory("cse.emc") is EmcCalculation


def test_the_front_end_comes_before_the_program(prepare: Prepare, inputs: dict[str, Any]) -> None:
    info, files = prepare("cse.emc", **inputs)
    lx, ly = inputs["ceramic"].get_system().data.lengths[:2]
    assert files == emc_files(Recipe.model_validate(inputs["recipe"].get_dict()), lx, ly)
    first, second = info.codes_info
    assert (first.code_uuid, first.cmdline_params) == (inputs["setup_code"].uuid, ["electrolyte.esh"])
    assert (second.code_uuid, second.cmdline_params) == (inputs["code"].uuid, ["build.emc"])
    assert (first.stdout_name, second.stdout_name) == ("emc_setup.out", "emc.out")
    assert first.join_files
    assert second.join_files
    assert info.retrieve_list == ["emc_setup.out", "emc.out", "build.emc"]
    assert info.retrieve_temporary_list == ["electrolyte.data", "electrolyte.params"]


@pytest.mark.parametrize("missing", ["code", "setup_code", "recipe", "ceramic"])
def test_every_input_is_needed(prepare: Prepare, inputs: dict[str, Any], missing: str) -> None:
    del inputs[missing]
    with pytest.raises(ValueError, match=missing):
        prepare("cse.emc", **inputs)


def test_a_front_end_elsewhere_is_refused(
    prepare: Prepare, inputs: dict[str, Any], other_computer: orm.Computer
) -> None:
    elsewhere = orm.InstalledCode(label="emc_setup", computer=other_computer, filepath_executable="/opt/emc.pl")
    with pytest.raises(
        ValueError, match="setup_code = emc_setup@elsewhere: must be on the computer of code = emc@"
    ):
        prepare("cse.emc", **(inputs | {"setup_code": elsewhere}))


def test_a_front_end_that_the_job_takes_along_is_on_no_computer(
    prepare: Prepare, inputs: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "emc.pl").write_text("#!/usr/bin/env perl\n")
    portable = orm.PortableCode(label="portable", filepath_executable="emc.pl", filepath_files=tmp_path)
    info, _ = prepare("cse.emc", **(inputs | {"setup_code": portable}))
    assert info.codes_info[0].code_uuid == portable.uuid


def test_what_emc_could_not_tell_apart_is_refused_before_there_is_a_job(
    prepare: Prepare, inputs: dict[str, Any], recipe: dict[str, Any]
) -> None:
    third = {"name": "OS3", "element": "O", "mass": 15.999, "charge": -0.4, "bonded": "OS"}
    recipe["forcefield"] |= {
        "polymer": "third",
        "own_sets": {
            "third": {
                "revises": "opls-aa-peo",
                "title": "The third oxygen from either end is its own type",
                "citations": ["none"],
                "confidence": "none",
                "atom_types": [third],
                "typing": [{"smarts": "[OX2]CCOCCOC[CX4H3]", "type": "OS3"}],
                "lj": [{"type": "OS3", "epsilon": 0.14, "sigma": 2.9}],
            }
        },
    }
    with pytest.raises(ValueError, match="recipe: EMC: the types OS and OS3 have the same surroundings"):
        prepare("cse.emc", **(inputs | {"recipe": orm.Dict(recipe)}))


@pytest.mark.integration
@pytest.mark.parametrize("script", ["emc.pl", "emc_setup.pl"])
def test_an_emc_that_has_expired_says_what_to_do(
    inputs: dict[str, Any], installed_code: MakeCode, script: str
) -> None:
    """The front end and the program of the package on PyPI, of which the program runs no more."""
    setup = installed_code(f"setup_{script.removesuffix('.pl')}", emc_script(script), "cse.emc")
    outputs, node = run_get_node(EmcCalculation, **(inputs | {"setup_code": setup}))
    assert node.exit_status == 382
    assert node.exit_message == (
        "EMC has expired and builds nothing: get a new version from its authors and set up a code "
        "for it, or build without it (builder: built-in)"
    )
    assert "system" not in outputs
    assert "variables" in outputs["retrieved"].base.repository.get_object_content("build.emc")
    assert not node.base.caching.is_valid_cache


@pytest.mark.integration
def test_a_front_end_that_fails_is_quoted(
    inputs: dict[str, Any], installed_code: MakeCode, tmp_path: Path
) -> None:
    """EMC Setup beside none of its modules, as when only the script was copied."""
    copied = tmp_path / "emc.pl"
    copied.write_text(emc_script("emc.pl").read_text(encoding="utf-8", errors="replace"))
    copied.chmod(0o755)
    setup = installed_code("copied", copied, "cse.emc")
    _, node = run_get_node(EmcCalculation, **(inputs | {"setup_code": setup}))
    assert node.exit_status == 383
    assert node.exit_message.startswith("The front end of EMC wrote no build script: ")
    assert "EMC" in node.exit_message.split(": ", 1)[1]
