"""The option ``stash`` of LAMMPS jobs: what is copied to a safe place when a job ends, and how."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from aiida.common.datastructures import StashMode

from aiida_cse.lammps.job.records import END_RECORD, START_RECORD
from aiida_cse.lammps.job.script import FINAL_DATA, LOG, TRAJECTORY
from aiida_cse.schema import nearest

__all__ = ["STASHED", "stash_error", "whole_stash"]

#: what a job can be gone on from, and reduced
STASHED = (TRAJECTORY, "restart.*", FINAL_DATA, LOG, START_RECORD, END_RECORD)

_KEYS = ("target_base", "stash_mode", "source_list", "fail_on_missing")


def stash_error(value: Any) -> str | None:
    """Return what is wrong with the option ``stash``, None if nothing is."""
    if not isinstance(value, Mapping):
        return "must be a mapping, such as {target_base: /archive/user/cse}"
    for key in value:
        if key not in _KEYS:
            return f"{key!r} is no known key: {nearest(str(key), _KEYS)}"
    target = value.get("target_base")
    if not isinstance(target, str) or not PurePosixPath(target).is_absolute():
        return f"target_base = {target!r} must be the absolute path of a folder on the computer of the jobs"
    mode = value.get("stash_mode", StashMode.COPY.value)
    if mode != StashMode.COPY.value:
        return f"stash_mode = {mode!r} must be 'copy': only copies can be read in place, and are known to be there"
    source = value.get("source_list", STASHED)
    if not isinstance(source, (list, tuple)) or not source or not all(_inside(name) for name in source):
        return (
            f"source_list = {source!r} must be a list of names of files, patterns such as 'restart.*' among them"
        )
    return None


def whole_stash(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the option ``stash`` with what it does not say: copy what can be gone on from and reduced."""
    return {"stash_mode": StashMode.COPY.value, "source_list": list(STASHED), **value}


def _inside(name: Any) -> bool:
    """Whether a name stays inside of the folder of its job."""
    return (
        isinstance(name, str) and bool(name) and not name.startswith("/") and ".." not in PurePosixPath(name).parts
    )
