"""One run of the bench: its own servers in a folder of its own, the parts one after the other, and the results kept."""

import asyncio
import json
import signal
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import uvloop
from aiokafka.errors import KafkaError

from infra.errors import LogUnreadable
from tools.bench.feed_load.clients import NotServed
from tools.bench.home import BenchHome
from tools.bench.machine import Machine
from tools.bench.measuring import PartResult, run_part
from tools.bench.open_files import TooFewFiles
from tools.bench.parts.accept import NotAccepted
from tools.bench.parts.all import PARTS
from tools.bench.report import Report, as_object
from tools.bench.servers import Servers
from tools.bench.sizes import Size
from tools.local_stack.embedded.server_process import ServerFailed

_CHECKOUT = Path(__file__).parents[2]
RESULTS = _CHECKOUT / "bench" / "results"
FAILURES = (ServerFailed, NotAccepted, NotServed, TooFewFiles, LogUnreadable, KafkaError, psycopg.Error, TimeoutError, OSError)
Tell = Callable[[str], None]


def run_bench(names: Sequence[str], size: Size, *, jar_folder: Path, tell: Tell) -> Report:
    """Measure these parts. A part that fails is told and leaves the others alone. Raises KeyboardInterrupt on Ctrl-C and SIGTERM."""
    machine, at = Machine.here(), datetime.now(UTC)
    home = BenchHome()
    parts: list[PartResult] = []
    failed: list[str] = []
    try:
        with Servers(home, jar_folder) as servers:
            for name in names:
                for part in PARTS[name](servers, size):
                    try:
                        parts.append(_run(run_part(part, rounds=size.rounds, warm_up=size.warm_up, tell=tell)))
                    except FAILURES as error:
                        failed.append(f"{part.name} could not be measured: {type(error).__name__}: {error}")
                        tell(failed[-1])
    finally:
        home.end()
    return Report(at.isoformat(timespec="seconds"), size.name, machine, parts, failed)


def _run(work: Coroutine[Any, Any, PartResult]) -> PartResult:
    async def until_told_to_stop() -> PartResult:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return uvloop.run(until_told_to_stop())
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error


def keep(report: Report, names: Sequence[str], folder: Path = RESULTS) -> Path:
    """Write the result as JSON; where it is. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = report.at.replace(":", "").replace("+0000", "Z")
    path = folder / f"{moment}-{'-'.join(names) if len(names) < len(PARTS) else 'all'}-{report.size}.json"
    path.write_text(json.dumps(as_object(report), indent=1) + "\n", encoding="utf-8")
    return path
