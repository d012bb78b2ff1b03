"""The terminal of a run: Ctrl-C and SIGTERM as requests to stop, and AiiDA's log records."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from aiida.cmdline.utils.log import CliHandler
from aiida.manage.configuration import get_config_option

__all__ = ["log_to", "stop_requests"]

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
