"""``aiida-cse launch``, ``extend`` and ``resume``: builders, refusals, and an analysis that runs."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiida.engine import ProcessBuilder
from aiida.orm import Group, InstalledCode, Int, Node, PortableCode, ProcessNode, QueryBuilder, WorkChainNode
from click.testing import CliRunner, Result

from aiida_cse.building.recipe import load_recipe
from aiida_cse.cli import main
from aiida_cse.cli.site.environment import ensure_computer
from aiida_cse.data.forcefield import CseForceFieldData
from aiida_cse.data.lookup import find_node
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.data.system import CseSystemData
from aiida_cse.forcefields import load_set
from aiida_cse.reduction.reduce import reduce_segments
from tests.emc import emc_program, emc_script
from tests.nodes import interface, run_node
from tests.reduction import synthetic
from tests.systems import crystal_and_molecules

pytestmark = pytest.mark.usefixtures("aiida_profile")

RECIPE = "llzo-peo-litfsi-demo"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["launch", *map(str, arguments)])


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[ProcessBuilder]:
    """Return the builders that the command would start."""
    builders: list[ProcessBuilder] = []
    monkeypatch.setattr("aiida_cse.cli.running.start", lambda builder, wait: builders.append(builder))
    return builders


def refused(*arguments: object) -> str:
    """Call the command, check that it launched nothing, and return what it said."""
    before = QueryBuilder().append(WorkChainNode).count()
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert QueryBuilder().append(WorkChainNode).count() == before
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    return line


@pytest.fixture
def reduction(tmp_path: Path) -> CseReductionData:
    path = synthetic.write_dcd(tmp_path / "1.dcd", synthetic.make(5, 120).positions)
    reduce_segments([path], synthetic.config()).save(tmp_path / "state.npz")
    return CseReductionData(file=BytesIO((tmp_path / "state.npz").read_bytes())).store()


def test_an_analysis_runs_here_and_ends_with_its_verdict(reduction: CseReductionData) -> None:
    names = ("--label", "the first look", "--group", "papers/2026")
    words = ("--temperature", 700, "--protocol", "demo")
    result = invoke("analysis", "--reduction", reduction.uuid, *words, *names)
    assert result.exit_code == 0, result.output
    node = find_node("the first look", WorkChainNode)
    assert [group.label for group in Group.collection.find({"label": "papers/2026"})] == ["papers/2026"]
    assert node in Group.collection.get(label="papers/2026").nodes
    assert "EC 0." in result.output
    assert result.output.startswith(
        "analysing from 0 ns on (protocol demo; --protocol or --overrides change it)\n"
    )
    last = result.output.splitlines()[-1]
    assert last.startswith("AnalysisWorkChain <")
    assert " finished after " in last


def test_a_start_beyond_the_end_is_refused_with_where_it_comes_from(
    reduction: CseReductionData, tmp_path: Path
) -> None:
    words = ("analysis", "--reduction", reduction.pk, "--temperature", 700)
    line = refused(*words)
    assert "settings.start_ns = 20: it leaves nothing to analyse" in line
    assert line.endswith("(start_ns is that of protocol moderate; --protocol or --overrides change it)")
    changes = tmp_path / "late.yaml"
    changes.write_text("settings: {start_ns: 3}\n")
    assert refused(*words, "--overrides", changes).endswith(f"(start_ns is that of {changes})")


def test_unknown_names_are_refused_with_the_known_ones(lmp: Any, cse: Any, tmp_path: Path) -> None:
    assert "there is no recipe 'llzo'" in refused("study", "--recipe", "llzo")
    assert "protocol" in refused("study", "--recipe", RECIPE, "--protocol", "slow")
    overrides = tmp_path / "changes.yaml"
    overrides.write_text("temperature: [600]\n")
    line = refused("study", "--recipe", RECIPE, "--protocol", "demo", "--overrides", overrides)
    assert "'temperature' is no known key" in line
    assert "temperatures" in line


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("{", "not valid YAML"), ("- a list", "a file of overrides must be a mapping of keys to values, not list")],
)
def test_an_overrides_file_without_a_mapping_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    overrides = tmp_path / "changes.yaml"
    overrides.write_text(content)
    line = refused("study", "--recipe", RECIPE, "--overrides", overrides)
    assert f"--overrides {overrides}: " in line
    assert complaint in line


def test_a_missing_code_is_refused_with_a_hint() -> None:
    line = refused("study", "--recipe", RECIPE, "--protocol", "demo", "--lammps", "lmp@nowhere")
    assert "lmp@nowhere" in line
    assert "there is no code of this label, PK or UUID" in line


def test_nodes_of_another_kind_are_refused(lmp: Any, cse: Any) -> None:
    number: Node = Int(1).store()
    words = ("--temperature", 700)
    assert "must be a CseReductionData" in refused("analysis", "--reduction", number.pk, *words)
    assert "must be a CseSystemData" in refused("production", "--system", number.pk, *words)
    assert "there is no node 1000000000" in refused("production", "--system", 10**9, *words)


def test_a_production_of_a_system_without_seed_is_refused(lmp: Any, cse: Any) -> None:
    system = CseSystemData(crystal_and_molecules()).store()
    said = refused("production", "--system", system.pk, "--temperature", 700)
    assert (
        said
        == f"Error: --system = {system.pk}: system {system.pk} has no seed for velocities; give one with --seed"
    )


def test_the_code_of_aiida_cse_is_on_the_computer_of_lammps(
    lmp: InstalledCode, cse: InstalledCode, built: list[ProcessBuilder]
) -> None:
    result = invoke("study", "--recipe", RECIPE, "--protocol", "demo", "--lammps", lmp.full_label)
    assert result.exit_code == 0, result.output
    (builder,) = built
    assert builder.ceramic.build.code.uuid == cse.uuid


def test_a_recipe_may_name_a_set_of_the_profile(
    lmp: InstalledCode, cse: InstalledCode, tmp_path: Path, built: list[ProcessBuilder]
) -> None:
    content = load_recipe(RECIPE).model_dump(mode="json")
    content["forcefield"]["polymer"] = "peo-of-launch"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    words = ("study", "--recipe", path, "--protocol", "demo", "--lammps", lmp.full_label)
    said = refused(*words)
    assert said.startswith(f"Error: {path}: forcefield.polymer: there is no force-field set 'peo-of-launch'")

    node = CseForceFieldData.get_or_create(load_set("opls-aa-peo").model_copy(update={"name": "peo-of-launch"}))
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    assert built[0].forcefield.polymer.uuid == node.uuid
    assert set(built[0].recipe["forcefield"]["own_sets"]) == {"peo-of-launch"}


def test_moltemplate_joins_the_phases_if_its_code_is_given(
    lmp: InstalledCode,
    cse: InstalledCode,
    installed_code: Callable[..., InstalledCode],
    environment_bin: Path,
    tmp_path: Path,
    built: list[ProcessBuilder],
) -> None:
    code = installed_code("moltemplate", environment_bin / "moltemplate.sh", "cse.moltemplate")
    words = ("study", "--recipe", RECIPE, "--protocol", "demo", "--lammps", lmp.full_label)
    result = invoke(*words, "--moltemplate", code.full_label)
    assert result.exit_code == 0, result.output
    interface_of = built[0].interface
    assert (interface_of.assembler, interface_of.moltemplate.code.uuid) == ("moltemplate", code.uuid)

    assert "--moltemplate = 'moltmplate@localhost': " in refused(*words, "--moltemplate", "moltmplate@localhost")
    line = refused(*words, "--moltemplate", lmp.full_label)
    assert line == f"Error: codes.moltemplate = {lmp.full_label}: a code of cse.lammps is one for codes.lammps"


def test_moltemplate_in_the_protocol_needs_its_code(
    lmp: InstalledCode, cse: InstalledCode, tmp_path: Path
) -> None:
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text("interface: {assembler: moltemplate}\n")
    line = refused("study", "--recipe", RECIPE, "--protocol", "demo", "--overrides", overrides)
    assert "assembler = 'moltemplate': its code is missing; give codes.moltemplate" in line


def test_lammps_joins_the_phases_by_default(
    lmp: InstalledCode, cse: InstalledCode, tmp_path: Path, built: list[ProcessBuilder]
) -> None:
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text("interface: {assembler: built-in}\n")
    words = ("study", "--recipe", RECIPE, "--protocol", "demo", "--lammps", lmp.full_label, "--account", "abc")
    for more in ((), ("--overrides", overrides, "--starts", "as-built,filled")):
        result = invoke(*words, *more)
        assert result.exit_code == 0, result.output
    assert (built[1].interface.assembler, "code" in built[1].interface.lammps) == ("built-in", False)
    assert [made.starts.get_list() for made in built] == [["as-built"], ["as-built", "filled"]]
    joining = built[0].interface.lammps
    assert (built[0].interface.assembler, joining.code.uuid) == ("lammps", lmp.uuid)
    assert joining.metadata.options.account == "abc"


def test_a_study_takes_its_runs_and_options_from_the_command_line(
    lmp: InstalledCode, cse: InstalledCode, tmp_path: Path, built: list[ProcessBuilder]
) -> None:
    overrides, options = tmp_path / "overrides.yaml", tmp_path / "site.yaml"
    overrides.write_text("replicas: 4\nproduction: {plan: {length_ps: 8, thermo_ps: 1}}\n")
    options.write_text("qos: long\naccount: abc\nresources: {num_machines: 2, num_mpiprocs_per_machine: 8}\n")
    words = ("study", "--recipe", RECIPE, "--protocol", "demo", "--lammps", lmp.full_label)
    more = ("--temperatures", "600,700", "--replicas", 2, "--length", 0.024, "--account", "battery")
    result = invoke(*words, "--overrides", overrides, "--options", options, *more)
    assert result.exit_code == 0, result.output
    (builder,) = built
    assert (builder.temperatures.get_list(), builder.replicas) == ([600, 700], 2)
    plan = builder.production.plan
    assert (plan["length_ps"], plan["thermo_ps"], plan.get_dict().get("lengths", [])) == (24, 1, [])
    reduce, runs = builder.production.reduce.metadata.options, builder.production.base.lammps.metadata.options
    assert [(job.qos, job.account) for job in (reduce, runs)] == [("long", "battery")] * 2
    assert [job.resources["num_mpiprocs_per_machine"] for job in (reduce, runs)] == [1, 8]

    options.write_text("qos: two words\n")
    said = refused(*words, "--options", options)
    assert said.startswith(f"Error: --options {options}: options.qos = 'two words': must be one word")


@pytest.mark.parametrize("label", ["", "12", "two\nlines", "x" * 256])
def test_a_label_that_cannot_be_found_again_is_refused(label: str) -> None:
    assert "Invalid value for '--label'" in refused("study", "--recipe", RECIPE, "--label", label)


def test_a_quench_takes_its_temperatures_and_the_seed_of_its_system(
    lmp: InstalledCode, cse: InstalledCode, built: list[ProcessBuilder]
) -> None:
    system = interface()
    seeded = system.evolved(system.data, seeds={"velocities": 77})
    node = CseSystemData(seeded).store()
    words = ("--temperature", 400, "--hot-temperature", 650, "--protocol", "demo", "--lammps", lmp.full_label)
    result = invoke("quench", "--system", node.pk, *words)
    assert result.exit_code == 0, result.output
    (builder,) = built
    assert (builder.temperature, builder.hot_temperature, builder.seed) == (400, 650, 77)
    assert builder.system.uuid == node.uuid
    said = refused("quench", "--system", CseSystemData(system).store().pk, *words)
    assert said.endswith("has no seed for velocities; use a system that was built here")


def test_a_computer_without_aiida_cse_is_refused(lmp: InstalledCode, tmp_path: Path) -> None:
    bare = ensure_computer(tmp_path, label="without-cse").entity
    InstalledCode(bare, str(lmp.filepath_executable), label="lmp").store()
    line = refused("study", "--recipe", RECIPE, "--protocol", "demo", "--lammps", "lmp@without-cse")
    assert "cse@without-cse" in line


def test_a_code_without_computer_needs_the_code_of_aiida_cse(tmp_path: Path, aiida_profile: object) -> None:
    (tmp_path / "lmp").write_text("#!/bin/sh\n")
    portable = PortableCode(label="portable-lmp", filepath_executable="lmp", filepath_files=tmp_path).store()
    line = refused("study", "--recipe", RECIPE, "--protocol", "demo", "--lammps", portable.pk)
    assert line == "Error: --cse is missing: portable-lmp has no computer; give the code of aiida-cse"


def test_emc_builds_the_electrolyte_if_its_codes_are_given(
    lmp: InstalledCode,
    cse: InstalledCode,
    installed_code: Callable[..., InstalledCode],
    built: list[ProcessBuilder],
) -> None:
    emc = installed_code("emc", emc_program(), "cse.emc")
    setup = installed_code("emc_setup", emc_script("emc.pl"), "cse.emc")
    words = ("study", "--recipe", RECIPE, "--protocol", "demo", "--lammps", lmp.full_label)
    result = invoke(*words, "--emc", emc.full_label, "--emc-setup", setup.full_label)
    assert result.exit_code == 0, result.output
    inputs = built[0].electrolyte
    assert (inputs.builder, inputs.emc.code.uuid, inputs.emc.setup_code.uuid) == ("emc", emc.uuid, setup.uuid)
    assert "--emc-setup = 'emcsetup@localhost': " in refused(*words, "--emc-setup", "emcsetup@localhost")


@pytest.mark.parametrize("option", ["--emc", "--emc-setup"])
def test_emc_needs_both_of_its_codes(
    lmp: InstalledCode, cse: InstalledCode, installed_code: Callable[..., InstalledCode], option: str
) -> None:
    code = installed_code("emc", emc_program(), "cse.emc")
    line = refused("study", "--recipe", RECIPE, "--protocol", "demo", option, code.full_label)
    assert "builder = 'emc': its codes are missing; give codes.emc (EMC itself) and codes.emc_setup" in line


def test_extend_refuses_other_processes_and_arguments() -> None:
    number, base = Int(1).store(), run_node("cse.base")
    for arguments, complaint in (
        ((number.pk, "--replicas", 2), "must be a WorkChainNode"),
        ((base.pk, "--replicas", 2), "it must be the process of a study"),
        ((base.pk, "--starts", "filled"), "it must be the process of a study"),
        ((base.pk, "--temperatures", "500;600"), "'500;600': give numbers in K, separated by commas"),
        ((10**9, "--length", 20), "there is no node 1000000000"),
        ((base.pk, "--crossing", number.pk), "--crossing = "),
        ((base.pk, "--crossing", base.pk), "it must be the process of a study"),
    ):
        result = CliRunner().invoke(main, ["extend", *map(str, arguments)])
        assert result.exit_code == 2, result.output
        assert complaint in " ".join(result.output.split())


def test_resume_of_a_wrong_pk_is_refused_in_one_line() -> None:
    result = CliRunner().invoke(main, ["resume", str(10**9)])
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1


def test_a_dry_run_shows_the_jobs_and_starts_nothing(lmp: Any, cse: Any) -> None:
    before = QueryBuilder().append(ProcessNode).count()
    result = invoke("study", "--recipe", RECIPE, "--protocol", "demo", "--lammps", lmp.full_label, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "production T0500_r1" in result.output
    assert result.output.endswith("dry run: nothing was started\n")
    assert QueryBuilder().append(ProcessNode).count() == before


@pytest.mark.parametrize("empty", ["", ":"])
def test_an_empty_folder_of_profiles_is_refused_rather_than_the_home_used(empty: str) -> None:
    result = CliRunner().invoke(main, ["resume", "1"], env={"AIIDA_PATH": empty})
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: AIIDA_PATH = '{empty}': must name a folder")


def test_a_folder_that_aiida_path_names_is_not_created_by_a_look(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["studies"], env={"AIIDA_PATH": str(tmp_path / "none")})
    assert result.output.startswith(f"Error: AIIDA_PATH: there is no folder {tmp_path / 'none'}")
    assert not (tmp_path / "none").exists()


def thin_recipe(folder: Path) -> Path:
    content = load_recipe(RECIPE).model_dump(mode="json")
    content["polymer"]["chains"], content["salt"]["pairs"] = 2, 2
    path = folder / "thin.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_a_layer_too_thin_for_its_regions_is_refused_before_anything_runs(
    lmp: Any, cse: Any, tmp_path: Path
) -> None:
    words = ("study", "--recipe", thin_recipe(tmp_path), "--protocol", "demo", "--lammps", lmp.full_label)
    before = QueryBuilder().append(ProcessNode).count()
    result = invoke(*words, "--yes")
    assert result.exit_code == 2, result.output
    assert QueryBuilder().append(ProcessNode).count() == before
    said = " ".join(result.output.split())
    assert "✗ polymer.chains = 2: at 500 K the electrolyte will be some 11 Å thick (10 to 16)" in said
    assert "they need more than 27 Å; give at least 6 chains and 6 pairs of salt" in said


def test_a_salt_without_offsets_is_refused_before_anything_runs(lmp: Any, cse: Any) -> None:
    result = invoke(
        "study", "--recipe", "llzo-peo-lifsi-demo", "--protocol", "demo", "--lammps", lmp.full_label, "--dry-run"
    )
    assert result.exit_code == 2, result.output
    assert "production.sampling.offsets lacks FSI" in result.output
