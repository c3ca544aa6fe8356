"""Whether the reader of the log's end still reads, and still reads the same log."""

import asyncio
from collections.abc import Mapping, Set

from aiokafka import AIOKafkaConsumer

from event_schemas.positions import LogIdentity
from infra.event_log.reader import log_ends

LOOK_S = 2.0
"""Seconds between two looks at the log's ends."""
_ANSWER_S = 4.0
_LOOKS_WHILE_OTHERS_MOVE = 15


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

    Raises TimeoutError when the broker does not answer, when the log is shorter than what was seen, or when there is more but
    nothing has come for two looks (of one partition: for 30 s, the others may keep the reader busy); KafkaError when the broker
    refuses. Each means: make a new reader.
    """
    still = Stillness(closed)
    while True:
        await asyncio.sleep(LOOK_S)
        before = dict(seen)  # reading goes on while the broker answers
        async with asyncio.timeout(_ANSWER_S):
            ends = await log_ends(reader, topic)
        for partition, end in ends.items():
            if end < before.get(partition, 0):
                raise TimeoutError(f"{topic}/{partition} ends at {end}, but was read up to {before[partition]}")
        if (stuck := still.stuck(seen, ends)) is not None:
            raise TimeoutError(f"{topic}/{stuck} gives nothing beyond {seen.get(stuck, 0)}, but ends at {ends[stuck]}")


class Stillness:
    """For how many looks each partition has not moved though there was more of it. Pure."""

    def __init__(self, closed: Set[int]) -> None:
        self._closed = closed
        self._before: dict[int, int] = {}
        self._looks: dict[int, int] = {}

    def stuck(self, seen: Mapping[int, int], ends: Mapping[int, int]) -> int | None:
        """Take one look: a partition that is stuck, None when all is well."""
        moved = any(self._before.get(partition, offset) != offset for partition, offset in seen.items())
        behind = {partition for partition, end in ends.items() if end > seen.get(partition, 0)} - self._closed
        still = {partition for partition in behind if self._before.get(partition) == seen.get(partition, 0)}
        self._looks = {partition: self._looks.get(partition, 0) + (partition in still) for partition in behind}
        self._before = dict(seen)
        patience = _LOOKS_WHILE_OTHERS_MOVE if moved else 2
        return next((partition for partition in sorted(still) if self._looks[partition] >= patience), None)
