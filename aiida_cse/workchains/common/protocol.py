"""Protocols: named sets of inputs, kept as YAML beside the WorkChains, and their overrides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cache
from importlib import resources
from typing import Any, ClassVar

from aiida_cse.schema import nearest
from aiida_cse.yaml_io import parse_mapping

__all__ = ["ProtocolMixin", "check_keys", "merge", "split_overrides", "with_recipe_values"]

#: inputs with free content, checked elsewhere: options and monitors of AiiDA, lists of stages, settings by ion
FREE = frozenset({"options", "monitors", "stages", "offsets", "boundaries", "streams"})
#: word of a protocol for the value in the section ``kinetics`` of the recipe
_OF_RECIPE = "recipe"
#: the file with the values that the LAMMPS runs of all phases share
SHARED = "lammps"


class ProtocolMixin:
    """Inputs from ``protocols/<protocol_name>.yaml``.

    The file has ``default_inputs`` and, for each protocol, a description and the values that differ. If it has the
    key ``lammps``, it builds on ``protocols/lammps.yaml``: the key maps the groups of that file, ``base`` and
    ``settings``, to their dotted places among the inputs. Values of the phase take precedence over shared ones.
    """

    protocol_name: ClassVar[str]

    @classmethod
    def get_available_protocols(cls) -> dict[str, str]:
        """Return the names of the protocols with their descriptions."""
        protocols = _read(cls.protocol_name)["protocols"]
        return {name: content["description"] for name, content in protocols.items()}

    @classmethod
    def get_default_protocol(cls) -> str:
        """Return the name of the protocol that is used if none is named."""
        return str(_read(cls.protocol_name)["default_protocol"])

    @classmethod
    def get_protocol_inputs(
        cls, protocol: str | None = None, overrides: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the inputs of a protocol with overrides.

        Raises
        ------
        ValueError
            The protocol or a key of the overrides is unknown; the message names the nearest known one.
        """
        content = _read(cls.protocol_name)
        name = content["default_protocol"] if protocol is None else protocol
        if name not in content["protocols"]:
            raise ValueError(
                f"protocol '{name}' of {cls.__name__} is not known: {nearest(str(name), content['protocols'])}"
            )
        inputs: dict[str, Any] = {}
        for group, place in content.get("lammps", {}).items():
            values = _values(_read(SHARED), name)[group]
            for key in reversed(place.split(".")):
                values = {key: values}
            inputs = merge(inputs, values)
        inputs = merge(inputs, _values(content, name))
        changes = {} if overrides is None else overrides
        check_keys(changes, inputs, cls.__name__)
        return merge(inputs, changes)


@cache
def _read(name: str) -> dict[str, Any]:
    path = resources.files("aiida_cse.workchains.protocols").joinpath(f"{name}.yaml")
    return parse_mapping(path.read_text(encoding="utf-8"), str(path), "protocols")


def _values(content: Mapping[str, Any], protocol: str) -> dict[str, Any]:
    """Return the default inputs of a file with the differences of a protocol, if it has any there."""
    difference = content["protocols"].get(protocol, {})
    return merge(content["default_inputs"], {key: difference[key] for key in difference if key != "description"})


def split_overrides(
    overrides: Any, own: Mapping[str, Any], parts: Iterable[str], place: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split overrides into those of a process itself, with the inputs ``own``, and those of each of its parts.

    Raises
    ------
    ValueError
        A key is neither an input nor a part; the message names the place, the key and the nearest known key.
    """
    names = tuple(parts)
    changes = {} if overrides is None else overrides
    check_keys(changes, {**own, **dict.fromkeys(names)}, place)
    return (
        {key: value for key, value in changes.items() if key not in names},
        {name: changes.get(name) for name in names},
    )


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of ``base`` with ``changes``: nested mappings are merged, all other values replaced."""
    merged = deepcopy(dict(base))
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


def with_recipe_values(inputs: Mapping[str, Any], recipe: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the inputs with the value of the recipe in the place of each word ``recipe``.

    The value stands under the name of the input in the section ``kinetics`` of the recipe. It is null if it is not
    there, or if no recipe is known.
    """
    section = (recipe or {}).get("kinetics")
    known = section if isinstance(section, Mapping) else {}
    return {key: known.get(key) if value == _OF_RECIPE else value for key, value in inputs.items()}


def check_keys(overrides: Any, known: Mapping[str, Any], place: str) -> None:
    """Refuse keys of ``overrides`` that are not among those of ``known``, at every level.

    Raises
    ------
    ValueError
        A key is unknown; the message names its place and the nearest known key.
    """
    if not isinstance(overrides, Mapping):
        raise ValueError(
            f"overrides of {place}: {overrides!r} must be a mapping with keys of: {', '.join(sorted(known))}"
        )
    for key, value in overrides.items():
        if key not in known:
            raise ValueError(f"overrides of {place}: '{key}' is no known key: {nearest(str(key), known)}")
        if isinstance(known[key], Mapping) and key not in FREE:
            check_keys(value, known[key], f"{place}.{key}")
