"""Run the supervisor in this process: in the foreground of `up`, or as `python -m tools.local_stack.supervise` behind `up --detach`."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from threading import Event

from infra.process.settings import Settings
from order_service.stack.folder import RUNS_ALREADY, AlreadyRuns, StackFolder
from order_service.stack.leftovers import end_leftovers
from tools.local_stack.embedded.jars import JarsUnavailable
from tools.local_stack.embedded.java import NoJava
from tools.local_stack.embedded.kafka_cluster import OtherClusterSize
from tools.local_stack.embedded.postgres_binaries import NoPostgres
from tools.local_stack.embedded.server_process import ServerFailed
from tools.local_stack.plan import order_stack
from tools.local_stack.supervisor import Stack, Supervisor

_log = logging.getLogger("tools.local_stack.supervise")  # also when this module is the program


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


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", type=int)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    return supervise(Settings(), brokers=arguments.brokers, workers=arguments.workers, stop=Event())


if __name__ == "__main__":
    sys.exit(main())
