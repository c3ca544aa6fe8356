"""Whether the running stack is well and Kafka and PostgreSQL are there. Each finding in plain words."""

import asyncio
import http.client
import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import psycopg
from aiokafka.structs import TopicPartition

from event_schemas.topics import COMMANDS
from infra.errors import BrokerAway, DatabaseAway
from infra.kafka.clients import broker_errors, new_reader
from infra.kafka.topic_guard import check_topics
from infra.postgres.connections import connection_arguments, database_address, reason_of
from infra.process.settings import Settings

_NEXT = re.compile(r'^orders_next_command\{partition="(\d+)"\} (\S+)$', re.MULTILINE)
"""The aggregate's gauge: the offset of the command that it decides next."""
_MANY_COMMANDS = 10_000
_LONG_S = 60.0


class Finding(NamedTuple):
    """What was checked, its state and, when that is not well, what to do."""

    verdict: Literal["ok", "warn", "fail"]
    subject: str
    words: str


def service_findings(status: dict[str, Any]) -> Iterator[Finding]:
    """The services of a running stack, from what `status` says."""
    for name, service in status["services"].items():
        restarts = f", started again {service['restarts']} times: `./orders logs {name}` says why" if service["restarts"] else ""
        if service["state"] == "running":
            yield Finding("warn" if restarts else "ok", name, f"running{restarts}")
        else:
            yield Finding("fail", name, f"{service['state']}: {service['detail'] or 'see its log'}{restarts}")
    if status["activity"]:
        yield Finding("fail", "stack", status["activity"])


def server_findings(settings: Settings, *, embedded: bool) -> Iterator[Finding]:
    """Topics and database of the servers that the settings name; one that is not named is a fault unless it could be `embedded`."""
    if settings.kafka_bootstrap_servers:
        yield from _topics(settings)
    elif not embedded:
        yield Finding("fail", "topics", "KAFKA_BOOTSTRAP_SERVERS is not set: name your brokers")
    if settings.database_url:
        yield _database(settings)
    elif not embedded:
        yield Finding("fail", "database", "DATABASE_URL is not set: name your PostgreSQL")


def _topics(settings: Settings) -> Iterator[Finding]:
    try:
        problems = asyncio.run(check_topics(settings))
    except BrokerAway as error:
        problems = [str(error)]
    yield from (Finding("fail", "topics", problem) for problem in problems)
    if not problems:
        yield Finding("ok", "topics", "there, with the right settings")


def _database(settings: Settings) -> Finding:
    try:
        address = database_address(settings)
        with psycopg.connect(**connection_arguments(settings, "orders-doctor")) as connection:
            version = connection.info.parameter_status("server_version")
            standby = connection.info.parameter_status("in_hot_standby") == "on"
            what = f"PostgreSQL {version} at {address}, database {connection.info.dbname}"
    except DatabaseAway as error:
        return Finding("fail", "database", str(error))
    except psycopg.OperationalError as error:
        return Finding("fail", "database", reason_of(error, address))
    if standby:
        return Finding("fail", "database", f"{what}: a standby takes no writes; name the primary in DATABASE_URL")
    return Finding("ok", "database", what)


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
        with broker_errors():
            ends = asyncio.run(_ends(settings, list(next_commands)))
    except BrokerAway as error:
        return Finding("fail", "lag", f"the end of {COMMANDS} can't be read: {error}")
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
