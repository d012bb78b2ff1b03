"""The parser of the deletion of trajectories: only its last line proves it."""

import pytest

from tests.parsers.conftest import Parse

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("removed 2 files, 3 MB\n", None),
        ("Error: state.npz: is no state\n", 386),
        ("Killed\n", 386),
        ("a/ions.dcd: is none of the files of the state; it stays\nremoved 0 files, 0 kB\n", 386),
    ],
)
def test_only_the_last_line_proves_the_deletion(parse: Parse, said: str, status: int | None) -> None:
    exit_code, outputs = parse("cse.discard", retrieved={"job.out": said})
    assert outputs == {}
    assert (None if exit_code is None else exit_code.status) == status
    if exit_code is not None:
        assert exit_code.invalidates_cache
        assert said.strip().splitlines()[0].removeprefix("Error: ") in str(exit_code.message)


def test_the_deleted_files_are_stored_by_folder(parse: Parse) -> None:
    lines = [
        "b/ions.dcd: is not there",
        "a/ions.dcd: removed",
        "a/trajectory.dcd: removed",
        "removed 2 files, 3 MB",
    ]
    exit_code, outputs = parse("cse.discard", retrieved={"job.out": "\n".join(lines) + "\n"})
    assert exit_code is None
    assert outputs["deleted"].get_dict() == {"a": ["ions.dcd", "trajectory.dcd"]}
    _, outputs = parse("cse.discard", retrieved={"job.out": "a/ions.dcd: is not there\nremoved 0 files, 0 kB\n"})
    assert outputs["deleted"].get_dict() == {}
