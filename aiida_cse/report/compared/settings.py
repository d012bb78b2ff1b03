"""Differences of the recipes and settings of several findings, value by value, with published values marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiida_cse.analysis.kinetics import KineticsSettings
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.building.recipe import Recipe
from aiida_cse.lammps.protocol.cooling import CoolingPlan
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.schedule import Schedule
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.report.findings import Findings
from aiida_cse.schema import StrictModel
from aiida_cse.workchains.common.protocol_values import (
    HERE,
    Place,
    differences,
    leaves,
    protocol_values,
    unit_of,
    with_stage_defaults,
)
from aiida_cse.workchains.restart.plausibility import Plausibility

__all__ = ["ABSENT", "SettingDifference", "recipe_differences", "setting_differences"]

#: stands for a value that findings do not have
ABSENT = object()
#: models of settings by the end of the name of their input; a later version may have fields that a node lacks
_MODELS: Mapping[str, type[StrictModel]] = {
    "schedule": Schedule,
    "production.plan": ProductionPlan,
    "cooling.plan": CoolingPlan,
    "sampling": Sampling,
    "analysis.settings": AnalysisSettings,
    "sanity": Plausibility,
    "kinetics": KineticsSettings,
}
#: places of the parts among the inputs of a study
_PARTS: Mapping[str, Place] = {
    "study": (),
    "ceramic": ("ceramic",),
    "electrolyte": ("electrolyte",),
    "interface": ("interface",),
    "production": ("production",),
    "analysis": ("production", "analysis"),
}


@dataclass(frozen=True)
class SettingDifference:
    """A setting in which findings differ.

    Attributes
    ----------
    place
        Its keys, those of the input first.
    values
        Its value in each of the findings: :data:`ABSENT` where it is not set, and a mapping of the values below it
        where others lack all of them, as a stage.
    published
        For each value the source, if it is the published one; else empty.
    """

    place: Place
    values: tuple[Any, ...]
    published: tuple[str, ...]

    @property
    def unit(self) -> str:
        """The unit; empty without one."""
        return unit_of(self.place)


def recipe_differences(all_findings: Sequence[Findings]) -> list[SettingDifference]:
    """Return the fields in which the recipes differ; defaults count as given."""
    return _differences([dict(leaves(_filled(Recipe, findings.recipe))) for findings in all_findings], {})


def setting_differences(all_findings: Sequence[Findings]) -> tuple[list[SettingDifference], list[str]]:
    """Return the settings in which findings differ, and the inputs that not all of them have.

    An input that only some of the findings have, as the schedules of the phases if an analysed folder is among
    them, is named instead of each of its values.
    """
    settings = [findings.settings for findings in all_findings]
    common = [name for name in settings[0] if all(name in one for one in settings)]
    others = sorted({name for one in settings for name in one} - set(common))
    flat = [_by_place({name: one[name] for name in common}) for one in settings]
    # by place among the inputs of a study, the values of the published protocol with their sources
    published = {
        (*place, *one.place): (one.value, one.source)
        for part, place in _PARTS.items()
        for one in protocol_values("paper", part)
        if one.source != HERE
    }
    return _differences(flat, published), others


def _by_place(settings: Mapping[str, Any]) -> dict[Place, Any]:
    """Return the values of settings by place, with defaults filled in: the name of an input is a path."""
    found: dict[Place, Any] = {}
    for name, value in settings.items():
        model = next((model for end, model in _MODELS.items() if name == end or name.endswith(f".{end}")), None)
        filled = value
        if model is not None and isinstance(value, Mapping):
            filled = _filled(model, value)
            if model is Schedule:
                filled = with_stage_defaults({"schedule": filled})["schedule"]
        *above, key = name.split(".")
        found |= leaves({key: filled}, tuple(above))
    return found


def _filled(model: type[StrictModel], content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return content with the defaults of its model; of an earlier or later version as it is."""
    with suppress(ValueError):
        return model.model_validate(dict(content)).model_dump(mode="json")
    return content


def _differences(
    flat: Sequence[Mapping[Place, Any]], published: Mapping[Place, tuple[Any, str]]
) -> list[SettingDifference]:
    places = {place: None for other in flat[1:] for place in differences(flat[0], other)}
    found = []
    for place in places:
        if any(place[:depth] in places for depth in range(1, len(place))):
            continue
        values = tuple(_value(one, place) for one in flat)
        # null is not set
        if all(value is None or value is ABSENT for value in values):
            continue
        known, source = published.get(place, (ABSENT, ""))
        marks = tuple(source if value == known else "" for value in values)
        found.append(SettingDifference(place, values, marks))
    return found


def _value(values: Mapping[Place, Any], place: Place) -> Any:
    """Return the value at a place, a mapping of those below it, or :data:`ABSENT`."""
    if place in values:
        return values[place]
    depth = len(place)
    return {".".join(key[depth:]): value for key, value in values.items() if key[:depth] == place} or ABSENT
