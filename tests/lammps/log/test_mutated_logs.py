"""Logs damaged at random: never an exception, never a success that is none, and no harm by what is harmless."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_cse.lammps.log.outcome import Outcome, judge
from aiida_cse.lammps.log.reader import LogReport, read_log, summarize_stage

LOGS = Path(__file__).parents[1] / "logs"
POOL = {path.stem: path.read_text() for path in sorted(LOGS.glob("*.log"))}
FINISHED = POOL["finished"]
TARGET = 401
LAST_LINE = f"CSE finished step={TARGET} timeout=0\n"
ROW = re.compile(r"^  - \[(.*), \]$", re.M)

many = settings(max_examples=500, deadline=None, derandomize=True)
Draw = Callable[[st.SearchStrategy[int]], int]
Mutation = Callable[[str, Draw], str]

MPI_WARNINGS = [
    "[n01:04711] mca_base_component_repository_open: unable to open mca_btl_openib: librdmacm.so.1: cannot open",
    "WARNING: There was an error initializing an OpenFabrics device.",
    "srun: warning: can't honor --ntasks-per-node set to 64 which doesn't match the requested tasks",
    "libibverbs: Warning: couldn't load driver 'libvmw_pvrdma-rdmav34.so'",
    "PMIX ERROR: ERROR in file gds_ds12_lock_pthread.c at line 169",
    "--------------------------------------------------------------------------",
    "n01.412  hfi_userinit: assign_context command failed: Device or resource busy",
    "WARNING on proc 3: Communication cutoff is 0.0. No ghost atoms will be generated. (src/comm.cpp:732)",
    "  - this line is not a row",
    "1 2 3",
    "",
    "\0\0\0",
]
ERRORS = [
    # as it was written up to 2024, and since
    "ERROR: Lost atoms: original 113 current 111 (../thermo.cpp:481)\nLast command: run 500\n",
    "ERROR: Lost atoms: original 113 current 111 (src/thermo.cpp:494)\n"
    "For more information see https://docs.lammps.org/err0008\nLast input line: run 500\n",
    "ERROR on proc 3: Bond atoms 74 75 missing on proc 3 at step 250 (../ntopo_bond_all.cpp:59)\n",
    "ERROR on proc 0: Out of range atoms - cannot compute PPPM (src/KSPACE/pppm.cpp:1854)\n",
    "ERROR: Cannot open file out.x: No such file or directory (../file.cpp:12)\n",
    "ERROR: Unknown command: x",
]


# -- what must not be taken for a success ------------------------------------------------------------------------


def cut(text: str, draw: Draw) -> str:
    return text[: draw(st.integers(0, text.index(LAST_LINE) + len(LAST_LINE) - 1))]


def cut_after_a_row(text: str, draw: Draw) -> str:
    ends = [match.end() for match in ROW.finditer(text)]
    return text[: ends[draw(st.integers(0, len(ends) - 1))] + draw(st.integers(0, 1))]


def cut_within_a_sentinel(text: str, draw: Draw) -> str:
    starts = [match.start() for match in re.finditer("^CSE ", text, re.M)]
    return text[: starts[draw(st.integers(0, len(starts) - 1))] + draw(st.integers(0, len(LAST_LINE) - 1))]


def cut_but_ended(text: str, draw: Draw) -> str:
    # with all but its end of line the last line of the script would be whole again
    end = draw(st.integers(0, text.index(LAST_LINE) + len(LAST_LINE) - 2))
    return text[:end] + "\nTotal wall time: 0:00:00\n"


def not_a_number(text: str, draw: Draw) -> str:
    rows = list(ROW.finditer(text))
    row = rows[draw(st.integers(0, len(rows) - 1))]
    values = row.group(1).split(", ")
    values[draw(st.integers(1, len(values) - 1))] = ("nan", "-nan", "inf", "-inf")[draw(st.integers(0, 3))]
    return text[: row.start(1)] + ", ".join(values) + text[row.end(1) :]


def an_error(text: str, draw: Draw) -> str:
    return _between_lines(text, draw, ERRORS[draw(st.integers(0, len(ERRORS) - 1))])


def an_error_within_a_row(text: str, draw: Draw) -> str:
    rows = list(ROW.finditer(text))
    row = rows[draw(st.integers(0, len(rows) - 1))]
    where = row.start(1) + draw(st.integers(0, len(row.group(1))))
    error = ERRORS[draw(st.integers(0, 3))]
    return text[:where] + error + text[where:]


def an_earlier_end(text: str, draw: Draw) -> str:
    step = draw(st.integers(0, TARGET - 1))
    return text.replace(LAST_LINE, f"CSE finished step={step} timeout={draw(st.integers(0, 1))}\n")


def a_later_end(text: str, draw: Draw) -> str:
    """A digit that flipped: it proves another step than the stages do."""
    return text.replace(LAST_LINE, f"CSE finished step={draw(st.integers(TARGET + 1, 10**9))} timeout=0\n")


def a_stage_without_end(text: str, draw: Draw) -> str:
    ends = re.findall("^CSE end=.*\n", text, re.M)
    return text.replace(ends[draw(st.integers(0, len(ends) - 1))], "")


def a_piece_without_the_last_line(text: str, draw: Draw) -> str:
    start = draw(st.integers(0, len(text)))
    return (text[:start] + text[start + draw(st.integers(0, 400)) :]).replace(LAST_LINE, "")


HARMFUL: list[Mutation] = [
    cut,
    cut_after_a_row,
    cut_within_a_sentinel,
    cut_but_ended,
    not_a_number,
    an_error,
    an_error_within_a_row,
    an_earlier_end,
    a_later_end,
    a_stage_without_end,
    a_piece_without_the_last_line,
]


# -- what does no harm -------------------------------------------------------------------------------------------


def _between_lines(text: str, draw: Draw, words: str) -> str:
    """Put words before a line, at the latest before the last one of the script."""
    lines = text.splitlines(keepends=True)
    where = draw(st.integers(0, max(number for number, line in enumerate(lines) if line == LAST_LINE)))
    return "".join([*lines[:where], words if words.endswith("\n") else f"{words}\n", *lines[where:]])


def a_warning_of_mpi(text: str, draw: Draw) -> str:
    return _between_lines(text, draw, MPI_WARNINGS[draw(st.integers(0, len(MPI_WARNINGS) - 1))])


def carriage_returns(text: str, _: Draw) -> str:
    return text if "\r" in text else text.replace("\n", "\r\n").replace(LAST_LINE[:-1] + "\r\n", LAST_LINE)


def zeros_at_the_end(text: str, draw: Draw) -> str:
    return text + "\0" * draw(st.integers(0, 5000))


def no_last_word(text: str, _: Draw) -> str:
    return text.replace("Total wall time:", "Total")


def another_version(text: str, _: Draw) -> str:
    return re.sub(r"^LAMMPS \(.*\)", "LAMMPS (29 Oct 2020)", text)


HARMLESS: list[Mutation] = [a_warning_of_mpi, carriage_returns, zeros_at_the_end, no_last_word, another_version]


def in_plain_style(text: str) -> str:
    """Return a log with its YAML tables as LAMMPS writes them by default."""
    text = re.sub(r"^---\n|^data:.*\n|^\.\.\.\n", "", text, flags=re.M)
    text = re.sub(
        r"^keywords: \[(.*)\]\n",
        lambda match: "   " + "          ".join(re.findall("'([^']*)'", match.group(1))) + "\n",
        text,
        flags=re.M,
    )
    return ROW.sub(lambda match: "   " + match.group(1).replace(",", "   "), text)


# -- the rules ---------------------------------------------------------------------------------------------------


def outcome_of(text: str, said: str = "") -> tuple[LogReport, Outcome | None]:
    """Read and judge; all that would be stored is finite and holds no zeros."""
    report = read_log(text.splitlines(keepends=True))
    outcome = judge(report, TARGET, said.splitlines())
    records = [summarize_stage(stage, report.tables) for stage in report.stages]
    kept = [records, report.warnings, report.error, report.restarts, report.ranks, report.seconds_per_step()]
    assert "\\u0000" not in json.dumps(kept, allow_nan=False)
    return report, outcome


def mutate(text: str, mutations: list[Mutation], draw: Draw, at_most: int) -> str:
    for _ in range(draw(st.integers(0, at_most))):
        text = mutations[draw(st.integers(0, len(mutations) - 1))](text, draw)
    return text


def test_both_table_styles_give_the_same_rows() -> None:
    plain, _ = outcome_of(in_plain_style(FINISHED))
    yaml, outcome = outcome_of(FINISHED)
    assert outcome is None
    assert [table.columns for table in plain.tables] == [table.columns for table in yaml.tables]
    assert [table.rows for table in plain.tables] == [table.rows for table in yaml.tables]
    assert sum(len(table.rows) for table in plain.tables) > 20


@pytest.mark.parametrize("number", range(len(ROW.findall(FINISHED))))
def test_a_value_that_is_not_finite_is_always_found(number: int) -> None:
    """Also not the first one of a run, which repeats the last one of the run before."""
    row = list(ROW.finditer(FINISHED))[number]
    step, _, rest = row.group(1).split(", ", 2)
    broken = FINISHED[: row.start(1)] + f"{step}, -nan, {rest}" + FINISHED[row.end(1) :]
    for text in (broken, in_plain_style(broken)):
        _, outcome = outcome_of(text)
        assert outcome is not None
        assert outcome.kind == "not_a_number"


@many
@given(st.data())
def test_a_damaged_log_is_never_a_success(data: st.DataObject) -> None:
    text = mutate(FINISHED, HARMLESS[:1], data.draw, 3)
    broken = HARMFUL[data.draw(st.integers(0, len(HARMFUL) - 1))](text, data.draw)
    if data.draw(st.booleans()):
        broken = in_plain_style(broken)
    _, outcome = outcome_of(broken)
    assert outcome is not None


@many
@given(st.data())
def test_harmless_changes_do_not_change_the_outcome(data: st.DataObject) -> None:
    text = mutate(FINISHED, HARMLESS, data.draw, 5)
    report, outcome = outcome_of(text)
    assert outcome is None
    assert [table.rows for table in report.tables] == [table.rows for table in outcome_of(FINISHED)[0].tables]


@many
@given(st.data())
def test_a_success_is_always_proved_by_the_log(data: st.DataObject) -> None:
    """Pieces of all stored logs: other runs, other columns, a minimisation before a run, errors, warnings."""
    names = data.draw(st.lists(st.sampled_from(sorted(POOL)), min_size=1, max_size=3))
    text = "".join(_piece(POOL[name], data.draw) for name in names)
    if data.draw(st.booleans()):
        text = in_plain_style(text)
    said = "\n".join(data.draw(st.lists(st.sampled_from([*MPI_WARNINGS, *ERRORS, "Segmentation fault"]))))
    report, outcome = outcome_of(text, said)
    if outcome is None:
        assert any(
            int(step) >= TARGET for step in re.findall(r"^CSE finished step=(\d+) timeout=[01]$", text, re.M)
        )
        assert not re.search("^ERROR", text, re.M)
        assert report.not_a_number() is None
        assert all(stage.complete for stage in report.stages)


def _piece(text: str, draw: Draw) -> str:
    start = draw(st.integers(0, len(text))) if draw(st.booleans()) else 0
    end = draw(st.integers(start, len(text))) if draw(st.booleans()) else len(text)
    return text[start:end]


@settings(max_examples=200, deadline=None)
@given(st.text(), st.lists(st.text(alphabet=" \t,.:[]-0123456789eE+nNaAiIfCSERO='\"\0\r\n", max_size=60)))
def test_text_of_any_kind_can_be_read(start: str, lines: list[str]) -> None:
    _, outcome = outcome_of(start + "\n".join(lines))
    assert outcome is not None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ERRORS[0], "lost_atoms"),
        (ERRORS[1], "lost_atoms"),
        (ERRORS[2], "bond_atoms_missing"),
        (ERRORS[3], "kspace_out_of_range"),
        (ERRORS[4], "cannot_open"),
        (ERRORS[5], "other"),
        (
            "ERROR on proc 1: Failed to allocate 123456789012 bytes for array atom:x (src/memory.cpp:66)",
            "out_of_memory",
        ),
        ("ERROR: Cannot open restart file restart.500: No space left on device", "disk_full"),
        ("ERROR: Cannot open restart file restart.500: No such file or directory", "restart_unreadable"),
        ("ERROR: folder in use: parent: a job on n01 still writes there", "folder_in_use"),
    ],
)
def test_errors_of_either_format_are_found_within_a_table(error: str, kind: str) -> None:
    where = [match.end() for match in ROW.finditer(FINISHED)][5]
    for text in (FINISHED[: where + 1] + error, FINISHED[: where - 30] + error + "\n"):
        _, outcome = outcome_of(text)
        assert outcome is not None
        assert outcome.kind == kind
