"""Two workers of one group, of which the later release also knows a command and an event that the other has never heard of."""

import json
import signal
from collections import Counter
from uuid import uuid4

import pytest
from aiokafka.errors import GroupCoordinatorNotAvailableError

from event_schemas.topics import AGGREGATE_GROUP, COMMANDS, EVENTS
from infra.kafka.clients import new_admin
from infra.kafka.partitioner import partition_of
from infra.kafka.topic_guard import create_topics
from tests.support.given import Envelope, cancel, create, ship
from tests.support.later_release import later_release, return_order
from tests.support.raw_log import judge_log
from tests.support.service_process import CHECKOUT, ServiceProcess, eventually
from tests.support.topics import append_bytes, append_commands, read_topic

_PARTITIONS = 4
_SESSION_S = "6"


@pytest.fixture
def start(settings, tmp_path):
    """Starts a worker of the release in this folder; ends what is left of them."""
    workers = []

    def started(checkout):
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers),
            "ORDERS_REPLICATION": "1",
            "ORDERS_SESSION_TIMEOUT": _SESSION_S,
            "PYTHONPATH": str(checkout),
        }
        log = tmp_path / f"worker-{len(workers)}.log"
        workers.append(ServiceProcess("order_aggregate", environment, log, checkout=checkout).start())
        return workers[-1]

    yield started
    for worker in workers:
        worker.end()


def _one_order_on_each_partition():
    orders = {}
    while len(orders) < _PARTITIONS:
        order_id = uuid4()
        orders.setdefault(partition_of(str(order_id), _PARTITIONS), order_id)
    return list(orders.values())


async def _append_returns(settings, orders):
    """A command of the later release on each partition. Their ids."""
    ids = set()
    for order_id in orders:
        command_id, value = return_order(order_id)
        key = str(order_id)
        await append_bytes(settings, COMMANDS, value, key=key.encode(), partition=partition_of(key, _PARTITIONS))
        ids.add(str(command_id))
    return ids


async def _judged(settings, ids):
    return judge_log(await read_topic(settings, EVENTS, _PARTITIONS), ids)


async def _decided(settings, ids, *, but=0):
    async def decided():
        return len((await _judged(settings, ids)).lost) <= but

    await eventually(decided, 40.0)


async def _share(settings, workers):
    """Wait until so many workers have their part of the partitions."""
    admin = new_admin(settings, "test-share")
    await admin.start()

    async def shared():
        try:
            (answer,) = await admin.describe_consumer_groups([AGGREGATE_GROUP])
        except GroupCoordinatorNotAvailableError:
            return False  # until the first worker comes
        _, _, state, _, _, members = answer.groups[0][:6]
        return (state, len(members)) == ("Stable", workers) and all(member[4] for member in members)

    try:
        await eventually(shared, 40.0)
    finally:
        await admin.close()


async def test_a_command_of_a_later_release_ends_in_one_record_while_partitions_change_hands(settings, start, tmp_path):
    await create_topics(settings)
    orders = _one_order_on_each_partition()
    first = [create(envelope=Envelope(order_id=order)) for order in orders]
    behind = [ship(envelope=Envelope(order_id=order)) for order in orders]
    later_checkout = later_release(tmp_path / "later")
    earlier, later = start(CHECKOUT), start(later_checkout)
    await _share(settings, 2)
    await append_commands(settings, first, _PARTITIONS)
    await _decided(settings, {str(command.id) for command in first})

    returns = await _append_returns(settings, orders)
    await append_commands(settings, behind, _PARTITIONS)
    ids = {str(command.id) for command in (*first, *behind)} | returns

    # Each has half of the partitions: the later worker decides its half, the earlier one waits at the first such command.
    said = await earlier.until("waiting", 40.0)
    assert "'ReturnOrder' of schema_version 1, this release knows no such type: deploy the later release" in said
    await _decided(settings, ids, but=_PARTITIONS)

    # All partitions go to the earlier worker: now it waits at the record of the later release, too.
    later.send(signal.SIGKILL)

    async def waits_at_a_record():
        return "OrderReturned" in str((await earlier.health())["detail"])

    await eventually(waits_at_a_record, 40.0, lambda: earlier.log.read_text()[-2000:])
    before = await _judged(settings, ids)
    assert not before.doubled
    assert before.lost, "the earlier worker decided a command that it does not know, or one behind it"

    # The later release takes over while the earlier one stops, and the earlier one comes back beside it.
    later = start(later_checkout)
    assert earlier.stop() == 0
    await _decided(settings, ids)
    earlier = start(CHECKOUT)
    await _share(settings, 2)
    await earlier.until("waiting", 40.0)
    last = [cancel(envelope=Envelope(order_id=order)) for order in orders]
    await append_commands(settings, last, _PARTITIONS)
    assert earlier.stop() == 0
    ids |= {str(command.id) for command in last}
    await _decided(settings, ids)

    verdict = await _judged(settings, ids)
    assert verdict.clean, verdict
    assert verdict.counted == 4 * _PARTITIONS
    records = [json.loads(record.value) for record in await read_topic(settings, EVENTS, _PARTITIONS)]
    endings = Counter(record["type"] for record in records if record["command_id"] in returns)
    assert endings == {"OrderReturned": _PARTITIONS}
    assert later.process.poll() is None
