"""Write the reference pages from the code: ``python make_reference.py [FOLDER]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from aiida import load_profile
from aiida.storage.sqlite_temp import SqliteTempBackend
from reference_pages import commands, models, paper_protocol, processes, protocols, results

__all__ = ["write_pages"]

PAGES: dict[str, Callable[[], str]] = {
    "entry-points": processes.entry_points,
    "processes": processes.inputs_and_outputs,
    "exit-codes": processes.exit_codes,
    "results": results.page,
    "protocols": protocols.page,
    "paper-protocol": paper_protocol.page,
    "stages": models.stages,
    "results-file": models.results_file,
    "recipe": models.recipe,
    "forcefields": models.forcefields,
    "commands": commands.page,
}


def write_pages(folder: Path) -> None:
    """Write every page into ``folder``; a page that says what it said before keeps its time stamp."""
    # the defaults of inputs are nodes, and a node belongs to a profile: here to one in memory
    load_profile(SqliteTempBackend.create_profile("reference"), allow_switch=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        path, text = folder / f"{name}.md", page()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "reference")
