"""Run the supervisor in this process: in the foreground of `up`, or as `python -m tools.local_stack.supervise` behind `up --detach`.

It runs the stack of this project: Kafka and PostgreSQL, embedded or run elsewhere, the topics, and the services.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from infra.process.settings import Settings
from order_service.stack.folder import RUNS_ALREADY, AlreadyRuns, StackFolder
from order_service.stack.running import urls
from tools.local_stack.embedded import kafka, postgres
from tools.local_stack.embedded.jars import JarsUnavailable
from tools.local_stack.embedded.java import NoJava
from tools.local_stack.embedded.kafka import Broker, EmbeddedKafka
from tools.local_stack.embedded.kafka_cluster import OtherClusterSize
from tools.local_stack.embedded.postgres import EmbeddedPostgres
from tools.local_stack.embedded.postgres_binaries import NoPostgres
from tools.local_stack.end import end_leftovers
from tools.local_stack.ports import accepts
from tools.local_stack.process import Probed, ServerFailed
from tools.local_stack.service_processes import ServiceFleet
from tools.local_stack.supervised_process import ProcessPlan, WatchPlan
from tools.local_stack.supervisor import Stack, Step, Supervisor

_log = logging.getLogger("tools.local_stack.supervise")  # also when this module is the program
_TOPICS_S = 30
_RUNNING = Probed("running")


def supervise(settings: Settings, *, brokers: int | None, workers: int, stop: Event) -> int:
    """Start this project's stack and keep it running until `stop` is set or a signal asks for the end; the exit code."""
    return run_stack(settings, lambda folder: order_stack(settings, folder, brokers=brokers), workers=workers, stop=stop)


def run_stack(settings: Settings, make_stack: Callable[[StackFolder], Stack], *, workers: int, stop: Event) -> int:
    """Keep the stack that `make_stack` prepares running in ORDERS_HOME, after ending what a killed run left there."""
    folder = StackFolder(settings.home)
    folder.create()
    _log_to(folder)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        with folder.held():
            end_leftovers(folder)
            Supervisor(folder, make_stack(folder), workers=workers).run(stop)
    except AlreadyRuns as error:
        _log.warning("%s", error)
        return RUNS_ALREADY
    except (NoJava, JarsUnavailable, OtherClusterSize, NoPostgres, ServerFailed) as error:
        _log.error("%s", error)
        return 1
    return 0


def _log_to(folder: StackFolder) -> None:
    handler = logging.FileHandler(folder.logs / "supervisor.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    for ours in ("tools", "order_service"):
        logging.getLogger(ours).handlers = [handler]
        logging.getLogger(ours).setLevel(logging.INFO)


def order_stack(settings: Settings, folder: StackFolder, *, brokers: int | None) -> Stack:
    """Prepare the embedded servers that are wanted, without starting them, and say what to run.

    Raises what their `prepare` raises: NoJava, JarsUnavailable, OtherClusterSize, NoPostgres, ServerFailed.
    """
    own_kafka = None if settings.kafka_bootstrap_servers else _embedded_kafka(settings, folder, brokers)
    own_postgres = None if settings.database_url else EmbeddedPostgres(folder.postgres, port=settings.postgres_port, logs=folder.logs)
    with ThreadPoolExecutor(2) as pool:
        for preparation in [pool.submit(server.prepare) for server in (own_kafka, own_postgres) if server]:
            preparation.result()
    environment = _environment(settings, folder, own_kafka, own_postgres)
    steps = [Step("creating topics", lambda: _create_topics({**os.environ, **environment}, mend=own_kafka is not None))]
    if own_postgres:
        steps.append(Step("creating the database", own_postgres.ensure_database))
    return Stack(
        servers=[*_kafka_plans(settings, own_kafka), _postgres_plan(settings, own_postgres)],
        services=ServiceFleet(folder, settings, environment).plans,
        urls=urls(settings, environment["KAFKA_BOOTSTRAP_SERVERS"], environment["DATABASE_URL"]),
        steps=steps,
        environment=environment,
    )


def _embedded_kafka(settings: Settings, folder: StackFolder, brokers: int | None) -> EmbeddedKafka:
    return EmbeddedKafka(
        folder.kafka,
        jar_folder=settings.jar_folder,
        port=settings.kafka_port,
        brokers=brokers,
        logs=folder.logs,
        java_home=settings.java_home,
        repository_url=settings.maven_repository_url,
    )


def _environment(
    settings: Settings, folder: StackFolder, own_kafka: EmbeddedKafka | None, own_postgres: EmbeddedPostgres | None
) -> dict[str, str]:
    """The settings that make a process one of this stack's."""
    environment = {
        "ORDERS_HOME": str(folder.home),
        "ORDERS_PARTITIONS": str(settings.partitions),
        "ORDERS_BIND": settings.bind,
        "ORDERS_HTTP_PORT": str(settings.http_port),
        "ORDERS_FEED_PORT": str(settings.feed_port),
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers or "",
        "DATABASE_URL": settings.database_url.get_secret_value() if settings.database_url else "",
    }
    if own_kafka:
        replication = settings.replication or min(3, len(own_kafka.brokers))
        environment |= {
            "KAFKA_BOOTSTRAP_SERVERS": own_kafka.bootstrap_servers,
            "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "ORDERS_REPLICATION": str(replication),
        }
    if own_postgres:
        environment["DATABASE_URL"] = own_postgres.url
    return environment


def _kafka_plans(settings: Settings, own: EmbeddedKafka | None) -> list[ProcessPlan | WatchPlan]:
    if own:
        return [_broker_plan(broker) for broker in own.brokers]
    servers = settings.kafka_bootstrap_servers or ""
    talks_plainly = not settings.kafka_security_protocol.endswith("SSL")

    def probe() -> Probed | None:
        return _RUNNING if any(_reachable(server.strip(), talks_plainly) for server in servers.split(",")) else None

    return [WatchPlan("kafka", "kafka", probe, f"no broker answers at KAFKA_BOOTSTRAP_SERVERS={servers}: start it, or correct the address")]


def _broker_plan(broker: Broker) -> ProcessPlan:
    log = broker.process.log
    return ProcessPlan(log.stem, "kafka", lambda: broker.process.launch, lambda: _RUNNING if broker.answers() else None, log, grace_s=4.0)


def _reachable(server: str, talks_plainly: bool) -> bool:
    if talks_plainly:
        return kafka.answers(server)
    host, _, port = server.rpartition(":")
    return port.isdigit() and accepts(int(port), host.strip("[]"))


def _postgres_plan(settings: Settings, own: EmbeddedPostgres | None) -> ProcessPlan | WatchPlan:
    if own:
        return ProcessPlan("postgres", "postgres", own.launch, lambda: _RUNNING if own.answers() else None, own.log, grace_s=4.0)
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    unreachable = "PostgreSQL does not answer at DATABASE_URL: start it, or correct the address"
    return WatchPlan("postgres", "postgres", lambda: _RUNNING if postgres.answers(url) else None, unreachable)


def _create_topics(environment: dict[str, str], *, mend: bool) -> None:
    """Create the topics in a process of its own, so that the supervisor needs no Kafka client. Raises RuntimeError with its last line.

    `mend`: the cluster is the stack's own, so that settings of an earlier release are corrected; another cluster is its operator's.
    """
    command = [sys.executable, "-P", "-m", "tools.local_stack.create_topics", *(["--mend"] if mend else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_TOPICS_S, check=False)  # noqa: S603 our own module
    for line in done.stdout.splitlines():
        _log.info("topics: %s", line)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])


def main() -> int:
    """Run the supervisor; returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", type=int)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    return supervise(Settings(), brokers=arguments.brokers, workers=arguments.workers, stop=Event())


if __name__ == "__main__":
    sys.exit(main())
