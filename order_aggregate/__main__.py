"""`python -m order_aggregate`: one worker of the aggregate."""

import uvloop

from infra.faust_app import run
from infra.garbage import collect_rarely
from infra.health import Health, serve
from infra.logs import configure_logging
from infra.settings import Settings
from infra.topic_guard import topics_watched, wait_for_topics
from order_aggregate.agent import create_app


async def _main(settings: Settings) -> None:
    health = Health("order_aggregate")
    runner = await serve(health, settings)
    try:
        partition_count = await wait_for_topics(settings, health)
        async with topics_watched(settings, health):
            await run(create_app(settings, health, partition_count=partition_count), health)
    finally:
        await runner.cleanup()


def main() -> None:
    """Read the settings and work until SIGTERM."""
    settings = Settings()
    configure_logging(settings, "order_aggregate")
    collect_rarely()
    uvloop.run(_main(settings))


if __name__ == "__main__":
    main()
