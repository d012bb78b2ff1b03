"""The names that stored things have, as the code of now knows them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import click
from aiida.engine import CalcJob, Process, WorkChain
from aiida.plugins import CalculationFactory, DataFactory, WorkflowFactory
from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic_core import to_json

from aiida_cse.analysis.comparison import ComparisonSettings
from aiida_cse.analysis.kinetics import KineticsSettings
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.building.crystal.model import CrystalStructure
from aiida_cse.building.imported.description import SystemFacts
from aiida_cse.building.imported.reduction import InterfaceDescription
from aiida_cse.building.recipe import Recipe
from aiida_cse.cli import main
from aiida_cse.forcefields.models import ForceFieldSet
from aiida_cse.lammps.files.system import SystemInfo
from aiida_cse.lammps.job.records import EndRecord, StartRecord
from aiida_cse.lammps.protocol.cooling import CoolingPlan
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.schedule import Schedule
from aiida_cse.lammps.protocol.stage import JobPlan, Stage
from aiida_cse.landscape.model import Landscape
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.report.kinetics import KineticsResults
from aiida_cse.report.results import Results
from aiida_cse.workchains.restart.plausibility import Plausibility

#: the model of each kind of stored or written document; a renamed class is renamed here, its kind stays
DOCUMENTS: Mapping[str, type[BaseModel]] = {
    "recipe": Recipe,
    "crystal structure": CrystalStructure,
    "own box": SystemFacts,
    "plain interface": InterfaceDescription,
    "force-field set": ForceFieldSet,
    "system attributes": SystemInfo,
    "stage": Stage,
    "schedule": Schedule,
    "job plan": JobPlan,
    "production plan": ProductionPlan,
    "cooling plan": CoolingPlan,
    "start.json": StartRecord,
    "end.json": EndRecord,
    "sampling": Sampling,
    "config.json": ReductionConfig,
    "analysis settings": AnalysisSettings,
    "comparison settings": ComparisonSettings,
    "kinetics settings": KineticsSettings,
    "sanity": Plausibility,
    "landscape": Landscape,
    "validation settings": ValidationSettings,
    "results.json": Results,
    "kinetics.json": KineticsResults,
}

_DOCS = Path(__file__).parents[2] / "docs"
_GROUPS = ("aiida.data", "aiida.calculations", "aiida.calculations.monitors", "aiida.parsers", "aiida.workflows")
#: groups whose classes are stored by module and name as well
_CLASSES = ("aiida.data", "aiida.parsers", "aiida.workflows")


def stored_names() -> dict[str, Any]:
    """Return every stored name, by kind."""
    return {
        "entry points": entry_points(),
        "classes": classes(),
        "exit codes": {name: exit_codes(process) for name, process in processes()},
        "inputs": {name: sorted(ports(process.spec().inputs)) for name, process in processes()},
        "outputs": {name: sorted(ports(process.spec().outputs)) for name, process in processes()},
        "documents": {name: sorted(fields(model)) for name, model in DOCUMENTS.items()},
        "defaults": {name: dict(sorted(defaults(model))) for name, model in DOCUMENTS.items()},
        "commands": dict(commands(main, "aiida-cse")),
        "result keys": result_keys(),
    }


def entry_points() -> dict[str, list[str]]:
    """Return the names of the entry points by group."""
    found = distribution("aiida-cse").entry_points
    return {group: sorted(point.name for point in found if point.group == group) for group in _GROUPS}


def classes() -> dict[str, str]:
    """Return ``module:class`` of processes, data and parsers; functions are stored by their entry point alone."""
    found = distribution("aiida-cse").entry_points
    named = {f"{point.group}:{point.name}": point.value for point in found if point.group in _CLASSES}
    jobs = {
        f"{point.group}:{point.name}": point.value
        for point in found
        if point.group == "aiida.calculations" and isinstance(point.load(), type)
    }
    return dict(sorted({**named, **jobs}.items()))


def processes() -> Iterator[tuple[str, type[Process]]]:
    """Yield the entry point and class of every process, functions with their process class."""
    found = entry_points()
    for name in found["aiida.workflows"]:
        yield f"aiida.workflows:{name}", WorkflowFactory(name)
    for name in found["aiida.calculations"]:
        made = CalculationFactory(name)
        yield f"aiida.calculations:{name}", made if isinstance(made, type) else made.process_class


def workchains() -> dict[str, type[WorkChain]]:
    """Return the WorkChains by entry point."""
    return {name: WorkflowFactory(name) for name in entry_points()["aiida.workflows"]}


def jobs() -> dict[str, type[CalcJob]]:
    """Return the CalcJobs by entry point."""
    made = {name: CalculationFactory(name) for name in entry_points()["aiida.calculations"]}
    return {name: found for name, found in made.items() if isinstance(found, type)}


def data() -> dict[str, type[Any]]:
    """Return the data classes by entry point."""
    return {name: DataFactory(name) for name in entry_points()["aiida.data"]}


def exit_codes(process: type[Process]) -> dict[str, int]:
    """Return the exit codes by label."""
    return {label: code.status for label, code in sorted(process.spec().exit_codes.items())}


def ports(namespace: Any, place: str = "") -> Iterator[str]:
    """Yield the paths of all ports but aiida-core's ``metadata``."""
    for name, port in namespace.items():
        if name == "metadata":
            continue
        yield f"{place}{name}"
        if hasattr(port, "items"):
            yield from ports(port, f"{place}{name}.")


def fields(model: type[BaseModel], place: str = "", seen: tuple[type[BaseModel], ...] = ()) -> Iterator[str]:
    """Yield the paths of all keys that a document may have, aliases included."""
    for name, field in model.model_fields.items():
        inner = list(_models(field.annotation))
        for key in {name, *_aliases(field.validation_alias), *_aliases(field.alias)}:
            yield f"{place}{key}"
            for part in inner:
                if part not in seen:
                    yield from fields(part, f"{place}{key}.", (*seen, model))


def defaults(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and the default value of the keys that may be left out, as JSON."""
    for name, field in model.model_fields.items():
        if not field.is_required():
            value = field.get_default(call_default_factory=True)
            yield f"{place}{name}", json.loads(to_json(value))
        for part in _models(field.annotation):
            yield from defaults(part, f"{place}{name}.")


def _aliases(alias: Any) -> Iterator[str]:
    if isinstance(alias, str):
        yield alias
    elif isinstance(alias, AliasChoices):
        for choice in alias.choices:
            yield from _aliases(choice)
    elif isinstance(alias, AliasPath):
        yield ".".join(map(str, alias.path))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _models(get_args(annotation)[0])
    else:
        for part in get_args(annotation):
            yield from _models(part)


def commands(command: click.Command, name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield every command with its options and arguments."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        for part in command.list_commands(context):
            found = command.get_command(context, part)
            assert found is not None
            yield from commands(found, f"{name} {part}")
    else:
        given = [word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)]
        yield name, sorted(given)


def result_keys() -> dict[str, list[str]]:
    """Return the documented keys by result; ``records`` are those of the records in any of them.

    The page of the manual is not made unless the code writes the keys that it names.
    """
    sys.path.insert(0, str(_DOCS))
    try:
        page = import_module("reference_pages.results").page()
    finally:
        sys.path.remove(str(_DOCS))
    sections = [section.partition("\n") for section in page.split("\n## ")[1:]]
    keys = {name: re.findall(r"^\| `([^`]+)` \|", text, flags=re.M) for name, _, text in sections}
    common = next(iter(keys.values()))
    found = {name: sorted({*own, *common}) for name, own in keys.items() if " " not in name}
    return found | {"records": sorted({key for own in keys.values() for key in own})}


def lost(old: Any, new: Any, place: str = "") -> list[str]:
    """Return what ``old`` has and ``new`` has not: keys, values under keys, items of lists."""
    if isinstance(old, Mapping):
        missing = [f"{place}{key}" for key in old if not isinstance(new, Mapping) or key not in new]
        inner = [lost(old[key], new[key], f"{place}{key} / ") for key in old if f"{place}{key}" not in missing]
        return missing + [name for names in inner for name in names]
    if isinstance(old, list):
        return [f"{place}{item}" for item in old if item not in new]
    return [] if old == new else [f"{place}{old} (now {new})"]
