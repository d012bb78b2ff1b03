"""``aiida-cse demo`` and ``validate``: the processes that they run, resume or show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiida.engine import ProcessBuilder, ProcessState
from aiida.orm import InstalledCode, ProcessNode, WorkChainNode
from click.testing import CliRunner

from aiida_cse.cli import main
from aiida_cse.workchains.common.builders import refuse_invalid

pytestmark = pytest.mark.usefixtures("aiida_profile")


class Handed(Exception):  # noqa: N818
    """Carries what a command hands to the engine."""


@pytest.fixture(autouse=True)
def engine(lmp: InstalledCode, cse: InstalledCode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the commands where they hand a process to the engine."""

    def hand(run: Any, subject: Any, **kwargs: Any) -> None:
        raise Handed(run.__name__, subject, kwargs)

    environment = SimpleNamespace(lammps=lmp, cse=cse, lines=[])
    monkeypatch.setattr("aiida_cse.cli.profile.activate", lambda **_: None)
    monkeypatch.setattr("aiida_cse.cli.site.environment.ensure_environment", lambda **_: environment)
    monkeypatch.setattr("aiida_cse.cli.running.run_shown", hand)
    monkeypatch.setattr("aiida_cse.cli.running.refuse_incapable", lambda _: None)


def handed(*words: str) -> tuple[str, Any, dict[str, Any]]:
    """Call the command and return what it hands to the engine."""
    error = CliRunner().invoke(main, ["--debug", *words]).exception
    assert isinstance(error, Handed), error
    return error.args  # type: ignore[return-value]


def demo_node(*, finished: bool) -> WorkChainNode:
    node = WorkChainNode(process_type="aiida.workflows:cse.study")
    node.set_process_label("StudyWorkChain")
    node.set_process_state(ProcessState.RUNNING)
    node.store()
    node.base.extras.set("cse_demo", True)
    if finished:
        node.set_exit_status(0)
        node.set_process_state(ProcessState.FINISHED)
    return node


def test_the_demo_is_run_resumed_and_shown() -> None:
    run, builder, kwargs = handed("demo")
    assert (run, kwargs) == ("run_embedded", {"extras": {"cse_demo": True}})
    assert isinstance(builder, ProcessBuilder)
    assert builder.metadata.label == "demo"
    refuse_invalid(builder)

    interrupted = demo_node(finished=False)
    run, node, _ = handed("demo")
    assert (run, node.pk) == ("resume_embedded", interrupted.pk)
    assert isinstance(node, ProcessNode)

    finished = demo_node(finished=True)
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 0, result.output
    assert f"the demo <{finished.pk}> has finished before; run it again with: " in result.output
    assert handed("demo", "--new")[0] == "run_embedded"


@pytest.mark.parametrize(
    ("words", "label", "planted"),
    [
        (("--quick",), "validation of seed 1", {}),
        (("--seed", "7", "--plant", "mass"), "validation of seed 7, wrong mass", {"mass": 2.0}),
        (("--crossing", "--seed", "7"), "validation of a crossing, seed 7", {}),
    ],
)
def test_a_validation_has_its_seed_and_its_planted_error(
    words: tuple[str, ...], label: str, planted: dict[str, float]
) -> None:
    run, builder, _ = handed("validate", *words)
    assert (run, builder.metadata.label) == ("run_embedded", label)
    found = builder.settings.get_dict()["planted"]
    assert {key: value for key, value in found.items() if value != 1.0} == planted
    refuse_invalid(builder)
