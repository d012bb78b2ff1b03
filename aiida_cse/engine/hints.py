"""Commands for the user to copy. They work as printed, also if the programs are not on PATH."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["aiida_cse", "verdi"]


def aiida_cse(*words: object) -> str:
    """Return a call of ``aiida-cse``."""
    return _call("aiida-cse", words)


def verdi(*words: object) -> str:
    """Return a call of ``verdi`` that uses the loaded profile."""
    from aiida.manage.configuration import get_config

    folder = Path(get_config().dirpath)
    prefix = "" if folder == Path.home() / ".aiida" else f"AIIDA_PATH={shlex.quote(_short(folder))} "
    return prefix + _call("verdi", words)


def _call(program: str, words: tuple[object, ...]) -> str:
    own = Path(sys.executable).parent / program
    found = shutil.which(program)
    on_path = found is not None and (not own.exists() or Path(found).samefile(own))
    return shlex.join([program if on_path else _short(own), *map(str, words)])


def _short(path: Path) -> str:
    """Return ``path`` relative to the current folder if it lies below it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
