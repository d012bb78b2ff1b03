"""Files and folders that appear under their names only when they are complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_folder", "write_whole"]


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file and return its path; after an error or an interrupt the file is as it was before."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        # a device or a pipe has no content to keep
        target.write_bytes(content)
        return path
    partial = target.with_name(f"{target.name}.part-{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return path


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder whose content is that of ``folder``, new or empty, once the block ends without an error.

    After an error or an interrupt ``folder`` is as it was before.
    """
    target = folder.resolve()
    part = f"part-{os.getpid()}"
    partial = target / f".{part}" if target.exists() else target.with_name(f"{target.name}.{part}")
    partial.mkdir(parents=True)
    try:
        yield partial
        if partial.parent == target:
            for one in partial.iterdir():
                one.replace(target / one.name)
        else:
            partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
