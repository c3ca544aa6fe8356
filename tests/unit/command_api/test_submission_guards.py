"""The gateway's guards, each taken out, and its twin: what an answer promises, and what a retry does."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber

from command_api import command_log, envelopes
from command_api.command_log import CommandLog, NotAcknowledged, _Open
from command_api.identity import Identity
from event_schemas.topics import COMMANDS
from infra.http.problems import Problem
from infra.process.health import Health
from infra.process.settings import Settings
from tests.unit.command_api.test_command_routes import BODY, RecordingLog, client, log

__all__ = ["client", "log"]


# 503 with a key


async def _an_unanswered_post_is_sent_again(client: httpx.AsyncClient, log: RecordingLog) -> set[str]:
    """The command was appended all the same: the answer was lost. Returns the orders that stand in the log."""
    append = log.append

    async def appended_but_not_acknowledged(*arguments: Any) -> Any:
        await append(*arguments)
        raise NotAcknowledged("TimeoutError")

    log.append = appended_but_not_acknowledged  # type: ignore[method-assign]
    problem = (await client.post("/orders", json=BODY)).json()
    log.append = append  # type: ignore[method-assign]
    key = problem.get("idempotency_key")
    assert (await client.post("/orders", json=BODY, headers={"idempotency-key": key} if key else {})).status_code == 202
    return {order_id for order_id, _, _ in log.appended}


async def test_without_a_key_in_the_503_a_retry_places_a_second_order(client, log, monkeypatch):
    def keyless(*arguments: Any, **named: Any) -> Problem:
        named.pop("idempotency_key", None)
        return Problem(*arguments, **named)

    monkeypatch.setattr("command_api.submission.Problem", keyless)

    assert len(await _an_unanswered_post_is_sent_again(client, log)) == 2


async def test_with_a_key_in_the_503_a_retry_is_the_same_command(client, log):
    assert len(await _an_unanswered_post_is_sent_again(client, log)) == 1


# Ids that follow from the key


async def _sent_twice_under_a_key(client: httpx.AsyncClient) -> set[str]:
    return {(await client.post("/orders", json=BODY, headers={"idempotency-key": "k"})).json()["command_id"] for _ in range(2)}


async def test_without_ids_that_follow_from_the_key_a_retry_is_another_command(client, monkeypatch):
    monkeypatch.setattr(envelopes, "identify", lambda **_: Identity(uuid4(), uuid4(), "0" * 64))

    assert len(await _sent_twice_under_a_key(client)) == 2


async def test_with_ids_that_follow_from_the_key_a_retry_is_the_same_command(client):
    assert len(await _sent_twice_under_a_key(client)) == 1


# 202 only after the acknowledgement, and a new producer after a failure


class _Producer:
    """An idempotent producer after an outage: it takes whatever it is given, and every delivery fails (aiokafka issue 1017)."""

    async def send(self, *_: Any, **__: Any) -> "asyncio.Future[Any]":
        delivery = asyncio.get_running_loop().create_future()
        delivery.set_exception(OutOfOrderSequenceNumber())
        return delivery

    client = SimpleNamespace(cluster=SimpleNamespace(partitions_for_topic=lambda _: range(4)))

    async def stop(self) -> None:
        """Nothing to let go of."""


class _GoodProducer(_Producer):
    async def send(self, *_: Any, **__: Any) -> "asyncio.Future[Any]":
        delivery = asyncio.get_running_loop().create_future()
        delivery.set_result(SimpleNamespace(offset=7, log_start_offset=0))
        return delivery


@pytest.fixture
async def broken_log(monkeypatch) -> AsyncIterator[CommandLog]:
    """A log that runs, with a producer that refuses everything; the next one that it opens is good."""
    made = CommandLog(Settings(ORDERS_PRODUCE_TIMEOUT=0.5), Health("gateway"))
    producers: list[_Producer] = [_GoodProducer(), _Producer()]

    async def connect() -> _Open:
        return _Open(producers.pop() if len(producers) > 1 else producers[0], 4)  # type: ignore[arg-type]

    monkeypatch.setattr(made, "_connect", connect)
    running = asyncio.create_task(made.run())
    await made.opened()
    yield made
    running.cancel()
    await asyncio.wait({running})


async def _answers(log: CommandLog, count: int) -> list[bool]:
    """Which of some appends were acknowledged."""
    answers = []
    for _ in range(count):
        try:
            await log.append(str(uuid4()), b"{}")
            answers.append(True)
        except NotAcknowledged:
            answers.append(False)
    return answers


async def test_without_awaiting_the_acknowledgement_commands_are_answered_202_that_no_broker_has(broken_log, monkeypatch):
    async def not_awaited(opened, order_id, value, headers):
        (await opened.producer.send(COMMANDS, value, order_id.encode())).exception()
        return command_log.CommandPlace(0, 0)

    monkeypatch.setattr(command_log, "_append", not_awaited)

    assert await _answers(broken_log, 3) == [True, True, True]


async def test_without_a_new_producer_after_a_failure_every_command_is_refused_for_ever(broken_log, monkeypatch):
    monkeypatch.setattr(CommandLog, "_give_up", lambda *_: None)

    assert await _answers(broken_log, 5) == [False] * 5


async def test_with_a_new_producer_only_the_commands_at_the_failure_are_refused(broken_log):
    assert await _answers(broken_log, 5) == [False, True, True, True, True]


async def test_a_repeat_that_the_broker_no_longer_can_place_is_not_answered_202(monkeypatch):
    """aiokafka takes the offset -1 for success; nobody could say where the command stands, and a lookup would find nothing."""
    opened = _Open(_GoodProducer(), 4)  # type: ignore[arg-type]

    async def nowhere(*_: Any, **__: Any) -> "asyncio.Future[Any]":
        delivery = asyncio.get_running_loop().create_future()
        delivery.set_result(SimpleNamespace(offset=-1, log_start_offset=-1))
        return delivery

    monkeypatch.setattr(opened.producer, "send", nowhere)

    with pytest.raises(KafkaError, match="does not say where"):
        await command_log._append(opened, str(uuid4()), b"{}", [])
