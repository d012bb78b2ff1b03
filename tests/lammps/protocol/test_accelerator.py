"""Accelerators: what is refused by name, and with the real program that the exact ones are exact."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from aiida_cse.lammps.job.continuity import inexact_reason
from aiida_cse.lammps.protocol.accelerator import accelerator_words
from aiida_cse.lammps.protocol.stage import RunSettings
from aiida_cse.schema import explain
from tests.lammps.jobs import Job, plan
from tests.systems import crystal_and_molecules

NVT: dict[str, Any] = {
    "name": "production",
    "kind": "nvt",
    "duration_ps": 0.4,
    "timestep_fs": 1,
    "temperature": 300,
    "velocities": 300,
    "thermo_ps": 0.1,
}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accelerator": "cuda"}, "accelerator = 'cuda'"),
        ({"accelerator": "gpu", "gpus": 1}, "accelerator = 'gpu': contradicts exact = true"),
        ({"accelerator": "intel"}, "accelerator = 'intel': contradicts exact = true"),
        ({"accelerator": "kokkos"}, "accelerator = 'kokkos': contradicts exact = true"),
        ({"accelerator": "omp", "threads": 2}, "threads = 2: contradicts exact = true"),
        ({"threads": 2}, "threads = 2: accelerator none uses none"),
        ({"accelerator": "opt", "threads": 2}, "threads = 2: accelerator opt uses none"),
        ({"accelerator": "omp", "gpus": 1}, "gpus = 1: accelerator omp uses none"),
        ({"accelerator": "gpu", "exact": False}, "gpus = 0: accelerator gpu needs the number of GPUs"),
        ({"accelerator": "omp", "threads": 0}, "threads = 0"),
        ({"gpus": -1}, "gpus = -1"),
        ({"accelerator": "omp", "threads": True}, "threads = True"),
        ({"accelerator": "omp", "thread": 2}, "unknown key 'thread'; did you mean 'threads'?"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RunSettings.model_validate(settings)
    assert message in explain(caught.value)


def test_without_an_accelerator_the_command_line_is_unchanged() -> None:
    default = RunSettings()
    assert accelerator_words(default.accelerator, default.threads, default.gpus) == []


@pytest.mark.integration
@pytest.mark.parametrize("accelerator", ["omp", "opt"])
def test_an_exact_accelerator_repeats_the_uninterrupted_run(
    accelerator: str, environment_bin: Path, tmp_path: Path
) -> None:
    system, lmp = crystal_and_molecules(), environment_bin / "lmp"

    def job(name: str, stop: int, parent: Job | None = None, **settings: Any) -> Job:
        asked = plan(NVT, stop=stop, restart_interval=100, **{"accelerator": accelerator, **settings})
        return Job.prepare(tmp_path / name, lmp, system, asked, parent).run()

    whole, part = job("whole", 400), job("part", 200)
    resumed = job("resumed", 400, part)
    assert f"/{accelerator}" in (whole.folder / "log.lammps").read_text(), "a style of the package was used"
    assert resumed.started_from.restart == "parent/restart.200"
    assert inexact_reason(resumed.started_from, resumed.report, plan(NVT, accelerator=accelerator)) is None
    assert whole.final.velocities is not None
    assert resumed.final.velocities is not None
    assert np.array_equal(whole.final.positions, resumed.final.positions)
    assert np.array_equal(whole.final.velocities, resumed.final.velocities)
    plain = job("plain", 100, accelerator="none")
    np.testing.assert_allclose(job("short", 100).final.positions, plain.final.positions, rtol=0, atol=1e-9)


@pytest.mark.integration
def test_threads_are_used_and_reported(environment_bin: Path, tmp_path: Path) -> None:
    asked = plan(NVT, stop=50, accelerator="omp", threads=2, exact=False)
    done = Job.prepare(tmp_path / "threads", environment_bin / "lmp", crystal_and_molecules(), asked).run()
    assert done.report.reached(50)
    assert done.report.accelerated == "set 2 OpenMP thread(s) per MPI task"
