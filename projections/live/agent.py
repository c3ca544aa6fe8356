"""The Faust agent: it takes fetches of the event log and hands them to the projector."""

from collections.abc import AsyncIterator

from aiokafka import ConsumerRecord

from event_schemas.topics import EVENTS
from infra.event_log.dead_letters import DeadLetters
from infra.faust.app import FetchApp, hardened_app
from infra.faust.fetches import Fetch
from infra.faust.worker import FetchWorker
from infra.kafka.clients import new_piece_reader
from infra.postgres.connections import DatabaseSession
from infra.postgres.faust_store import ProjectionTable
from infra.process.health import Health
from infra.process.settings import Settings
from projections.live.log_witness import KafkaWitness
from projections.live.projector import Projector
from projections.tables.registry import TABLES

GROUP = "order-projections"
PACE_S = 0.05
"""Shortest time between two fetches, and so between two transactions. A transaction for each few records that come within some
milliseconds takes a third of two cores at 200 orders a second, and delays all that clients wait for (docs/performance.md).
"""


def create_app(settings: Settings, health: Health, session: DatabaseSession, *, partition_count: int) -> FetchApp:
    """The projections as a Faust app; run it with infra.faust.app.run."""
    app = hardened_app(settings, app_id=GROUP, topic=EVENTS, pace_s=PACE_S)

    async def dead_letter(record: ConsumerRecord, reason: str) -> None:
        await DeadLetters(app.kafka_producer(), GROUP).append(record, reason)

    projector = Projector(
        tables=[ProjectionTable(app, definition) for definition in TABLES],
        session=session,
        log=KafkaWitness(lambda: new_piece_reader(settings, "projections-witness")),
        dead_letter=dead_letter,
        health=health,
        partitions=partition_count,
    )
    worker = FetchWorker(app, projector, session_timeout_s=settings.session_timeout_s)

    @app.agent(app.fetches)  # type: ignore[untyped-decorator]  # Faust's
    async def project(fetches: AsyncIterator[Fetch]) -> None:
        async for fetch in fetches:
            await worker.take(fetch)

    return app
