"""What runs beside the gateway's requests: reading the log's end, and telling whether everything that it stands on is there."""

import asyncio
import logging

from command_api.command_log import CommandLog
from event_schemas.codes import Code
from infra.errors import BrokerAway
from infra.event_log.tail import LogTail
from infra.http.problems import Problem
from infra.process.exits import end_process
from infra.process.health import Health
from notifier.sse.streams import SseStreams
from projections.command_lookup.outcomes import CommandOutcomes
from projections.queries.read_models import ReadModels

READS = "read models"
_log = logging.getLogger(__name__)
_LOOK_S = 2.0
_JAMMED_AFTER_LOOKS = 6
"""About half a minute, since each failed look takes up to 3 s."""


async def announce(commands: CommandLog, outcomes: CommandOutcomes, looked: asyncio.Event, health: Health) -> None:
    """Say that the gateway has started, once commands can be appended, outcomes are followed and the read side was looked at."""
    await commands.opened()
    await outcomes.ready()
    await looked.wait()
    health.started()


async def follow_log(tail: LogTail, health: Health) -> None:
    """Let the tail run until cancelled; what ends it unexpectedly ends the gateway."""
    try:
        await tail.start()
        await tail.ended()
    except BrokerAway as error:
        health.wait_for("kafka", str(error))
        await asyncio.Event().wait()
    finally:
        await tail.stop()


async def serve_feed(tail: LogTail, streams: SseStreams) -> None:
    """Let clients follow the feed over HTTP, from when the log's end was found until cancelled."""
    while not tail.ends:  # noqa: ASYNC110 - only in the first moments of a process
        await asyncio.sleep(0.02)
    await streams.start()
    try:
        await asyncio.Event().wait()
    finally:
        await streams.stop()


async def watch_reads(reads: ReadModels, looked: asyncio.Event, health: Health) -> None:
    """Keep the read side open until cancelled, and let `health` say every 2 s whether it can be read; `looked`: it was looked at once."""
    await reads.start()
    failed, told = 0, None
    try:
        while True:
            try:
                foreign = await reads.foreign()
                failed = 0
                if foreign and foreign != told:
                    _log.warning("reads go on from rows that are not followed by this release: %s", foreign)
                told = foreign
                health.settled(READS)
            except Problem as problem:
                failed += problem.code is Code.READ_MODEL_UNAVAILABLE
                health.wait_for(READS, problem.detail)
                await _end_if_jammed(reads, failed)
            looked.set()
            await asyncio.sleep(_LOOK_S)
    finally:
        await reads.stop()


async def _end_if_jammed(reads: ReadModels, failed: int) -> None:
    """A pool that gives no connection while PostgreSQL answers would refuse every read for ever; a new process has a new pool."""
    if failed >= _JAMMED_AFTER_LOOKS and await reads.reachable():
        end_process(f"{failed} looks at the read models failed in a row, though PostgreSQL answers: the pool of connections is jammed")
