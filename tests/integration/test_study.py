"""One study of two productions from recipe to equilibration coefficient, and what its provenance answers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.log import configure_logging
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from aiida.orm import InstalledCode, WorkChainNode

from aiida_cse.analysis.registry import observables
from aiida_cse.query import productions, slab_seed
from aiida_cse.workchains.common.costs import written_trajectories
from aiida_cse.workchains.continue_from import get_builder_from_production, get_builder_from_study
from aiida_cse.workchains.forecast import forecast
from tests.integration.short import EQUILIBRATED, jobs, short_production, short_study

pytestmark = pytest.mark.integration

TEMPERATURES = [500.0, 600.0]


@pytest.fixture(scope="module")
def study(module_codes: dict[str, InstalledCode]) -> WorkChainNode:
    """The study, run once for all tests of this module."""
    configure_logging(
        with_orm=True
    )  # commands that other tests ran in this Python took the database's handler away
    _, node = run_get_node(short_study(module_codes, temperatures=TEMPERATURES))
    assert node.is_finished_ok, [(n.process_label, n.exit_status, n.exit_message) for n in node.called_descendants]
    return node


def test_a_study_has_a_run_for_every_temperature(study: WorkChainNode) -> None:
    assert set(study.outputs.runs) == {"T0500_r1", "T0600_r1"}
    for label in study.outputs.runs:
        expected = {"interface", "system", "reduction", "looks", *observables()}
        assert set(study.outputs.runs[label]) == expected
    assert set(study.outputs.stages) == {
        "ceramic", "electrolyte",
        *(f"{part}_{label}" for part in ("interface", "production") for label in study.outputs.runs),
    }  # fmt: skip


def test_kinetics_claims_nothing_from_a_picosecond(study: WorkChainNode) -> None:
    found = study.outputs.kinetics
    assert found["used"] == []
    assert found["excluded"].keys() == {"T0500_r1", "T0600_r1"}
    assert found["rate_0400K_per_s"] is None
    assert [record["temperature_K"] for record in found["observations"]] == TEMPERATURES
    assert found["shifts_from"] == "profiles"
    assert study.outputs.shifts["reference_temperature_K"] == 600
    assert study.outputs.shifts["pairs_0500K"] == 1


def test_mobility_is_that_of_the_moments(study: WorkChainNode) -> None:
    run = study.outputs.runs.T0500_r1
    moments = run.reduction.get_state().displacement_moments("Li")
    found = run.displacement_variance
    assert found.base.attributes.get("lags_ps") == list(moments.lags_ps)
    assert found.get_array("li_samples").tolist() == moments.counts.sum(axis=0).tolist()
    assert found.get_array("li_samples").sum() > 0


def test_every_stage_reached_its_step(study: WorkChainNode) -> None:
    for part in study.outputs.stages:
        records = study.outputs.stages[part]["stages"]
        assert records
        assert all(record["complete"] and record["step"] == record["target_step"] for record in records)
    assert [r["step"] for r in study.outputs.stages.production_T0500_r1["stages"]] == [600]


def test_the_parts_fit_together(study: WorkChainNode) -> None:
    slab, electrolyte = study.outputs.ceramic.info, study.outputs.electrolyte.info
    interface = study.outputs.runs.T0500_r1.interface.info
    wall = electrolyte.composition["W"]
    assert interface.natoms == slab.natoms + electrolyte.natoms - wall == 1066
    assert interface.charge == pytest.approx(0, abs=1e-10)
    np.testing.assert_allclose(slab.box[:2], electrolyte.box[:2])
    assert interface.slab == slab.slab


def test_no_ion_is_lost_and_no_frame_counted_twice(study: WorkChainNode) -> None:
    for label in study.outputs.runs:
        run = study.outputs.runs[label]
        assert run.reduction.base.attributes.get("frames") == 61
        state = run.reduction.get_state()
        assert state.first_step == 0
        assert state.last_step == 600
        lithium, tfsi = state.region_counts[:, 0].sum(axis=1), state.region_counts[:, 1].sum(axis=1)
        assert set(lithium.tolist()) == {119}
        assert set(tfsi.tolist()) == {7}
        # all atoms are written every tenth frame
        assert state.histograms.sum() == 7 * 1066


def test_the_verdict_is_honest(study: WorkChainNode) -> None:
    """A picosecond shows no exchange; that is a result with a bound, not a failure."""
    found = study.outputs.runs.T0500_r1.equilibration
    assert found["equilibrated"] is False
    assert found["ec"] == 0
    assert found["ec_lower_bound"] == 0
    # no event in 1.2 ps: at most 3.0 in that time, 95 % one-sided
    assert found["rate_upper_bound_per_s"] == pytest.approx(-np.log(0.05) / 1.2e-12, rel=0.05)
    assert found["reasons"]


def test_the_box_follows_the_axes_of_its_barostat(study: WorkChainNode) -> None:
    interface = next(n for n in study.called if n.process_label == "InterfaceWorkChain")
    edge = interface.outputs.assembled.info.box[0]
    records = {r["name"]: r for r in interface.outputs.stages["stages"]}
    assert records["polymer"]["lx_A"] == pytest.approx(edge[1] - edge[0], abs=1e-9)
    assert records["relax"]["lx_A"] != pytest.approx(edge[1] - edge[0], abs=1e-6)
    assert records["relax"]["lx_A"] == pytest.approx(records["relax"]["ly_A"], rel=1e-9)


def test_the_report_reads_like_a_notebook(study: WorkChainNode) -> None:
    from aiida.cmdline.utils.common import get_workchain_report

    report = get_workchain_report(study, "REPORT", max_depth=None)
    for words in ("slab of 384 atoms, 112 Li+, charge 0 e", "cut the slab", "joined slab and electrolyte",
                  "segment 2 of 2", "not equilibrated"):  # fmt: skip
        assert words in report


def test_queries_find_the_productions_and_their_seed(study: WorkChainNode) -> None:
    of_study = [production for production in productions() if production.study_pk == study.pk]
    assert [production.temperature_K for production in of_study] == TEMPERATURES
    assert [p.pk for p in productions(temperature=600) if p.study_pk == study.pk] == [of_study[1].pk]
    assert [p for p in productions(minimum_ec=0.5) if p.study_pk == study.pk] == []
    assert slab_seed(orm.load_node(of_study[0].pk)) == study.inputs.recipe["seeds"]["slab"]


def test_a_system_leads_back_to_its_force_field_sets(study: WorkChainNode) -> None:
    sets = study.inputs.forcefield
    assert {role: sets[role].name for role in sets} == {
        role: study.inputs.recipe["forcefield"][role] for role in sets
    }
    wanted = {node.md5 for node in sets.values()}
    built = [job for job in study.called_descendants if job.process_type == "aiida.calculations:cse.build"]
    assert len(built) == 2
    for job in built:
        assert {node.uuid for node in job.inputs.forcefield.values()} == {node.uuid for node in sets.values()}
    for label in study.outputs.runs:
        assert set(study.outputs.runs[label].system.info.forcefield_md5.values()) == wanted


def test_an_archive_answers_the_same_query_elsewhere(study: WorkChainNode, tmp_path: Path) -> None:
    from aiida.storage.sqlite_temp import SqliteTempBackend
    from aiida.tools.archive import create_archive, import_archive

    archive = tmp_path / "study.aiida"
    create_archive([study], filename=archive)
    elsewhere = SqliteTempBackend(SqliteTempBackend.create_profile("elsewhere"))
    import_archive(archive, backend=elsewhere)
    query = orm.QueryBuilder(backend=elsewhere)
    query.append(orm.WorkChainNode, filters={"attributes.process_label": "ProductionWorkChain"}, tag="production")
    query.append(
        orm.Dict,
        with_incoming="production",
        edge_filters={"label": "equilibration"},
        filters={"attributes.temperature_K": 500.0, "attributes.ec": {">=": 0.0}},
        project=["attributes.ec"],
    )
    assert query.all(flat=True) == [0.0]


def test_a_study_stores_and_writes_what_its_forecast_says(study: WorkChainNode) -> None:
    """Trajectories to the byte; the repository within the 30 % of docs/howto/disk.md."""
    found = forecast(study.get_builder_restart())
    processes = [study, *study.called_descendants]
    nodes = {one.uuid: one for node in processes for one in (node, *node.base.links.get_outgoing().all_nodes())}
    contents = (
        node.base.repository.get_object_content(str(folder / name), "rb")
        for node in nodes.values()
        for folder, _, names in node.base.repository.walk()
        for name in names
    )
    stored = {hashlib.sha256(content).digest(): len(content) for content in contents}
    assert found.disk.repository == pytest.approx(sum(stored.values()), rel=0.3)
    for part in (part for part in found.parts if part.looks):
        run = study.base.links.get_outgoing(link_label_filter=f"production_{part.name.split()[-1]}").one().node
        folders = [Path(folder.get_remote_path()) for _, folder in sorted(dict(run.outputs.folders).items())]
        written = [{path.name: path.stat().st_size for path in folder.glob("*.dcd")} for folder in folders]
        assert written == [written_trajectories(part, job) for job in part.jobs]
        assert [sorted(files) for files in written] == [["ions.dcd", "trajectory.dcd"]] * 2


def of_study(study: WorkChainNode, codes: dict[str, InstalledCode], **plan: Any) -> Any:
    """Return the builder of a production of the study's first interface."""
    system = study.outputs.runs.T0500_r1.interface
    return short_production(codes, system, recipe=study.inputs.recipe, **plan)


@pytest.mark.long
def test_a_budget_that_is_spent_has_every_result(
    study: WorkChainNode, module_codes: dict[str, InstalledCode]
) -> None:
    """Looked at after every segment, it is the run that was looked at once."""
    _, node = run_get_node(of_study(study, module_codes, stop=EQUILIBRATED))
    assert node.exit_status == 500, node.exit_message
    assert "Not equilibrated within 0.0012 ns: EC 0.00 (lower bound 0.00); fewer than " in node.exit_message
    assert set(node.outputs) >= set(study.outputs.runs.T0500_r1) - {"interface"}
    assert node.outputs.reduction.get_state().equals(study.outputs.runs.T0500_r1.reduction.get_state())
    looks = node.outputs.looks.get_list()
    assert [(look["end_ns"], look["equilibrated"]) for look in looks] == [(t, False) for t in (6e-4, 1.2e-3)]
    assert [sorted(job.inputs.folders) for job in jobs(node, "cse.reduce")] == [
        [f"segment_{number:04d}"] for number in (1, 2)
    ]


@pytest.mark.long
def test_a_production_that_was_run_before_is_served(
    study: WorkChainNode, module_codes: dict[str, InstalledCode]
) -> None:
    run_get_node(of_study(study, module_codes, stop=EQUILIBRATED))
    with enable_caching(identifier="aiida.calculations:cse.*"):
        _, again = run_get_node(of_study(study, module_codes, stop=EQUILIBRATED))
    assert again.exit_status == 500
    made = [*jobs(again, "cse.lammps"), *jobs(again, "cse.reduce")]
    assert len(made) == 4
    assert all(job.base.caching.is_created_from_cache for job in made)


@pytest.fixture(scope="module")
def longer(study: WorkChainNode) -> WorkChainNode:
    """The study, continued to a greater length."""
    _, node = run_get_node(get_builder_from_study(study, length_ns=0.0016))
    assert isinstance(node, WorkChainNode)
    assert node.is_finished_ok, node.exit_message
    return node


def test_a_study_is_continued(study: WorkChainNode, longer: WorkChainNode) -> None:
    """Each run goes on from its checkpoint, and nothing else is run."""
    assert {node.process_label for node in longer.called if isinstance(node, orm.WorkChainNode)} == {
        "ProductionWorkChain"
    }
    assert longer.outputs.ceramic.uuid == study.outputs.ceramic.uuid
    assert set(longer.outputs.runs) == {"T0500_r1", "T0600_r1"}
    assert len(longer.outputs.kinetics["observations"]) == 2
    assert len(jobs(longer, "cse.lammps")) == 1 + 1, "what is new"
    for label in longer.outputs.runs:
        attributes = longer.outputs.runs[label].reduction.base.attributes
        assert (attributes.get("frames"), attributes.get("last_step")) == (81, 800)
    assert longer.outputs.runs.T0500_r1.looks[0] == study.outputs.runs.T0500_r1.looks[0]


@pytest.mark.long
def test_a_lone_production_is_continued_to_the_bits_of_other_parts(
    study: WorkChainNode, longer: WorkChainNode, module_codes: dict[str, InstalledCode]
) -> None:
    _, shorter = run_get_node(of_study(study, module_codes, length_ps=0.8, segment_ps=0.8))
    assert shorter.is_finished_ok, shorter.exit_message
    _, alone = run_get_node(get_builder_from_production(shorter, length_ns=0.0016))
    assert alone.is_finished_ok, alone.exit_message
    assert len(jobs(alone, "cse.lammps")) == 1, "what is new"
    assert longer.outputs.runs.T0500_r1.reduction.get_state().equals(alone.outputs.reduction.get_state())
