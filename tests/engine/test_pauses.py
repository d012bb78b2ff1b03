"""Reasons of pauses, from the log of a process."""

import logging
import sys

import pytest
from aiida import orm

from aiida_cse.engine.pauses import pause_reason

REFUSED = "Error during submission, retval=1\nstdout=\nstderr=sbatch: error: Invalid qos specification\n"


@pytest.mark.parametrize("message", [REFUSED, ""])
def test_a_refused_job_says_what_the_scheduler_said(message: str) -> None:
    node = orm.CalcJobNode().store()
    node.set_process_status("Pausing after failed transport task: submit_calculation failed 5 times consecutively")
    assert pause_reason(node) == "submit_calculation failed 5 times consecutively"
    try:
        raise OSError(message)
    except OSError:
        record = logging.LogRecord("aiida", logging.ERROR, "", 0, "do_submit excepted", None, sys.exc_info())
        record.dbnode_id = node.pk
        orm.Log.collection.create_entry_from_record(record)
    words = ": Error during submission, retval=1 | sbatch: error: Invalid qos specification" if message else ""
    assert pause_reason(node) == f"submit_calculation failed 5 times consecutively{words}"


def test_another_pause_keeps_its_words() -> None:
    node = orm.CalcJobNode().store()
    assert pause_reason(node) == "paused"
    node.set_process_status("Paused by the user")
    assert pause_reason(node) == "Paused by the user"
