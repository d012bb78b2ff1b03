"""The outlines of the WorkChains, and the names under which their steps keep what later steps need."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiida.plugins import WorkflowFactory


def outlines() -> dict[str, dict[str, Any]]:
    """Return version and outline of every WorkChain; those of aiida-cse 0.1 have the version 1."""
    found = distribution("aiida-cse").entry_points
    names = sorted(point.name for point in found if point.group == "aiida.workflows")
    return {name: _outline(WorkflowFactory(name)) for name in names}


def _outline(made: Any) -> dict[str, Any]:
    description = made.spec().get_outline().get_description()
    return {"version": getattr(made, "OUTLINE_VERSION", 1), "outline": _steps(description)}


def _steps(description: Any) -> Any:
    """Return the names of the steps without their docstrings."""
    if isinstance(description, str):
        return description.partition("(")[0]
    if isinstance(description, dict):
        return {key: _steps(value) for key, value in description.items()}
    return [_steps(part) for part in description]


def context_names() -> list[str]:
    """Return the names of ``ctx`` that any WorkChain uses; a checkpoint holds their values."""
    folder = Path(str(files("aiida_cse.workchains")))
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py"))]
    found = {name for text in texts for name in re.findall(r"\.ctx\.([a-z]\w*)", text)}
    return sorted(found - {"get"})
