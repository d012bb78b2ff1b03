"""Recipe, force fields, stage language and files of results, from their pydantic models."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

from pydantic import BaseModel

from aiida_cse.analysis.comparison import ComparisonSettings
from aiida_cse.analysis.kinetics import KineticsSettings, LawPriors
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.building.imported.description import SystemFacts
from aiida_cse.building.recipe import Recipe, available_recipes, load_recipe
from aiida_cse.forcefields.library import available_sets, load_set
from aiida_cse.lammps.protocol.cooling import CoolingPlan
from aiida_cse.lammps.protocol.larsen import Scheme, expand_larsen
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.schedule import Schedule
from aiida_cse.lammps.protocol.stage import JobPlan, Recovery, RunSettings, Stage
from aiida_cse.physics.exchange.stopping import StopRule
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.report.kinetics import KineticsResults
from aiida_cse.report.results import Results
from aiida_cse.workchains.restart.plausibility import Plausibility
from reference_pages.markdown import code, plain, section, table

__all__ = ["forcefields", "recipe", "results_file", "stages"]

_LIMITS = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
_LONGEST_PATTERN = 40
_ATTRIBUTES = re.compile(r"\n\nAttributes\n-+\n")


def recipe() -> str:
    """Return the page on the fields of a recipe."""
    shipped = table(
        ["name", "description"], [(code(name), load_recipe(name).description) for name in available_recipes()]
    )
    source = resources.files("aiida_cse.building") / "recipes" / "llzo-peo-litfsi-demo.yaml"
    example = f"```yaml\n{source.read_text(encoding='utf-8')}```"
    return "\n".join(
        [
            section("Recipe", "Every field of a recipe. Unknown fields are refused.", level=1),
            section("Shipped recipes", shipped, "The small one in full:", example),
            *_models(Recipe),
            section(
                "Facts about a box of your own",
                "The file read by `aiida-cse system import --facts`. Unknown fields are refused.",
            ),
            *_models(SystemFacts),
        ]
    )


def stages() -> str:
    """Return the page on stages, schedules, productions, sampling and analysis."""
    opening = (
        "The fields of the `schedule` of a phase and of the `plan`, `sampling` and `analysis` of a production. "
        "Lengths are in Å, temperatures in K, pressures in atm; times have their unit in the name. Unknown fields "
        "are refused."
    )
    return "\n".join(
        [
            section("Stage language", opening, level=1),
            _model(Schedule),
            *_models(Stage),
            _model(RunSettings),
            _larsen(),
            _model(JobPlan),
            _model(Recovery),
            *_models(Plausibility),
            _model(ProductionPlan),
            _model(StopRule),
            _model(CoolingPlan),
            *_models(Sampling),
            *_models(AnalysisSettings),
            _model(KineticsSettings),
            _model(LawPriors),
            _model(ComparisonSettings),
        ]
    )


def results_file() -> str:
    """Return the page on the files that ``analyse`` and ``kinetics`` write."""
    opening = (
        "`aiida-cse analyse` writes `results.json`, which `load_results` of `aiida_cse.report.results` reads; "
        "another version of the form is refused by name. `aiida-cse kinetics` writes `kinetics.json`. "
        "A number that is unknown or infinite is null, an array is a list. The keys in `observables`, with units "
        "and meanings, are those of the [result nodes](results.md); each entry repeats its own."
    )
    return "\n".join([section("Files of results", opening, level=1), *_models(Results), _model(KineticsResults)])


def forcefields() -> str:
    """Return the page on the shipped force-field sets."""
    parts = []
    for name in available_sets():
        chosen = load_set(name)
        facts = [("sources", "; ".join(chosen.citations)), ("confidence", chosen.confidence)]
        facts += [("atom types", ", ".join(f"{t.name} ({t.charge:g} e)" for t in chosen.atom_types))]
        facts += [
            (
                "Lennard-Jones",
                ", ".join(f"{lj.type} ({lj.epsilon:g} kcal/mol, {lj.sigma:g} Å)" for lj in chosen.lj),
            )
        ]
        facts += [("Buckingham", ", ".join("–".join(term.pair) for term in chosen.buckingham))]
        facts += [
            (f"variant `{group}`", f"{', '.join(variant.options)}; default {variant.default}")
            for group, variant in chosen.variants.items()
        ]
        parts.append(section(name, chosen.title + ".", table(["", ""], [fact for fact in facts if fact[1]])))
    opening = "The sets that `forcefield` of a recipe names. Charges are those before `salt_charge_scale`."
    return "\n".join([section("Force fields", opening, level=1), *parts])


def _larsen() -> str:
    steps = expand_larsen({"schedule": "larsen-2011", "max_temperature": 1000, "final_temperature": 600})
    rows = [
        (
            n,
            step.kind,
            f"{step.temperature:g}",
            "" if step.pressure is None else f"{step.pressure:g}",
            f"{step.duration_ps:g}",
        )
        for n, step in enumerate(steps, 1)
    ]
    words = (
        "`{schedule: larsen-2011, …}` in place of a stage inserts the 21 stages `larsen_01` to `larsen_21` of "
        "Larsen et al., Macromolecules 2011, 44, 6944, with these fields:"
    )
    example = "For example with `max_temperature: 1000` and `final_temperature: 600`:"
    headings = ["stage", "kind", "temperature (K)", "pressure (atm)", "duration (ps)"]
    return section("larsen-2011", words, _fields(Scheme), example, table(headings, rows))


def _models(root: type[BaseModel]) -> Iterator[str]:
    """Yield a section for ``root`` and for each model in its fields."""
    queue, seen = [root], {root}
    while queue:
        model = queue.pop(0)
        yield _model(model)
        for field in model.model_fields.values():
            for found in _within(field.annotation):
                if found not in seen:
                    seen.add(found)
                    queue.append(found)


def _within(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _within(argument)


def _model(model: type[BaseModel]) -> str:
    words = _ATTRIBUTES.split(inspect.getdoc(model) or "")[0]
    return section(model.__name__, plain(words), _fields(model))


def _fields(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    meanings = {}
    for base in reversed(model.__mro__):
        meanings |= _meanings(inspect.cleandoc(base.__doc__ or ""))
    rows = []
    for name, field in schema["properties"].items():
        meaning = meanings.get(name) or field.get("description", "")
        default = (
            "**required**"
            if name in schema.get("required", ())
            else code(json.dumps(field["default"]))
            if "default" in field
            else "empty"
        )
        rows.append((code(name), _kind(field), default, plain(meaning)))
    if any(row[3] for row in rows):
        return table(["field", "value", "default", "meaning"], rows)
    return table(["field", "value", "default"], [row[:3] for row in rows])


def _meanings(docstring: str) -> dict[str, str]:
    """Return the meaning of each field from the section ``Attributes`` of a docstring."""
    _, *sections = _ATTRIBUTES.split(docstring)
    meanings: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", sections[0]) if sections else ():
        names, _, words = entry.partition("\n")
        meanings |= {name.strip(): " ".join(words.split()) for name in names.split(",")}
    return meanings


def _kind(schema: dict[str, Any]) -> str:
    """Return the values that a JSON schema allows, in words."""
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_kind(option) for option in schema[key])
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        return " or ".join(code(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return _list(schema)
    if schema.get("type") == "object":
        return "mapping"
    if "type" not in schema:
        return "anything"
    words = {"null": "nothing", "boolean": "true or false"}.get(schema["type"], schema["type"])
    if words == "string":
        pattern = schema.get("pattern", "")
        return f"text like {code(pattern)}" if 0 < len(pattern) <= _LONGEST_PATTERN else "text"
    limits = [f"{sign} {schema[key]:g}" for key, sign in _LIMITS if key in schema]
    return " ".join([words, *([", ".join(limits)] if limits else [])])


def _list(schema: dict[str, Any]) -> str:
    if "prefixItems" not in schema:
        return f"list of {_kind(schema['items'])}"
    kinds = [_kind(item) for item in schema["prefixItems"]]
    same = len(set(kinds)) == 1
    return f"list of {len(kinds)}: {kinds[0]}" if same else f"list of {', '.join(kinds)}"
