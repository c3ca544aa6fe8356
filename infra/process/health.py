"""A process's own health and metrics over HTTP, on a port that no client of the service sees."""

import asyncio
import logging
from typing import Literal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from infra.process.settings import Settings

State = Literal["starting", "running", "waiting"]
_log = logging.getLogger(__name__)


class Health:
    """What a process says of itself. The process is ready only when running; waiting means alive, with a reason and what to do."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._reasons: dict[str, str] = {}
        self._started = False

    def started(self) -> None:
        """The process does its work, unless a reason to wait is set."""
        self._started = True

    def wait_for(self, topic: str, reason: str) -> None:
        """Note that something is missing: one line that says what, and what to do. One reason a topic; logged once."""
        if self._reasons.get(topic) != reason:
            _log.warning("waiting: %s", reason)
        self._reasons[topic] = reason

    def settled(self, topic: str) -> None:
        """Note that what was missing has come."""
        if self._reasons.pop(topic, None) is not None:
            _log.info("no longer waiting for: %s", topic)

    @property
    def state(self) -> State:
        """starting, running or waiting."""
        if self._reasons:
            return "waiting"
        return "running" if self._started else "starting"

    @property
    def detail(self) -> str | None:
        """Why the process waits, None when it does not."""
        return "; ".join(self._reasons.values()) or None


async def serve(health: Health, settings: Settings) -> web.AppRunner:
    """Serve `/health/live`, `/health/ready` and `/metrics` on ORDERS_HEALTH_PORT. Call `cleanup()` on the result to end."""

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"state": health.state, "detail": health.detail})

    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"state": health.state, "detail": health.detail}, status=200 if health.state == "running" else 503)

    async def metrics(_: web.Request) -> web.Response:
        body = await asyncio.to_thread(generate_latest)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/health/live", live), web.get("/health/ready", ready), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, settings.bind, settings.health_port).start()
    return runner
