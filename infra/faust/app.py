"""The hardened Faust app: every setting that FAUST.md names, in one place, and how a worker runs and ends."""

import asyncio
import logging
import signal
from typing import Any

import faust
import faust.streams
from aiokafka import AIOKafkaProducer

from infra.faust.transport import Consumer
from infra.faust.watchdog import LastProgress, end_when_blocked, end_when_stuck
from infra.kafka.clients import MAX_BATCH_BYTES, MAX_REQUEST_BYTES, bootstrap_servers, tls_context
from infra.process.exits import end_process
from infra.process.health import Health
from infra.process.settings import Settings

QUEUED_FETCHES = 4
"""Fetches that may wait for the agent; fetching waits for working off."""
FETCH_RECORDS = 2_000
"""Most records of one fetch that is handed over, of all partitions together (docs/performance.md has the curve)."""
STOP_LIMIT_S = 2.5
"""A clean stop that takes longer ends anyway: nothing is lost by it."""

_log = logging.getLogger(__name__)


class FetchApp(faust.App):
    """A Faust app whose agent iterates over `fetches`, the fetches of one topic."""

    source_topic: str
    pace_s: float
    fetches: Any
    consumer: Consumer
    last_progress: LastProgress

    def kafka_producer(self) -> AIOKafkaProducer:
        """The producer beneath Faust's, for batches with a delivery future of their own (FAUST.md 3, 4, 27)."""
        return self.producer._producer

    def _create_directories(self) -> None:
        """Create nothing: our tables live in PostgreSQL, our state in the log."""


def hardened_app(settings: Settings, *, app_id: str, topic: str, store: str = "memory://", pace_s: float = 0.0) -> FetchApp:
    """A worker of the consumer group `app_id` on one topic. `pace_s`: seconds between two fetches, see infra.faust.transport.

    Raises BrokerAway when no brokers are configured.
    """
    if faust.streams._CStreamIterator is None:
        # The pure-Python iterator acknowledges stale events after a rebalance (FAUST.md 7).
        raise RuntimeError("Faust's compiled stream iterator is missing: install the faust-streaming wheel for this platform")
    app = FetchApp(
        app_id,
        broker=";".join(f"fetches://{server.strip()}" for server in bootstrap_servers(settings).split(",")),
        broker_credentials=_credentials(settings),
        store=store,
        loghandlers=[],
        web_enabled=False,  # its server binds every address and serves tables to anyone (29)
        topic_allow_declare=False,  # topics are the project's, made with the right settings (20)
        topic_disable_leader=True,
        table_standby_replicas=0,  # one assignor for all workers of a group (31)
        processing_guarantee="at_least_once",
        consumer_auto_offset_reset="earliest",
        value_serializer="raw",  # a message that can't be decoded would be acknowledged, then crash the agent (5)
        key_serializer="raw",
        broker_commit_interval=0.5,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        broker_request_timeout=max(20.0, settings.session_timeout_s + 10.0),
        broker_rebalance_timeout=15.0,
        broker_max_poll_records=FETCH_RECORDS,
        producer_linger=0.0,
        producer_max_batch_size=MAX_BATCH_BYTES,
        producer_max_request_size=MAX_REQUEST_BYTES,
        producer_request_timeout=30.0,
        producer_acks=-1,
    )
    app.source_topic = topic
    app.pace_s = pace_s
    app.last_progress = LastProgress()
    app.fetches = app.channel(maxsize=QUEUED_FETCHES)
    app.topics.add(app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"))
    return app


def _credentials(settings: Settings) -> Any:
    context = tls_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_sasl_username,
            password=settings.kafka_sasl_password and settings.kafka_sasl_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


async def run(app: FetchApp, health: Health) -> None:
    """Run the worker until SIGTERM or SIGINT; one that has crashed, is stuck or blocked ends its process with the guard's exit code."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await app.start()
    health.started()
    app.last_progress.moved()
    watches = [asyncio.create_task(_end_on_crash(app)), asyncio.create_task(end_when_stuck(app.last_progress, health))]
    stop_watching = end_when_blocked(loop)
    await stop.wait()
    for watch in watches:
        watch.cancel()
    stop_watching()
    _log.info("stopping")
    try:
        await asyncio.wait_for(app.stop(), STOP_LIMIT_S)
    except TimeoutError:
        end_process(f"Faust did not stop within {STOP_LIMIT_S} s")


async def _end_on_crash(app: FetchApp) -> None:
    """Faust keeps a crashed app around, alive and idle; only a new process works again (FAUST.md 25)."""
    while not (app.crashed or app.should_stop):  # noqa: ASYNC110 - Faust sets flags, not events
        await asyncio.sleep(0.2)
    end_process(f"Faust stopped by itself: {app.crash_reason!r}")
