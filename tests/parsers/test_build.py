"""The parser of the builder: three files become a system, or the builder's last words the reason."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiida.engine import ExitCode

from aiida_cse.data.forcefield import CseForceFieldData
from aiida_cse.data.system import CseSystemData
from aiida_cse.forcefields import load_set
from tests.parsers.conftest import Parse, told
from tests.systems import crystal_and_molecules

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

SAID = "Usage: aiida-cse build slab [OPTIONS]\nError: llzo.yaml: ceramic.repeat.0 = 0\nError: another\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str | bytes]:
    folder = tmp_path / "built"
    folder.mkdir()
    crystal_and_molecules().write(folder)
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_what_was_built_is_a_system(parse: Parse, files: dict[str, str | bytes]) -> None:
    exit_code, outputs = parse("cse.build", retrieved={"job.out": "interface: 113 atoms\n"}, temporary=files)
    assert exit_code is None
    assert isinstance(outputs["system"], CseSystemData)
    assert outputs["system"].info == crystal_and_molecules().info


def test_a_builder_that_failed_says_why(parse: Parse) -> None:
    exit_code, outputs = parse("cse.build", retrieved={"job.out": SAID})
    assert exit_code is not None
    assert exit_code.status == 330
    assert exit_code.message == "The component could not be built: llzo.yaml: ceramic.repeat.0 = 0"
    assert exit_code.invalidates_cache, "a full disk or a lost file may be behind it"
    assert outputs == {}


def test_a_builder_with_another_content_of_a_set(parse: Parse, files: dict[str, str | bytes]) -> None:
    node = CseForceFieldData.get_or_create(load_set("uff-llzo"))
    info = json.loads(files["system.json"])

    def parsed(md5: str) -> tuple[ExitCode | None, dict[str, Any]]:
        files["system.json"] = json.dumps(info | {"forcefield_md5": {"uff-llzo": md5}})
        return parse("cse.build", {"forcefield__cross": node}, temporary=files)

    exit_code, outputs = parsed(node.md5)
    assert exit_code is None
    assert outputs["system"].info.forcefield_md5 == {"uff-llzo": node.md5}
    exit_code, outputs = parsed("0" * 32)
    assert exit_code is not None
    assert exit_code.status == 347
    assert exit_code.invalidates_cache, "another version on the computer heals it"
    assert f"of the force-field set uff-llzo than the one of the recipe (md5 {'0' * 32}, not" in exit_code.message
    assert outputs == {}


@pytest.mark.parametrize("output", [None, "", "Killed\n"])
@pytest.mark.parametrize("missing", ["system.data", "forcefield.in", "system.json"])
def test_a_builder_that_was_killed(
    parse: Parse, files: dict[str, str | bytes], missing: str, output: str | None
) -> None:
    del files[missing]
    exit_code, _ = parse("cse.build", retrieved={} if output is None else {"job.out": output}, temporary=files)
    assert exit_code is not None
    assert exit_code.status == 331
    assert exit_code.invalidates_cache
    assert f"{missing} is missing" in exit_code.message


@pytest.mark.parametrize("name", ["system.data", "system.json"])
def test_a_file_cut_short_is_no_system(parse: Parse, files: dict[str, str | bytes], name: str) -> None:
    files[name] = files[name][: len(files[name]) // 2]
    exit_code, _ = parse("cse.build", temporary=files)
    assert exit_code is not None
    assert exit_code.status == 331


def test_an_exit_code_of_the_scheduler_takes_precedence(parse: Parse) -> None:
    exit_code, _ = parse("cse.build", retrieved={"job.out": SAID}, scheduler=(110, "Out of memory."))
    assert exit_code is not None
    said = "Error: llzo.yaml: ceramic.repeat.0 = 0 | Error: another"
    assert (exit_code.status, exit_code.message) == (110, f"Out of memory. It said: {said}")


@pytest.mark.parametrize("job", ["cse.build", "cse.emc", "cse.discard"])
def test_a_scheduler_without_an_exit_code_says_why(parse: Parse, job: str) -> None:
    words = "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit."
    exit_code, outputs = parse(job, **told(words, "stdout"))
    assert exit_code is not None
    assert (exit_code.status, exit_code.message) == (110, f"The job ran out of memory. It said: {words}")
    assert exit_code.invalidates_cache
    assert outputs == {}
