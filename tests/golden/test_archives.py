"""Archives of earlier releases in a fresh profile: everything is read, and gives what it gave."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.folders import SandboxFolder
from aiida.common.links import LinkType
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory, DataFactory, ParserFactory
from click.testing import CliRunner

from aiida_cse.cli import main
from aiida_cse.cli.site.environment import ensure_code, ensure_computer
from aiida_cse.data.reduction import temperature_of
from aiida_cse.query import productions
from aiida_cse.query.rows import read_rows
from aiida_cse.report.sources import open_findings
from aiida_cse.workchains.common.builders import refuse_invalid
from aiida_cse.workchains.common.costs import folder_bytes
from aiida_cse.workchains.forecast import forecast
from tests.golden.archives import (
    DEMO_STUDY,
    FOLDER,
    archived,
    called_as,
    import_all,
    invoke,
    newest,
    processes,
    statuses,
    tables,
)
from tests.golden.compare import differences, lost_lines, node_differences

#: data nodes in the archives
NODES = {"cse.system": 14, "cse.reduction": 6, "cse.forcefield": 4}

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.fixture(scope="module", autouse=True)
def archives(aiida_config: Any, aiida_profile: object, aiida_profile_factory: Any) -> Iterator[None]:
    """A profile of its own with every archive; the one of the session comes back at the end."""
    before = aiida_config.default_profile_name
    with aiida_profile_factory(aiida_config):
        import_all()
        yield
    aiida_config.set_default_profile(before, overwrite=True)


def stored(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def nodes(entry_point: str) -> list[Any]:
    return archived(DataFactory(entry_point), {})


# -- what is seen of it -------------------------------------------------------------------------------------


def test_status_shows_the_numbers_that_it_showed() -> None:
    seen = statuses()
    gone = {uuid: lost_lines(text, seen[uuid]) for uuid, text in stored("status.json").items()}
    assert {uuid: lines for uuid, lines in gone.items() if lines} == {}


def test_an_export_of_an_imported_study_holds_the_numbers_of_its_nodes(tmp_path: Path) -> None:
    invoke("export", DEMO_STUDY, "--out", tmp_path / "out")
    outputs = orm.load_node(DEMO_STUDY).outputs.runs.T0500_r1
    with (tmp_path / "out" / "numbers.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {
        (row["observable"], row["key"]): (
            float(row["value"]),
            outputs[row["observable"]].base.attributes.get(row["key"]),
        )
        for row in rows
        if row["unit"] and row["value"]
    }
    assert len(found) > 100
    assert {key: pair for key, pair in found.items() if pair[0] != pair[1]} == {}
    nodes_of_row = (tmp_path / "out" / "runs.csv").read_text(encoding="utf-8")
    assert outputs["barrier"].uuid in nodes_of_row


def test_an_archived_study_is_compared_with_its_own_production() -> None:
    (study,) = [node for node in processes("StudyWorkChain") if "runs" in node.outputs]
    (production,) = [node for node in study.called_descendants if node.process_label == "ProductionWorkChain"]
    found = json.loads(invoke("compare", study.uuid, production.pk, "--format", "json"))
    run, system = found["not_independent"]
    assert run == "1 and 2: the same run, 500 K"
    assert system.startswith("1 and 2 come from the same slab <")
    assert found["protocol"] == []
    assert "temperatures" in found["not_compared"]


def test_the_parts_of_an_imported_run_stand_in_the_order_of_their_calls() -> None:
    """An import numbers the processes in no order."""
    for node in processes("ProductionWorkChain"):
        parts = re.findall(r"(segment_\d+|ReduceCalculation|look_\d+)", invoke("status", node.pk))
        segments = [part for part in parts if part.startswith("segment")]
        assert parts == [*sorted(segments), "ReduceCalculation", "look_001"]


def test_the_forecast_of_an_archived_study_is_what_it_did() -> None:
    study = orm.load_node(DEMO_STUDY)
    found = forecast(study.get_builder_restart())
    stages = study.outputs.stages
    for part in found.parts:
        records = stages[part.name.replace(" ", "_")]
        assert (len(part.jobs), part.steps) == (records["jobs"], records["steps"]), part.name
        assert records["bytes"] < folder_bytes(part) < 1.5 * records["bytes"], part.name
        duration = found.durations[part.name]
        assert duration is not None
        assert duration.differences == ()
    assert found.seconds is not None
    assert found.seconds[1] == pytest.approx((study.mtime - study.ctime).total_seconds(), rel=0.3)
    made = study.outputs.runs.T0500_r1.interface.info
    assert found.interface is not None
    assert found.interface.atoms == made.natoms
    (low, high), fit = made.box[2], found.layers[500]
    assert fit.least < high - low - found.interface.thickness < fit.most
    links = [one.base.links for one in (study, *study.called_descendants)]
    nodes = {link.node.pk for one in links for link in [*one.get_incoming().all(), *one.get_outgoing().all()]}
    assert 0.8 < found.nodes / len(nodes) < 1.2


def test_queries_give_what_they_gave() -> None:
    assert list(differences(stored("queries.json"), tables())) == []


def test_archived_studies_are_listed_with_the_verdicts_of_their_productions() -> None:
    rows = [row for row in read_rows() if row.kind in ("study", "validation")]
    assert {(row.kind, row.state) for row in rows} == {("study", "finished"), ("validation", "finished")}
    assert {row.protocol for row in rows if row.kind == "study"} == {"demo"}
    assert [row.done_ns for row in rows] == pytest.approx([row.asked_ns for row in rows])
    listed = {(run.temperature_K, run.ec, run.equilibrated, run.time_ns) for row in rows for run in row.rows}
    assert listed == {(one.temperature_K, one.ec, one.equilibrated, one.time_ns) for one in productions()}


def test_an_archived_study_tells_what_ran_where_and_from_which_sources() -> None:
    found = open_findings(DEMO_STUDY).provenance
    lammps = [job for job in found.jobs if job.kind == "LammpsStageCalculation"]
    assert {(job.program, job.ranks) for job in lammps} == {("LAMMPS 22 Jul 2025 - Update 4", 1)}
    assert {"ceramic", "electrolyte", "interface_T0500_r1", "production_T0500_r1"} == {job.part for job in lammps}
    assert found.settings["production.plan"]["length_ps"] == 12
    assert any("OPLS-AA" in citation for citation in found.citations)
    assert {one.name for one in found.outputs} >= {"ceramic", "kinetics", "runs.T0500_r1.equilibration"}


def test_missing_results_have_one_reason_everywhere() -> None:
    for run in open_findings(DEMO_STUDY).runs.values():
        assert run.missing
        assert run.results.missing == run.missing


# -- what is stored -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("entry_point", "number"), list(NODES.items()))
def test_data_of_every_type_are_read_and_valid(entry_point: str, number: int) -> None:
    found = nodes(entry_point)
    assert len(found) == number
    for node in found:
        node.clone()._validate()


def test_a_system_that_is_read_and_made_again_is_the_same() -> None:
    made = [(node, DataFactory("cse.system")(node.get_system())) for node in nodes("cse.system")]
    assert [line for old, new in made for line in node_differences(old, new, str(old.uuid))] == []


def test_a_force_field_that_is_read_and_made_again_is_the_same() -> None:
    made = [(node, DataFactory("cse.forcefield")(node.forcefield_set)) for node in nodes("cse.forcefield")]
    assert [line for old, new in made for line in node_differences(old, new, str(old.uuid))] == []
    assert {str(old.uuid) == str(new.uuid) for old, new in made} == {True}


def test_a_reduction_that_is_read_and_written_again_holds_the_same() -> None:
    for node in nodes("cse.reduction"):
        old = node.base.repository.get_object_content("state.npz", "rb")
        with TemporaryDirectory() as folder:
            path = Path(folder) / "state.npz"
            node.get_state().save(path)
            assert as_format_3(path.read_bytes()) == arrays(old)
            again = DataFactory("cse.reduction")(path)
        assert list(differences(node.base.attributes.all, again.base.attributes.all)) == []


def as_format_3(content: bytes) -> dict[str, Any]:
    """Return the arrays of a file of format 4 as those of format 3, from which it was made."""
    with np.load(BytesIO(content)) as file:
        found = {name: file[name] for name in file.files}
    config = json.loads(found["config"].tobytes())
    added = {name: config.pop(name) for name in ("bin_width", "streams", "atom_ids", "temperature")}
    assert added == {
        "bin_width": None,
        "streams": {"atoms": {"every_frames": 1, "bins": None, "bin_width": None}},
        "atom_ids": None,
        "temperature": None,
    }
    edges = found.pop("edges")
    assert (edges[:, :2] == config["box"][:2]).all()
    assert found.pop("sources").tobytes() == b"[]"
    found["config"] = np.frombuffer(json.dumps(config, separators=(",", ":")).encode(), np.uint8)
    found["range"][0] = 3
    found |= {"histograms": found.pop("stream_atoms"), "lengths": edges[:, 2]}
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in found.items()}


def arrays(content: bytes) -> dict[str, Any]:
    with np.load(BytesIO(content)) as file:
        return {name: (file[name].dtype.str, file[name].shape, file[name].tobytes()) for name in file.files}


# -- what follows from it -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "temperature",
    [257.0, 500.0, 1028.0, *(pytest.param(kelvin, marks=pytest.mark.long) for kelvin in (514.0, 734.0, 875.0))],
)
def test_an_analysis_of_a_stored_reduction_gives_the_stored_results(temperature: float) -> None:
    (old,) = [node for node in processes("AnalysisWorkChain") if node.inputs.temperature.value == temperature]
    if temperature == 500:
        # its production says that it is 500 K
        invoke("launch", "analysis", "--reduction", old.inputs.reduction.pk, "--protocol", "demo")
        new = newest("AnalysisWorkChain")
        assert new.pk != old.pk
    else:
        _, new = run_get_node(old.get_builder_restart())
    assert new.is_finished_ok, new.exit_message
    assert list(results_lost(old, new.outputs)) == []


#: calculation functions that are no part of an analysis
FUNCTIONS = (
    "cse.collect_stages",
    "cse.collect_looks",
    "cse.kinetics",
    "cse.cut_slab",
    "cse.draw_known_landscape",
    "cse.expect_landscape",
    "cse.compare_landscape",
)


@pytest.mark.parametrize("entry_point", FUNCTIONS)
def test_a_function_of_stored_inputs_gives_the_stored_results(entry_point: str) -> None:
    found = called_as(entry_point)
    assert found
    for old in found:
        inputs = inputs_of(old)
        if entry_point == "cse.kinetics":
            # the law that earlier versions fitted
            inputs["settings"] = orm.Dict(inputs["settings"].get_dict() | {"laws": ["arrhenius"]})
        _, new = CalculationFactory(entry_point).run_get_node(**inputs)
        assert new.is_finished_ok, new.exit_message
        assert list(results_lost(old, new.outputs)) == []


@pytest.mark.parametrize(("entry_point", "number"), [("cse.lammps", 19), ("cse.build", 2), ("cse.read_data", 1)])
def test_a_job_is_prepared_with_the_files_that_it_had(
    entry_point: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LAMMPS scripts, recipes and the rest of what lies in the job's node, and the lines around its program."""
    found = called_as(entry_point)
    assert len(found) == number
    for old in found:
        info, files = prepared(old)
        for name in set(old.base.repository.list_object_names()) - {".aiida", "_aiidasubmit.sh"}:
            assert files[name] == old.base.repository.get_object_content(name, "r"), f"{name} of {old.uuid}"
        submitted = old.base.repository.get_object_content("_aiidasubmit.sh", "r")
        for text in filter(None, (info.prepend_text, info.append_text)):
            assert text.replace(files["uuid"], old.uuid).strip() in submitted
        words = [word.strip("'") for word in submitted.split()]
        assert all(str(word) in words for word in info.codes_info[0].cmdline_params)


def prepared(old: Any) -> tuple[Any, dict[str, str]]:
    """Return what an archived job would be submitted with now, and its files."""
    process = instantiate_process(get_manager().get_runner(), old.get_builder_restart())
    with SandboxFolder() as folder:
        info = process.prepare_for_submission(folder)
        files = {path.name: path.read_text() for path in Path(folder.abspath).iterdir() if path.is_file()}
    return info, files | {"uuid": process.node.uuid}


def test_what_a_lammps_job_retrieved_is_parsed_to_the_stored_results() -> None:
    """Without what was retrieved for a while only: the system at the end, and the program's own output."""
    study = {node.uuid for node in processes("StudyWorkChain")[0].called_descendants}
    jobs = [node for node in called_as("cse.lammps") if node.uuid in study]
    assert len(jobs) == 9
    for old in jobs:
        made, _ = ParserFactory("cse.lammps").parse_from_node(old, store_provenance=False)
        assert made is not None
        for name in ("results", "thermo"):
            assert list(node_differences(old.outputs[name], made[name], name)) == []


def test_an_analysis_at_another_temperature_is_refused() -> None:
    for old in processes("AnalysisWorkChain"):
        pk, right = old.inputs.reduction.pk, old.inputs.temperature.value
        assert temperature_of(old.inputs.reduction) == right
        if right == 500:
            line = refused("launch", "analysis", "--reduction", pk, "--temperature", 700, "--protocol", "demo")
            assert f"temperature = 700: the reduction <{pk}> is of a run at 500 K; omit it or give 500" in line


# -- what is continued --------------------------------------------------------------------------------------


@pytest.fixture
def study() -> Any:
    return orm.load_node(DEMO_STUDY)


@pytest.fixture
def codes_here(environment_bin: Path, tmp_path: Path) -> tuple[str, ...]:
    """Codes of a computer of this profile, as options; that of the archive has the name localhost."""
    computer = ensure_computer(tmp_path, label="here").entity
    lammps = ensure_code(computer, "lmp", environment_bin / "lmp", "cse.lammps", with_mpi=None).entity
    cse = ensure_code(computer, "cse", environment_bin / "aiida-cse", "cse.build", with_mpi=False).entity
    return ("--lammps", lammps.full_label, "--cse", cse.full_label)


def refused(*arguments: object) -> str:
    """Return the message of a command that starts no process."""
    before = orm.QueryBuilder().append(orm.ProcessNode).count()
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 2, result.output
    assert orm.QueryBuilder().append(orm.ProcessNode).count() == before
    return result.output.splitlines()[-1]


def test_an_archived_study_asks_for_codes_of_this_profile(study: Any, codes_here: tuple[str, ...]) -> None:
    line = refused("extend", study.pk, "--temperatures", 600)
    gone = "its computer 'localhost' is not configured in this profile"
    assert f"codes.lammps = lmp@localhost: {gone}; codes.cse = cse@localhost: {gone}" in line
    assert line.endswith("; give codes of this profile: --lammps lmp@here --cse cse@here")
    assert gone in refused("extend", study.pk, "--temperatures", 600, "--lammps", "lmp@localhost")
    system = study.outputs.runs.T0500_r1.system
    for command in ("production", "quench"):
        assert gone in refused("launch", command, "--system", system.pk, "--temperature", 500)


def test_an_archived_study_gets_new_runs_from_its_stored_systems(
    study: Any, codes_here: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr("aiida_cse.cli.running.start", lambda builder, wait: started.append(builder))
    invoke("extend", study.pk, "--temperatures", 600, *codes_here, "--mpiprocs", 2)
    (builder,) = started
    refuse_invalid(builder)
    labels = {job.code.full_label for job in (builder.interface.lammps, builder.production.reduce)}
    assert labels | {builder.production.base.lammps.code.full_label} == {"lmp@here", "cse@here"}
    assert builder.production.base.lammps.metadata.options.resources["num_mpiprocs_per_machine"] == 2
    assert builder.temperatures.get_list() == [500, 600]
    assert builder.done["ceramic"].uuid == study.outputs.ceramic.uuid


@pytest.mark.parametrize("process", ["StudyWorkChain", "ProductionWorkChain"])
def test_a_longer_archived_run_needs_its_folder(process: str, study: Any, codes_here: tuple[str, ...]) -> None:
    run = study.outputs.runs.T0500_r1
    (node,) = [one for one in (study, *study.called_descendants) if one.process_label == process]
    line = refused("extend", node.pk, "--length", 1, *codes_here)
    path = run.system.creator.outputs.remote_folder.get_remote_path()
    assert f"folder = {path}: its computer 'localhost' is not configured in this profile; " in line
    assert "verdi computer configure core.local localhost) and give codes on it; " in line
    assert line.endswith(f"launch production --system {run.system.pk} --temperature 500")


def inputs_of(node: Any) -> dict[str, Any]:
    """Return the inputs of a calculation function; runs in the order of a validation, the hottest first."""
    given = {name: node.inputs[name] for name in node.inputs}
    return dict(sorted(given.items(), reverse="T1028_r1" in given))


def results_lost(old: Any, new: Any) -> Iterator[str]:
    """Yield where the outputs of a process differ from those of ``old``."""
    for link in old.base.links.get_outgoing(link_type=(LinkType.CREATE, LinkType.RETURN)).all():
        made = new[link.link_label.replace("__", ".")] if "__" in link.link_label else new[link.link_label]
        yield from node_differences(link.node, made, link.link_label)
