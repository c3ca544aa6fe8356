"""Kafka clients, made in one place so that every process connects, authenticates and waits alike."""

import logging
import ssl
import struct
from collections.abc import Iterator, Sequence
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

_ID_BYTES = 36
_WORTH_LANES = 5
_WORD = struct.Struct("<I")
_SEED, _M, _MASK = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


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
    """A consumer without a group: it is assigned by hand, commits nothing and disturbs no one. Not started."""
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

    `wait_ms`: how long the broker may hold a fetch at the log's end. It answers one request of a connection after the other, so
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


def partition_of(order_id: str, partitions: int) -> int:
    """The partition on which an order's commands and records stand, in both topics: Kafka's own rule for its key."""
    return partition_of_key(order_id.encode(), partitions)


def partition_of_key(key: bytes, partitions: int) -> int:
    """The same, of the key as it stands in the record."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def partitions_of_keys(keys: Sequence[bytes | None], partitions: int) -> list[int | None]:
    """The same, of many keys; None for a record without one, which may stand anywhere.

    When all are as long as an id's text they are hashed together: each is a lane of 64 bits in one long integer, which takes a fifth
    of the time.
    """
    ids = [key for key in keys if key is not None and len(key) == _ID_BYTES]
    if len(ids) < max(len(keys), _WORTH_LANES):
        return [None if key is None else partition_of_key(key, partitions) for key in keys]
    return [(hashed & 0x7FFFFFFF) % partitions for hashed in _murmur2_of_ids(ids)]


def _murmur2_of_ids(ids: Sequence[bytes]) -> tuple[int, ...]:
    """`murmur2` of each. A lane's product of two numbers of 32 bits fits into it; what a shift lets in from the next is masked."""
    count = len(ids)
    lanes, words = struct.Struct(f"<{count}Q"), struct.unpack(f"<{_ID_BYTES // 4 * count}I", b"".join(ids))
    low = int.from_bytes(b"\xff\xff\xff\xff\0\0\0\0" * count, "little")
    hashed = int.from_bytes(lanes.pack(*[_SEED ^ _ID_BYTES] * count), "little")
    for position in range(_ID_BYTES // 4):
        mixed = int.from_bytes(lanes.pack(*words[position :: _ID_BYTES // 4]), "little") * _M & low
        mixed = (mixed ^ (mixed >> 24 & low)) * _M & low
        hashed = (hashed * _M & low) ^ mixed
    hashed = (hashed ^ (hashed >> 13 & low)) * _M & low
    return lanes.unpack((hashed ^ (hashed >> 15 & low)).to_bytes(8 * count, "little"))


def murmur2(data: bytes) -> int:
    """Kafka's hash of a key, as its own clients compute it; aiokafka's version of the same takes more steps."""
    length = len(data)
    whole = length & ~3
    hashed = _SEED ^ length
    for (word,) in _WORD.iter_unpack(data[:whole]):
        mixed = word * _M & _MASK
        hashed = (hashed * _M ^ (mixed ^ mixed >> 24) * _M) & _MASK
    if length > whole:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    hashed = (hashed ^ hashed >> 13) * _M & _MASK
    return hashed ^ hashed >> 15
