"""`python -m projections`: one worker of the read models."""

import uvloop

from infra.faust.app import run
from infra.kafka.topic_guard import topics_watched, wait_for_topics
from infra.postgres.connections import DatabaseSession, wait_for_database
from infra.process.health import Health, serve
from infra.process.logs import configure_logging
from infra.process.settings import Settings
from infra.process.tuning import collect_rarely, interrupt_nobody
from projections.live.agent import create_app


async def _main(settings: Settings) -> None:
    health = Health("projections")
    runner = await serve(health, settings)
    session = DatabaseSession(settings, health, "order-projections")
    try:
        partition_count = await wait_for_topics(settings, health)
        await wait_for_database(session)
        async with topics_watched(settings, health):
            await run(create_app(settings, health, session, partition_count=partition_count), health)
    finally:
        await session.close()
        await runner.cleanup()


def main() -> None:
    """Read the settings and work until SIGTERM."""
    settings = Settings()
    configure_logging(settings, "projections")
    interrupt_nobody()
    collect_rarely()
    uvloop.run(_main(settings))


if __name__ == "__main__":
    main()
