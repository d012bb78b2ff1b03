"""Last words of a job in a message."""

from aiida_cse.lammps.log.outcome import last_words


def test_last_words_are_few_telling_and_without_secrets() -> None:
    assert last_words(["start", "x" * 500, "line b"]) == f"start | {'x' * 159}… | line b"
    launcher = [
        "lmp: not found",
        "-" * 70,
        "mpirun detected that processes exited with",
        "  Process name: [[1,0]]",
    ]
    assert last_words(launcher) == "lmp: not found"
    assert last_words(["error 1"] * 4 + ["error 2", "error 3", "error 4"]) == "error 2 | error 3 | error 4"
    assert last_words(["\x1b[31merror\x1b[0m: \x07bad", "\x1b]0;title\x07error b"]) == "error: bad | error b"
    assert last_words(["error: PASSWORD=hunter2, api_key: abc https://me:pw@host/x"]) == (
        "error: PASSWORD=*** api_key: *** https://***@host/x"
    )
    assert last_words([]) == ""
