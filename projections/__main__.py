"""`python -m projections`: one worker of the read models."""

import uvloop

from infra.database import DatabaseSession, wait_for_database
from infra.faust_app import run
from infra.health import Health, serve
from infra.logs import configure_logging
from infra.settings import Settings
from infra.topic_guard import topics_watched, wait_for_topics
from projections.agent import create_app


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
    uvloop.run(_main(settings))


if __name__ == "__main__":
    main()
