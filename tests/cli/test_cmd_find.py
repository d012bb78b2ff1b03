"""``aiida-cse studies``."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiida.common.links import LinkType
from aiida.engine import ProcessState
from aiida.orm import Dict, Float, WorkChainNode
from click.testing import CliRunner

from aiida_cse.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

WORD = "find-me"


def invoke(*arguments: object, width: int = 80) -> str:
    runner = CliRunner(env={"COLUMNS": str(width)})
    result = runner.invoke(main, ["studies", "--label", WORD, *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def production(label: str, state: ProcessState, kelvin: float, ec: float | None, status: int = 0) -> int:
    """Store a production on its own and return its PK."""
    node = WorkChainNode(process_type="aiida.workflows:cse.production", label=label)
    given: dict[str, Any] = {"temperature": Float(kelvin), "plan": Dict({"length_ps": 400_000, "timestep_fs": 2})}
    for name, value in given.items():
        node.base.links.add_incoming(value.store(), LinkType.INPUT_WORK, name)
    node.set_process_state(state)
    node.store()
    if ec is not None:
        found = {
            "temperature_K": kelvin,
            "ec": ec,
            "ec_lower_bound": ec / 2,
            "equilibrated": ec > 0.5,
            "end_ns": 4e2,
        }
        Dict(found).store().base.links.add_incoming(node, LinkType.RETURN, "equilibration")
    if state == ProcessState.FINISHED:
        node.set_exit_status(status)
    assert node.pk is not None
    return node.pk


@pytest.fixture(scope="module")
def pks(aiida_profile: object) -> dict[str, int]:
    return {
        "good": production(f"{WORD} good", ProcessState.FINISHED, 700, 0.9),
        "bad": production(f"{WORD} bad", ProcessState.FINISHED, 600, 0.1, 500),
        "failed": production(f"{WORD} failed", ProcessState.FINISHED, 600, None, 343),
        "orphan": production(f"{WORD} {'long ' * 30}", ProcessState.CREATED, 500, None),
    }


def listed(output: str) -> list[int]:
    """Return the PKs of the rows of a table."""
    return [int(pk) for pk in re.findall(r"^ *(\d+) production", output, re.M)]


def test_a_table_fits_the_terminal_and_a_wide_one_shows_more(pks: dict[str, int]) -> None:
    narrow, wide = invoke(), invoke(width=150)
    for width, output in ((40, invoke(width=40)), (80, narrow), (150, wide)):
        assert max(map(len, output.splitlines())) <= width
    assert "exit" not in narrow.splitlines()[0]
    assert "exit" in wide.splitlines()[0]
    assert listed(narrow) == sorted(pks.values(), reverse=True)
    lines = {line.split()[0]: " ".join(line.split()) for line in narrow.splitlines()}
    assert f"{pks['good']} production {WORD} good 700" in " ".join(wide.split())
    assert "good 700 400/400 0.90 0.45 yes" in " ".join(wide.split())
    assert "yes finished" in lines[str(pks["good"])]
    assert "never started" in lines[str(pks["orphan"])]


def test_it_says_how_to_continue_what_does_not_advance(pks: dict[str, int]) -> None:
    output = " ".join(invoke().split())
    assert f"never started: <{pks['orphan']}>; nothing runs it now" in output
    assert f"failed: <{pks['failed']}>; the reason is in: " in output


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--temperature", 600), ("failed", "bad")),
        (("--equilibrated",), ("good",)),
        (("--not-equilibrated",), ("bad",)),
        (("--failed",), ("failed",)),
        (("--state", "never started", "--state", "failed"), ("orphan", "failed")),
        (("--kind", "production", "--since", "1h"), ("orphan", "failed", "bad", "good")),
        (("--sort", "ec"), ("bad", "good", "orphan", "failed")),
        (("--sort", "ec", "--reverse"), ("good", "bad", "orphan", "failed")),
        (("--limit", 1), ("orphan",)),
    ],
)
def test_rows_are_filtered_and_sorted(
    pks: dict[str, int], options: tuple[Any, ...], names: tuple[str, ...]
) -> None:
    assert listed(invoke(*options)) == [pks[name] for name in names]


@pytest.mark.parametrize("options", [("--recipe", "other"), ("--protocol", "demo"), ("--since", "2999-01-01")])
def test_no_match_is_told(pks: dict[str, int], options: tuple[str, str]) -> None:
    assert "rows of this profile matches" in invoke(*options)


def test_json_and_csv_hold_all_columns(pks: dict[str, int]) -> None:
    found = json.loads(invoke("--format", "json", "--sort", "ec"))
    assert (found[0]["ec_min"], found[0]["exit_status"], found[0]["temperatures_K"]) == (0.1, 500, [600.0])
    assert datetime.fromisoformat(found[0]["created"]).utcoffset() == timedelta(0)
    rows = list(csv.DictReader(invoke("--format", "csv", "--runs", "--sort", "ec").splitlines()))
    assert (rows[0]["run"], rows[0]["ec"], rows[0]["done_ns"]) == ("600 K", "0.1", "400.0")


def test_a_time_that_is_none_is_refused(aiida_profile: object) -> None:
    for word in ("soon", "999999w", "7y"):
        result = CliRunner().invoke(main, ["studies", "--since", word])
        assert result.exit_code == 2
        assert "give a date as 2026-11-30, or a time span as 12h, 7d or 2w" in result.output
