"""The electrolyte with molecules built by EMC: its job and the refusals before it starts."""

from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import WorkflowFactory

from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains.common.builders import Codes, refuse_wrong_codes
from tests.emc import emc_program, emc_script, with_types_alike
from tests.nodes import job_node, system_node
from tests.systems import crystal_and_molecules
from tests.workchains.conftest import Make
from tests.workchains.runs import newest

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

EMC = {"builder": "emc"}


@pytest.fixture
def with_emc(codes: Codes, installed_code: Callable[..., orm.InstalledCode]) -> Codes:
    """The codes of a study, including EMC and its front end."""
    emc = installed_code("emc", emc_program(), "cse.emc")
    setup = installed_code("emc_setup", emc_script("emc.pl"), "cse.emc")
    return {**codes, "emc": emc, "emc_setup": setup}


def electrolyte(codes: Codes, recipe: dict[str, Any], overrides: dict[str, Any]) -> Any:
    """Return the builder of an electrolyte on the small system's slab."""
    chain: Any = WorkflowFactory("cse.electrolyte")
    return chain.get_builder_from_protocol(codes, recipe, system_node(), protocol="demo", overrides=overrides)


def test_emc_builds_the_molecules(
    make: Make, with_emc: Codes, recipe: dict[str, Any], localhost: orm.Computer
) -> None:
    process: Any = make(electrolyte(with_emc, recipe, EMC))
    process.build()
    job = newest(orm.CalcJobNode)
    assert job.process_type == "aiida.calculations:cse.emc"
    assert job.inputs.code.uuid == with_emc["emc"].uuid
    assert job.inputs.setup_code.uuid == with_emc["emc_setup"].uuid
    assert (job.inputs.recipe.uuid, job.inputs.ceramic.uuid) == (
        process.inputs.build.recipe.uuid,
        process.inputs.ceramic.uuid,
    )
    assert job.inputs.forcefield.polymer.name == "opls-aa-peo"
    assert job.get_option("withmpi") is False

    process.ctx.built = job_node("cse.emc", localhost, exit_status=382, exit_message="EMC has expired")
    answer = process.inspect_build()
    assert (answer.status, answer.message[-29:]) == (340, "ed with [382] EMC has expired")
    system = CseSystemData(crystal_and_molecules())
    process.ctx.built = job_node("cse.emc", localhost, outputs={"system": system}, exit_status=0)
    assert process.inspect_build() is None
    assert process.ctx.system.uuid == system.uuid


def test_emc_runs_only_if_named(make: Make, with_emc: Codes, recipe: dict[str, Any]) -> None:
    process: Any = make(electrolyte(with_emc, recipe, {}))
    assert process.inputs.builder.value == "built-in"
    assert "emc" not in process.inputs


@pytest.mark.parametrize("missing", [("emc",), ("emc_setup",), ("emc", "emc_setup")])
def test_emc_without_its_codes_is_refused(
    make: Make, with_emc: Codes, recipe: dict[str, Any], missing: tuple[str, ...]
) -> None:
    codes: Any = {role: code for role, code in with_emc.items() if role not in missing}
    builder = electrolyte(codes, recipe, EMC)
    with pytest.raises(
        ValueError, match=r"builder = 'emc': its codes are missing; give codes\.emc .* codes\.emc_setup"
    ):
        make(builder)


def test_an_unknown_builder_is_refused(codes: Codes, recipe: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="builder = 'ecm': did you mean 'emc'"):
        electrolyte(codes, recipe, {"builder": "ecm"})


def test_a_study_passes_the_builder_to_its_electrolyte(
    make: Make, with_emc: Codes, recipe: dict[str, Any]
) -> None:
    chain: Any = WorkflowFactory("cse.study")
    process: Any = make(chain.get_builder_from_protocol(with_emc, recipe, "demo", overrides={"electrolyte": EMC}))
    assert process.inputs.electrolyte.builder.value == "emc"
    assert process.inputs.electrolyte.emc.setup_code.uuid == with_emc["emc_setup"].uuid
    codes: Codes = {"lammps": with_emc["lammps"], "cse": with_emc["cse"]}
    with pytest.raises(ValueError, match="builder = 'emc': its codes are missing"):
        chain.get_builder_from_protocol(codes, recipe, "demo", overrides={"electrolyte": EMC})


def test_types_that_emc_cannot_distinguish_are_refused_early(
    make: Make, with_emc: Codes, recipe: dict[str, Any]
) -> None:
    chain: Any = WorkflowFactory("cse.study")
    builder = chain.get_builder_from_protocol(
        with_emc, with_types_alike(recipe), "demo", overrides={"electrolyte": EMC}
    )
    with pytest.raises(ValueError, match=r"electrolyte\.builder = 'emc': EMC: the types OS and OS3 have the same"):
        make(builder)


def test_codes_of_other_roles_are_refused(with_emc: Codes) -> None:
    wrong: Any = {**with_emc, "emc_setup": with_emc["lammps"]}
    label = with_emc["lammps"].full_label
    with pytest.raises(
        ValueError, match=f"codes.emc_setup = {label}: a code of cse.lammps is one for codes.lammps"
    ):
        refuse_wrong_codes(wrong)
    wrong = {**with_emc, "lammps": with_emc["emc"]}
    with pytest.raises(ValueError, match=r"a code of cse\.emc is one for codes\.emc or codes\.emc_setup"):
        refuse_wrong_codes(wrong)


@pytest.mark.integration
def test_an_expired_emc_ends_the_electrolyte(with_emc: Codes, recipe: dict[str, Any]) -> None:
    """The front end and the expired program of the package on PyPI."""
    outputs, node = run_get_node(electrolyte(with_emc, recipe, EMC))
    assert (node.exit_status, outputs) == (340, {})
    assert node.exit_message.startswith("The starting system could not be built: job <")
    assert "EMC has expired and builds nothing" in node.exit_message
    assert [job.process_type for job in node.called] == ["aiida.calculations:cse.emc"]
