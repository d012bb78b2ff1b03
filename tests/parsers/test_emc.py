"""The parser of EMC: two files become a system, or the last words of front end or program the reason."""

import re
from typing import Any

import numpy as np
import pytest
from aiida import orm

from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.data.system import CseSystemData
from tests.emc import emc_output
from tests.nodes import system_node
from tests.parsers.conftest import Parse

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

EXPIRED = (
    "Error: main:\n       Validity has run out; please download a fresh version.\n       Program aborted.\n\n"
)
SETUP = 'EMC Setup v5.2.1\n\nError: IO.pm:474:\n       Cannot open "electrolyte"\n\n'
WRITTEN = "(* EMC: Script *)\n"


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("llzo-peo-litfsi-demo")


@pytest.fixture
def inputs(recipe: Recipe) -> dict[str, orm.Data]:
    return {"recipe": orm.Dict(recipe.model_dump(mode="json")), "ceramic": system_node()}


@pytest.fixture
def files(recipe: Recipe, inputs: dict[str, Any]) -> dict[str, str]:
    lx, ly = (float(edge) for edge in inputs["ceramic"].get_system().data.lengths[:2])
    data, parameters, _ = emc_output(recipe, build_electrolyte(recipe, lx, ly), seed=1)
    return {"electrolyte.data": data, "electrolyte.params": parameters}


def test_what_emc_built_is_a_system(
    parse: Parse, recipe: Recipe, inputs: dict[str, Any], files: dict[str, Any]
) -> None:
    exit_code, outputs = parse("cse.emc", inputs, retrieved={"build.emc": WRITTEN}, temporary=files)
    assert exit_code is None
    assert isinstance(outputs["system"], CseSystemData)
    info = outputs["system"].info
    assert (info.phase, info.charge) == ("electrolyte", 0)
    assert info.seeds == recipe.seeds.model_dump()
    edges = inputs["ceramic"].get_system().data.lengths[:2]
    assert np.allclose(outputs["system"].get_system().data.lengths[:2], edges)


def test_other_parameters_are_warned_of(
    parse: Parse, inputs: dict[str, Any], files: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    files["electrolyte.params"] = files["electrolyte.params"].replace("0.01828    2.12600", "0.01828    2.70000")
    exit_code, _ = parse("cse.emc", inputs, temporary=files)
    assert exit_code is None
    assert (
        "sigma (Å) of Li is 2.7 with EMC, 2.126 in the recipe; the system has the value of the recipe"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("retrieved", "status", "message"),
    [
        ({"build.emc": WRITTEN, "job.out": EXPIRED}, 382, "EMC has expired and builds nothing"),
        ({"emc_setup.out": SETUP, "job.out": ""}, 383, 'IO.pm:474: Cannot open "electrolyte"'),
        ({}, 383, "it printed nothing"),
        ({"build.emc": WRITTEN, "job.out": "Error: field: cannot type.\n"}, 384, "field: cannot type."),
        ({"build.emc": WRITTEN, "job.out": "building\nKilled\n\n"}, 384, "parameters: Killed"),
        ({"build.emc": WRITTEN}, 384, "it printed nothing"),
    ],
)
@pytest.mark.parametrize("left", [(), ("electrolyte.data",)])
def test_no_files_and_why(
    parse: Parse,
    inputs: dict[str, Any],
    files: dict[str, Any],
    left: tuple[str, ...],
    retrieved: dict[str, str | bytes],
    status: int,
    message: str,
) -> None:
    temporary = {name: files[name] for name in left}
    exit_code, outputs = parse("cse.emc", inputs, retrieved=retrieved, temporary=temporary)
    assert exit_code is not None
    assert exit_code.status == status
    assert message in exit_code.message
    assert exit_code.invalidates_cache
    assert outputs == {}


def test_files_of_another_system(parse: Parse, inputs: dict[str, Any], files: dict[str, Any]) -> None:
    files["electrolyte.data"] = files["electrolyte.data"][:5000]
    exit_code, _ = parse("cse.emc", inputs, retrieved={"build.emc": WRITTEN}, temporary=files)
    assert exit_code is not None
    assert exit_code.status == 385
    assert exit_code.message.startswith("What EMC built is not the electrolyte of the recipe: ")


def test_a_bond_to_an_atom_that_is_not_there(parse: Parse, inputs: dict[str, Any], files: dict[str, str]) -> None:
    before, row = files["electrolyte.data"].split("\nBonds\n\n")
    number, kind, first, _, rest = row.split(maxsplit=4)
    files["electrolyte.data"] = f"{before}\nBonds\n\n{number} {kind} {first} 9999 {rest}"
    exit_code, _ = parse("cse.emc", inputs, retrieved={"build.emc": WRITTEN}, temporary=files)
    assert exit_code is not None
    assert exit_code.status == 385
    assert re.search(r"Bonds section, line \d+: atom 9999; there are 1 to", exit_code.message)


@pytest.mark.parametrize("cut_off", [False, True])
def test_an_exit_code_of_the_scheduler_takes_precedence(
    parse: Parse, inputs: dict[str, Any], files: dict[str, str], cut_off: bool
) -> None:
    left = {name: text[:5000] for name, text in files.items()} if cut_off else {}
    exit_code, _ = parse("cse.emc", inputs, temporary=left, scheduler=(110, "Out of memory."))
    assert exit_code is not None
    assert (exit_code.status, exit_code.message) == (110, "Out of memory.")
