"""Dead letters: bytes that can't be read, kept unchanged in `order-dead-letters` with where they stood and why.

A dead letter's identity is the place it came from, so one that is appended again by a worker that repeats its work is the
same dead letter; readers drop the repeat.
"""

import re
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.structs import RecordMetadata

from event_schemas.topics import DEAD_LETTERS
from infra.event_log.reader import log_beginnings, log_ends, read_ranges, stop_quietly
from infra.kafka.clients import new_piece_reader
from infra.process.settings import Settings

Resolution = Literal["retried", "discarded"]
Headers = tuple[tuple[str, bytes], ...]

_REASON, _TOPIC, _PARTITION, _OFFSET = "dead_letter_reason", "dead_letter_topic", "dead_letter_partition", "dead_letter_offset"
_TIMESTAMP, _BY, _RESOLUTION = "dead_letter_timestamp", "dead_letter_by", "dead_letter_resolution"
_LETTER_HEADERS = (_REASON, _TOPIC, _PARTITION, _OFFSET, _TIMESTAMP, _BY)
_SETTLED_HEADERS = (_RESOLUTION, _TOPIC, _PARTITION, _OFFSET, _BY)
_REASON_LENGTH = 1_000


@dataclass(frozen=True, order=True)
class Place:
    """Where a record stood: the identity of its dead letter."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read TOPIC/PARTITION/OFFSET. Raises ValueError when the text is no such thing."""
        found = re.fullmatch(r"([A-Za-z0-9._-]{1,249})/(\d{1,9})/(\d{1,18})", text, re.ASCII)
        if found is None:
            raise ValueError(f"{text!r} is no dead letter's id: that looks like order-commands/3/517")
        return cls(found[1], int(found[2]), int(found[3]))


@dataclass(frozen=True)
class RawRecord:
    """The bytes of a record before it is appended, readable or not."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be read. `timestamp_ms` is the original's, `found_ms` when it was put aside, both since 1970."""

    place: Place
    reason: str
    by: str
    timestamp_ms: int
    found_ms: int
    original: RawRecord

    @property
    def found_at(self) -> datetime:
        """When it was put aside."""
        return datetime.fromtimestamp(self.found_ms / 1000, UTC)


@dataclass(frozen=True)
class Settled:
    """The note that a dead letter was dealt with."""

    place: Place
    resolution: Resolution
    by: str
    at_ms: int


def letter_headers(record: ConsumerRecord, reason: str, by: str) -> Headers:
    """The original headers, unchanged, then ours."""
    values = (reason[:_REASON_LENGTH], record.topic, record.partition, record.offset, record.timestamp, by)
    return (*record.headers, *_encoded(zip(_LETTER_HEADERS, values, strict=True)))


def read_letter(record: ConsumerRecord) -> DeadLetter | Settled | None:
    """What a record of `order-dead-letters` says; None when another program wrote it."""
    headers = tuple(record.headers)
    # Ours are the last ones: the original may carry headers of the same names, when it was a dead letter before.
    if (values := _ours(headers, _LETTER_HEADERS)) is not None:
        return DeadLetter(
            place=_place(values),
            reason=values[_REASON],
            by=values[_BY],
            timestamp_ms=int(values[_TIMESTAMP]),
            found_ms=record.timestamp,
            original=RawRecord(record.key, record.value, headers[: -len(_LETTER_HEADERS)]),
        )
    if (values := _ours(headers, _SETTLED_HEADERS)) is not None:
        resolution: Resolution = "retried" if values[_RESOLUTION] == "retried" else "discarded"
        return Settled(_place(values), resolution, values[_BY], record.timestamp)
    return None


def _encoded(pairs: Iterable[tuple[str, object]]) -> Headers:
    return tuple((name, str(value).encode(errors="replace")) for name, value in pairs)


def _ours(headers: Headers, names: tuple[str, ...]) -> dict[str, str] | None:
    last = headers[-len(names) :]
    if tuple(name for name, _ in last) != names or any(value is None for _, value in last):
        return None
    values = {name: value.decode(errors="replace") for name, value in last}
    numbers = [values[name] for name in (_PARTITION, _OFFSET, _TIMESTAMP) if name in values]
    return values if all(re.fullmatch(r"-?\d{1,18}", number, re.ASCII) for number in numbers) else None


def _place(values: dict[str, str]) -> Place:
    return Place(values[_TOPIC], int(values[_PARTITION]), int(values[_OFFSET]))


class DeadLetters:
    """Appends dead letters. `producer` is started, and stopped by its owner; `by` says which process put them aside."""

    def __init__(self, producer: AIOKafkaProducer, by: str = "orders", topic: str = DEAD_LETTERS) -> None:
        self._producer, self._by, self._topic = producer, by, topic

    async def append(self, record: ConsumerRecord, reason: str) -> None:
        """Keep a record that can't be read; returns when the broker has it, and only then may the record be passed by.

        Raises KafkaError when the broker does not take it. Doing it again is harmless.
        """
        partitions = len(await self._producer.partitions_for(self._topic))
        letter = RawRecord(record.key, record.value, letter_headers(record, reason, self._by))
        await append_bytes(self._producer, self._topic, record.partition % partitions, letter)

    async def settle(self, place: Place, resolution: Resolution) -> None:
        """Say that a dead letter was dealt with; lists hide it from then on. Raises KafkaError when the broker does not take it."""
        values = (resolution, place.topic, place.partition, place.offset, self._by)
        headers = _encoded(zip(_SETTLED_HEADERS, values, strict=True))
        await self._producer.send_and_wait(self._topic, None, str(place).encode(), headers=list(headers))


async def append_bytes(producer: AIOKafkaProducer, topic: str, partition: int, raw: RawRecord) -> RecordMetadata:
    """Append any record, also one that `send` refuses (neither key nor value). Returns where it stands, raises KafkaError."""
    batch = producer.create_batch()
    batch.append(timestamp=None, key=raw.key, value=raw.value, headers=list(raw.headers))
    batch.close()
    metadata: RecordMetadata = await (await producer.send_batch(batch, topic, partition=partition))
    return metadata


async def read_dead_letters(settings: Settings, topic: str = DEAD_LETTERS) -> AsyncGenerator[DeadLetter | Settled, None]:
    """All that stands in `order-dead-letters` now, repeats of a dead letter dropped.

    A note that settles may come before its dead letter: they stand on different partitions. Raises KafkaError or TimeoutError
    when no broker answers or the topic is not there.
    """
    reader = new_piece_reader(settings, "dead-letters")
    seen: set[Place] = set()
    try:
        await reader.start()
        ends = await log_ends(reader, topic)
        ranges = {partition: (start, ends[partition]) for partition, start in (await log_beginnings(reader, topic)).items()}
        async for _, records in read_ranges(reader, ranges, topic):
            for record in records:
                letter = read_letter(record)
                if isinstance(letter, Settled):
                    yield letter
                elif letter is not None and letter.place not in seen:
                    seen.add(letter.place)
                    yield letter
    finally:
        await stop_quietly(reader)
