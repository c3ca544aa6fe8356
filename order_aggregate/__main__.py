"""`python -m order_aggregate`: one worker of the aggregate."""

import uvloop

from infra.faust.app import run
from infra.kafka.topic_guard import topics_watched, wait_for_topics
from infra.process.health import Health, serve
from infra.process.logs import configure_logging
from infra.process.settings import Settings
from infra.process.tuning import collect_rarely
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
