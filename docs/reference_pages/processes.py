"""Entry points, inputs, outputs and exit codes, from the specifications of the processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, distribution
from types import FunctionType
from typing import Any

from aiida.engine.processes.ports import PortNamespace
from aiida.orm import Node

from reference_pages.markdown import anchor, code, first_line, plain, section, table

__all__ = ["entry_points", "exit_codes", "inputs_and_outputs"]

GROUPS = (
    "aiida.workflows",
    "aiida.calculations",
    "aiida.parsers",
    "aiida.data",
    "aiida.cmdline.data",
    "console_scripts",
)
_PROCESS_GROUPS = GROUPS[:2]
#: inputs of every process of AiiDA, or none that a user gives
_HIDDEN = frozenset({"metadata", "monitors", "remote_folder"})
#: exit codes of calculation functions are constants of their modules
_CONSTANT = "CANNOT_"


def entry_points() -> str:
    """Return the page on the entry points of the package."""
    parts = []
    for group in GROUPS:
        rows = [(code(entry.name), code(entry.value), first_line(entry.load())) for entry in _entries(group)]
        parts.append(section(group, table(["name", "path", "description"], rows)))
    return "\n".join([section("Entry points", "Entry points that the package adds to AiiDA.", level=1), *parts])


def inputs_and_outputs() -> str:
    """Return the page on the inputs and outputs of every process."""
    opening = (
        "`metadata` and the other inputs that every process of AiiDA has are omitted. The contents of the result "
        "nodes are on [their own page](results.md), fields of recipes, schedules and plans on the pages on the "
        "[recipe](recipe.md) and the [stage language](stages.md)."
    )
    parts = [_process(entry.name, entry.load()) for group in _PROCESS_GROUPS for entry in _entries(group)]
    return "\n".join([section("Inputs and outputs", opening, level=1), *parts])


def exit_codes() -> str:
    """Return the page on the exit codes that the package itself defines."""
    opening = (
        "3xx: unrecoverable. 4xx: the run stopped before its end, and the restart chain continues it if possible. "
        "1xx: codes of AiiDA and the scheduler, which are kept. Codes that depend on chance are never served from "
        "the cache. 5xx: not a failure; all results are available but are not as requested. A production that is "
        "not equilibrated ends with 500 if it was to run until equilibrated, and with 0 if its length was fixed; "
        "`equilibrated` of the result is false in both cases."
    )
    rows = sorted(row for group in _PROCESS_GROUPS for entry in _entries(group) for row in _codes(entry))
    headings = ["code", "process", "label", "message", "depends on chance"]
    return section("Exit codes", opening, table(headings, rows), level=1)


def _entries(group: str) -> list[EntryPoint]:
    return [entry for entry in distribution("aiida-cse").entry_points if entry.group == group]


# -- inputs and outputs --------------------------------------------------------------------------------------


def _process(name: str, process: Any) -> str:
    spec = process.spec()
    inputs = table(["input", "type", "", "description"], _input_rows(spec))
    outputs = table(["output", "type", "", "description"], _output_rows(spec))
    return section(name, first_line(process), inputs, outputs)


def _input_rows(spec: Any) -> Iterator[tuple[str, ...]]:
    for name, port in spec.inputs.items():
        exposed = _exposed(spec, name)
        if name in _HIDDEN:
            continue
        if exposed is None:
            yield code(name), _type(port), _default(port), plain(port.help or "")
            continue
        missing = sorted(_missing(exposed.spec().inputs, port) - _HIDDEN)
        without = f" without {', '.join(map(code, missing))}" if missing else ""
        yield code(f"{name}.*"), "namespace", "", f"The inputs of {_link(exposed)}{without}."


def _output_rows(spec: Any) -> Iterator[tuple[str, ...]]:
    for name, port in spec.outputs.items():
        yield code(name), _type(port), "" if port.required else "optional", plain(port.help or "")


def _exposed(spec: Any, namespace: str) -> Any | None:
    """Return the process whose inputs are exposed in a namespace."""
    return next(iter(spec._exposed_inputs.get(namespace, ())), None)


def _link(process: type) -> str:
    entries = (entry for group in _PROCESS_GROUPS for entry in _entries(group))
    name = next(entry.name for entry in entries if entry.load() is process)
    return f"[{name}](#{anchor(name)})"


def _missing(whole: Mapping[str, Any], part: Mapping[str, Any]) -> set[str]:
    """Return the names, with their namespaces, that ``part`` lacks."""
    names = set()
    for name, port in whole.items():
        if name not in part:
            names.add(name)
        elif isinstance(port, PortNamespace):
            names |= {f"{name}.{child}" for child in _missing(port, part[name])}
    return names


def _type(port: Any) -> str:
    if isinstance(port, PortNamespace):
        return "namespace" if port.valid_type is None else f"namespace of {_names(port.valid_type)}"
    return _names(port.valid_type)


def _names(valid: Any) -> str:
    classes = valid if isinstance(valid, tuple) else (valid,)
    return " or ".join(cls.__name__ for cls in classes if cls not in (None, type(None)))


def _default(port: Any) -> str:
    if port.required or isinstance(port, PortNamespace):
        return "**required**" if port.required else "optional"
    if not port.has_default():
        return "optional"
    default = port.default() if callable(port.default) else port.default
    value = getattr(default, "value", default)
    return "has a default" if isinstance(value, Node) else f"default {code(value)}"


# -- exit codes ----------------------------------------------------------------------------------------------


def _codes(entry: EntryPoint) -> Iterator[tuple[Any, ...]]:
    process = entry.load()
    if not isinstance(process, type):
        for name, status in _constants(process.__wrapped__):
            yield status, code(entry.name), code(name), "The message states the error.", ""
        return
    parent = next(base for base in process.__mro__ if not base.__module__.startswith("aiida_cse"))
    inherited = {found.status for found in parent.spec().exit_codes.values()}
    for label, found in process.spec().exit_codes.items():
        if found.status not in inherited:
            luck = "yes" if found.invalidates_cache else ""
            yield found.status, code(entry.name), code(label), found.message, luck


def _constants(function: FunctionType) -> Iterator[tuple[str, int]]:
    """Yield the exit codes in a calculation function and in functions of this package that it calls."""
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if name.startswith(_CONSTANT):
            yield name, value
        elif isinstance(value, FunctionType) and value.__module__.startswith("aiida_cse.calculations"):
            yield from _constants(value)
