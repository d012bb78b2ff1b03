"""Outline versions: an unfinished WorkChain continues only under the outline with which it was started.

A checkpoint holds the place in the outline by position and by the name of the step. Under another outline the same
place is another step, or none. The version is therefore kept with each process and compared before it continues.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

from aiida.common.log import LOG_LEVEL_REPORT
from aiida.engine import WorkChain
from aiida.orm import ProcessNode, load_node
from plumpy.persistence import LoadSaveContext

from aiida_cse.engine.workers import guard_worker

__all__ = ["OutlineError", "VersionedWorkChain", "refuse_other_outlines"]

#: extra of a process node; without it the process was made by aiida-cse 0.1, whose outlines all have version 1
_VERSION_EXTRA = "cse_outline_version"
_FIRST = 1


class OutlineError(RuntimeError):
    """An unfinished process was started with another version of its outline."""


class VersionedWorkChain(WorkChain):
    """A WorkChain whose processes record the version of the outline with which they were started.

    A daemon worker pauses a process of another version, with the reason as its status. The checkpoint stays as it
    is, so that the version of aiida-cse that started the process can still continue it. The embedded engine calls
    :func:`refuse_other_outlines` before it loads anything.
    """

    #: to be raised with every change of the outline, or of what a step expects in ``ctx``
    OUTLINE_VERSION: ClassVar[int] = _FIRST

    #: why this process does not continue, None if it does
    _refusal: str | None = None
    #: the checkpoint of a process that does not continue, as it was loaded
    _found: Mapping[str, Any]
    #: labels of the outputs that are linked to the node
    _attached: frozenset[str] = frozenset()

    def update_outputs(self) -> None:
        """Attach new outputs; without any, leave out AiiDA's query of all links, which comes at every step."""
        labels = frozenset(self._flat_outputs())
        if not labels <= self._attached:
            super().update_outputs()
            self._attached = labels

    def report(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Report as AiiDA does, which for the name of the caller reads the source of all frames of the stack."""
        caller = sys._getframe(1).f_code.co_name
        self.logger.log(
            LOG_LEVEL_REPORT, f"[{self.node.pk}|{type(self).__name__}|{caller}]: {msg}", *args, **kwargs
        )

    def on_create(self) -> None:
        """Record the version on the new node."""
        super().on_create()
        if self.metadata.store_provenance:
            self.node.base.extras.set(_VERSION_EXTRA, self.OUTLINE_VERSION)

    def load_instance_state(self, saved_state: MutableMapping[str, Any], load_context: LoadSaveContext) -> None:
        """Load a checkpoint; if its outline is another one, pause the process and leave out its place."""
        guard_worker(load_context.runner)
        self._refusal = _refusal(load_node(saved_state[self.SaveKeys.CALC_ID.value]), type(self))
        if self._refusal is None:
            super().load_instance_state(saved_state, load_context)  # type: ignore[no-untyped-call]
            return
        self._found = dict(saved_state)
        nowhere = {**saved_state, self._STEPPER_STATE: None, "_awaitables": []}
        super().load_instance_state(nowhere, load_context)  # type: ignore[no-untyped-call]
        self.node.logger.report(self._refusal)
        self.pause(self._refusal)

    def save_instance_state(
        self, out_state: MutableMapping[str, Any], save_context: LoadSaveContext | None
    ) -> None:
        """Save a checkpoint; that of a process of another outline is saved as it was loaded."""
        super().save_instance_state(out_state, save_context)  # type: ignore[no-untyped-call]
        if self._refusal is not None:
            out_state.update(self._found)

    def play(self) -> bool:
        """Continue a paused process, unless its outline is another one."""
        if self._refusal is None:
            return super().play()
        self.node.logger.report(self._refusal)
        return False


def refuse_other_outlines(node: ProcessNode) -> None:
    """Refuse to continue a process if its outline, or that of an unfinished process it called, is another one.

    Raises
    ------
    OutlineError
        Names the process, both versions and what can be done.
    """
    for process in _unfinished(node):
        try:
            made = process.process_class
        except ValueError:
            continue  # a class that is not installed: its checkpoint says so
        refusal = _refusal(process, made)
        if refusal is not None:
            raise OutlineError(refusal)


def _unfinished(node: ProcessNode) -> Iterator[ProcessNode]:
    if not node.is_terminated:
        yield node
    for child in node.called:
        yield from _unfinished(child)


def _refusal(node: Any, made: type[Any]) -> str | None:
    """Return why a process does not continue as one of this class, None if it does."""
    current = getattr(made, "OUTLINE_VERSION", None)
    started = node.base.extras.get(_VERSION_EXTRA, _FIRST)
    if current is None or started == current:
        return None
    maker = node.base.attributes.get("version", {}).get("plugin", "version unknown")
    return (
        f"process {node.pk} ({node.process_label}): it was started with outline version {started}, this aiida-cse "
        f"has version {current}, so its checkpoint names other steps; launch it again (with AiiDA's caching, jobs "
        f"that have finished are not run again), or resume it with the aiida-cse that started it ({maker})"
    )
