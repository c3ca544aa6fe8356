"""Looking after a reader: what it reads while the broker answers is no sign of another log."""

import asyncio

import pytest

from infra.event_log import tail_watch as log_watch


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(log_watch, "LOOK_S", 0.01)


async def test_reading_on_while_the_broker_answers_is_no_shorter_log(monkeypatch):
    seen = {0: 38}

    async def ends(_reader, _topic):
        answer = {0: seen[0]}
        await asyncio.sleep(0)
        seen[0] += 3
        return answer

    monkeypatch.setattr(log_watch, "log_ends", ends)
    looking = asyncio.create_task(log_watch.look_after(None, "order-events", seen, set()))
    await asyncio.wait({looking}, timeout=0.2)

    assert not looking.done()
    assert seen[0] > 50
    looking.cancel()


async def test_a_log_that_ends_before_what_was_read_is_noticed(monkeypatch):
    async def ends(_reader, _topic):
        return {0: 12}

    monkeypatch.setattr(log_watch, "log_ends", ends)

    with pytest.raises(TimeoutError, match="ends at 12, but was read up to 38"):
        await log_watch.look_after(None, "order-events", {0: 38}, set())
