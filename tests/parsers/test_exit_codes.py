"""Exit codes of the whole package: no number twice, and what luck decides is never taken from the cache."""

from collections import defaultdict
from importlib.metadata import entry_points
from typing import Any

import pytest
from aiida.engine import BaseRestartWorkChain, CalcJob, ExitCode, Process, WorkChain
from aiida_lammps.calculations.raw import LammpsRawCalculation

from aiida_cse.calculations.functions.analysis import CANNOT_ANALYSE
from aiida_cse.calculations.functions.assembly import CANNOT_ASSEMBLE, CANNOT_CUT
from aiida_cse.calculations.functions.comparison import CANNOT_COMPARE
from aiida_cse.calculations.functions.kinetics import CANNOT_EXTRAPOLATE
from aiida_cse.calculations.functions.shifts import CANNOT_SHIFT

INHERITED = (CalcJob, WorkChain, BaseRestartWorkChain, LammpsRawCalculation)
#: of the calcfunctions, which have no specification to declare them in
FUNCTIONS = {CANNOT_CUT, CANNOT_ASSEMBLE, CANNOT_ANALYSE, CANNOT_EXTRAPOLATE, CANNOT_COMPARE, CANNOT_SHIFT}
#: where it depends on time, machine or luck whether it is met again
LUCK = {303, 304, 310, 311, 312, 320, 330, 331, 334, 335, 400, 403}
LUCK |= {347, 380, 381, 382, 383, 384, 385, 386}
LUCK |= {410, 411, 412, 413, 420, 421, 422, 423, 424, 425}


def processes() -> dict[str, type[Process]]:
    """Return the process classes of all entry points by name."""
    found = {
        entry.name: entry.load()
        for group in ("aiida.calculations", "aiida.workflows")
        for entry in entry_points(group=group)
        if entry.value.startswith("aiida_cse.")
    }
    return {name: process for name, process in found.items() if isinstance(process, type)}


def own_codes(process: type[Process]) -> dict[str, ExitCode]:
    """Return the exit codes that a class does not have from aiida-core or aiida-lammps."""
    inherited: set[str] = set()
    for parent in INHERITED:
        if issubclass(process, parent):
            inherited |= set(parent.spec().exit_codes)
    return {label: code for label, code in process.spec().exit_codes.items() if label not in inherited}


def test_every_process_is_here() -> None:
    assert {"cse.lammps", "cse.build", "cse.reduce", "cse.base", "cse.production", "cse.study"} <= set(processes())


def test_no_number_means_two_things() -> None:
    meanings: dict[int, set[tuple[str, str | None]]] = defaultdict(set)
    for process in processes().values():
        for label, code in own_codes(process).items():
            meanings[code.status].add((label, code.message))
    assert {status: found for status, found in meanings.items() if len(found) > 1} == {}
    assert FUNCTIONS & set(meanings) == set()
    assert len(FUNCTIONS) == 6


def test_the_restart_chain_reuses_no_number_of_its_job() -> None:
    base = own_codes(processes()["cse.base"])
    job = processes()["cse.lammps"].spec().exit_codes.values()
    assert {code.status for code in base.values()} & {code.status for code in job} == set()


@pytest.mark.parametrize(("name", "process"), sorted(processes().items()), ids=sorted(processes()))
def test_numbers_and_messages(name: str, process: type[Process]) -> None:
    for label, code in own_codes(process).items():
        assert label.startswith("ERROR_"), name
        assert 200 <= code.status < 600, "1xx are aiida-core's"
        assert isinstance(code.message, str)
        assert code.message[0].isupper() or code.message.startswith("{")


@pytest.mark.parametrize(
    "name", ["cse.lammps", "cse.build", "cse.emc", "cse.reduce", "cse.moltemplate", "cse.read_data"]
)
def test_what_luck_decides_is_never_taken_from_the_cache(name: str) -> None:
    codes: Any = own_codes(processes()[name]).values()
    assert {code.status for code in codes if code.invalidates_cache} == LUCK & {code.status for code in codes}


def test_every_code_that_luck_decides_is_somewhere() -> None:
    known = {code.status for process in processes().values() for code in own_codes(process).values()}
    assert known >= LUCK
