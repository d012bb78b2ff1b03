"""The engine's preparation of a job, without its submission."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common.datastructures import CalcInfo
from aiida.common.folders import SandboxFolder
from aiida.engine import CalcJob
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory

Prepare = Callable[..., tuple[CalcInfo, dict[str, str]]]


@pytest.fixture
def prepare() -> Prepare:
    """Return a function that gives the calculation info and the files that a job would upload."""

    def run(entry_point: str, **inputs: Any) -> tuple[CalcInfo, dict[str, str]]:
        process: CalcJob = instantiate_process(
            get_manager().get_runner(), CalculationFactory(entry_point), **inputs
        )
        with SandboxFolder() as folder:
            info = process.prepare_for_submission(folder)
            return info, {path.name: path.read_text() for path in Path(folder.abspath).iterdir()}

    return run


@pytest.fixture
def other_computer(aiida_profile: object) -> orm.Computer:
    """A computer that is not this one."""
    _, computer = orm.Computer.collection.get_or_create(
        label="elsewhere",
        hostname="elsewhere.example",
        transport_type="core.local",
        scheduler_type="core.direct",
        workdir="/scratch",
    )
    computer.store()
    return computer
