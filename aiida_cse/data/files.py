"""Files of nodes, read up to a bound: a node may be from anybody's archive, in which few bytes unpack to many."""

from __future__ import annotations

from aiida.orm import Node

__all__ = ["read_bytes", "read_text"]


def read_bytes(node: Node, name: str, most_bytes: int) -> bytes:
    """Return the content of a file of a node, of which no more than ``most_bytes`` are read.

    Raises
    ------
    ValueError
        The file is missing or larger; names the file.
    """
    try:
        with node.base.repository.open(name, "rb") as handle:
            content: bytes = handle.read(most_bytes + 1)
    except OSError as error:
        raise ValueError(f"{name}: is missing or cannot be read; the node is damaged, import it again") from error
    if len(content) > most_bytes:
        raise ValueError(f"{name}: has over {most_bytes:,} bytes; must be smaller")
    return content


def read_text(node: Node, name: str, most_bytes: int) -> str:
    """Return the text of a UTF-8 file of a node; parameters as in :func:`read_bytes`.

    Raises
    ------
    ValueError
        As :func:`read_bytes`, or the file is no UTF-8 text; names the first byte that is not.
    """
    content = read_bytes(node, name, most_bytes)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name}: byte {error.start} is {content[error.start]:#04x}; must be UTF-8 text"
        ) from error
