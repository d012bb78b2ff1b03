"""Parents that wait for children which have ended, and slots of workers."""

from __future__ import annotations

from typing import Any

import pytest
from aiida.common.links import LinkType
from aiida.engine import ProcessState
from aiida.orm import WorkChainNode

from aiida_cse.engine import daemon, waking
from aiida_cse.engine.daemon import slots_hint
from aiida_cse.engine.locks import EMBEDDED, ENGINE_EXTRA
from aiida_cse.engine.waking import forgotten_parents, nudge

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


def workchain(state: ProcessState, caller: WorkChainNode | None = None) -> WorkChainNode:
    node = WorkChainNode(process_type="aiida.workflows:cse.study")
    node.set_process_label("StudyWorkChain")
    node.set_process_state(state)
    if caller is not None:
        node.base.links.add_incoming(caller, LinkType.CALL_WORK, "run")
    return node.store()


@pytest.fixture
def family(aiida_profile_clean: object) -> tuple[WorkChainNode, WorkChainNode, WorkChainNode]:
    """A parent that waits for two children, of which the first has ended."""
    parent = workchain(ProcessState.WAITING)
    ended, running = (workchain(state, parent) for state in (ProcessState.FINISHED, ProcessState.RUNNING))
    parent.set_process_status(f"Waiting for child processes: {ended.pk}, {running.pk}")
    return parent, ended, running


def test_a_parent_that_waits_for_an_ended_child_is_found_after_a_while(
    family: tuple[WorkChainNode, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, ended, _ = family
    assert forgotten_parents() == [], "its engine still has time to wake it"
    (found,) = forgotten_parents(at_once=True)
    assert (found.pk, found.root.pk, found.children) == (parent.pk, parent.pk, (ended.pk,))
    assert str(found) == f"<{parent.pk}> waits for <{ended.pk}>, which ended a while ago"
    assert forgotten_parents(ended, at_once=True) == []
    parent.base.extras.set(ENGINE_EXTRA, EMBEDDED)
    monkeypatch.setattr(waking, "_EMBEDDED_AFTER", 0.0)
    assert forgotten_parents(parent) == [found]


def test_a_run_that_nothing_runs_or_that_has_ended_is_not_nudged(family: tuple[WorkChainNode, ...]) -> None:
    parent, ended, running = family
    assert list(nudge(running)) == [
        f"StudyWorkChain <{parent.pk}> was started by a Python of its own, without a broker; only that Python can "
        "wake it"
    ]
    parent.base.extras.set(ENGINE_EXTRA, EMBEDDED)
    (line,) = nudge(ended)
    assert line.startswith(f"StudyWorkChain <{parent.pk}>: nothing runs it; resume with: ")
    parent.set_process_state(ProcessState.FINISHED)
    (line,) = nudge(parent)
    assert line.endswith("has ended; there is nothing to wake")


@pytest.mark.parametrize(("wanted", "more"), [(10, None), (11, "a worker"), (38, "3 workers")])
def test_slots_that_are_missing_are_told_with_the_command_that_adds_workers(
    wanted: int, more: str | None, monkeypatch: pytest.MonkeyPatch, aiida_profile: Any
) -> None:
    monkeypatch.setattr(daemon, "worker_slots", lambda: (1, 10))
    monkeypatch.setattr(daemon, "slots_in_use", lambda: wanted)
    hint = slots_hint()
    if more is None:
        assert hint is None
    else:
        assert hint is not None
        assert hint.startswith(f"{wanted} processes want a slot, and the daemon has 10; ")
        assert f"; add {more} with: " in hint
        assert hint.endswith(f"verdi daemon incr {3 if wanted == 38 else 1}")
