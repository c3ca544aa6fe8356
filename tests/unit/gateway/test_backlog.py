"""Back-pressure: refused before anything is appended, and only while what waits is too old."""

from types import SimpleNamespace

import pytest

from event_schemas.positions import CommandPlace
from gateway import back_pressure
from gateway.back_pressure import CommandLag, GuardedLog
from infra.http.problems import Problem
from infra.process.settings import Settings


class _Log:
    def __init__(self):
        self.appended = []

    async def append(self, order_id, value, headers=()):
        self.appended.append((order_id, value, headers))
        return CommandPlace(0, len(self.appended) - 1)


async def test_commands_are_taken_while_the_backlog_is_young():
    log = _Log()
    guarded = GuardedLog(log, SimpleNamespace(age_s=29.9), oldest_s=30)

    assert await guarded.append("o", b"v", [("h", b"1")]) == CommandPlace(0, 0)
    assert log.appended == [("o", b"v", [("h", b"1")])]


@pytest.mark.parametrize(("age", "retry_after"), [(5.1, "6"), (17, "17"), (4000, "30")])
async def test_an_old_backlog_refuses_and_appends_nothing(age, retry_after):
    log = _Log()

    with pytest.raises(Problem, match="try again later") as refused:
        await GuardedLog(log, SimpleNamespace(age_s=age), oldest_s=5).append("o", b"v")

    assert (refused.value.status, refused.value.body()["code"], refused.value.headers["Retry-After"]) == (
        429,
        "backlog_too_old",
        retry_after,
    )
    assert log.appended == []


async def test_only_what_waited_at_the_last_look_is_read_for_its_age(monkeypatch):
    """Under load some commands always wait; to read them each second would delay them."""
    ends, read = {0: 5, 1: 5}, []

    async def no_offsets(*_):
        return {}

    async def begins(*_):
        return {0: 0, 1: 0}

    async def ends_now(*_):
        return dict(ends)

    async def records(_reader, ranges, _topic):
        read.append(ranges)
        for partition in ranges:
            yield partition, [SimpleNamespace(timestamp=1_000)]

    monkeypatch.setattr(back_pressure, "log_beginnings", begins)
    monkeypatch.setattr(back_pressure, "log_ends", ends_now)
    monkeypatch.setattr(back_pressure, "read_ranges", records)
    backlog, admin = CommandLag(Settings(), group="g", topic="t"), SimpleNamespace(list_consumer_group_offsets=no_offsets)
    for partition, decided in ((0, 5), (1, 5)):
        backlog.delivered(partition, [SimpleNamespace(command_offset=decided - 1)], 0)

    ends |= {0: 8, 1: 8}
    await backlog._look(admin, None)
    assert read.pop() == {0: (5, 6), 1: (5, 6)}  # the first look knows nothing
    backlog.delivered(0, [SimpleNamespace(command_offset=7)], 0)
    ends |= {0: 9, 1: 9}
    await backlog._look(admin, None)

    assert read.pop() == {1: (5, 6)}  # on partition 0 only one waits that came since
    assert backlog.length == 5
    assert backlog.age_s > 1_000

    backlog.delivered(1, [SimpleNamespace(command_offset=7)], 0)
    ends |= {0: 9, 1: 9}
    await backlog._look(admin, None)
    assert read.pop() == {0: (8, 9), 1: (8, 9)}
