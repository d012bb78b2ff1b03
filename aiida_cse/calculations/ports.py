"""What the inputs of several processes share: Dicts that a model checks, and folders that a job links to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiida import orm
from pydantic import BaseModel, ValidationError

from aiida_cse.validation import explain

__all__ = ["checked_by", "remote_link"]


def checked_by(model: type[BaseModel], name: str) -> Callable[[orm.Dict | None, Any], str | None]:
    """Return the validator of the Dict input ``name``: it says what ``model`` finds wrong, None if nothing."""

    def validate(value: orm.Dict | None, _: Any) -> str | None:
        if value is None:
            return None
        try:
            model.model_validate(value.get_dict())
        except ValidationError as error:
            return f"{name}: {explain(error)}"
        return None

    return validate


def remote_link(folder: orm.RemoteData | orm.RemoteStashData, name: str) -> tuple[str, str, str]:
    """Return the entry of a job's list of links by which it reaches ``folder`` as ``name``."""
    path = folder.get_remote_path() if isinstance(folder, orm.RemoteData) else folder.target_basepath
    computer: Any = folder.computer
    return (computer.uuid, path, name)
