"""``aiida-cse build`` and ``aiida-cse reduce``: results of the functions, and refusals in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.recipe import load_recipe
from aiida_cse.cli import main
from aiida_cse.lammps.files.system import System
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from tests.reduction import synthetic

RECIPE = "llzo-peo-litfsi-demo"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def only_line(result: Result) -> str:
    assert result.exit_code == 2, result.output
    (line,) = result.output.splitlines()
    return line


def test_build_slab_writes_a_system(tmp_path: Path) -> None:
    result = invoke("build", "slab", "--recipe", RECIPE, "--out", tmp_path / "new" / "slab")
    assert result.exit_code == 0, result.output
    info = System.read(tmp_path / "new" / "slab").info
    assert info.phase == "slab"
    assert f"slab: {info.natoms} atoms (La 48, Zr 32, O 192, Li 112), box" in result.output


def test_build_electrolyte_writes_the_system_of_the_builder(tmp_path: Path) -> None:
    result = invoke("build", "electrolyte", "--recipe", RECIPE, "--lx", 13, "--ly", 13.5, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    expected = build_electrolyte(load_recipe(RECIPE), 13, 13.5)
    assert System.read(tmp_path).info == expected.info


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["slab", "--recipe", "llzo"], "Error: there is no recipe 'llzo'; "),
        (["electrolyte", "--recipe", RECIPE, "--lx", "-1", "--ly", "13"], "Error: lx, ly = -1.0, 13.0: edges"),
    ],
)
def test_an_invalid_build_is_refused_in_one_line(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    assert only_line(invoke("build", *arguments, "--out", tmp_path)).startswith(complaint)


def test_an_invalid_recipe_is_refused_with_file_and_field(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("name: mine\nceramics: {}\n")
    line = only_line(invoke("build", "slab", "--recipe", recipe, "--out", tmp_path))
    assert line == f"Error: {recipe}: unknown key 'ceramics'; did you mean 'ceramic'?"


def test_a_folder_that_cannot_be_created_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invoke("build", "slab", "--recipe", RECIPE, "--out", tmp_path / "file" / "slab")
    assert result.exit_code == 2, result.output
    assert result.output.splitlines()[-1].endswith(f"{tmp_path / 'file'} is no folder")


@pytest.fixture
def segments(tmp_path: Path) -> tuple[Path, Path]:
    positions = synthetic.make(3, 40).positions
    (tmp_path / "reduction.json").write_text(synthetic.config().model_dump_json())
    return (
        synthetic.write_dcd(tmp_path / "1.dcd", positions[:25]),
        synthetic.write_dcd(tmp_path / "2.dcd", positions[25:], first_step=25 * synthetic.FRAME_STEPS),
    )


def test_a_continued_reduction_equals_one_of_all_segments(tmp_path: Path, segments: tuple[Path, Path]) -> None:
    config, out = tmp_path / "reduction.json", tmp_path / "state.npz"
    first = invoke("reduce", segments[0], "--config", config, "--out", out)
    assert first.exit_code == 0, first.output
    assert "25 frames read; the state holds 25 frames from step 0 to 240" in first.output
    second = invoke("reduce", segments[1], "--config", config, "--out", out, "--previous", out)
    assert second.exit_code == 0, second.output
    assert "15 frames read; the state holds 40 frames" in second.output

    whole, pieces = reduce_segments(segments, synthetic.config()), State.load(out)
    assert (whole.region_counts == pieces.region_counts).all()


def test_reduce_refuses_invalid_files_in_one_line(tmp_path: Path, segments: tuple[Path, Path]) -> None:
    broken, out = tmp_path / "broken.json", tmp_path / "state.npz"
    broken.write_text('{"bins": "many"}')
    line = only_line(invoke("reduce", segments[0], "--config", broken, "--out", out))
    assert line.startswith(f"Error: {broken}: atom_types: is missing; ")
    assert "bins = 'many': must be a valid integer" in line
    assert "http" not in line
    (tmp_path / "bad.dcd").write_bytes(b"no trajectory")
    line = only_line(invoke("reduce", tmp_path / "bad.dcd", "--config", tmp_path / "reduction.json", "--out", out))
    assert "bad.dcd" in line
    assert not out.exists()
