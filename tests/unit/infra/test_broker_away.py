"""A client of Kafka that can't even be made, here because its TLS files are gone, is a broker that is away: who waits goes on waiting."""

from collections.abc import Awaitable, Callable

import pytest

from event_schemas.topics import AGGREGATE_GROUP, COMMANDS, EVENTS
from gateway.back_pressure import CommandLag
from infra.errors import BrokerAway
from infra.event_log.lookup import RecordReader
from infra.kafka.topic_guard import check_topics
from infra.process.settings import Settings
from notifier.log_slices import LogSlices

_ASKED: dict[str, Callable[[Settings], Awaitable[object]]] = {
    "topics": check_topics,
    "back-pressure": lambda settings: CommandLag(settings, group=AGGREGATE_GROUP, topic=COMMANDS)._look_on(),
    "replay": lambda settings: LogSlices(settings, EVENTS).ends(),
    "lookup": lambda settings: RecordReader(settings, "test").at(EVENTS, 0, 0),
}


@pytest.mark.parametrize("asked", _ASKED)
async def test_tls_files_that_are_gone_are_a_broker_that_is_away(tmp_path, asked):
    ca = tmp_path / "ca.pem"
    settings = Settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_SSL_CAFILE=ca)

    with pytest.raises(BrokerAway):
        await _ASKED[asked](settings)
