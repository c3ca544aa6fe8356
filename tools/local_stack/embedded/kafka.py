"""Apache Kafka in KRaft mode on this machine: one broker, or three that replicate to each other."""

import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tools.local_stack.embedded.jars import Progress, fetch_jars
from tools.local_stack.embedded.java import Java, find_java
from tools.local_stack.embedded.kafka_cluster import Cluster, Node, server_properties
from tools.local_stack.process import Launch, ServerFailed, ServerProcess, last_lines

_JVM = (
    # Measured against the defaults: ready in 1.5 s instead of 2.0, half the CPU time, and one machine asks no more of a broker.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    # A look at the young objects stops the broker for 5 ms and more, with every answer that is waited for. By itself the JVM gives them
    # 20 MiB, which 200 orders a second fill every second.
    "-Xmn96m",
    "-Xms128m",
    "-Xmx256m",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dlog4j2.configurationFile=log4j2.properties",
)
_START_S = 60
_STOP_S = 4
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""The smallest request that every broker answers: size, ApiVersions, version 0, correlation id 1, no client id."""


class Broker:
    """One broker, to be started, stopped and killed alone. Its folder holds its settings and data; see EmbeddedKafka."""

    def __init__(self, node: Node, launch: Launch, log: Path) -> None:
        self.number = node.number
        self.port = node.port
        self.process = ServerProcess(launch, log)

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The JVM's process number, None when it does not run."""
        return self.process.pid

    def answers(self) -> bool:
        """Whether the broker answers a request. A frozen broker still accepts connections."""
        return answers(self.address)

    def start(self, timeout_s: float = _START_S) -> None:
        """Start the broker and wait until it answers. Raises ServerFailed."""
        self.process.start()
        self.process.wait_until(self.answers, timeout_s)

    def stop(self) -> None:
        """End the broker in order, after 4 s with force."""
        self.process.stop(_STOP_S)

    def kill(self) -> None:
        """End the broker as a crash would (SIGKILL)."""
        self.process.kill()


class EmbeddedKafka:
    """A KRaft cluster of one or three combined nodes, listening on 127.0.0.1 only, that keeps its data in `folder`.

    >>> with EmbeddedKafka(tmp_path / "kafka", jar_folder=settings.jar_folder) as kafka:
    ...     AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)

    For fault tests: `kafka.brokers[0].kill()`, later `kafka.brokers[0].start()`; the address stays. All calls block.
    """

    def __init__(  # noqa: PLR0913 each by its name
        self,
        folder: Path,
        *,
        jar_folder: Path,
        port: int | None = None,
        brokers: int | None = None,
        logs: Path | None = None,
        java_home: Path | None = None,
        repository_url: str | None = None,
    ) -> None:
        """`port` is the first broker's, by default a free one. `brokers`: by default as many as `folder` holds data of, else one.

        Logs are `logs`/kafka.log, or kafka-1.log and so on; by default in `folder`.
        """
        self.folder = folder.absolute()
        self.brokers: list[Broker] = []
        self._jar_folder = jar_folder.absolute()
        self._port = port
        self._count = brokers
        self._logs = (logs or folder).absolute()
        self._java_home = java_home
        self._repository_url = repository_url

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """All brokers' addresses, comma-separated; known after `prepare`."""
        return ",".join(broker.address for broker in self.brokers)

    @property
    def pids(self) -> list[int]:
        """The process numbers of the brokers that run."""
        return [broker.pid for broker in self.brokers if broker.pid is not None]

    def prepare(self, progress: Progress | None = None) -> None:
        """Everything up to the start: Java, jars, settings, formatted storage.

        Raises NoJava, JarsUnavailable, OtherClusterSize, ServerFailed.
        """
        found = find_java(self._java_home)
        java = found.executable
        jars = fetch_jars(self._jar_folder, repository_url=self._repository_url, progress=progress)
        cluster = Cluster.settle(self.folder, brokers=self._count, port=self._port)
        jvm = (*_JVM, *_shared_classes(self._jar_folder, found))
        self.brokers = []
        for node in cluster.nodes:
            folder = self._lay_out(node, cluster)
            environment = _environment(jars)
            _format([str(java), *jvm], folder, environment, cluster.cluster_id)
            arguments = (str(java), *jvm, f"-Dorders.broker={folder}", "kafka.Kafka", "server.properties")
            name = "kafka.log" if len(cluster.nodes) == 1 else f"kafka-{node.number}.log"
            self.brokers.append(Broker(node, Launch(arguments, environment, folder), self._logs / name))

    def start(self, timeout_s: float = _START_S) -> None:
        """Prepare if need be, start all brokers and wait until each answers. Raises what `prepare` does."""
        if not self.brokers:
            self.prepare()
        try:
            for broker in self.brokers:
                broker.process.start()
            for broker in self.brokers:
                broker.process.wait_until(broker.answers, timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all brokers in order, all at once, after 4 s with force. The data stays."""
        for broker in self.brokers:
            broker.process.ask_to_end()
        deadline = time.monotonic() + _STOP_S
        for broker in self.brokers:
            broker.process.wait_or_kill(max(0.1, deadline - time.monotonic()))

    def _lay_out(self, node: Node, cluster: Cluster) -> Path:
        """Write a broker's folder. All paths in it are relative: no character of the path above can upset Java or Kafka."""
        folder = self.folder / str(node.number)
        folder.mkdir(parents=True, exist_ok=True)
        jars = folder / "jars"
        jars.unlink(missing_ok=True)
        jars.symlink_to(self._jar_folder, target_is_directory=True)
        (folder / "server.properties").write_text(server_properties(node, cluster.nodes), encoding="utf-8")
        shutil.copyfile(Path(__file__).with_name("log4j2.properties"), folder / "log4j2.properties")
        return folder


def answers(address: str, timeout_s: float = 1.0) -> bool:
    """Whether a broker answers at host:port without TLS."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout_s) as connection:
            connection.sendall(_API_VERSIONS)
            return len(connection.recv(4)) > 0
    except OSError:
        return False


def _environment(jars: list[Path]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    # Fewer malloc arenas: tens of MiB less for a process of many threads.
    return kept | {"CLASSPATH": ":".join(f"jars/{jar.name}" for jar in jars), "MALLOC_ARENA_MAX": "2"}


def class_archive(java: Java) -> str:
    """Name of the file beside the jars in which this Java finds the broker's classes checked and laid out: a start takes half the CPU time.

    Nothing needs it; the tests, which start dozens of brokers, make it. A Java that the file does not fit ignores it.
    """
    return f"classes-java-{java.version}.jsa"


def _shared_classes(jar_folder: Path, java: Java) -> Sequence[str]:
    name = class_archive(java)
    return [f"-XX:SharedArchiveFile=jars/{name}"] if (jar_folder / name).exists() else []


def _format(java: Sequence[str], folder: Path, environment: dict[str, str], cluster_id: str) -> None:
    """Give the broker's storage the cluster's id, once."""
    if (folder / "data" / "meta.properties").exists():
        return
    # The option is one word, since an id may begin with a dash.
    arguments = ("format", "--ignore-formatted", f"--cluster-id={cluster_id}", "--config=server.properties")
    command = [*java, "kafka.tools.StorageTool", *arguments]
    log = folder / "format.log"
    with log.open("wb") as output:
        done = subprocess.run(command, cwd=folder, env=environment, stdout=output, stderr=output, check=False)  # noqa: S603 made here
    if done.returncode != 0:
        raise ServerFailed(f"the storage in {folder} could not be formatted:\n{last_lines(log)}")
