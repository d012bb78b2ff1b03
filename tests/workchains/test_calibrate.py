"""Calibration of LAMMPS: what is measured, on which system, and the table of the speeds."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiida import orm
from rich.console import Console

from aiida_cse.building.recipe import load_recipe
from aiida_cse.cli.display.site import print_speeds
from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.embedded import run_embedded
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE
from aiida_cse.workchains.calibrate import CalibrateWorkChain, Choice, _copies, choices_for, system_like
from aiida_cse.workchains.common.speeds import measured_speeds
from tests.systems import crystal_and_molecules

# AiiDA makes nodes outside of the database's session until they are stored
pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


def test_ranks_and_threads_fill_the_cores_at_most() -> None:
    assert choices_for(1, []) == [Choice(ranks=1)]
    assert choices_for(8, [], parallel=False) == [Choice(ranks=1)]
    found = choices_for(64, ["omp", "gpu"])
    assert found[0] == Choice(ranks=1)
    assert {choice.ranks for choice in found} == {1, 8, 16, 32, 64}
    assert all(choice.ranks * choice.threads <= 64 for choice in found)
    assert {choice.accelerator for choice in found} == {"none", "omp", "gpu"}
    assert [choice.exact for choice in found if choice.threads > 1 or choice.gpus] == [False] * 9


def test_copies_of_a_system_keep_its_distances_and_bonds() -> None:
    one = crystal_and_molecules()
    data = one.data.replicated(2, 1, 3, common=CERAMIC_MOLECULE)
    assert data.natoms == 6 * one.data.natoms
    assert data.lengths == pytest.approx(one.data.lengths * [2, 1, 3])
    ends = data.unwrapped[data.topology["bonds"][:, 1:] - 1]
    assert np.allclose(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1), 1.5)
    assert (data.molecules == CERAMIC_MOLECULE).sum() == 6 * 64
    assert len(np.unique(data.molecules)) == 1 + 6 * (len(np.unique(one.data.molecules)) - 1)
    assert one.evolved(data).info.charge == pytest.approx(6 * one.info.charge)


@pytest.mark.parametrize(
    ("lengths", "ratio", "flat", "expected"),
    [((10, 10, 50), 12.4, True, 12), ((10, 20, 50), 8.0, True, 8), ((10, 10, 10), 27.0, False, 27)],
)
def test_copies_make_a_compact_box_of_the_right_size(
    lengths: tuple[float, ...], ratio: float, flat: bool, expected: int
) -> None:
    x, y, z = _copies(lengths, ratio, flat=flat)
    assert x * y * z == expected
    assert 0.5 <= x * lengths[0] / (y * lengths[1]) <= 2


def test_a_recipe_without_a_relaxed_interface_is_measured_on_its_ceramic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiida_cse.workchains.calibrate._newest_interface", lambda _: None)
    system, words = system_like(load_recipe("llzo-peo-litfsi-demo"))
    assert words.startswith("crystal of the ceramic, ")
    assert 900 < system.info.natoms < 1200


@pytest.mark.parametrize("seconds", [None, 0.0])
def test_a_pilot_without_a_time_ends_the_calibration(seconds: float | None) -> None:
    stage = {"step": 100, "first_step": 0, "wall_seconds": seconds}
    pilot = SimpleNamespace(pk=7, is_finished_ok=True, outputs=SimpleNamespace(results={"stages": [stage]}))
    calibration: Any = SimpleNamespace(
        ctx=SimpleNamespace(pilot=pilot), exit_codes=CalibrateWorkChain.spec().exit_codes
    )
    answer = CalibrateWorkChain.inspect_pilot(calibration)
    assert answer is not None
    assert (answer.status, "job <7> gives no time" in str(answer.message)) == (393, True)


def test_a_calibration_is_a_table_and_speeds_for_forecasts(lmp: orm.InstalledCode) -> None:
    choices = [Choice(ranks=1), Choice(ranks=2), Choice(ranks=1, accelerator="kokkos")]
    settings = {"cutoff": 6.0, "kspace_accuracy": 1e-3}
    builder = CalibrateWorkChain.get_builder_for(
        lmp, CseSystemData(crystal_and_molecules()), settings, choices, timestep_fs=1.0
    )
    builder.seconds = 0.3
    process = run_embedded(builder)
    assert process.is_finished_ok, process.exit_message
    speeds: dict[str, Any] = process.outputs.speeds.get_dict()
    one, two, kokkos = speeds["rows"]
    assert one["efficiency"] == 1.0
    assert two["efficiency"] == pytest.approx(two["ns_per_day"] / one["ns_per_day"] / 2)
    assert kokkos["ns_per_day"] is None
    assert speeds["fastest"] == speeds["fastest_exact"] == int(two["ns_per_day"] > one["ns_per_day"])
    measured = {(speed.ranks, speed.steps): speed for speed in measured_speeds(lmp)}
    assert measured[2, two["steps"]].ns_per_day(1.0) == pytest.approx(two["ns_per_day"])
    shown = io.StringIO()
    print_speeds(speeds, Console(file=shown, width=80))
    assert "kokkos" in shown.getvalue()
    assert f"fastest: --mpiprocs {speeds['fastest'] + 1}\n" in shown.getvalue()
