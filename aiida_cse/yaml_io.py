"""Files as users write them: YAML read as a mapping, or refused with file, place and what would be right."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["parse_mapping", "read_mapping", "read_text"]

_MOST_BYTES = 1_000_000
#: levels and entries of a document; aliases count as often as they are used
_MOST_LEVELS, _MOST_ENTRIES = 50, 100_000


class _Loader(yaml.SafeLoader):
    """YAML in which a key may be there only once, and 1e-5 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else None
            if name in seen:
                msg = f"the key {name!r} is there twice"
                raise yaml.constructor.ConstructorError(None, None, msg, key.start_mark)
            if name is not None and name != "<<":
                seen.add(name)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Return the content of a YAML file; ``what`` says in messages what it holds.

    Raises
    ------
    ValueError
        The file cannot be read, is too large, or holds no mapping; names file and place.
    """
    return parse_mapping(read_text(path, what), str(path), what)


def read_text(path: Path, what: str, most_bytes: int = _MOST_BYTES) -> str:
    """Return the text of a file in UTF-8; ``what`` says in messages what it holds.

    Raises
    ------
    ValueError
        The file cannot be read, is too large, or is no text; names file and place.
    """
    try:
        size = path.stat().st_size
        if size > most_bytes:
            msg = f"{path}: has {size} bytes, {what} has at most {most_bytes}"
            raise ValueError(msg)
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise ValueError(msg) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path}: is no text in UTF-8: byte {error.start} is {content[error.start]:#04x}; save it as UTF-8"
        raise ValueError(msg) from error


def parse_mapping(text: str, source: str, what: str) -> dict[str, Any]:
    """Return the mapping in a YAML text; ``source`` names it in messages, ``what`` says what it holds.

    Raises
    ------
    ValueError
        It is no YAML, a key is there twice, or it is no mapping; names the place.
    """
    try:
        content = _load(text, source)
        _refuse_endless(content)
    except yaml.YAMLError as error:
        msg = f"{source}: not valid YAML: {error}"
        raise ValueError(msg) from error
    except (RecursionError, _EndlessError) as error:
        msg = f"{source}: more than {_MOST_LEVELS} levels or {_MOST_ENTRIES} entries; {what} needs fewer"
        raise ValueError(msg) from error
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"{source}: not valid YAML: {error}"
        raise ValueError(msg) from error
    if not isinstance(content, Mapping):
        msg = f"{source}: {what} is a mapping of keys to values, not {type(content).__name__}"
        raise ValueError(msg)
    return dict(content)


def _load(text: str, source: str) -> Any:
    loader = _Loader(text)
    loader.name = source
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _EndlessError(Exception):
    """A document refers to itself, or repeats its parts without measure."""


def _refuse_endless(content: Any) -> None:
    waiting, entries = [(content, 0)], 0
    while waiting:
        value, level = waiting.pop()
        parts = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
        entries += len(parts)
        if level > _MOST_LEVELS or entries > _MOST_ENTRIES:
            raise _EndlessError
        waiting += [(part, level + 1) for part in parts]
