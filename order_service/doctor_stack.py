"""Is the running stack well? Each finding in plain words."""

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from infra.settings import Settings
from order_service.finding import Finding
from order_service.running_stack import stack_settings
from order_service.stack_folder import StackFolder
from order_service.stack_record import read_record
from order_service.stack_status import read_status

_LAG = "orders_lag_records"
"""Gauges of this name, whatever their labels, are records that a service has not come to yet."""
_MUCH_LAG = 10_000


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
        yield from _lags(status)


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
    import asyncio  # noqa: PLC0415 and the Kafka client: only this check needs them

    from aiokafka.errors import KafkaError  # noqa: PLC0415

    from infra.kafka import NoBroker  # noqa: PLC0415
    from infra.topic_guard import check_topics  # noqa: PLC0415

    try:
        problems = asyncio.run(check_topics(settings))
    except (NoBroker, KafkaError, OSError, TimeoutError) as error:
        problems = [str(error) or type(error).__name__]
    yield from (Finding("fail", "topics", problem) for problem in problems)
    if not problems:
        yield Finding("ok", "topics", "there, with the right settings")


def _lags(status: dict[str, Any]) -> Iterator[Finding]:
    for name, service in status["services"].items():
        metrics = [instance["metrics"] for instance in service["instances"] if instance["metrics"]]
        lags = [lag for url in metrics for lag in _gauges(url)]
        if lags:
            behind = int(sum(lags))
            yield Finding("ok" if behind < _MUCH_LAG else "warn", "lag", f"{name} is {behind} records behind")


def _gauges(url: str) -> list[float]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", parts.path)
        lines = connection.getresponse().read().decode().splitlines()
    except (OSError, http.client.HTTPException):
        return []
    finally:
        connection.close()
    return [float(line.rpartition(" ")[2]) for line in lines if line.startswith(_LAG)]
