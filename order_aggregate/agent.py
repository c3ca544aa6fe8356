"""The Faust agent: it takes fetches of commands and hands them to the aggregate."""

from collections.abc import AsyncIterator

from aiokafka import ConsumerRecord

from event_schemas.topics import AGGREGATE_GROUP, COMMANDS
from infra.event_log.dead_letters import DeadLetters
from infra.faust.app import FetchApp, hardened_app
from infra.faust.fetches import Fetch
from infra.faust.worker import FetchWorker
from infra.process.health import Health
from infra.process.settings import Settings
from order_aggregate.assignment import Assignment, take_over
from order_aggregate.command_handler import CommandHandler, Ports
from order_aggregate.command_retention import EVERY_S, delete_old_commands
from order_aggregate.record_appender import RecordAppender
from order_aggregate.snapshots import Snapshots


def create_app(settings: Settings, health: Health, *, partition_count: int) -> FetchApp:
    """The aggregate as a Faust app; run it with infra.faust.app.run."""
    app = hardened_app(settings, app_id=AGGREGATE_GROUP, topic=COMMANDS)
    snapshots = Snapshots(settings)

    async def take_over_some(numbers: frozenset[int]) -> Assignment:
        return await take_over(settings, numbers, snapshots, app.last_progress.moved)

    async def dead_letter(record: ConsumerRecord, reason: str) -> None:
        await DeadLetters(app.kafka_producer(), AGGREGATE_GROUP).append(record, reason)

    ports = Ports(take_over_some, RecordAppender(app.kafka_producer, settings), dead_letter, snapshots)
    aggregate = CommandHandler(health, ports, partition_count=partition_count)
    worker = FetchWorker(app, aggregate, session_timeout_s=settings.session_timeout_s)

    @app.agent(app.fetches)  # type: ignore[untyped-decorator] # Faust's
    async def decide(fetches: AsyncIterator[Fetch]) -> None:
        async for fetch in fetches:
            await worker.take(fetch)

    @app.timer(EVERY_S)  # type: ignore[untyped-decorator] # Faust's
    async def delete_commands() -> None:
        await delete_old_commands(settings, aggregate.decided())

    return app
