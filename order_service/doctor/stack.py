"""Is the running stack well? Each finding in plain words."""

import asyncio
from collections.abc import Iterator
from typing import Any

from aiokafka.errors import KafkaError

from infra.errors import BrokerAway
from infra.kafka.topic_guard import check_topics
from infra.process.settings import Settings
from order_service.doctor.finding import Finding
from order_service.doctor.lag import lag_findings
from order_service.stack.folder import StackFolder
from order_service.stack.record import read_record
from order_service.stack.running import stack_settings
from order_service.stack.status import read_status


def stack_findings(settings: Settings, folder: StackFolder) -> Iterator[Finding]:
    """Services, topics and lag; without a running stack only the topics of a Kafka that is there."""
    status = read_status(settings)
    record = read_record(folder) if folder.is_held() else None
    if record is None:
        yield Finding("warn", "services", f"nothing runs in {folder.home}: `./orders up` starts it")
    else:
        yield from _services(status)
        settings = stack_settings()
    if settings.kafka_bootstrap_servers:
        yield from _topics(settings)
    if record:
        yield from lag_findings(settings, status)


def _services(status: dict[str, Any]) -> Iterator[Finding]:
    for name, service in status["services"].items():
        restarts = f", started again {service['restarts']} times: `./orders logs {name}` says why" if service["restarts"] else ""
        if service["state"] == "running":
            yield Finding("warn" if restarts else "ok", name, f"running{restarts}")
        else:
            yield Finding("fail", name, f"{service['state']}: {service['detail'] or 'see its log'}{restarts}")
    if status["activity"]:
        yield Finding("fail", "stack", status["activity"])


def _topics(settings: Settings) -> Iterator[Finding]:
    try:
        problems = asyncio.run(check_topics(settings))
    except (BrokerAway, KafkaError, OSError, TimeoutError) as error:
        problems = [str(error) or type(error).__name__]
    yield from (Finding("fail", "topics", problem) for problem in problems)
    if not problems:
        yield Finding("ok", "topics", "there, with the right settings")
