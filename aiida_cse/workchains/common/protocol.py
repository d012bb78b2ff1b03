"""Protocols: named sets of inputs, kept as YAML beside the WorkChains, and overrides that are checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from importlib import resources
from typing import Any, ClassVar

import yaml

from aiida_cse.schema import nearest

__all__ = ["ProtocolMixin", "check_keys", "merge", "split_overrides"]

#: inputs whose content is free, what is in them is checked elsewhere: AiiDA's options, lists of stages, by ion
FREE = frozenset({"options", "stages", "offsets", "boundaries"})


class ProtocolMixin:
    """Inputs from ``protocols/<name>.yaml``: ``default_inputs``, and per protocol only what differs."""

    protocol_name: ClassVar[str]

    @classmethod
    def get_available_protocols(cls) -> dict[str, str]:
        """Return the names of the protocols with their descriptions."""
        protocols = cls._load_protocol_file()["protocols"]
        return {name: content["description"] for name, content in protocols.items()}

    @classmethod
    def get_default_protocol(cls) -> str:
        """Return the name of the protocol that is used where none is named."""
        return str(cls._load_protocol_file()["default_protocol"])

    @classmethod
    def get_protocol_inputs(
        cls, protocol: str | None = None, overrides: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the inputs of a protocol with overrides.

        Raises
        ------
        ValueError
            The protocol or a key of the overrides is not known; names the nearest known one.
        """
        content = cls._load_protocol_file()
        name = content["default_protocol"] if protocol is None else protocol
        if name not in content["protocols"]:
            msg = f"protocol '{name}' of {cls.__name__} is not known: {nearest(str(name), content['protocols'])}"
            raise ValueError(msg)
        difference = {key: value for key, value in content["protocols"][name].items() if key != "description"}
        inputs = merge(content["default_inputs"], difference)
        changes = {} if overrides is None else overrides
        check_keys(changes, inputs, cls.__name__)
        return merge(inputs, changes)

    @classmethod
    def _load_protocol_file(cls) -> dict[str, Any]:
        path = resources.files("aiida_cse.workchains.protocols").joinpath(f"{cls.protocol_name}.yaml")
        content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return content


def split_overrides(
    overrides: Any, own: Mapping[str, Any], parts: Iterable[str], place: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the overrides of a process itself, whose inputs are ``own``, and those of each of its parts.

    Raises
    ------
    ValueError
        A key is neither an input nor a part; names the place, the key and the nearest known key.
    """
    names = tuple(parts)
    changes = {} if overrides is None else overrides
    check_keys(changes, {**own, **dict.fromkeys(names)}, place)
    return (
        {key: value for key, value in changes.items() if key not in names},
        {name: changes.get(name) for name in names},
    )


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes``, mappings within mappings merged, everything else replaced."""
    merged = deepcopy(dict(base))
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


def check_keys(overrides: Any, known: Mapping[str, Any], place: str) -> None:
    """Refuse keys of ``overrides`` that ``known`` does not have, at every level.

    Raises
    ------
    ValueError
        Names the place, the key and the nearest known key.
    """
    if not isinstance(overrides, Mapping):
        msg = f"overrides of {place}: {overrides!r} must be a mapping with keys of: {', '.join(sorted(known))}"
        raise ValueError(msg)
    for key, value in overrides.items():
        if key not in known:
            msg = f"overrides of {place}: '{key}' is no known key: {nearest(str(key), known)}"
            raise ValueError(msg)
        if isinstance(known[key], Mapping) and key not in FREE:
            check_keys(value, known[key], f"{place}.{key}")
