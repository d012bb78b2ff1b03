"""The parser of the deletion of trajectories: only its last line proves it."""

import pytest

from tests.parsers.conftest import Parse

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.mark.parametrize(
    ("said", "status"),
    [("removed 2 files, 3 MB\n", None), ("Error: state.npz: is no state\n", 386), ("Killed\n", 386)],
)
def test_only_the_last_line_proves_the_deletion(parse: Parse, said: str, status: int | None) -> None:
    exit_code, outputs = parse("cse.discard", retrieved={"job.out": said})
    assert outputs == {}
    assert (None if exit_code is None else exit_code.status) == status
    if exit_code is not None:
        assert exit_code.invalidates_cache
        assert said.strip().removeprefix("Error: ") in str(exit_code.message)
