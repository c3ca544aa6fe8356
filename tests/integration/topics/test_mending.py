"""`./orders topics mend` on a real broker: what is wrong is set, and nothing else is touched."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from aiokafka.admin import NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from event_schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS, LARGEST_BATCH, TOPICS
from infra.kafka.topic_guard import check_topics, connected_admin, create_topics, find_topics
from infra.kafka.topic_mending import mend_topics
from infra.process.settings import Settings
from tests.support.embedded import jar_folder
from tests.support.service_process import CHECKOUT, eventually
from tools.local_stack.embedded.kafka import EmbeddedKafka

_ODD = {"segment.bytes": "104857600", "min.insync.replicas": "1", "unclean.leader.election.enable": "false"}
"""Settings of the operator's own, which are nobody else's business."""
_EARLIER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""What earlier releases set on the two large topics."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """One for all: each test makes the topics what it wants."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), jar_folder=jar_folder()) as kafka:
        yield kafka


@pytest.fixture
async def settings(broker: EmbeddedKafka) -> Settings:
    """The topics as an earlier release made them, with settings of the operator's own."""
    made = Settings(KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers, ORDERS_REPLICATION=1, ORDERS_PARTITIONS=4)
    async with connected_admin(made) as admin:
        await admin.create_topics([NewTopic(topic.name, 4, 1) for topic in TOPICS])
    for topic in TOPICS:
        await alter(made, topic.name, _ODD | (topic.settings if topic.name == DEAD_LETTERS else _EARLIER))
    return made


async def alter(settings: Settings, name: str, overrides: dict[str, str]) -> None:
    """Make these the topic's own settings, all of them."""
    async with connected_admin(settings) as admin:
        (answer,) = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=overrides)])
    assert [resource[0] for resource in answer.resources] == [0]
    # The broker answers before it goes by what it was told.
    await eventually(lambda: _shows(settings, name, overrides))


async def _shows(settings: Settings, name: str, overrides: dict[str, str]) -> bool:
    return (await find_topics(settings))[name].overrides == overrides


def orders(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORDERS_", "KAFKA_"))}
    own = {"KAFKA_BOOTSTRAP_SERVERS": str(settings.kafka_bootstrap_servers), "ORDERS_REPLICATION": "1", "ORDERS_HOME": "/nonexistent"}
    command = [sys.executable, "-P", "-m", "order_service", *arguments]
    return subprocess.run(command, env=kept | own, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)


async def test_what_an_earlier_release_left_is_mended_and_all_else_stays(settings: Settings):
    before = await find_topics(settings)
    assert len(await check_topics(settings)) == 1  # the commands' limit is the broker's default

    assert await mend_topics(settings) == [f"{EVENTS}: {LARGEST_BATCH} was 1048588, is 1572864"]

    assert await check_topics(settings) == []
    after = await find_topics(settings)
    assert after[EVENTS].overrides == before[EVENTS].overrides | {LARGEST_BATCH: "1572864"}
    assert after[EVENTS].overrides.items() >= _ODD.items()
    assert (after[COMMANDS], after[DEAD_LETTERS]) == (before[COMMANDS], before[DEAD_LETTERS])
    assert await mend_topics(settings) == []


async def test_retention_cleanup_and_sizes_are_set_and_a_larger_size_is_left(settings: Settings):
    larger = {LARGEST_BATCH: "9000000"}
    await alter(settings, EVENTS, _ODD | larger | {"cleanup.policy": "compact", "retention.ms": "1000", "retention.bytes": "5"})
    await alter(settings, COMMANDS, {LARGEST_BATCH: "1000"} | {"retention.ms": "-1"})
    await alter(settings, DEAD_LETTERS, {LARGEST_BATCH: "1000", "retention.ms": "1000"})

    changed = await mend_topics(settings)

    assert await check_topics(settings) == []
    assert len(changed) == 5
    found = await find_topics(settings)
    assert found[EVENTS].overrides == _ODD | _EARLIER | larger
    assert found[DEAD_LETTERS].overrides == {LARGEST_BATCH: "2097152", "retention.ms": "1000"}


async def test_the_command_says_what_it_changed_and_what_it_can_not(settings: Settings):
    mended = orders(settings, "topics", "mend")
    again = orders(settings, "topics", "mend")
    async with connected_admin(settings) as admin:
        await admin.create_partitions({COMMANDS: NewPartitions(6)})
    partly = orders(settings, "topics", "mend")

    assert (mended.returncode, mended.stderr) == (0, "")
    assert f"mended: {EVENTS}: {LARGEST_BATCH} was 1048588, is 1572864\n" in mended.stdout
    assert (again.returncode, "no setting had to be mended" in again.stdout) == (0, True)
    assert partly.returncode == 1
    assert "order-commands has 6 partitions and order-events 4" in partly.stderr


async def test_without_a_broker_the_command_says_so():
    nowhere = Settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", ORDERS_REPLICATION=1)
    ended = orders(nowhere, "topics", "mend")

    assert ended.returncode == 1
    assert "no broker answers at 127.0.0.1:1" in ended.stderr


async def test_new_topics_need_no_mending(settings: Settings):
    async with connected_admin(settings) as admin:
        await admin.delete_topics([topic.name for topic in TOPICS])
    await create_topics(settings)

    async def are_right() -> bool:  # a broker hears of new topics a moment after they are made
        return await check_topics(settings) == []

    await eventually(are_right)
    assert await mend_topics(settings) == []
