"""``aiida-cse system import``: check without a profile, and the stored node."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from aiida.orm import QueryBuilder, load_node
from click.testing import CliRunner, Result

from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.cli import main
from aiida_cse.data.forcefield import CseForceFieldData
from aiida_cse.data.system import CseSystemData
from aiida_cse.forcefields import load_set
from aiida_cse.lammps.files.system import System
from tests.nodes import interface

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

FORCEFIELD = """\
labelmap atom 1 La 2 Zr 3 Li 4 N 5 F
pair_style lj/cut/coul/long ${cutoff}
pair_coeff * * 0.1 2.5
"""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["system", "import", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A box as somebody else has it: data file, force field, and facts in YAML."""
    system = interface()
    assert system.info.slab is not None
    lithium = np.flatnonzero(np.array([entry.label == "Li" for entry in system.info.types])[system.data.types - 1])
    system.data.molecules[lithium[: system.info.slab.lithium]] = 1  # the ceramic's
    row, column = np.divmod(np.arange(system.data.natoms), 10)
    system.data.positions[:, 0] = 1 + 1.9 * np.where(row % 2, 9 - column, column)
    system.data.positions[:, 1] = 1 + 1.9 * row
    system.data.write(tmp_path / "box.data")
    labels = " ".join(f"{number} {entry.label}" for number, entry in enumerate(system.info.types, 1))
    include = f"labelmap atom {labels}\n" + FORCEFIELD.split("\n", 1)[1]
    (tmp_path / "forcefield.in").write_text(include)
    (tmp_path / "facts.yaml").write_text(yaml.safe_dump(written_facts(system)))
    return tmp_path


def written_facts(system: System) -> dict[str, object]:
    assert system.info.slab is not None
    return {
        "types": {
            t.label: {"element": t.element, "phase": t.phase, "species": t.species} for t in system.info.types
        },
        "slab": system.info.slab.model_dump(mode="json"),
        "seeds": {"velocities": 11},
    }


def files(folder: Path) -> list[object]:
    return [folder / "box.data", "--facts", folder / "facts.yaml", "--forcefield", folder / "forcefield.in"]


@pytest.mark.usefixtures("aiida_profile")
def test_an_imported_system_is_stored_as_a_node(folder: Path) -> None:
    result = invoke(*files(folder))
    assert result.exit_code == 0, result.output
    last = [line for line in result.output.splitlines() if line.startswith("stored as system <")][-1]
    node = load_node(int(last.split("<")[1].rstrip(">")))
    assert isinstance(node, CseSystemData)
    assert (node.label, node.description) == ("box.data", "imported from box.data")
    assert node.info == CseSystemData(node.get_system()).info
    assert node.info.types == interface().info.types
    assert node.info.slab == interface().info.slab
    assert node.info.seeds == {"velocities": 11}
    assert f"launch production --system {node.pk} --temperature K" in result.output
    assert "--seed" not in result.output, "the facts name one"


@pytest.mark.usefixtures("aiida_profile")
def test_a_check_stores_nothing(folder: Path) -> None:
    before = QueryBuilder().append(CseSystemData).count()
    result = invoke(*files(folder), "--check")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "nothing is missing"
    assert "slab: 39.000 Å thick, mid-plane" in result.output
    assert QueryBuilder().append(CseSystemData).count() == before


@pytest.mark.usefixtures("aiida_profile_clean")
def test_the_recipe_may_name_a_set_of_the_profile(tmp_path: Path) -> None:
    content = load_recipe("llzo-peo-litfsi-demo").model_dump(mode="json")
    slab = build_slab(Recipe.model_validate(content))
    entries = enumerate(slab.info.types, 1)
    labels = "".join(f"{number} {entry.label}\n" for number, entry in entries)
    text = slab.data.format().replace("\nMasses\n", f"\nAtom Type Labels\n\n{labels}\nMasses\n")
    (tmp_path / "slab.data").write_text(text)
    (tmp_path / "facts.yaml").write_text("phase: slab\n")
    content["forcefield"]["polymer"] = "peo-of-import"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    words = (tmp_path / "slab.data", "--facts", tmp_path / "facts.yaml", "--recipe", tmp_path / "mine.yaml")
    result = invoke(*words, "--check")
    assert result.exit_code == 2
    assert "there is no force-field set 'peo-of-import'" in result.output

    named = load_set("opls-aa-peo").model_copy(update={"name": "peo-of-import"})
    node = CseForceFieldData.get_or_create(named)
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    stored = QueryBuilder().append(CseSystemData).first(flat=True)
    assert stored is not None
    assert stored.info.forcefield_md5["peo-of-import"] == node.md5


def test_all_missing_information_is_listed(folder: Path) -> None:
    result = invoke(folder / "box.data", "--check")
    assert result.exit_code == 2
    lines = result.output.splitlines()
    number = len(lines) - 1
    assert lines[0] == f"Error: {folder / 'box.data'}: {number} things are missing or wrong:"
    assert all(line.startswith("  ") for line in lines[1:])
    assert "  pair_style is missing" in lines


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("box.data", "no data file", "there is no Atoms section; this is no LAMMPS data file"),
        ("box.data", b"\xff\xfe\x00", "not UTF-8 text"),
        ("facts.yaml", "types: [", "not valid YAML"),
        ("facts.yaml", "slab: {thicknes: 3}", "unknown key 'thicknes'; did you mean 'thickness'?"),
        ("facts.yaml", "phase: interfaces", "phase = 'interfaces'"),
    ],
)
def test_invalid_files_are_refused_in_one_line(
    folder: Path, name: str, content: str | bytes, message: str
) -> None:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    result = invoke(*files(folder), "--check")
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1
    assert message in result.output


def test_a_check_does_not_import_aiida(folder: Path) -> None:
    code = (
        "import sys; from aiida_cse.cli import main\n"
        f"try: main({['system', 'import', *map(str, files(folder)), '--check']!r})\n"
        "except SystemExit as end: sys.exit(end.code or ('aiida' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
