"""Kafka and PostgreSQL for one test run: on free ports, in a temporary folder, never a user's running stack."""

import atexit
import fcntl
import json
import os
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from infra.process.settings import Settings
from order_service.stack.process_identity import ProcessIdentity, end_processes
from tools.local_stack.embedded.java import find_java
from tools.local_stack.embedded.kafka import EmbeddedKafka, class_archive
from tools.local_stack.embedded.postgres import EmbeddedPostgres

CHECKOUT = Path(__file__).parents[2]
_PREFIX = "orders-tests-"
_ARCHIVING_S = 60


def jar_folder() -> Path:
    """The checkout's cache of jars, so that a test run downloads nothing that `./orders up` has."""
    settings = Settings()
    folder = settings.jar_folder if settings.cache or "ORDERS_HOME" in os.environ else CHECKOUT / ".orders" / "cache" / "kafka"
    _make_class_archive(folder.absolute())
    return folder


@cache
def _make_class_archive(folder: Path) -> None:
    """See to the archive of the broker's classes, one test process after the other: it takes a start and a stop of a broker, once."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / class_archive(find_java())
    with (folder / "classes.lock").open("w") as lock, tempfile.TemporaryDirectory(prefix=_PREFIX) as place:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if archive.exists() and all(archive.stat().st_mtime > jar.stat().st_mtime for jar in folder.glob("*.jar")):
            return
        archive.unlink(missing_ok=True)
        kafka = EmbeddedKafka(Path(place) / "kafka", jar_folder=folder)
        kafka.prepare()
        process = kafka.brokers[0].process
        java, *arguments = process.launch.arguments
        made = Path(place) / archive.name
        process.launch = replace(process.launch, arguments=(java, f"-XX:ArchiveClassesAtExit={made}", *arguments))
        kafka.start()
        process.stop(_ARCHIVING_S)
        # Where this Java can't make one, brokers start as they do without.
        if made.exists():
            shutil.copyfile(made, folder / f".{archive.name}.part")
            (folder / f".{archive.name}.part").replace(archive)


class EmbeddedServers:
    """Servers started when first asked for, and ended with the run, however it ends."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.folder.chmod(0o755)
        self._kafka: EmbeddedKafka | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._record()
        atexit.register(self.stop)

    def kafka(self) -> EmbeddedKafka:
        """One broker."""
        if self._kafka is None:
            self._kafka = EmbeddedKafka(self.folder / "kafka", jar_folder=jar_folder())
            self._kafka.start()
            self._record()
        return self._kafka

    def postgres(self) -> EmbeddedPostgres:
        """One server."""
        if self._postgres is None:
            self._postgres = EmbeddedPostgres(self.folder / "postgres")
            self._postgres.start()
            self._record()
        return self._postgres

    def stop(self) -> None:
        """End what was started and remove the folder."""
        atexit.unregister(self.stop)
        if self._kafka:
            self._kafka.stop()
        if self._postgres:
            self._postgres.stop()
            self._postgres.erase()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _record(self) -> None:
        """For the next run, should this one be killed."""
        pids = [*(self._kafka.pids if self._kafka else []), *([self._postgres.pid] if self._postgres and self._postgres.pid else [])]
        record = {"owner": ProcessIdentity.own(), "servers": [ProcessIdentity.of(pid) for pid in pids]}
        (self.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def clear_leftovers() -> None:
    """End the servers and remove the folders of test runs that were killed."""
    for record in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/run.json"):
        if record.stat().st_uid != os.geteuid():
            continue
        content = json.loads(record.read_text(encoding="utf-8"))
        if ProcessIdentity(*content["owner"]).find() is None:
            end_processes([ProcessIdentity(*server) for server in content["servers"]], grace_s=0)
            shutil.rmtree(record.parent, ignore_errors=True)
