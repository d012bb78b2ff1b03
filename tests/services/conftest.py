"""The services and the profile on them; everything is skipped, with the reason, where they do not run."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from tests.services.profile import ServicesProfile, running_daemon
from tests.services.programs import UnavailableError, queues

_END = pytest.StashKey[float | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what CI limits, and what a release runs in full."""
    parser.addoption("--limit", type=float, help="seconds for all tests; what has not ended then is skipped")
    parser.addoption("--demo", action="store_true", help="the study of the demo in full, instead of a short one")


def pytest_configure(config: pytest.Config) -> None:
    """Note when the time for all tests is over."""
    limit: float | None = config.getoption("--limit")
    config.stash[_END] = None if limit is None else time.monotonic() + limit


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    with _time_left(item.config):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    with _time_left(item.config):
        return (yield)


@contextmanager
def _time_left(config: pytest.Config) -> Iterator[None]:
    """Skip what goes on at the end of the time for all tests: a slow machine says nothing about the outcome."""
    end = config.stash[_END]
    if end is None:
        yield
        return

    def interrupt(*_: object) -> None:
        pytest.skip(f"it did not end within the {config.getoption('--limit'):g} s for all tests")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, max(end - time.monotonic(), 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def cluster() -> Iterator[ServicesProfile]:
    """A profile on PostgreSQL and RabbitMQ with a running daemon; ``cluster`` is a Slurm behind ssh."""
    programs = queues()
    try:
        services = programs.__enter__()
    except (UnavailableError, OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"the services do not run here: {error}")
    try:
        profile = ServicesProfile(services)
        profile.make()
        with running_daemon(profile, workers=2):
            profile.follow_the_how_to()
            profile.hurry()
            yield profile
    finally:
        programs.__exit__(None, None, None)
