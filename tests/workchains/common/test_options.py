"""Options and monitors of jobs: the jobs that receive them, the stash of LAMMPS jobs, and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiida.engine import PortNamespace
from aiida.orm import InstalledCode

from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.study import StudyWorkChain

WHOLE = ["trajectory.dcd", "ions.dcd", "restart.*", "final.data", "log.lammps", "start.json", "end.json"]


def study(codes: Codes, recipe: dict[str, Any], stash: Any) -> Any:
    return StudyWorkChain.get_builder_from_protocol(codes, recipe, "demo", options={"stash": stash})


def test_a_stash_needs_only_its_target(codes: Codes, recipe: dict[str, Any]) -> None:
    builder = study(codes, recipe, {"target_base": "/archive/cse"})
    assert StudyWorkChain.spec().inputs.validate(builder._inputs(prune=True)) is None
    for part in ("ceramic", "electrolyte", "interface", "production"):
        found = builder[part].base.lammps.metadata.options["stash"]
        assert found == {"target_base": "/archive/cse", "stash_mode": "copy", "source_list": WHOLE}


#: options that a site may demand of every job
DEMANDED = {
    "qos": "long",
    "account": "battery",
    "queue_name": "normal",
    "custom_scheduler_commands": "#SBATCH --constraint=icelake",
    "prepend_text": "module load site",
    "max_wallclock_seconds": 3600,
    "environment_variables": {"SITE": "1"},
}
#: options of the LAMMPS runs alone
OF_RUNS = {
    "stash": {"target_base": "/archive/cse"},
    "resources": {"num_machines": 2, "num_mpiprocs_per_machine": 16},
    "mpirun_extra_params": ["--exact"],
}
SINGLE = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
PARTS = ("ceramic", "electrolyte", "interface", "production", "crossing")


def jobs(ports: PortNamespace, place: str = "") -> Iterator[str]:
    """Yield the places of all CalcJobs among the inputs of a process."""
    if "options" in ports.get("metadata", {}):
        yield place
    for name, port in ports.items():
        if isinstance(port, PortNamespace):
            yield from jobs(port, f"{place}.{name}".strip("."))


def options_of(builder: Any, place: str) -> dict[str, Any]:
    for name in place.split("."):
        builder = builder[name]
    return {name: value for name, value in builder.metadata.options.items() if value != {}}


@pytest.fixture
def all_codes(codes: Codes, installed_code: Callable[..., InstalledCode]) -> Codes:
    plugins = {"moltemplate": "cse.moltemplate", "emc": "cse.emc", "emc_setup": "cse.emc"}
    more = {role: installed_code(role, Path("/bin/true"), plugin) for role, plugin in plugins.items()}
    return Codes(**codes, **more)  # type: ignore[typeddict-item]


@pytest.mark.parametrize("part", [None, *PARTS])
@pytest.mark.parametrize("assembler", ["lammps", "moltemplate"])
def test_options_reach_every_job_of_the_part_that_they_name(
    all_codes: Codes, recipe: dict[str, Any], part: str | None, assembler: str
) -> None:
    given = DEMANDED | OF_RUNS
    overrides: dict[str, Any] = {
        "electrolyte": {"builder": "emc"}, "interface": {"assembler": assembler},
        "crossing": {"temperatures": [500]},
    }  # fmt: skip
    if part is not None:
        overrides.setdefault(part, {})["base"] = {"options": given}
    builder = StudyWorkChain.get_builder_from_protocol(
        all_codes, recipe, "demo", overrides, options=given if part is None else None
    )
    other = {"lammps": "moltemplate", "moltemplate": "lammps"}[assembler]
    found = {place: options_of(builder, place) for place in jobs(StudyWorkChain.spec().inputs)}
    assert found.pop(f"interface.{other}") == {}
    assert len(found) == 10
    for place, options in found.items():
        named = place.startswith(part or PARTS)
        assert {name: options.get(name) for name in DEMANDED} == {
            name: value if named else None for name, value in DEMANDED.items()
        }, place
        runs = named and "base" in place
        assert ("stash" in options, "mpirun_extra_params" in options) == (runs, runs), place
        assert options.get("resources", SINGLE)["num_mpiprocs_per_machine"] == (16 if runs else 1), place


def test_a_job_beside_lammps_has_options_of_its_own(codes: Codes, recipe: dict[str, Any]) -> None:
    cores = {"num_machines": 1, "num_mpiprocs_per_machine": 1, "num_cores_per_mpiproc": 8}
    production = {
        "base": {"options": DEMANDED},
        "reduce": {"options": {"queue_name": "small", "resources": cores, "withmpi": True}},
    }
    builder = StudyWorkChain.get_builder_from_protocol(codes, recipe, "demo", {"production": production})
    reduce = options_of(builder, "production.reduce")
    assert (reduce["queue_name"], reduce["qos"], reduce["resources"]) == ("small", "long", cores)
    assert reduce["withmpi"] is False
    assert options_of(builder, "production.base.lammps")["queue_name"] == "normal"
    for options, message in (({"stash": {"target_base": "/a"}}, "stash: only LAMMPS"), ({"que": 1}, "'que'")):
        production["reduce"] = {"options": options}
        with pytest.raises(ValueError, match=rf"^production\.reduce\.options.*{message}"):
            StudyWorkChain.get_builder_from_protocol(codes, recipe, "demo", {"production": production})


def test_monitors_reach_the_lammps_jobs_of_a_part(codes: Codes, recipe: dict[str, Any]) -> None:
    thermo = {"entry_point": "cse.thermo", "kwargs": {"temperature_factor": 2.0}}
    overrides = {"production": {"base": {"monitors": {"thermo": thermo}}}}
    builder = StudyWorkChain.get_builder_from_protocol(codes, recipe, "demo", overrides)
    assert builder.production.base.lammps.monitors["thermo"].get_dict() == thermo
    assert "thermo" not in builder.ceramic.base.lammps.monitors
    for wrong, message in (
        ({"thermo": "cse.thermo"}, r"production\.base\.monitors\.thermo = 'cse\.thermo': must be"),
        ({"thermo": {"entry_point": "cse.thermos"}}, r"production.*cse\.thermos"),
        ([], r"production\.base\.monitors = \[\]"),
    ):
        overrides["production"]["base"]["monitors"] = wrong  # type: ignore[assignment]
        with pytest.raises(ValueError, match=message):
            StudyWorkChain.get_builder_from_protocol(codes, recipe, "demo", overrides)


def test_fewer_files_can_be_stashed(codes: Codes, recipe: dict[str, Any]) -> None:
    builder = study(codes, recipe, {"target_base": "/archive", "source_list": ["trajectory.dcd"]})
    assert builder.production.base.lammps.metadata.options["stash"]["source_list"] == ["trajectory.dcd"]


@pytest.mark.parametrize(
    ("stash", "message"),
    [
        ("/archive", "must be a mapping, such as"),
        ({}, "target_base = None must be the absolute path"),
        ({"target_base": "archive"}, "target_base = 'archive' must be the absolute path"),
        ({"target_base": "/a", "stash_mode": "tar.gz"}, "stash_mode = 'tar.gz' must be 'copy'"),
        ({"target_base": "/a", "source_list": []}, "source_list = [] must be a list of names"),
        ({"target_base": "/a", "source_list": ["../secret"]}, "must be a list of names"),
        ({"target_base": "/a", "source_list": ["/etc/passwd"]}, "must be a list of names"),
        ({"target_base": "/a", "sources": ["x"]}, "'sources' is no known key: did you mean 'source_list'?"),
    ],
)
def test_a_wrong_stash_is_refused(codes: Codes, recipe: dict[str, Any], stash: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"options\.stash = ") as caught:
        study(codes, recipe, stash)
    assert message in str(caught.value)
