"""Kept: commands are deleted only when they are both decided and older than 7 days. Kafka's own retention knows only the age."""

import logging
import time
from collections.abc import Mapping

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from event_schemas.topics import COMMANDS, DAY_MS
from infra.errors import BrokerAway
from infra.event_log.reader import stop_quietly
from infra.kafka.clients import broker_errors, new_admin, new_reader
from infra.process.settings import Settings

KEPT_MS = 7 * DAY_MS
EVERY_S = 3600.0

_log = logging.getLogger(__name__)


def deletable_before(*, decided: int, first_young: int | None, begin: int) -> int | None:
    """The offset below which a partition's commands may go; None when nothing is to be deleted.

    `decided`: everything below it has its record in the log. `first_young`: the first command younger than 7 days, None when
    there is none. `begin`: where the topic begins now.
    """
    limit = decided if first_young is None else min(decided, first_young)
    return limit if limit > begin else None


async def delete_old_commands(settings: Settings, decided: Mapping[int, int], *, now_ms: int | None = None) -> dict[int, int]:
    """Delete what may go of these partitions. Returns per partition where it begins now.

    A broker that does not answer is asked again at the next hour.
    """
    if not decided:
        return {}
    cutoff = (int(time.time() * 1000) if now_ms is None else now_ms) - KEPT_MS
    try:
        with broker_errors():
            return await _delete(settings, decided, cutoff)
    except BrokerAway as error:
        _log.warning("old commands were not deleted, trying again in an hour: %s", error)
        return {}


async def _delete(settings: Settings, decided: Mapping[int, int], cutoff: int) -> dict[int, int]:
    tps = [TopicPartition(COMMANDS, partition) for partition in decided]
    reader, admin = new_reader(settings, "order-retention"), new_admin(settings, "order-retention")
    try:
        await reader.start()
        await admin.start()
        begins = await reader.beginning_offsets(tps)
        young = await reader.offsets_for_times(dict.fromkeys(tps, cutoff))
        limits = {}
        for tp in tps:
            first_young = young[tp].offset if young.get(tp) else None
            limit = deletable_before(decided=decided[tp.partition], first_young=first_young, begin=begins[tp])
            if limit is not None:
                limits[tp] = limit
        if limits:
            await admin.delete_records({tp: RecordsToDelete(limit) for tp, limit in limits.items()})
            _log.info("deleted decided commands older than 7 days of %d partitions", len(limits))
        return {tp.partition: limit for tp, limit in limits.items()}
    finally:
        await stop_quietly(reader)
        await admin.close()
