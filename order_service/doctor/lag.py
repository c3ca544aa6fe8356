"""How far behind the services are."""

import asyncio
import http.client
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from event_schemas.topics import COMMANDS
from infra.kafka.clients import new_reader
from infra.process.settings import Settings
from order_service.doctor.finding import Finding

_NEXT = re.compile(r'^orders_next_command\{partition="(\d+)"\} (\S+)$', re.MULTILINE)
"""The aggregate's gauge: the offset of the command that it decides next."""
_MANY_COMMANDS = 10_000
_LONG_S = 60.0


def lag_findings(settings: Settings, status: dict[str, Any]) -> Iterator[Finding]:
    """Commands not yet decided, and the age of the read models; nothing about a service that does not answer."""
    metrics = [instance["metrics"] for instance in status["services"]["order_aggregate"]["instances"] if instance["metrics"]]
    next_commands: dict[int, float] = {}
    for url in metrics:
        for partition, offset in _NEXT.findall(_get(url)[0]):
            # A worker that lost a partition still shows what it decided there last.
            next_commands[int(partition)] = max(float(offset), next_commands.get(int(partition), 0))
    if next_commands:
        yield _decided(settings, next_commands)
    behind_s = _get(f"{status['urls']['http']}/sales?from=0001-01-01&to=0001-01-01")[1].get("orders-lag")
    if behind_s is not None:
        words = f"the read models are {float(behind_s):.0f} s behind the log"
        yield Finding("ok" if float(behind_s) < _LONG_S else "warn", "lag", words)


def _decided(settings: Settings, next_commands: dict[int, float]) -> Finding:
    try:
        ends = asyncio.run(_ends(settings, list(next_commands)))
    except (KafkaError, OSError, TimeoutError) as error:
        return Finding("fail", "lag", f"the end of {COMMANDS} can't be read: {error or type(error).__name__}")
    waiting = int(sum(max(0, end - next_commands[partition]) for partition, end in ends.items()))
    return Finding("ok" if waiting < _MANY_COMMANDS else "warn", "lag", f"{waiting} commands wait for their decision")


async def _ends(settings: Settings, partitions: list[int]) -> dict[int, int]:
    async with new_reader(settings, "orders-doctor") as reader:
        ends = await reader.end_offsets([TopicPartition(COMMANDS, partition) for partition in partitions])
    return {place.partition: end for place, end in ends.items()}


def _get(url: str) -> tuple[str, dict[str, str]]:
    """Body, and headers by lower-case name, both empty when nothing answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=3)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.read().decode(), {name.lower(): value for name, value in answer.headers.items()}
    except (OSError, http.client.HTTPException):
        return "", {}
    finally:
        connection.close()
