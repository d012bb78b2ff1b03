"""Examination of LAMMPS codes: what is run, what is found, and what it says against a launch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from aiida import orm
from aiida.common.links import LinkType

from aiida_cse.building.recipe import load_recipe
from aiida_cse.building.type_table import chemistry_of
from aiida_cse.calculations.functions.capabilities import CAPABILITIES, _combined
from aiida_cse.engine.embedded import run_embedded
from aiida_cse.lammps.probe.features import features_of
from aiida_cse.lammps.probe.runs import fingerprint
from aiida_cse.lammps.probe.system import tiny_interface
from aiida_cse.version import __version__
from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.common.capability import VERSION_EXTRA, capabilities_of, findings_of, launch_findings
from aiida_cse.workchains.examine import ExamineWorkChain, probe_plans
from aiida_cse.workchains.study import StudyWorkChain
from aiida_cse.workchains.validate import ValidationWorkChain
from tests.golden import scripts
from tests.nodes import finish, returns

# AiiDA makes nodes outside of the database's session until they are stored
pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

#: LAMMPS built without the package EXTRA-DUMP: its help, and its message where a script writes a DCD file
WITHOUT_DCD = """\
#!/bin/sh
if [ "$1" = -h ]; then
    "{lmp}" -h | sed 's/EXTRA-DUMP//; s/ dcd / /'
    exit
fi
lacks="Unrecognized dump style 'dcd' is part of the EXTRA-DUMP package which is not enabled in this LAMMPS binary."
sed -i "s/^dump .* dcd .*/print \\"ERROR: $lacks\\"\\nquit 1/" "$2"
exec "{lmp}" "$@"
"""


def stored_examination(code: orm.AbstractCode, **found: Any) -> orm.Dict:
    """Return the capabilities of a code that can everything, apart from what is given."""
    process = orm.WorkChainNode(process_type="aiida.workflows:cse.examine")
    process.base.links.add_incoming(code, LinkType.INPUT_WORK, "code")
    process.store()
    whole: dict[str, Any] = {"missing": [], "failed": [], "ranks_error": None, "accelerator_errors": {}}
    node = orm.Dict(whole | {"examination": fingerprint(probe_plans())} | found)
    returns(process, {"capabilities": node})
    finish(process, 0)
    return node


@pytest.fixture
def codes(codes: Codes, localhost: orm.Computer) -> Codes:
    """Codes of which nothing is known; LAMMPS is one that was never run."""
    code = orm.InstalledCode(
        computer=localhost, filepath_executable="/x/lmp", default_calc_job_plugin="cse.lammps", label="some"
    )
    return {"lammps": code.store(), "cse": codes["cse"]}


def launch(codes: Codes, protocol: str = "demo", **given: Any) -> Any:
    recipe = load_recipe("llzo-peo-litfsi-demo")
    return StudyWorkChain.get_builder_from_protocol(codes, recipe, protocol, **given)


# -- what is run ---------------------------------------------------------------------------------------------


def test_the_examination_uses_every_style_of_every_protocol() -> None:
    run = features_of(*probe_plans().scripts().values(), tiny_interface().forcefield)
    published = chemistry_of(load_recipe("llzo-peo-litfsi")).forcefield
    needed = features_of(published, *(script for _, script in scripts.settings_scripts()))
    for protocol in scripts.PROTOCOLS:
        needed |= features_of(*(script for _, script in scripts.protocol_scripts(protocol)))
    assert sorted(needed - run) == []
    assert len(needed) > 20


def test_lammps_without_dcd_is_known_with_its_package(
    installed_code: Callable[..., orm.InstalledCode], tmp_path: Path, environment_bin: Path
) -> None:
    program = tmp_path / "lmp"
    program.write_text(WITHOUT_DCD.format(lmp=environment_bin / "lmp"), encoding="utf-8")
    program.chmod(0o755)
    code = installed_code("without-dcd", program, "cse.lammps", with_mpi=None)
    process = run_embedded(ExamineWorkChain.get_builder_for(code))
    assert process.is_finished_ok, process.exit_message
    found = process.outputs.capabilities
    assert set(found.get_dict()) == set(CAPABILITIES)
    dcd = {"command": "dump", "style": "dcd", "package": "EXTRA-DUMP", "uses": ["study", "validation"]}
    assert (found["missing"], found["failed"], found["ranks"]) == ([dcd], [], [1, 2])
    assert "omp" in found["accelerators"]
    assert set(found["accelerator_errors"]) == {"intel", "gpu", "kokkos"}
    assert capabilities_of(code).uuid == found.uuid
    program.touch()
    assert capabilities_of(code) is None


def test_a_program_that_never_ends_is_ended(
    installed_code: Callable[..., orm.InstalledCode], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiida_cse.workchains.examine._LONGEST", 1)
    program = tmp_path / "lmp"
    program.write_text("#!/bin/sh\nexec sleep 987654\n", encoding="utf-8")
    program.chmod(0o755)
    code = installed_code("sleeps", program, "cse.lammps", with_mpi=None)
    process = run_embedded(ExamineWorkChain.get_builder_for(code))
    assert process.exit_status == 391
    assert "cse.time_limit: it has not ended within 1 s" in process.exit_message
    assert not [one for one in psutil.process_iter(["cmdline"]) if "987654" in (one.info["cmdline"] or [])]


# -- what is found -------------------------------------------------------------------------------------------


def results(**runs: Any) -> dict[str, Any]:
    whole = {name: {"uses": "study", "complete": True, "error": None} | run for name, run in runs.items()}
    return {"lammps_version": "x", "packages": [], "missing": [], "ranks": 1, "runs": whole, "error": None}


@pytest.mark.parametrize(
    ("two", "words"),
    [
        (results(parallel={}) | {"ranks": 2}, None),
        (results(parallel={}), "LAMMPS ran 1 in each process: it has another MPI than mpirun"),
        (results(parallel={"complete": False, "error": "ERROR: no"}), "ERROR: no"),
        ({}, "the job with 2 ranks failed"),
    ],
)
def test_two_ranks_count_only_if_lammps_knows_of_both(two: dict[str, Any], words: str | None) -> None:
    found = _combined("x", results(stages={}), two)
    assert found["ranks"] == ([1, 2] if words is None else [1])
    assert (found["ranks_error"] or "").endswith(words or "")


def test_a_command_that_this_release_does_not_know_is_a_failed_run() -> None:
    wrong = {"complete": False, "error": "ERROR: Illegal fix langevin command: gjf"}
    found = _combined("x", results(stages={}, landscape=wrong | {"uses": "validation"}), {})
    assert found["failed"] == [{"run": "landscape", "uses": "validation", "error": wrong["error"]}]


# -- what it says against a launch ---------------------------------------------------------------------------


def test_a_launch_with_a_code_that_was_not_examined_is_warned_of(codes: Codes) -> None:
    refusals, (warning,) = launch_findings(launch(codes))
    assert refusals == []
    assert "codes.lammps = some@localhost: not examined; do so with: " in warning
    assert warning.endswith("aiida-cse doctor some@localhost")


@pytest.mark.parametrize(
    ("found", "given", "words"),
    [
        (
            {"missing": [{"command": "dump", "style": "dcd", "package": "EXTRA-DUMP", "uses": ["study"]}]},
            {},
            "dump dcd is missing; build LAMMPS with the package EXTRA-DUMP: -D PKG_EXTRA-DUMP=yes",
        ),
        (
            {"failed": [{"run": "stages", "uses": "study", "error": "ERROR: Illegal"}]},
            {},
            "the run 'stages' of a few steps fails: ERROR: Illegal; ",
        ),
        (
            {"ranks_error": "another MPI"},
            {"options": {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 2}}},
            "2 MPI ranks: another MPI; correct the mpirun command",
        ),
        (
            {"accelerator_errors": {"opt": "ERROR: none"}},
            {"overrides": {"production": {"plan": {"settings": {"accelerator": "opt"}}}}},
            "accelerator opt: ERROR: none; ",
        ),
    ],
)
def test_a_launch_is_refused_by_what_its_code_lacks(
    found: dict[str, Any], given: Mapping[str, Any], words: str, codes: Codes
) -> None:
    stored_examination(codes["lammps"], **found)
    (line,), warnings = launch_findings(launch(codes, **given))
    assert f"codes.lammps = some@localhost: {words}" in line
    assert warnings == []
    if "options" in given:
        assert launch_findings(launch(codes)) == ([], [])


def test_only_a_validation_needs_what_only_it_uses(codes: Codes) -> None:
    table = {"command": "fix", "style": "wall/table", "package": "EXTRA-FIX", "uses": ["validation"]}
    stored_examination(codes["lammps"], missing=[table])
    assert launch_findings(launch(codes)) == ([], [])
    (line,), _ = launch_findings(ValidationWorkChain.get_builder_from_protocol(codes))
    assert "PKG_EXTRA-FIX=yes" in line


def test_only_a_crossing_by_colvars_needs_that_package(codes: Codes) -> None:
    stored_examination(codes["lammps"], packages=["KSPACE", "MOLECULE"])
    assert launch_findings(launch(codes)) == ([], [])
    crossing: dict[str, Any] = {"temperatures": [500.0], "plan": {"bias": "colvars"}}
    (line,), _ = launch_findings(launch(codes, overrides={"crossing": crossing}))
    wrong = "codes.lammps = some@localhost: the package COLVARS is missing"
    assert line == f"{wrong}; take plan.bias: spring, or build LAMMPS with -D PKG_COLVARS=yes"
    stored_examination(codes["lammps"], packages=["COLVARS", "KSPACE"])
    assert launch_findings(launch(codes, overrides={"crossing": crossing})) == ([], [])


def test_an_examination_of_other_scripts_does_not_count(codes: Codes) -> None:
    stored_examination(codes["lammps"], examination="other")
    assert capabilities_of(codes["lammps"]) is None


@pytest.mark.parametrize("junk", [None, 3, "x", ["y"], [{}], [{"uses": 1, "package": 2}]])
def test_capabilities_from_an_archive_are_not_trusted(junk: Any, codes: Codes) -> None:
    for finding in findings_of(codes["lammps"], dict.fromkeys(CAPABILITIES, junk)):
        assert finding.wrong


def test_a_program_of_another_version_is_refused(codes: Codes, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_examination(codes["lammps"])
    codes["cse"].base.extras.set(VERSION_EXTRA, "0.0.9")
    # that of this Python is of this version, whatever was stored before an upgrade
    assert launch_findings(launch(codes)) == ([], [])
    monkeypatch.setattr("sys.executable", "/another/bin/python")
    (line,), _ = launch_findings(launch(codes))
    assert line.startswith(f"codes.cse = cse@localhost is aiida-cse 0.0.9, this is {__version__}; install")
    codes["cse"].base.extras.delete(VERSION_EXTRA)
