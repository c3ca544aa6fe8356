"""How a command finds the stack that it talks to: its settings, and where it is reached."""

import os
from typing import Any

from infra.process.settings import Settings
from order_service.stack.folder import StackFolder
from order_service.stack.record import Urls, read_record


def stack_settings() -> Settings:
    """The settings with which a command reaches the stack.

    Values in the environment hold; those that it leaves open are taken from the stack that runs in ORDERS_HOME, if one does: the
    addresses of embedded servers are written down nowhere else. Raises pydantic's ValidationError for unusable values.
    """
    own = Settings()
    folder = StackFolder(own.home)
    record = read_record(folder) if folder.is_held() else None
    if record is None:
        return own
    known = dict(record.environment)
    if record.urls.kafka:
        known["KAFKA_BOOTSTRAP_SERVERS"] = record.urls.kafka
    if record.urls.postgres:
        known["DATABASE_URL"] = record.urls.postgres
    variables = {field.validation_alias for field in Settings.model_fields.values()}
    missing: dict[str, Any] = {name: value for name, value in known.items() if name in variables and not os.environ.get(name)}
    return Settings(**missing)


def reachable_address(bind: str) -> str:
    """Where a process that listens on `bind` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(bind, bind)  # noqa: S104 compared, not bound


def urls(settings: Settings, kafka_servers: str | None, database_url: str | None) -> Urls:
    """Where a stack with these settings is reached."""
    address = reachable_address(settings.bind)
    host = f"[{address}]" if ":" in address else address
    return Urls(
        http=f"http://{host}:{settings.http_port}",
        feed=f"ws://{host}:{settings.feed_port}/feed",
        kafka=kafka_servers,
        postgres=database_url,
    )
