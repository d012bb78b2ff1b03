"""Parsing as the engine does it, on stored output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.engine import ExitCode
from aiida.plugins import ParserFactory

from tests.nodes import job_node

#: exit code and outputs
Parsed = tuple[ExitCode | None, dict[str, Any]]
Parse = Callable[..., Parsed]


@pytest.fixture
def parse(localhost: orm.Computer, tmp_path: Path) -> Parse:
    """Return a function that parses what a job left: retrieved files, and those retrieved for the parser alone."""

    def run(
        entry_point: str,
        inputs: dict[str, orm.Data] | None = None,
        *,
        retrieved: dict[str, str | bytes] | None = None,
        temporary: dict[str, str | bytes] | None = None,
        scheduler: tuple[int, str] | None = None,
    ) -> Parsed:
        node = job_node(entry_point, localhost, inputs, retrieved=retrieved)
        if scheduler is not None:
            node.set_exit_status(scheduler[0])
            node.set_exit_message(scheduler[1])
        for name, content in (temporary or {}).items():
            (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        parser = ParserFactory(entry_point)(node)
        exit_code = parser.parse(retrieved_temporary_folder=str(tmp_path))
        for output in parser.outputs.values():
            output.store()
        return exit_code, dict(parser.outputs)

    return run
