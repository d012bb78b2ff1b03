"""The short fault bench: one production that is killed again and again, and whose files are damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]


def test_a_killed_and_damaged_production_is_as_if_nothing_had_happened(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.faults", "--quick", "--folder", str(tmp_path)]
    bench = subprocess.Popen(
        [*command, "--only", "short"],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = bench.communicate(timeout=900)
    finally:
        if bench.poll() is None:
            bench.send_signal(signal.SIGTERM)
            bench.wait(timeout=60)
    assert bench.returncode == 0, said
    assert "frames lost 0, counted twice 0; wrongly called finished 0" in said.splitlines()[-1]
    assert not _left_in(tmp_path), "nothing of it goes on"


def _left_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cwd"]):
        cwd = process.info["cwd"]
        if cwd is not None and Path(cwd).is_relative_to(folder):
            found.append(process)
    return found
