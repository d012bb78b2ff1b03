"""WorkChains as the engine makes them; the test inserts their children."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiida import orm
from aiida.engine import WorkChain
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager

from aiida_cse.building.recipe import load_recipe
from aiida_cse.workchains.common.builders import Codes

#: makes a process from a builder, or from a class and its inputs
Make = Callable[..., Any]


@pytest.fixture
def make(aiida_profile: object) -> Iterator[Make]:
    """Return a function that makes a WorkChain and checks its inputs; what it submits never starts."""
    runner = get_manager().get_runner()

    def run(process: Any, **inputs: Any) -> WorkChain:
        made: WorkChain = instantiate_process(runner, process, **inputs)
        return made

    yield run
    runner.loop.run_until_complete(_cancel_the_rest())


async def _cancel_the_rest() -> None:
    """End all other tasks of this loop, which need not be the current one: tests of other files make loops too."""
    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.fixture
def codes(lmp: orm.InstalledCode, cse: orm.InstalledCode) -> Codes:
    """The codes of a study by role."""
    return {"lammps": lmp, "cse": cse}


@pytest.fixture(scope="session")
def recipe() -> dict[str, Any]:
    """The demo's recipe with every default written out."""
    return load_recipe("llzo-peo-litfsi-demo").model_dump(mode="json")
