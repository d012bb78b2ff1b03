"""Writes what the tests of this folder compare with: ``python -m tests.golden.make_golden [WHAT ...]``.

Run it with the release that is the reference, never to make a failing test pass: what is stored keeps its name,
and no number changes. A name that is added fails no test and needs no new file. WHAT is any of ``names``,
``protocols``, ``scripts``, ``outlines`` and ``archives``; without it, all.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def main(*chosen: str) -> None:
    """Write the files of the parts that are chosen."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ".aiida").mkdir()
        os.environ["AIIDA_PATH"] = folder
        for name in chosen or PARTS:
            PARTS[name]()


def write_json(name: str, content: Any) -> None:
    """Write a document, one value per line."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (FOLDER / name).write_text(text + "\n", encoding="utf-8")


def names() -> None:
    """Write every stored name."""
    from tests.golden.names import stored_names

    write_json("stored_names.json", stored_names())


def protocols() -> None:
    """Write the inputs that each protocol of each WorkChain gives."""
    from tests.golden.names import workchains

    found = {name: made for name, made in workchains().items() if hasattr(made, "get_available_protocols")}
    write_json(
        "protocols.json",
        {
            name: {protocol: made.get_protocol_inputs(protocol) for protocol in made.get_available_protocols()}
            for name, made in found.items()
        },
    )


def scripts() -> None:
    """Write all scripts, compressed: most lines come in many of them."""
    from tests.golden.scripts import PROTOCOLS, protocol_scripts, settings_scripts

    content = {name: dict(protocol_scripts(name)) for name in PROTOCOLS} | {"settings": dict(settings_scripts())}
    data = gzip.compress(json.dumps(content).encode(), mtime=0)
    (FOLDER / "scripts.json.gz").write_bytes(data)


def outlines() -> None:
    """Write the outlines.

    Raises
    ------
    ValueError
        An outline differs from the one that is stored with the same version.
    """
    from tests.golden.outlines import context_names
    from tests.golden.outlines import outlines as current

    before = json.loads((FOLDER / "outlines.json").read_text(encoding="utf-8"))["outlines"]
    for name, made in current().items():
        old = before.get(name, made)
        if old["outline"] != made["outline"] and old["version"] == made["version"]:
            raise ValueError(f"{name}: its outline has changed: raise OUTLINE_VERSION of its class")
    write_json("outlines.json", {"outlines": current(), "context": context_names()})


def archives() -> None:
    """Write what the status and the queries say of the archives."""
    from aiida.manage.configuration import create_profile, get_config, load_profile

    from tests.golden.archives import import_all, statuses, tables

    config = get_config(create=True)
    create_profile(
        config, name="golden", email="a@localhost", storage_backend="core.sqlite_dos", storage_config={}
    )
    config.set_default_profile("golden")
    load_profile("golden", allow_switch=True)
    import_all()
    write_json("status.json", statuses())
    write_json("queries.json", tables())


PARTS: dict[str, Callable[[], None]] = {
    "names": names,
    "protocols": protocols,
    "scripts": scripts,
    "outlines": outlines,
    "archives": archives,
}


if __name__ == "__main__":
    main(*sys.argv[1:])
