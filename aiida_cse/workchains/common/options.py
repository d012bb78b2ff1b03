"""Options of jobs given by the user, checked before submission."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from aiida import orm
from aiida.common.datastructures import StashMode
from aiida.common.exceptions import ConfigurationError

from aiida_cse.calculations.lammps import LammpsStageCalculation
from aiida_cse.lammps.job.records import END_RECORD, START_RECORD, wall_time_error
from aiida_cse.lammps.job.script import FINAL_DATA, IONS, LOG, TRAJECTORY
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.schema import nearest

__all__ = ["STASHED", "checked_options", "walltime_error"]

#: options set by the jobs of this plugin, whose parsers rely on them
_OWN = frozenset(
    {
        "input_filename",
        "output_filename",
        "submit_script_filename",
        "scheduler_stdout",
        "scheduler_stderr",
        "parser_name",
        "additional_retrieve_list",
        "unstash",
    }
)
#: options copied verbatim into the header of the submission script
_WORDS = frozenset({"queue_name", "account", "qos", "priority"})
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,:+@%/=-]{0,199}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: largest values: ten years, a petabyte
_LARGEST = {"max_wallclock_seconds": 315_360_000, "max_memory_kb": 10**12}
_LARGEST_RESOURCE = 10_000_000
#: files from which a job can be continued and reduced
STASHED = (TRAJECTORY, IONS, "restart.*", FINAL_DATA, LOG, START_RECORD, END_RECORD)
_STASH_KEYS = ("target_base", "stash_mode", "source_list", "fail_on_missing")


def checked_options(options: Any, code: orm.AbstractCode | None = None) -> dict[str, Any]:
    """Return valid options of a job, with resources that suit the scheduler of ``code``.

    Raises
    ------
    ValueError
        A key is unknown or reserved, or its value is wrong; the message names both.
    """
    if options is None:
        return {}
    ports: Any = LammpsStageCalculation.spec().inputs
    known = [str(key) for key in ports["metadata"]["options"] if key not in _OWN]
    if not isinstance(options, Mapping):
        raise ValueError(f"options = {options!r}: must be a mapping with keys of: {', '.join(sorted(known))}")
    for key, value in options.items():
        if key in _OWN:
            raise ValueError(f"options.{key} = {value!r}: set by the jobs of this plugin; remove it")
        if key not in known:
            raise ValueError(f"options: {key!r} is no known key: {nearest(str(key), known)}")
        error = _wrong(str(key), value)
        if error:
            raise ValueError(f"options.{key} = {value!r}: {error}")
    computer = None if code is None else code.computer
    if computer is not None and "resources" in options:
        scheduler, resources = computer.get_scheduler(), dict(options["resources"])
        scheduler.preprocess_resources(resources, computer.get_default_mpiprocs_per_machine())
        try:
            scheduler.validate_resources(**resources)
        except (TypeError, ValueError, ConfigurationError) as error:
            given = dict(options["resources"])
            raise ValueError(
                f"options.resources = {given!r}: not for the scheduler of {computer.label}: {error}"
            ) from error
    return dict(options)


def _wrong(key: str, value: Any) -> str | None:
    """Return the error of the value of an option, or None if there is none or AiiDA checks it."""
    if key in _WORDS:
        return None if value is None or (isinstance(value, str) and _WORD.fullmatch(value)) else _ONE_WORD
    if key in _LARGEST:
        right = value is None or _whole(value, _LARGEST[key])
        return None if right else f"must be a whole number from 1 to {_LARGEST[key]}"
    if key == "resources":
        return _wrong_resources(value)
    if key == "stash":
        return _wrong_stash(value)
    if key == "environment_variables":
        return _wrong_variables(value)
    if key == "mpirun_extra_params":
        words = isinstance(value, (list, tuple)) and all(isinstance(word, str) for word in value)
        return None if words and _is_text("".join(value)) else "must be a list of words; put numbers in quotes"
    ports: Any = LammpsStageCalculation.spec().inputs
    valid = ports["metadata"]["options"][key].valid_type
    kinds = valid if isinstance(valid, tuple) else (valid,)
    if isinstance(value, str) and not _is_text(value):
        return "must be text without control characters, of lines that end with a line feed"
    if valid is None or isinstance(value, kinds):
        return None
    return f"must be of type {' or '.join(kind.__name__ for kind in kinds if kind is not type(None))}"


def _is_text(value: str) -> bool:
    """Return whether a text has no control characters but line feeds and tabs: a database refuses a NUL."""
    return not any(ord(letter) < 32 or ord(letter) == 127 for letter in value if letter not in "\n\t")


_ONE_WORD = "must be one word of letters, digits and . , _ : + @ % / = -, starting with a letter or digit"


def _whole(value: Any, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= largest


def _wrong_resources(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return "must be a mapping, such as {num_machines: 1, num_mpiprocs_per_machine: 4}"
    for key, number in value.items():
        if str(key).startswith(("num_", "tot_")) and not _whole(number, _LARGEST_RESOURCE):
            return f"{key} must be a whole number from 1 to {_LARGEST_RESOURCE}"
    return None


def _wrong_variables(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return "must be a mapping of names to texts"
    for name, content in value.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            return f"{name!r} must be a name of letters, digits and '_', not starting with a digit"
        if not isinstance(content, str) or not content.isprintable():
            return f"{name} must be text in one line; put numbers in quotes"
    return None


def walltime_error(inputs: Mapping[str, Any], plans: Iterable[dict[str, Any]]) -> str | None:
    """Return the error of a wall time in ``inputs.base`` that ends before a first checkpoint, or None.

    This is a lower limit. A job whose wall time is too short on its machine ends with exit code 430.
    """
    options = inputs.get("base", {}).get("lammps", {}).get("metadata", {}).get("options", {})
    seconds = options.get("max_wallclock_seconds")
    found = (wall_time_error(seconds, JobPlan.model_validate(plan)) for plan in plans)
    return next((f"options.{error}" for error in found if error), None)


def _wrong_stash(value: Any) -> str | None:
    """Return the error of the option ``stash``, or None."""
    if not isinstance(value, Mapping):
        return "must be a mapping, such as {target_base: /archive/user/cse}"
    for key in value:
        if key not in _STASH_KEYS:
            return f"{key!r} is no known key: {nearest(str(key), _STASH_KEYS)}"
    target = value.get("target_base")
    if not isinstance(target, str) or not PurePosixPath(target).is_absolute():
        return f"target_base = {target!r} must be the absolute path of a folder on the computer of the jobs"
    mode = value.get("stash_mode", StashMode.COPY.value)
    if mode != StashMode.COPY.value:
        return f"stash_mode = {mode!r} must be 'copy': only copies can be read in place and verified"
    source = value.get("source_list", STASHED)
    error = f"source_list = {source!r} must be a list of names of files or patterns such as 'restart.*'"
    if not isinstance(source, (list, tuple)) or not source:
        return error
    for name in source:
        # a name must stay inside the folder of its job
        if not isinstance(name, str) or not name or name.startswith("/") or ".." in PurePosixPath(name).parts:
            return error
    return None
