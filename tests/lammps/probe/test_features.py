"""Styles that scripts need, and what ``lmp -h`` says of a program."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from aiida_cse.lammps.probe.features import Feature, features_of, lacking_package, package_of, read_help
from aiida_cse.lammps.probe.runs import examined

DCD = Feature("dump", "dcd")
LACKS = (
    "ERROR: Unrecognized dump style 'dcd' is part of the EXTRA-DUMP package which is not enabled in this LAMMPS "
    "binary. (src/output.cpp:590)"
)
SCRIPT = """\
pair_style hybrid lj/cut/coul/long ${cutoff} buck/coul/long ${cutoff}  # both
kspace_style none
fix bath moving nvt temp 300 300 100
compute shift all displace/atom
if "$(step) == 0" then "velocity all create 300 1"
dump trajectory all dcd 2 trajectory.dcd
"""


@pytest.fixture(scope="module")
def lmp_help(environment_bin: Path) -> str:
    return subprocess.run([environment_bin / "lmp", "-h"], capture_output=True, text=True, check=True).stdout


def test_a_script_needs_the_styles_that_it_selects() -> None:
    assert {str(feature) for feature in features_of(SCRIPT)} == {
        *("pair_style hybrid", "pair_style lj/cut/coul/long", "pair_style buck/coul/long"),
        *("fix nvt", "compute displace/atom", "dump dcd"),
    }


def test_the_help_of_lammps_tells_packages_and_styles(lmp_help: str) -> None:
    program = read_help(lmp_help)
    assert program is not None
    assert program.version[-4:].strip()
    assert {"KSPACE", "MOLECULE", "EXTRA-DUMP"} <= set(program.packages)
    assert program.lacks(features_of(SCRIPT)) == []
    assert program.lacks({Feature("fix", "nonsense")}) == [Feature("fix", "nonsense")]
    assert read_help("bash: lmp: command not found") is None


def test_a_missing_style_is_told_with_its_package(lmp_help: str) -> None:
    without = lmp_help.replace(" dcd ", " ").replace(" nvt ", " ")
    log = f"LAMMPS (22 Jul 2025)\n{LACKS}\n"
    found = examined(without, {"a": SCRIPT}, {"a": "study"}, {"a": log}, "")
    assert found["missing"] == [
        {"command": "dump", "style": "dcd", "package": "EXTRA-DUMP", "uses": ["study"]},
        {"command": "fix", "style": "nvt", "package": None, "uses": ["study"]},
    ]
    assert found["runs"]["a"] == {"uses": "study", "complete": False, "error": LACKS}
    assert (package_of(DCD), lacking_package(LACKS)) == ("EXTRA-DUMP", "EXTRA-DUMP")
    assert package_of(Feature("fix", "nvt")) is None


def test_lammps_that_does_not_start_is_told_with_the_last_words() -> None:
    said = "line\nlmp: error while loading shared libraries: libmpi.so.40\n\n"
    found = examined("", {"a": SCRIPT}, {"a": "study"}, {}, said)
    assert found["lammps_version"] is None
    assert found["error"] == "lmp: error while loading shared libraries: libmpi.so.40"
    assert (found["missing"], found["ranks"]) == ([], None)
