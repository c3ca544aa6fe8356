"""Whether the reader of the log's end still reads, and still reads the same log."""

import asyncio
from collections.abc import Mapping, Set

from aiokafka import AIOKafkaConsumer

from event_schemas.positions import LogIdentity
from infra.log_reader import log_ends

LOOK_S = 2.0
"""Seconds between two looks at the log's ends."""
_ANSWER_S = 4.0


def why_other(known: LogIdentity, seen: Mapping[int, int], found: LogIdentity, ends: Mapping[int, int]) -> str | None:
    """Why the log that was found is not the one that was read up to `seen`; None when it is."""
    if known.partitions != found.partitions:
        return f"it has {found.partitions} partitions, not {known.partitions}"
    for partition, digest in known.first.items():
        if found.first.get(partition) != digest:
            return f"partition {partition} begins with another record"
    for partition, offset in seen.items():
        if ends.get(partition, 0) < offset:
            return f"partition {partition} ends at {ends.get(partition, 0)}, but was read up to {offset}"
    return None


async def look_after(reader: AIOKafkaConsumer, topic: str, seen: Mapping[int, int], closed: Set[int]) -> None:
    """Look at the log every 2 s; never returns.

    Raises TimeoutError when the broker does not answer, when a partition has not moved though it had more two looks long, or
    when the log is shorter than what was seen; KafkaError when the broker refuses. Each means: make a new reader.
    """
    behind: dict[int, int] = {}
    while True:
        await asyncio.sleep(LOOK_S)
        async with asyncio.timeout(_ANSWER_S):
            ends = await log_ends(reader, topic)
        for partition, end in ends.items():
            if end < seen.get(partition, 0):
                raise TimeoutError(f"{topic}/{partition} ends at {end}, but was read up to {seen[partition]}")
            if partition not in closed and behind.get(partition) == seen.get(partition, 0):
                raise TimeoutError(f"{topic}/{partition} gives nothing beyond {seen.get(partition, 0)}, but ends at {end}")
        behind = {partition: seen.get(partition, 0) for partition, end in ends.items() if end > seen.get(partition, 0)}
