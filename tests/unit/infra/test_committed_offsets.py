"""When offsets are committed, and again."""

from types import SimpleNamespace

import pytest
from faust.types import TP

from infra.faust.transport import Consumer

TOPIC = "order-commands"


class _Thread:
    """Faust's consumer thread, of which the committing part is needed."""

    def __init__(self):
        self.commits, self.succeeds = [], True

    async def commit_quietly(self, offsets):
        self.commits.append({tp.partition: offset for tp, offset in offsets.items()})
        return self.succeeds

    async def call_thread(self, function, *arguments):
        return await function(*arguments)


@pytest.fixture
def consumer():
    consumer = Consumer.__new__(Consumer)
    consumer.transport = SimpleNamespace(app=SimpleNamespace(source_topic=TOPIC))
    consumer.app = consumer.transport.app
    consumer._thread = _Thread()
    consumer.assignment_number, consumer.assigned = 0, frozenset()
    consumer._openings, consumer._opened, consumer._done, consumer._committed = {}, 0, {}, {}
    consumer.sought = []

    async def seek_wait(offsets):
        consumer.sought.append(offsets)

    consumer.seek_wait = seek_wait
    return consumer


async def test_what_is_done_is_committed_once(consumer):
    consumer.note_done({0: 5, 1: 7})

    assert await consumer.force_commit()
    assert not await consumer.force_commit()

    assert consumer._thread.commits == [{0: 5, 1: 7}]


async def test_a_commit_that_failed_is_tried_again_though_nothing_new_was_done(consumer):
    """Between two brokers' leadership a commit fails; an idle partition would look undecided until its next command."""
    consumer.note_done({0: 5})
    consumer._thread.succeeds = False
    assert not await consumer.force_commit()
    consumer._thread.succeeds = True

    assert await consumer.force_commit()

    assert consumer._thread.commits == [{0: 5}, {0: 5}]


async def test_a_partition_is_done_up_to_where_it_is_opened(consumer):
    """The worker before may have died between its work and its commit."""
    await consumer.open({3: 12})

    await consumer.force_commit()

    assert consumer.sought == [{TP(TOPIC, 3): 12}]
    assert consumer._thread.commits == [{3: 12}]
