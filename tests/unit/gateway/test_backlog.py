"""Back-pressure: refused before anything is appended, and only while what waits is too old."""

from types import SimpleNamespace

import pytest

from event_schemas.positions import CommandPlace
from gateway.back_pressure import GuardedLog
from infra.http.problems import Problem


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
