"""Kafka clients, made in one place so that every process connects, authenticates and waits alike."""

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from infra.errors import BrokerAway
from infra.process.settings import Settings

# An open logger costs a seventh of a worker's time in `Logger.debug` alone (measured).
logging.getLogger("aiokafka").setLevel(logging.WARNING)

MAX_BATCH_BYTES = 900_000
"""Largest batch that is written, below the broker's default limit of 1 MiB for a message set."""


MAX_REQUEST_BYTES = 2 * 1024 * 1024
"""Largest request that is written: a dead letter may be larger than any record of ours."""


@contextmanager
def broker_errors() -> Iterator[None]:
    """While the block runs, what a client raises because no broker serves it, or one refuses, becomes BrokerAway."""
    try:
        yield
    except (KafkaError, TimeoutError, OSError) as error:
        raise BrokerAway(str(error) or type(error).__name__) from error


def bootstrap_servers(settings: Settings) -> str:
    """The brokers' addresses. Raises BrokerAway when none are configured."""
    if not settings.kafka_bootstrap_servers:
        raise BrokerAway("KAFKA_BOOTSTRAP_SERVERS is not set: start everything with `./orders up`, or name your brokers")
    return settings.kafka_bootstrap_servers


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context that the settings ask for, None without TLS."""
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    context: ssl.SSLContext = create_ssl_context(
        cafile=settings.kafka_ssl_cafile and str(settings.kafka_ssl_cafile),
        certfile=settings.kafka_ssl_certfile and str(settings.kafka_ssl_certfile),
        keyfile=settings.kafka_ssl_keyfile and str(settings.kafka_ssl_keyfile),
        password=settings.kafka_ssl_password and settings.kafka_ssl_password.get_secret_value(),
    )
    return context


def connection(settings: Settings) -> dict[str, Any]:
    """What every aiokafka client needs to reach the brokers. Raises BrokerAway when none are configured."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": bootstrap_servers(settings),
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": tls_context(settings),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password and settings.kafka_sasl_password.get_secret_value(),
        }
    return arguments


def new_producer(settings: Settings, client_id: str, *, batch_bytes: int = MAX_BATCH_BYTES) -> AIOKafkaProducer:
    """A producer whose acknowledgement means: on all replicas in sync, once, in order. Not started.

    `batch_bytes`: the largest batch of several messages; one that is larger by itself is a batch of its own.
    """
    return AIOKafkaProducer(
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=batch_bytes,
        max_request_size=MAX_REQUEST_BYTES,
        request_timeout_ms=10_000,
        **connection(settings),
    )


def new_reader(settings: Settings, client_id: str) -> AIOKafkaConsumer:
    """A consumer without a group: it is assigned by hand, commits nothing and disturbs no consumer. Not started."""
    return AIOKafkaConsumer(
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_uncommitted",
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_wait_ms=500,
        request_timeout_ms=10_000,
        **connection(settings),
    )


def new_piece_reader(settings: Settings, client_id: str, *, wait_ms: int = 50) -> AIOKafkaConsumer:
    """A reader that fetches little at a time: partitions take short turns, and what is fetched ahead stays small. Not started.

    `wait_ms`: how long the broker may hold a fetch at the log's end. The broker answers a connection's requests one after the other, so
    a reader that goes from range to range waits that long.
    """
    return AIOKafkaConsumer(
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=256 * 1024,
        fetch_max_wait_ms=wait_ms,
        request_timeout_ms=10_000,
        **connection(settings),
    )


def new_admin(settings: Settings, client_id: str) -> AIOKafkaAdminClient:
    """An admin client. Not started."""
    return AIOKafkaAdminClient(client_id=client_id, request_timeout_ms=10_000, **connection(settings))
