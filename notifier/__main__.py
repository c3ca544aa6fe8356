"""The notifier's process: reads the end of the log and serves the live feed."""

import asyncio
import logging
import signal

import uvloop

from infra.event_log.tail import LogTail
from infra.kafka.topic_guard import topics_watched, wait_for_topics
from infra.process import health as health_port
from infra.process.health import Health
from infra.process.logs import configure_logging
from infra.process.settings import Settings
from infra.process.tuning import allow_many_files, collect_rarely
from notifier.websocket.server import FeedServer

_log = logging.getLogger(__name__)


async def _serve(settings: Settings, health: Health) -> None:
    """Serve until cancelled. Raises OSError when the feed's port is taken."""
    await wait_for_topics(settings, health)
    tail = LogTail(settings, "notifier", health=health)
    server = FeedServer(settings, tail)
    try:
        await tail.start()
        port = await server.start()
        health.started()
        _log.info("the feed is at ws://%s:%d/feed", settings.bind, port)
        async with topics_watched(settings, health):
            await tail.ended()
    finally:
        await server.stop()
        await tail.stop()


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; raises an unexpected error, so that the process ends and is started again."""
    health = Health("notifier")
    own_port = await health_port.serve(health, settings)
    serving = asyncio.create_task(_serve(settings, health))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await asyncio.wait({serving})
        if not serving.cancelled():
            serving.result()
    finally:
        await own_port.cleanup()


def main() -> None:
    """Read the settings and run."""
    allow_many_files()
    settings = Settings()
    configure_logging(settings, "notifier")
    # Each look at ten thousand clients stops the feed for 0.8 s (docs/feed.md); clients that have left are freed without one.
    collect_rarely()
    uvloop.run(run(settings))


if __name__ == "__main__":
    main()
