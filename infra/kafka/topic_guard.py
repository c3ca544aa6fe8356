"""The topics as they must be: creates what is missing, says what is wrong, lets a service wait until it is right."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from event_schemas.topics import COMMANDS, EVENTS, LARGEST_BATCH, MAX_COMMAND_BYTES, TOPICS, Topic
from infra.errors import BrokerAway
from infra.kafka.clients import bootstrap_servers, broker_errors, new_admin
from infra.process.health import Health
from infra.process.settings import Settings

RETRY_S = 2.0
RECHECK_S = 30.0
"""Seconds between two looks at topics that were found to be right."""
_ANSWER_S = 10.0
_SET_ON_THE_TOPIC = 1
"""The source of a setting that stands on the topic itself, in Kafka's protocol."""


_HARM = {LARGEST_BATCH: "refuse what the topic before it has taken"}


@dataclass(frozen=True)
class FoundTopic:
    """A topic as it is. `overrides`: those of its settings that stand on the topic itself; the others are the cluster's."""

    partitions: int
    replication: int
    settings: dict[str, str]
    overrides: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def connected_admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client while the block runs. Raises BrokerAway when none answers."""
    with broker_errors():  # around the making too, which reads the files of TLS
        admin = new_admin(settings, "order-topics")
        try:
            try:
                with broker_errors():
                    await asyncio.wait_for(admin.start(), _ANSWER_S)
            except BrokerAway as error:
                where = bootstrap_servers(settings)
                raise BrokerAway(f"no broker answers at {where} ({error}): start it, or correct KAFKA_BOOTSTRAP_SERVERS") from error
            yield admin
        finally:
            await admin.close()


async def found_by(admin: AIOKafkaAdminClient) -> dict[str, FoundTopic]:
    """The project's topics as they are, by name; missing ones are left out."""
    described = {t["topic"]: t["partitions"] for t in await admin.describe_topics([topic.name for topic in TOPICS]) if t["error_code"] == 0}
    if not described:
        return {}
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in described])
    entries = {resource[3]: _entries_of(resource) for answer in answers for resource in answer.resources}
    return {
        name: FoundTopic(
            len(partitions),
            min(len(p["replicas"]) for p in partitions),
            settings={entry[0]: entry[1] for entry in entries.get(name, ())},
            overrides={entry[0]: entry[1] for entry in entries.get(name, ()) if entry[3] == _SET_ON_THE_TOPIC},
        )
        for name, partitions in described.items()
    }


def _entries_of(resource: Any) -> Any:
    """The settings of one topic. Raises KafkaError when the broker does not tell them: no setting at all looks like a wrong one."""
    code, message, _, name, entries = resource
    if code:
        raise for_code(code)(f"the settings of topic {name} can't be read: {message or ''}")
    if any(isinstance(entry[3], bool) for entry in entries):
        raise KafkaError(f"the broker is too old to say which settings of topic {name} are its own: Kafka 1.1 and later do")
    return entries


async def create_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing; one that exists is left as it is. Returns the names that were created.

    Raises BrokerAway when none answers, or the broker refuses.
    """
    async with connected_admin(settings) as admin:
        found = await found_by(admin)
        missing = [topic for topic in TOPICS if topic.name not in found]
        if missing:
            _raise_refusals(await admin.create_topics([_new_topic(topic, settings) for topic in missing]))
        return [topic.name for topic in missing]


def _new_topic(topic: Topic, settings: Settings) -> NewTopic:
    replication = settings.expected_replication
    in_sync = {"min.insync.replicas": str(min(2, replication))}
    return NewTopic(topic.name, settings.partitions, replication, topic_configs=topic.settings | in_sync)


def _raise_refusals(answer: Any) -> None:
    for name, code, *rest in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"topic {name}: {rest[0] if rest else ''}")


def problems_of(found: dict[str, FoundTopic], settings: Settings) -> list[str]:
    """What is wrong with the topics, each in one sentence that says what to do. Empty when all is right."""
    problems = [f"topic {topic.name} is missing: run `./orders topics create`" for topic in TOPICS if topic.name not in found]
    if COMMANDS in found and EVENTS in found and found[COMMANDS].partitions != found[EVENTS].partitions:
        problems.append(
            f"{COMMANDS} has {found[COMMANDS].partitions} partitions and {EVENTS} {found[EVENTS].partitions}: "
            "they must be equal; partitions can't be taken away, so make the smaller topic anew while it is empty"
        )
    for topic in TOPICS:
        if topic.name in found:
            problems += _problems_of_one(topic, found[topic.name], settings)
    return problems


def wrong_settings(topic: Topic, found: FoundTopic) -> dict[str, str]:
    """The settings of a topic that are wrong, with what they must be. How long dead letters are kept is the operator's choice."""
    judged = topic.settings if topic.name in (COMMANDS, EVENTS) else {LARGEST_BATCH: topic.settings[LARGEST_BATCH]}
    return {name: wanted for name, wanted in judged.items() if not _fits(name, found.settings.get(name), wanted)}


def _fits(name: str, value: str | None, wanted: str) -> bool:
    if name == LARGEST_BATCH:
        return value is not None and int(value) >= int(wanted)
    return value == wanted


def _problems_of_one(topic: Topic, found: FoundTopic, settings: Settings) -> list[str]:
    problems = [
        f"{topic.name} has {name}={found.settings.get(name)}, which may {_HARM.get(name, 'lose records')}: "
        "set it with `./orders topics mend`"
        for name in wrong_settings(topic, found)
    ]
    if found.replication < settings.expected_replication:
        problems.append(
            f"{topic.name} has {found.replication} replicas, {settings.expected_replication} are configured: "
            f"add replicas, or set ORDERS_REPLICATION={found.replication}"
        )
    return problems


async def find_topics(settings: Settings) -> dict[str, FoundTopic]:
    """The project's topics as they are on the broker, by name; missing ones are left out. Raises BrokerAway when none answers."""
    async with connected_admin(settings) as admin:
        return await found_by(admin)


async def command_limit(settings: Settings) -> int:
    """Bytes of a batch that the commands' topic takes now, at most what the code says. Raises BrokerAway."""
    topic = (await find_topics(settings)).get(COMMANDS)
    if topic is None:
        raise BrokerAway(f"there is no topic {COMMANDS}")
    return min(MAX_COMMAND_BYTES, int(topic.settings[LARGEST_BATCH]))


async def check_topics(settings: Settings) -> list[str]:
    """What is wrong with the topics on the broker. Raises BrokerAway when none answers."""
    return problems_of(await find_topics(settings), settings)


async def wait_for_topics(settings: Settings, health: Health) -> int:
    """Return the partition count when the topics are as they must be; until then `health` says what is wrong.

    Looks again every 2 s.
    """
    while True:
        try:
            found = await find_topics(settings)
            problems = problems_of(found, settings)
        except BrokerAway as error:
            problems = [str(error)]
        if not problems:
            health.settled("topics")
            return found[COMMANDS].partitions
        health.wait_for("topics", "; ".join(problems))
        await asyncio.sleep(RETRY_S)


@asynccontextmanager
async def topics_watched(settings: Settings, health: Health, *, every_s: float = RECHECK_S) -> AsyncIterator[None]:
    """Look again while the block runs, every 30 s, and every 2 s while something is wrong: topics can be altered at any time.

    `health` says what is wrong. The service goes on working meanwhile, not ready: what it has read is safe with it.
    """
    watching = asyncio.create_task(_watch(settings, health, every_s), name="topic watch")
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def _watch(settings: Settings, health: Health, every_s: float) -> None:
    wrong = False
    while True:
        await asyncio.sleep(min(RETRY_S, every_s) if wrong else every_s)
        try:
            problems = await check_topics(settings)
        except BrokerAway:
            continue  # each user of the broker reports its absence itself
        wrong = bool(problems)
        if wrong:
            health.wait_for("topics", "; ".join(problems))
        else:
            health.settled("topics")
