"""Pages of the tutorial: each notebook as Markdown with the outputs that are stored in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

__all__ = ["write_tutorial"]


def write_tutorial(folder: Path) -> list[Path]:
    """Write a page beside each notebook of a folder, and its pictures; return the pages."""
    pages = []
    for path in sorted(folder.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        parts = [part for number, cell in enumerate(notebook["cells"]) for part in _cell(cell, path, number)]
        link = f"This page is the notebook {{download}}`{path.name}`, which runs in a clone of the repository."
        page = path.with_suffix(".md")
        page.write_text("\n\n".join([parts[0], link, *parts[1:]]) + "\n", encoding="utf-8")
        pages.append(page)
    return pages


def _cell(cell: dict[str, Any], path: Path, number: int) -> list[str]:
    """Return the blocks of one cell; a picture is written to a file."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        title, _, rest = source.partition("\n\n")
        return [part for part in (title, rest) if part]
    parts = [f"```python\n{source}\n```"]
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            picture = path.with_name(f"{path.stem}-{number:02d}.png")
            picture.write_bytes(base64.b64decode("".join(data["image/png"])))
            parts.append(f"![Output of the cell above]({picture.name})")
        elif words := "".join(output.get("text") or data.get("text/plain", "")).rstrip():
            parts.append(f"```text\n{words}\n```")
    return parts
