"""The tutorial runs as it is written, and gives the output that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial" / "results.ipynb"


def words(notebook: Any) -> list[str]:
    """Return the text of all outputs."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output.get("text") or output["data"]["text/plain"] for output in outputs]


@pytest.mark.filterwarnings("ignore")
def test_the_tutorial_gives_the_output_that_it_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".aiida").mkdir()
    monkeypatch.setenv("AIIDA_PATH", str(tmp_path))
    shown = nbformat.read(NOTEBOOK, as_version=4)
    run = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(run, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    assert words(run) == words(shown)
    assert (
        sum("image/png" in output.get("data", {}) for cell in run.cells for output in cell.get("outputs", ())) == 1
    )
