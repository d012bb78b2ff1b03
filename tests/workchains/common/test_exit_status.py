"""Failed processes in the messages of their callers."""

from aiida.engine import ProcessState
from aiida.orm import WorkChainNode

from aiida_cse.workchains.common.exit_status import failed_job, failure

EXCEPTION = """sqlite3.OperationalError: database is locked

The above exception was the direct cause of the following exception:

sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked
[SQL: UPDATE db_dbnode SET mtime=?]
(Background on this error at: https://sqlalche.me/e/21/e3q8)"""


def test_a_process_that_broke_off_is_named_with_its_exception(aiida_profile: object) -> None:
    node = WorkChainNode()
    node.set_process_state(ProcessState.EXCEPTED)
    node.set_exception(EXCEPTION)
    node.store()
    cause = "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked"
    assert failure(node) == {"pk": node.pk, "status": "excepted", "reason": cause}
    assert failed_job(node) == f"job <{node.pk}> failed with [excepted] {cause}"
    node.set_exception("")
    assert failure(node)["reason"] == "excepted"
