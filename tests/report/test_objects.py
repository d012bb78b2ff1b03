"""The results object: attributes with value, interval, unit and meaning, and what notebooks show."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest

import aiida_cse
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import analyse_separately
from aiida_cse.data.forcefield import CseForceFieldData
from aiida_cse.data.reduction import CseReductionData
from aiida_cse.data.system import CseSystemData
from aiida_cse.forcefields import load_set
from aiida_cse.report.objects import ResultSet
from aiida_cse.report.results import FILENAME, collect_results
from tests.nodes import state, state_bytes
from tests.systems import crystal_and_molecules


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("analysed") / "T0700_r1"
    path.mkdir()
    production = ReducedProduction(state(), 700.0)
    found, missing = analyse_separately(production)
    collect_results(production, found, missing, label="T0700_r1").save(path / FILENAME)
    return path


@pytest.fixture(scope="module")
def found(folder: Path) -> ResultSet:
    return aiida_cse.results(folder)


def test_a_number_has_its_interval_unit_and_meaning(found: ResultSet) -> None:
    run = found.runs["T0700_r1"]
    number, stored = run.populations.n_li_excess, run._findings.scalars["populations"]
    assert (number.value, number.unit, number.meaning) == (stored["n_li_excess"], "ions", "Mean number")
    assert list(number.interval) == list(stored["n_li_excess_interval"])
    rate = run.transitions["rate_in_li_ceramic_per_ion_per_s"]
    assert rate.interval == run._findings.scalars["transitions"]["rate_in_li_ceramic_per_ion_per_s_interval"]
    assert run.equilibration.ec_li_ceramic.lower_bound is not None
    assert repr(number).startswith("<n_li_excess = ")


def test_arrays_are_entries_like_numbers(found: ResultSet) -> None:
    profile = found.runs["T0700_r1"].free_energy_profiles
    assert len(profile.li_K.value) == len(profile.z_A.value)
    assert np.isfinite(np.array(profile.z_A.value, dtype=float)).all()
    assert profile.z_A.unit == "Å"


def test_every_entry_of_every_result_can_be_shown(found: ResultSet) -> None:
    run = found.runs["T0700_r1"]
    for name in run._findings.scalars:
        result = getattr(run, name)
        for key in result._values:
            assert repr(result[key]).startswith(f"<{key} = ")
    profile = run.free_energy_profiles.li_K
    assert repr(profile) == f"<li_K = {len(profile.value)} values K>"


def test_what_is_not_there_is_refused_with_the_reason(found: ResultSet) -> None:
    run = found.runs["T0700_r1"]
    with pytest.raises(AttributeError, match=r"populations\.n_na_excess: .* did you mean 'n_\w+_excess'"):
        _ = run.populations.n_na_excess
    with pytest.raises(KeyError, match="no run 'T0999_r1'; there are T0700_r1"):
        _ = found.runs["T0999_r1"]
    for name, reason in run.missing.items():
        with pytest.raises(AttributeError, match=re.escape(reason)):
            getattr(run, name)
    with pytest.raises(ValueError, match="figure = 'energy': there is no such figure; there are "):
        found.figure("energy")


def test_a_notebook_shows_the_rows_of_show(found: ResultSet) -> None:
    page = found._repr_html_()
    for section in found.view.sections:
        assert section.title in page
    assert "<td" in found.runs["T0700_r1"].populations._repr_html_()
    assert {"populations", "label"} <= set(dir(found.runs["T0700_r1"]))
    assert "n_li_excess" in dir(found.runs["T0700_r1"].populations)
    assert "<script" not in page


@pytest.mark.usefixtures("aiida_profile")
def test_data_nodes_show_their_facts_in_a_notebook() -> None:
    system = CseSystemData(crystal_and_molecules(), label="a <small> one")._repr_html_()
    assert "a &lt;small&gt; one" in system
    assert "composition" in system
    assert "last_step" in CseReductionData(io.BytesIO(state_bytes()))._repr_html_()
    assert "md5" in CseForceFieldData(load_set("jalem-2015"))._repr_html_()
