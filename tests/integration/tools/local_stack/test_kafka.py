"""The embedded broker: real, on loopback only, and back after a crash."""

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from tests.support.embedded import jar_folder
from tools.local_stack.embedded.jars import fetch_jars, read_lock
from tools.local_stack.embedded.kafka import EmbeddedKafka

_EVERYTHING = TopicPartition("t", 0)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """In a folder whose name has everything that upsets Java, Kafka and shells."""
    folder = tmp_path_factory.mktemp("kafka") / "a b,c:d%e"
    with EmbeddedKafka(folder, jar_folder=jar_folder()) as kafka:
        yield kafka


async def create(kafka: EmbeddedKafka, name: str, *, replicas: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, replicas)])
    await admin.close()


async def append(kafka: EmbeddedKafka, value: bytes) -> int:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all", enable_idempotence=True) as producer:
        return (await producer.send_and_wait("t", value, partition=0)).offset  # type: ignore[no-any-return]


async def values(kafka: EmbeddedKafka) -> list[bytes]:
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers) as consumer:
        consumer.assign([_EVERYTHING])
        await consumer.seek_to_beginning(_EVERYTHING)
        end = (await consumer.end_offsets([_EVERYTHING]))[_EVERYTHING]
        return [(await consumer.getone()).value for _ in range(end)]


async def test_records_survive_a_kill_and_a_stop(kafka: EmbeddedKafka) -> None:
    await create(kafka, "t")
    await append(kafka, b"before the crash")
    address = kafka.bootstrap_servers
    kafka.brokers[0].kill()
    assert kafka.pids == []
    kafka.brokers[0].start()
    await append(kafka, b"after the crash")
    kafka.stop()
    kafka.start()
    assert kafka.bootstrap_servers == address
    assert await values(kafka) == [b"before the crash", b"after the crash"]


async def test_no_topic_appears_by_itself(kafka: EmbeddedKafka) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        assert (await admin.describe_topics(["misspelt"]))[0]["error_code"] == 3
        assert "misspelt" not in await admin.list_topics()
    finally:
        await admin.close()


def test_it_listens_on_loopback_only(kafka: EmbeddedKafka) -> None:
    (pid,) = kafka.pids
    listening = [c.laddr.ip for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_its_log_can_be_read(kafka: EmbeddedKafka) -> None:
    lines = kafka.brokers[0].process.log.read_text().splitlines()
    assert any("Kafka Server started" in line for line in lines)
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (INFO|WARN) ", line) for line in lines)
    assert len(lines) < 200


def test_a_damaged_jar_is_fetched_again(tmp_path: Path) -> None:
    """From a repository laid out as Maven's, made of the jars that are here."""
    here = {file.name: file for file in fetch_jars(jar_folder())}
    repository = tmp_path / "repository"
    for jar in read_lock().jars:
        (repository / jar.path).parent.mkdir(parents=True, exist_ok=True)
        (repository / jar.path).symlink_to(here[jar.name])
    mine = tmp_path / "mine"
    fetched = fetch_jars(mine, repository_url=repository.as_uri())
    victim = fetched[7]
    good = victim.read_bytes()
    victim.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    fetch_jars(mine, repository_url=repository.as_uri())
    assert victim.read_bytes() == good


async def test_three_brokers_go_on_without_one(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path / "kafka", jar_folder=jar_folder(), brokers=3) as kafka:
        assert len(set(kafka.pids)) == 3
        await create(kafka, "t", replicas=3)
        await append(kafka, b"by three")
        kafka.brokers[1].kill()
        await append(kafka, b"by two")
        kafka.brokers[1].start()
        kafka.brokers[2].kill()
        assert await values(kafka) == [b"by three", b"by two"]


def test_a_cluster_id_may_begin_with_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One generated id in 64 does; the storage tool took it for an option."""
    monkeypatch.setattr("tools.local_stack.embedded.kafka_cluster._new_id", lambda: "-kfYVmzGQ1OlqLzKWvBHvA")

    with EmbeddedKafka(tmp_path / "kafka", jar_folder=jar_folder()) as kafka:
        assert kafka.pids
