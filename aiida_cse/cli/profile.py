"""The AiiDA configuration folder and the profile of a command."""

from __future__ import annotations

import os
from pathlib import Path

import click

from aiida_cse.engine.hints import aiida_cse

__all__ = ["activate", "find_folder", "has_default", "load"]

_FOLDER = ".aiida"


def find_folder() -> Path | None:
    """Return the nearest configured ``.aiida``, searched from the current folder upwards."""
    here = Path.cwd().absolute()
    for parent in (here, *here.parents):
        if (parent / _FOLDER / "config.json").is_file():
            return parent / _FOLDER
    return None


def activate(*, create: bool = False) -> None:
    """Choose the configuration folder, before AiiDA is imported.

    The first of these is used: ``AIIDA_PATH`` if it is set; the nearest ``.aiida`` from the current folder upwards
    or, with ``create``, that of the current folder, which is created; AiiDA's default in the home folder.

    Raises
    ------
    click.ClickException
        None of them exists, or AIIDA_PATH is empty: AiiDA would then use the home folder.
    """
    if "AIIDA_PATH" in os.environ and not any(os.environ["AIIDA_PATH"].split(os.pathsep)):
        msg = (
            f"AIIDA_PATH = {os.environ['AIIDA_PATH']!r}: must name a folder; without it (unset AIIDA_PATH) the "
            f"nearest {_FOLDER} from this folder upwards is used"
        )
        raise click.ClickException(msg)
    if "AIIDA_PATH" not in os.environ:
        folder = Path.cwd() / _FOLDER if create else find_folder() or Path.home() / _FOLDER
        if not create and not folder.is_dir():
            msg = (
                f"there is no {_FOLDER} in this folder, above it or at home; create one with: {aiida_cse('setup')}"
            )
            raise click.ClickException(msg)
        os.environ["AIIDA_PATH"] = str(folder)
    folders = _named_folders()
    if create:
        folders[-1].mkdir(parents=True, exist_ok=True)
    elif not any(folder.is_dir() for folder in folders):  # AiiDA would create it
        msg = f"AIIDA_PATH: there is no folder {folders[-1]}; create it with: {aiida_cse('setup')}"
        raise click.ClickException(msg)


def has_default() -> bool:
    """Return whether :func:`load` finds a profile when none is named.

    AiiDA is asked only where a configuration folder exists, since it would create a missing one.
    """
    if "AIIDA_PATH" not in os.environ and find_folder() is None:
        return False
    if any(os.environ.get("AIIDA_PATH", "").split(os.pathsep)) and not any(map(Path.is_dir, _named_folders())):
        return False
    activate()
    from aiida.manage.configuration import get_config

    return get_config(create=True).default_profile_name is not None


def _named_folders() -> list[Path]:
    """Return the configuration folders that AIIDA_PATH names; AiiDA takes the first that exists."""
    paths = [Path(path).expanduser() for path in os.environ["AIIDA_PATH"].split(os.pathsep) if path]
    return [path if path.name == _FOLDER else path / _FOLDER for path in paths]


def load(name: str | None) -> None:
    """Load the profile ``name``, or the default one of the folder that :func:`activate` chooses.

    Raises
    ------
    click.ClickException
        There is no such profile, or its storage cannot be used; the message says what to do.
    """
    activate()
    from aiida.common import AiidaException
    from aiida.manage import get_manager
    from aiida.manage.configuration import get_config

    from aiida_cse.engine.database import wait_for_locks

    try:
        config = get_config(create=True)
        if name is None and config.default_profile_name is None:
            msg = f"there is no AiiDA profile in {config.dirpath}; create one with: {aiida_cse('setup')}"
            raise click.ClickException(msg)
        get_manager().load_profile(name, allow_switch=True)
        wait_for_locks()
    except AiidaException as error:
        raise click.ClickException(str(error)) from error
