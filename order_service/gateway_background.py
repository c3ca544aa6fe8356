"""What runs beside the gateway's requests: reading the log's end, and telling whether everything that it stands on is there."""

import asyncio

from command_api.command_log import CommandLog
from infra.health import Health
from infra.kafka import NoBroker
from infra.log_tail import LogTail
from infra.problems import Problem
from order_service.gateway_outcomes import GatewayFollower
from projections.read_models import ReadModels
from projections.snapshots import Snapshot

READS = "read models"
_LOOK_S = 2.0


async def announce(commands: CommandLog, follower: GatewayFollower, looked: asyncio.Event, health: Health) -> None:
    """Say that the gateway has started, once commands can be appended, outcomes are followed and the read side was looked at."""
    await commands.opened()
    await follower.ready()
    await looked.wait()
    health.started()


async def follow_log(tail: LogTail, health: Health) -> None:
    """Let the tail run until cancelled; what ends it unexpectedly ends the gateway."""
    try:
        await tail.start()
        await tail.ended()
    except NoBroker as error:
        health.wait_for("kafka", str(error))
        await asyncio.Event().wait()
    finally:
        await tail.stop()


async def watch_reads(reads: ReadModels, looked: asyncio.Event, health: Health) -> None:
    """Keep the read side open until cancelled, and let `health` say every 2 s whether it can be read; `looked`: it was looked at once."""
    await reads.start()
    try:
        while True:
            try:
                await reads.read(_nothing)
                health.settled(READS)
            except Problem as problem:
                health.wait_for(READS, problem.detail)
            looked.set()
            await asyncio.sleep(_LOOK_S)
    finally:
        await reads.stop()


async def _nothing(_: Snapshot) -> None:
    """Opening the snapshot is what is tried."""
