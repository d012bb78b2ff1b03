"""The terminal of a run: Ctrl-C and SIGTERM as requests to stop, and AiiDA's log records."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from types import FrameType
from typing import Any

from aiida.cmdline.utils.log import CliHandler
from aiida.manage.configuration import get_config_option
from aiida.orm.utils.log import DBLogHandler

__all__ = ["log_to", "log_without_tracebacks", "stop_requests"]

#: end of a warning that AiiDA gives at the end of each job with a monitor
_MONITOR_SKIPPED = "skipping task_monitor_job"
_TRACEBACK = "Traceback (most recent call last)"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_requests(
    loop: asyncio.AbstractEventLoop, stop: asyncio.Event, on_second_interrupt: Callable[[], None] | None = None
) -> Iterator[None]:
    """Let the first signal set ``stop`` in the event loop, and the second one end this Python at once.

    Before that, a second Ctrl-C calls ``on_second_interrupt``; a third does not wait for it.

    The handlers are Python's own, not those of the loop. The loop calls its handlers between two callbacks, so a
    second Ctrl-C would wait for the slow step that the user wants to leave.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals only reach the main thread
        return

    asked = 0

    def request(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            if sys.stdout.isatty():
                os.write(sys.stdout.fileno(), b"\x1b[?25h\n")  # the live display hides the cursor
            if asked == 2 and number == signal.SIGINT and on_second_interrupt is not None:
                on_second_interrupt()
            os._exit(128 + number)
        loop.call_soon_threadsafe(stop.set)  # also wakes a sleeping loop

    previous = {number: signal.signal(number, request) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def log_to(handler: logging.Handler) -> Iterator[None]:
    """Send AiiDA's log to ``handler`` instead of its terminal handlers, which would break a live display."""
    logger = logging.getLogger("aiida")
    replaced = [other for other in logger.handlers if type(other) in (logging.StreamHandler, CliHandler)]
    handler.setLevel(get_config_option("logging.terminal_handler"))
    for other in replaced:
        logger.removeHandler(other)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        for other in replaced:
            logger.addHandler(other)


class _WithoutTraceback(logging.Filter):
    """Replaces the exception of a record by a few words, if ``explain`` has some for it."""

    def __init__(self, explain: Callable[[BaseException], str | None], *, stores: bool) -> None:
        super().__init__()
        self._explain, self._stores = explain, stores

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten a record; one that was shortened is not stored in the database, which failed.

        A warning that every run gives is left out.
        """
        message = record.getMessage()
        if message.endswith(_MONITOR_SKIPPED):
            return False
        # some modules of AiiDA put the traceback of the exception at hand into their message
        error = (record.exc_info or sys.exc_info())[1] if record.exc_info or _TRACEBACK in message else None
        if error is not None and (words := self._explain(error)) is not None:
            record.msg, record.args = f"{message.partition(_TRACEBACK)[0].strip().removesuffix(':')}: {words}", ()
            record.exc_info = record.exc_text = None
            record.explained = True
        return not (self._stores and hasattr(record, "explained"))


@contextmanager
def log_without_tracebacks(explain: Callable[[BaseException], str | None]) -> Iterator[None]:
    """Let AiiDA's log tell some exceptions in a few words, and fail to reach the database without a traceback.

    Parameters
    ----------
    explain
        Returns the words for an exception, None if its traceback is of use.
    """

    def quiet(emit: Any) -> Any:
        def emit_quietly(record: logging.LogRecord) -> None:
            with redirect_stderr(io.StringIO()):  # AiiDA prints the exception before it raises it
                emit(record)

        return emit_quietly

    with ExitStack() as stack:
        # a log file on a full disk fails with a traceback as well
        stack.callback(setattr, logging, "raiseExceptions", logging.raiseExceptions)
        logging.raiseExceptions = False
        for handler in logging.getLogger("aiida").handlers:
            stores = isinstance(handler, DBLogHandler)
            handler.addFilter(shortened := _WithoutTraceback(explain, stores=stores))
            stack.callback(handler.removeFilter, shortened)
            if stores:
                handler.emit = quiet(handler.emit)  # type: ignore[method-assign]
                stack.callback(delattr, handler, "emit")
        yield
