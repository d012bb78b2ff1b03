"""The parsers of the joining programs: the interface becomes a system; another system is told from a crash."""

import numpy as np
import pytest
from aiida import orm

from aiida_cse.building.interface.assembly import assemble
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.data import DataFile
from tests.parsers.conftest import Parse, told
from tests.systems import slab_and_molecules

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

PROGRAMS = {"cse.moltemplate": "Moltemplate", "cse.read_data": "LAMMPS"}

#: what LAMMPS, and then an OpenMPI around it, says of a file that is not there
LAMMPS_SAID = """\
LAMMPS (22 Jul 2025 - Update 4)
Reading data file ...
ERROR: Cannot open file electrolyte.data: No such file or directory (src/src/read_data.cpp:380)
Last input line: read_data electrolyte.data add append shift 0 0 10.742264094430617
                           ^^^^^^^^^^^^^^^^
--------------------------------------------------------------------------
MPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD
  with errorcode 1.

NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.
You may or may not see output from other processes, depending on
exactly when Open MPI kills them.
--------------------------------------------------------------------------
"""


@pytest.fixture(params=PROGRAMS)
def job(request: pytest.FixtureRequest) -> str:
    """The entry point of a job and its parser."""
    name: str = request.param
    return name


@pytest.fixture
def inputs() -> dict[str, orm.Data]:
    ceramic, electrolyte = map(CseSystemData, slab_and_molecules())
    return {"ceramic": ceramic, "electrolyte": electrolyte, "gap": orm.Float(2.0)}


def written(data: DataFile) -> dict[str, str | bytes]:
    """Return the data file with the names of the types behind their masses, as Moltemplate writes them."""
    text = data.format()
    for number, entry in enumerate(slab_and_molecules()[0].info.types, 1):
        text = text.replace(
            f"\n{number} {entry.mass:.10g}\n", f"\n{number} {entry.mass:.10g}  # {entry.label}\n", 1
        )
    return {"system.data": text}


def test_the_interface_is_a_system(parse: Parse, inputs: dict[str, orm.Data], job: str) -> None:
    expected = assemble(*slab_and_molecules(), 2.0)
    exit_code, outputs = parse(job, inputs, temporary=written(expected.data))
    assert exit_code is None
    assert outputs["system"].info == CseSystemData(expected).store().info


def test_another_system_is_refused(parse: Parse, inputs: dict[str, orm.Data], job: str) -> None:
    data = assemble(*slab_and_molecules(), 2.0).data
    data.types = np.where(data.types == 3, 1, data.types)
    exit_code, outputs = parse(job, inputs, temporary=written(data))
    assert exit_code is not None
    assert exit_code.status == 381
    program = PROGRAMS[job]
    assert exit_code.message == (
        f"What {program} wrote is not the interface: {program}'s data file has other atoms than the two phases: "
        "number 65 with the molecule and type [2, 1], not [2, 3]"
    )
    assert exit_code.invalidates_cache
    assert outputs == {}


def test_a_file_cut_short_is_no_interface(parse: Parse, inputs: dict[str, orm.Data], job: str) -> None:
    text = str(written(assemble(*slab_and_molecules(), 2.0).data)["system.data"])
    exit_code, _ = parse(job, inputs, temporary={"system.data": text[: len(text) // 2]})
    assert exit_code is not None
    assert exit_code.status == 381


def test_what_moltemplate_said_last(parse: Parse, inputs: dict[str, orm.Data]) -> None:
    said = "v2.22.5\n\nTraceback:\n  File x\n-----\nModuleNotFoundError: No module named 'moltemplate'\n"
    exit_code, _ = parse("cse.moltemplate", inputs, retrieved={"job.out": said})
    assert exit_code is not None
    assert exit_code.status == 380
    assert exit_code.message == (
        "Moltemplate ended without a data file: v2.22.5 | Traceback: | File x | "
        "ModuleNotFoundError: No module named 'moltemplate'"
    )
    assert exit_code.invalidates_cache


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            LAMMPS_SAID,
            "ERROR: Cannot open file electrolyte.data: No such file or directory (src/src/read_data.cpp:380)",
        ),
        (
            "bash: line 1: /apps/lmp: No such file or directory\n",
            "bash: line 1: /apps/lmp: No such file or directory",
        ),
        ("", "it printed nothing; is the code's path right?"),
    ],
)
def test_what_lammps_said(parse: Parse, inputs: dict[str, orm.Data], said: str, reason: str) -> None:
    exit_code, _ = parse("cse.read_data", inputs, retrieved={"job.out": said})
    assert exit_code is not None
    assert exit_code.status == 380
    assert exit_code.message == f"LAMMPS ended without a data file: {reason}"
    assert exit_code.invalidates_cache


def test_the_scheduler_knows_better(parse: Parse, inputs: dict[str, orm.Data], job: str) -> None:
    exit_code, _ = parse(job, inputs, scheduler=(120, "out of wall time"))
    assert exit_code is not None
    assert (exit_code.status, exit_code.message) == (120, "out of wall time")


def test_a_scheduler_without_an_exit_code_says_why(parse: Parse, inputs: dict[str, orm.Data], job: str) -> None:
    words = "=>> PBS: job killed: mem job total 4323312 kb exceeded limit 3145728 kb"
    exit_code, _ = parse(job, inputs, **told(words, "stderr"))
    assert exit_code is not None
    assert (exit_code.status, exit_code.message) == (110, f"The job ran out of memory. It said: {words}")
