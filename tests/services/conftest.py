"""The services and the profile on them; everything is skipped, with the reason, where they do not run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.services.profile import ServicesProfile, running_daemon
from tests.services.programs import UnavailableError, queues


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
