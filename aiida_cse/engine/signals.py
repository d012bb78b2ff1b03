"""Ctrl-C and SIGTERM as a request to stop, not as an exception in the middle of something."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["stop_requests"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_requests(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Let the first signal set ``stop`` in the event loop, and the second one end this Python at once.

    The handlers are Python's own, not the loop's: the loop runs its handlers between two of its callbacks, so that
    a second Ctrl-C would wait for just that slow step which the user wants to leave.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals only reach the main thread
        return

    asked = False

    def request(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            _leave(number)
        asked = True
        loop.call_soon_threadsafe(stop.set)  # also wakes a loop that sleeps

    previous = {number: signal.signal(number, request) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _leave(number: int) -> NoReturn:
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), b"\x1b[?25h\n")  # the live display hides the cursor
    os._exit(128 + number)
