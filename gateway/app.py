"""The gateway: commands and queries at one origin, with health, metrics and the interface's description."""

import asyncio
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import uvicorn
from fastapi import APIRouter, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr

from command_api.command_log import CommandLog
from command_api.routes import create_command_router
from command_api.submission import CommandAppender
from event_schemas.topics import AGGREGATE_GROUP, COMMANDS
from gateway.back_pressure import CommandLag, GuardedLog
from gateway.background import READS, announce, follow_log, serve_feed, watch_reads
from gateway.direct_routes import ServeDirectly, direct_routes
from gateway.dry_run import DryRun
from gateway.log_lag import LogLag
from gateway.metrics import RequestMetrics
from gateway.pages import create_docs_router, create_feed_demo_router, describe
from gateway.problems import render_problems
from gateway.protocol import GatewayProtocol
from infra.errors import DatabaseAway
from infra.event_log.command_outcomes import RecentOutcomes
from infra.event_log.lookup import RecordReader
from infra.event_log.tail import LogTail
from infra.kafka.topic_guard import topics_watched
from infra.postgres.connections import new_snapshot_pool
from infra.process import health as own_health
from infra.process.health import Health
from infra.process.settings import Settings
from infra.process.tuning import bound_receive_buffer, bound_send_buffer
from notifier.feed import Feed
from notifier.sse.api import create_feed_router
from notifier.sse.streams import SseStreams
from projections.api import create_query_router
from projections.command_lookup.outcomes import CommandOutcomes, LogSide
from projections.queries.operations_api import create_operations_router
from projections.queries.read_models import ReadModels

_CONNECTIONS = 8
"""PostgreSQL connections of one gateway: reads beyond it wait for one."""
_RING_MIB = 8
_GRACE_S = 2
"""Seconds that open requests get when the gateway is told to stop."""


def create_app(health: Health, routers: Sequence[APIRouter]) -> FastAPI:
    """One origin for `routers`. Opens nothing: the caller runs what the routers stand on."""
    app = FastAPI(title="Orders", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(ServeDirectly, routes=direct_routes(routers))
    app.add_middleware(RequestMetrics)
    render_problems(app)
    for router in (*routers, _create_health_router(health), create_docs_router()):
        app.include_router(router)
    # Described once, when all routes are there.
    document = orjson.dumps(describe(app))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(document, media_type="application/json")

    return app


def openapi_document() -> dict[str, Any]:
    """The whole interface described, with nothing behind it."""
    settings = Settings(DATABASE_URL=SecretStr("postgresql://nowhere"))
    health = Health("gateway")
    tail = LogTail(settings, "nobody", health=health)
    reads = _read_models(settings, LogLag(tail, RecordReader(settings, "nobody")), health)
    routers = _routers(CommandLog(settings, health), CommandOutcomes(reads, _log_side(settings, tail)), tail, reads)
    return describe(create_app(health, [*routers, create_feed_router(_streams(settings, tail))]))


def _log_side(settings: Settings, tail: LogTail) -> LogSide:
    return LogSide(tail, RecentOutcomes(tail), RecordReader(settings, "order-gateway-places"))


def _routers(commands: CommandAppender, outcomes: CommandOutcomes, tail: LogTail, reads: ReadModels | None) -> list[APIRouter]:
    if reads is None:
        return [create_command_router(commands, follower=outcomes)]
    posts = create_command_router(commands, follower=outcomes, rehearse=DryRun(tail, reads))
    return [posts, create_query_router(reads, outcomes), create_operations_router(reads.pool)]


def _create_health_router(health: Health) -> APIRouter:
    router = APIRouter(tags=["health"])

    def said() -> dict[str, Any]:
        return {"state": health.state, "detail": health.detail}

    @router.get("/health/live", summary="Whether the process answers at all")
    async def live() -> dict[str, Any]:
        return said()

    @router.get("/health/ready", summary="Whether it can do its work", responses={503: {"description": "Waiting; `detail` says for what"}})
    async def ready(response: Response) -> dict[str, Any]:
        response.status_code = 200 if health.state == "running" else 503
        return said()

    @router.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: it would end the process by the signal before anything else is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Stays up when broker, topics or database are missing, and starts working when they come."""
    health = Health("gateway")
    commands = CommandLog(settings, health)
    backlog = CommandLag(settings, group=AGGREGATE_GROUP, topic=COMMANDS)
    tail = LogTail(settings, "order-gateway-tail", health=health)
    tail.subscribe(backlog.delivered)
    tail.on_replaced(backlog.forget)
    lag = LogLag(tail, RecordReader(settings, "order-gateway-ages"))
    reads = _read_models(settings, lag, health)
    log = _log_side(settings, tail)
    outcomes = CommandOutcomes(reads, log)
    guarded = GuardedLog(commands, backlog, oldest_s=settings.max_backlog_age_s)
    streams = _streams(settings, tail)
    feed = [create_feed_router(streams), create_feed_demo_router(settings.feed_port)]
    server = _Server(_uvicorn_config(create_app(health, [*_routers(guarded, outcomes, tail, reads), *feed])))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _stop, server, log.outcomes, streams)
    listener = _listen(settings)
    own = await own_health.serve(health, settings)
    try:
        async with topics_watched(settings, health), asyncio.TaskGroup() as tasks:
            looked = asyncio.Event()
            work = [
                commands.run(),
                backlog.run(),
                follow_log(tail, health),
                serve_feed(tail, streams),
                announce(commands, outcomes, looked, health),
            ]
            work += [watch_reads(reads, looked, health)] if reads else []
            background = [tasks.create_task(part) for part in work]
            await server.serve([listener])
            for task in background:
                task.cancel()
    finally:
        await log.reader.stop()
        await lag.stop()
        await own.cleanup()


def _streams(settings: Settings, tail: LogTail) -> SseStreams:
    """The feed over HTTP. Its memory of the log is small: commands and queries come first here, and the log itself has the rest."""
    own = settings.model_copy(update={"feed_ring_mib": min(settings.feed_ring_mib, _RING_MIB)})
    return SseStreams(own, Feed(own, tail))


def _read_models(settings: Settings, lag: LogLag, health: Health) -> ReadModels | None:
    """The read side, None when no database is configured: commands are taken all the same."""
    try:
        return ReadModels(settings, new_snapshot_pool(settings, "order-gateway", max_size=_CONNECTIONS), lag)
    except DatabaseAway as error:
        health.wait_for(READS, str(error))
        return None


def _uvicorn_config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=GatewayProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_S,
    )


def _listen(settings: Settings) -> socket.socket:
    """The open port. Ends the process when it is taken."""
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    try:
        listener = socket.create_server((settings.bind, settings.http_port), family=family, backlog=2048)
    except OSError as error:
        raise SystemExit(f"can't listen on {settings.bind}:{settings.http_port} ({error.strerror}): change ORDERS_HTTP_PORT") from error
    bound_send_buffer(listener)  # for streams of the feed whose clients do not read
    bound_receive_buffer(listener)
    return listener


def _stop(server: uvicorn.Server, outcomes: RecentOutcomes, streams: SseStreams) -> None:
    server.should_exit = True
    # Waiting requests are answered 202 now, and streams end with a reason, rather than being cut off.
    outcomes.close()
    streams.send_away()
