"""``aiida-cse reduce`` without a profile: foreign trajectories, threads, checksums and progress."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from aiida_cse.building.reduction import describe_system
from aiida_cse.cli import main
from aiida_cse.cli.display import progress
from aiida_cse.reduction import streaming
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.state import State
from tests.nodes import SAMPLING, interface
from tests.reduction import synthetic


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["reduce", *(str(argument) for argument in arguments)])


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    positions = synthetic.make(3, 40).positions
    interface().data.write(tmp_path / "foreign.data")
    regions = {
        "labels": ["La", "Zr", "Li", "N", "F"],
        "framework": ["La", "Zr"],
        "cation": {"name": "Li", "types": ["Li"]},
        "anion": {"name": "TFSI", "types": ["N", "F"]},
        "thickness": 2 * synthetic.HALF,
        "midplane_offset": synthetic.OFFSET,
        "initial_cations": 4,
        "sampling": SAMPLING,
    }
    (tmp_path / "regions.yaml").write_text(yaml.safe_dump(regions))
    return {
        "segments": (
            synthetic.write_dcd(tmp_path / "1.dcd", positions[:25]),
            synthetic.write_dcd(tmp_path / "2.dcd", positions[25:], first_step=25 * synthetic.FRAME_STEPS),
        ),
        "options": (
            *("--system", tmp_path / "foreign.data"),
            *("--config", tmp_path / "regions.yaml"),
            *("--out", tmp_path / "state.npz"),
        ),
    }


@pytest.fixture
def expected(files: dict[str, Any]) -> State:
    return reduce_segments(
        files["segments"], ReductionConfig.build(describe_system(interface()), Sampling.model_validate(SAMPLING))
    )


def test_the_trajectory_of_another_program_is_reduced(
    files: dict[str, Any], expected: State, tmp_path: Path
) -> None:
    result = invoke(*files["segments"], *files["options"], "--threads", 2)
    assert result.exit_code == 0, result.output
    note, summary = result.output.splitlines()
    assert note.startswith("note: the largest move of an ion between displacement frames is 0.")
    assert summary == "40 frames read; the state holds 40 frames from step 0 to 390"
    assert State.load(tmp_path / "state.npz").equals(expected)


def test_reduce_needs_no_profile_and_no_aiida(files: dict[str, Any], tmp_path: Path) -> None:
    script = (
        "import sys; from aiida_cse.cli.cmd_bring import reduce; reduce(standalone_mode=False); "
        "sys.exit('aiida' in sys.modules)"
    )
    arguments = [str(one) for one in (*files["segments"], *files["options"])]
    environment = os.environ | {"AIIDA_PATH": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "none").exists()


def test_a_segment_with_another_checksum_is_refused(
    files: dict[str, Any], expected: State, tmp_path: Path
) -> None:
    sums = tmp_path / "sums"
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}" for path in files["segments"]]
    sums.write_text("\n".join(lines) + "\n")
    result = invoke(*files["segments"], *files["options"], "--checksums", sums)
    assert result.exit_code == 0, result.output
    sums.write_text("\n".join(lines).replace(lines[1][:4], "0000"))
    result = invoke(*files["segments"], *files["options"], "--checksums", sums)
    assert result.exit_code == 2
    assert result.output.startswith(
        f"Error: {files['segments'][1]}: its SHA-256 is {lines[1][:64]}, it must be 0000"
    )


def test_a_missing_segment_needs_no_checksum(files: dict[str, Any], tmp_path: Path) -> None:
    sums, missing = tmp_path / "sums", tmp_path / "3.dcd"
    sums.write_text(f"{'a' * 64}  {missing}\n")
    result = invoke(*files["segments"], missing, *files["options"], "--checksums", sums, "--skip-missing")
    assert result.exit_code == 0, result.output


def test_progress_is_printed_as_lines_without_a_terminal(
    files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINES_S", 0.0)
    monkeypatch.setattr(streaming, "_CHUNK_FRAMES", 10)
    result = invoke(*files["segments"], *files["options"])
    assert result.output.splitlines()[:2] == ["10 of 40 frames (25 %)", "20 of 40 frames (50 %)"]
    assert "40 of 40 frames (100 %)" in result.output


def test_an_unknown_field_is_refused_in_one_line(files: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "regions.yaml"
    path.write_text(path.read_text().replace("thickness", "thicknes"))
    result = invoke(*files["segments"], *files["options"])
    assert result.exit_code == 2
    assert result.output.startswith(f"Error: {path}: unknown key 'thicknes'; did you mean 'thickness'?")
