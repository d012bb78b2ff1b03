"""Processes whose tasks RabbitMQ has lost: what no worker has is sent to one again."""

from __future__ import annotations

import pytest

from tests.integration.test_daemon import nudge_until_ended
from tests.services.profile import ServicesProfile

#: submits a sum to Slurm
SUBMIT = """
from pathlib import Path
from aiida import engine, load_profile, orm
load_profile()
from aiida_cse.cli.site.environment import ensure_code
computer = orm.load_computer("cluster")
code = ensure_code(computer, "bash", Path("/bin/bash"), "core.arithmetic.add", with_mpi=False).entity
builder = code.get_builder()
builder.x, builder.y = orm.Int(1), orm.Int(2)
builder.metadata.options.resources = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
print(engine.submit(builder).pk)
"""

#: removes all messages from the queue of tasks of the profile
PURGE = """
import asyncio
import aio_pika
from aiida.brokers.rabbitmq.utils import get_launch_queue_name
from aiida.manage import get_manager, load_profile

async def purge(profile):
    connection = await aio_pika.connect(get_manager().get_broker().get_url())
    name = get_launch_queue_name(f"aiida-{profile.uuid}")
    queue = await (await connection.channel()).get_queue(name)
    print((await queue.purge()).message_count)
    await connection.close()

asyncio.run(purge(load_profile()))
"""


@pytest.mark.long
def test_a_process_whose_task_rabbitmq_has_lost_is_sent_to_a_worker(cluster: ServicesProfile) -> None:
    cluster.daemon("decr", 2)
    pk = int(cluster.python(SUBMIT))
    assert int(cluster.python(PURGE)) == 1
    cluster.daemon("incr", 2)
    assert "was on no worker; it was sent to one" in nudge_until_ended(cluster, pk)
    (job,) = cluster.processes(pk)
    assert (job.state, job.exit_status) == ("finished", 0), cluster.explain(pk)
