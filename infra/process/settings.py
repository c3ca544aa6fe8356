"""Every setting of the project, read once from the environment in a process's `main`."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _from(variable: str, what: str, **limits: Any) -> Any:
    """A field read from exactly one environment variable, with the text that the docs show for it."""
    return Field(validation_alias=variable, description=what, **limits)


class Settings(BaseSettings):
    """All settings with their defaults; the table in `docs/settings.md` is checked against this class.

    Construct it in `main` and pass it on; nothing else reads the environment.
    Raises pydantic's ValidationError, which names the variable, when a value is unusable.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, case_sensitive=True)

    # Where things are
    home: Annotated[Path, _from("ORDERS_HOME", "Folder of the embedded servers' data, logs and state")] = Path(".orders")
    cache: Annotated[Path | None, _from("ORDERS_CACHE", "Folder of the downloaded Kafka jars; default: `cache` in ORDERS_HOME")] = None
    snapshots: Annotated[
        Path | None,
        _from(
            "ORDERS_SNAPSHOTS", "Folder of the aggregate's snapshots, which may be deleted at any time; default: `snapshots` in ORDERS_HOME"
        ),
    ] = None
    bind: Annotated[str, _from("ORDERS_BIND", "Address that the HTTP API, the feed and the health ports listen on")] = "127.0.0.1"
    http_port: Annotated[int, _from("ORDERS_HTTP_PORT", "Port of the HTTP API", ge=1, le=65535)] = 8000
    feed_port: Annotated[int, _from("ORDERS_FEED_PORT", "Port of the websocket feed", ge=1, le=65535)] = 8001
    health_port: Annotated[
        int, _from("ORDERS_HEALTH_PORT", "Port of a service's own `/health` and `/metrics`; 0: a free one", ge=0, le=65535)
    ] = 0
    kafka_port: Annotated[
        int, _from("ORDERS_KAFKA_PORT", "Port of the first embedded broker; the others and the controllers take free ports", ge=1, le=65535)
    ] = 9092
    postgres_port: Annotated[int, _from("ORDERS_POSTGRES_PORT", "Port of the embedded PostgreSQL", ge=1, le=65535)] = 54320
    java_home: Annotated[Path | None, _from("JAVA_HOME", "Java for the embedded Kafka; default: the one on PATH, else a bundled one")] = (
        None
    )
    maven_repository_url: Annotated[
        str | None,
        _from("MAVEN_REPOSITORY_URL", "Maven repository that the embedded Kafka's jars are fetched from; default: the public one"),
    ] = None

    # Kafka
    kafka_bootstrap_servers: Annotated[
        str | None, _from("KAFKA_BOOTSTRAP_SERVERS", "Brokers as host:port, comma-separated; replaces the embedded Kafka")
    ] = None
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        _from("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
    ] = "PLAINTEXT"
    kafka_ssl_cafile: Annotated[
        Path | None, _from("KAFKA_SSL_CAFILE", "PEM file of the authorities that sign the brokers' certificates; default: the system's")
    ] = None
    kafka_ssl_certfile: Annotated[Path | None, _from("KAFKA_SSL_CERTFILE", "PEM file of the client certificate")] = None
    kafka_ssl_keyfile: Annotated[Path | None, _from("KAFKA_SSL_KEYFILE", "PEM file of the client certificate's key")] = None
    kafka_ssl_password: Annotated[SecretStr | None, _from("KAFKA_SSL_PASSWORD", "Password of the key file")] = None
    kafka_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], _from("KAFKA_SASL_MECHANISM", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    ] = "SCRAM-SHA-512"
    kafka_sasl_username: Annotated[str | None, _from("KAFKA_SASL_USERNAME", "SASL user")] = None
    kafka_sasl_password: Annotated[SecretStr | None, _from("KAFKA_SASL_PASSWORD", "SASL password")] = None
    partitions: Annotated[
        int, _from("ORDERS_PARTITIONS", "Partitions of order-commands and order-events; fixed once the topics exist", ge=1, le=10_000)
    ] = 12
    replication: Annotated[
        int | None, _from("ORDERS_REPLICATION", "Replicas of each topic; default: 1 on one embedded broker, else 3", ge=1, le=9)
    ] = None

    # PostgreSQL
    database_url: Annotated[SecretStr | None, _from("DATABASE_URL", "PostgreSQL URL; replaces the embedded PostgreSQL")] = None

    # Behaviour
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], _from("ORDERS_LOG_LEVEL", "Least severe level that is logged")] = (
        "INFO"
    )
    log_format: Annotated[Literal["text", "json"], _from("ORDERS_LOG_FORMAT", "text, or json for one object a line")] = "text"
    session_timeout_s: Annotated[
        float, _from("ORDERS_SESSION_TIMEOUT", "Seconds without a heartbeat after which a worker loses its partitions", ge=6, le=300)
    ] = 6.0
    produce_timeout_s: Annotated[
        float,
        _from("ORDERS_PRODUCE_TIMEOUT", "Seconds after which a POST that the broker has not acknowledged is answered 503", gt=0, le=30),
    ] = 4.0
    max_backlog_age_s: Annotated[
        float,
        _from(
            "ORDERS_MAX_BACKLOG_AGE",
            "Seconds that the oldest command may wait; beyond it POSTs are answered 429",
            ge=1,
            le=86_400,
        ),
    ] = 30.0
    feed_heartbeat_s: Annotated[
        float, _from("ORDERS_FEED_HEARTBEAT", "Seconds between two heartbeat frames of the feed", gt=0, le=3600)
    ] = 15.0
    feed_ring_mib: Annotated[
        int,
        _from("ORDERS_FEED_RING", "MiB of the log's last records kept in a notifier's memory for clients that come back", ge=0, le=65_536),
    ] = 64
    feed_max_connections: Annotated[
        int, _from("ORDERS_FEED_MAX_CONNECTIONS", "Most clients of one notifier; beyond it they are answered 503", ge=1, le=1_000_000)
    ] = 20_000
    feed_admission: Annotated[
        float,
        _from("ORDERS_FEED_ADMISSION", "Clients that a notifier lets in a second, in the long run; beyond it 503", ge=1, le=1_000_000),
    ] = 1_000.0
    gateway_url: Annotated[
        str | None,
        _from("ORDERS_GATEWAY_URL", "Where the notifier asks for snapshots; default: the HTTP API on this machine, ORDERS_HTTP_PORT"),
    ] = None
    feed_origins: Annotated[
        str | None,
        _from("ORDERS_FEED_ORIGINS", "Origins whose pages may open the feed, comma-separated, `*` for all; default: same host, loopback"),
    ] = None

    @model_validator(mode="after")
    def _sasl_needs_a_user(self) -> Self:
        if self.kafka_security_protocol.startswith("SASL") and not (self.kafka_sasl_username and self.kafka_sasl_password):
            raise ValueError(f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
        return self

    @property
    def snapshot_folder(self) -> Path:
        """Where the aggregate keeps snapshots of its state; they may be deleted at any time."""
        return self.snapshots or self.home / "snapshots"

    @property
    def orders_url(self) -> str:
        """Where the HTTP API is reached from a service."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.bind, self.bind)  # noqa: S104 compared, not bound
        return (self.gateway_url or f"http://{f'[{host}]' if ':' in host else host}:{self.http_port}").rstrip("/")

    @property
    def jar_folder(self) -> Path:
        """Where the embedded broker's jars are kept."""
        return (self.cache or self.home / "cache") / "kafka"

    @property
    def expected_replication(self) -> int:
        """Replicas that each topic must have."""
        return self.replication or 3
