"""Reader and writer of the YAML files that users write.

A document must be a mapping. A key given twice is refused, ``1e-5`` is a number, and size, depth and number of
entries are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["dump_mapping", "parse_mapping", "read_mapping", "read_text"]

_MOST_BYTES = 1_000_000
#: largest depth and number of entries of a document; an alias counts each time it is used
_MOST_LEVELS, _MOST_ENTRIES = 50, 100_000

#: explanations of the mistakes that are made most often, by the beginning of the message of PyYAML
_PLAIN_WORDS = {
    "expected <block end>": "the line is not indented as its neighbours; keys of one level begin in one column",
    "mapping values are not allowed": "no key can be here; check the indentation and the space after each colon",
    "found character '\\t'": "the line begins with a tab; indent with spaces",
}


class _Loader(yaml.SafeLoader):
    """Safe YAML in which every key of a mapping is unique and 1e-5 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else None
            if name in seen:
                problem = f"the key {name!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if name is not None and name != "<<":
                seen.add(name)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Safe YAML in which text that :class:`_Loader` would read as a number is quoted."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
        list("-+.0123456789"),
    )


class _UnboundedError(Exception):
    """A document that refers to itself or exceeds the bounds on depth or entries."""


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Return the content of a YAML file.

    Parameters
    ----------
    path
        The file.
    what
        What the file holds, for messages: "a recipe".

    Raises
    ------
    ValueError
        The file cannot be read, is too large, or holds no mapping; names the file and the position.
    """
    return parse_mapping(read_text(path, what), str(path), what)


def read_text(path: Path, what: str, most_bytes: int = _MOST_BYTES, *, strict: bool = True) -> str:
    """Return the text of a UTF-8 file of at most ``most_bytes``; ``what`` as in :func:`read_mapping`.

    If not ``strict``, bytes that are no UTF-8, such as those of a comment in another encoding, become ``\ufffd``.

    Raises
    ------
    ValueError
        The file cannot be read, is too large, or is not UTF-8 text; names the file and the position.
    """
    try:
        size = path.stat().st_size
        if size > most_bytes:
            raise ValueError(f"{path}: has {size} bytes; {what} has at most {most_bytes}")
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig", errors="strict" if strict else "replace")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 text: byte {error.start} is {content[error.start]:#04x}"
        raise ValueError(f"{path}: {problem}; save the file as UTF-8") from error


def parse_mapping(text: str, source: str, what: str) -> dict[str, Any]:
    """Return the mapping in a YAML text; ``source`` is its name in messages, ``what`` as in :func:`read_mapping`.

    Raises
    ------
    ValueError
        The text is not YAML, a key is given twice, or the content is not a mapping; names the position.
    """
    loader = None
    try:
        loader = _Loader(text)
        loader.name = source
        content = loader.get_single_data()
        _refuse_unbounded(content)
    except (RecursionError, _UnboundedError) as error:
        bounds = f"more than {_MOST_LEVELS} levels or {_MOST_ENTRIES} entries"
        raise ValueError(f"{source}: {bounds}; {what} needs fewer") from error
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark, str(error.problem)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        reason = next((words for begin, words in _PLAIN_WORDS.items() if problem.startswith(begin)), problem)
        raise ValueError(f"{source}: not valid YAML: {place}{reason}") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{source}: not valid YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(content, Mapping):
        raise ValueError(f"{source}: {what} must be a mapping of keys to values, not {type(content).__name__}")
    return dict(content)


def dump_mapping(content: Mapping[str, Any]) -> str:
    """Return a mapping as YAML that :func:`parse_mapping` reads back unchanged."""
    return yaml.dump(dict(content), Dumper=_Dumper, sort_keys=True)


def _refuse_unbounded(content: Any) -> None:
    waiting, entries = [(content, 0)], 0
    while waiting:
        value, level = waiting.pop()
        parts = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
        entries += len(parts)
        if level > _MOST_LEVELS or entries > _MOST_ENTRIES:
            raise _UnboundedError
        waiting += [(part, level + 1) for part in parts]
