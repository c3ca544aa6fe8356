"""`python -m tools.bench.stack_load.soak`: whether memory grows on the running stack under a steady load, by process.

Orders are posted at a steady rate and the memory of every process is looked at meanwhile. After a warm-up, a straight line is laid
through each process's samples: its slope is what the process would go on growing by, told per hour and per order.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from order_service.stack.folder import StackFolder
from order_service.stack.record import StackRecord, read_record
from order_service.stack.running import stack_settings
from order_service.terminal import table
from tools.bench.measuring import percentile
from tools.bench.stack_load.stack import Measured, memory_of_stack, run_load

_LOOK_EVERY_S = 10.0


@dataclass(frozen=True)
class Growth:
    """The growth of one process after the warm-up: proportional set sizes in MiB, and the slope of the line through all samples."""

    process: str
    first_mib: float
    last_mib: float
    most_mib: float
    mib_an_hour: float

    def bytes_an_order(self, rate: float) -> float:
        """The slope as bytes for each order, at `rate` orders a second."""
        return self.mib_an_hour * 2**20 / 3600 / rate


def growths(samples: Sequence[tuple[float, dict[str, float]]], *, warm_up_s: float) -> list[Growth]:
    """The growth of each process that is in all samples after the warm-up. `samples`: seconds since load began, MiB by process. Pure."""
    warm = [(at, sizes) for at, sizes in samples if at >= warm_up_s]
    if len(warm) < 2:
        return []
    names = [name for name in warm[0][1] if all(name in sizes for _, sizes in warm)]
    return [_growth(name, [at for at, _ in warm], [sizes[name] for _, sizes in warm]) for name in names]


def _growth(name: str, times: Sequence[float], sizes: Sequence[float]) -> Growth:
    slope = statistics.linear_regression(times, sizes).slope
    return Growth(name, sizes[0], sizes[-1], max(sizes), slope * 3600)


class _Watch:
    """Samples the memory of a stack's processes in a thread, from now until it is stopped."""

    def __init__(self, folder: StackFolder) -> None:
        self.samples: list[tuple[float, dict[str, float]]] = []
        self.restarts = 0
        self._folder, self._began, self._over = folder, time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take a last sample, and stop."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            record = read_record(self._folder)
            if record is not None:
                self.samples.append((time.monotonic() - self._began, memory_of_stack(record)))
                self.restarts = _restarts(record)


def _restarts(record: StackRecord) -> int:
    return sum(process.restarts for process in record.processes)


def _report(found: Sequence[Growth], measured: Measured, *, rate: float, minutes: float, restarts: int) -> str:
    rows = [("process", "MiB after warm-up", "at the end", "most", "MiB an hour", "bytes an order")]
    for one in found:
        sizes = [f"{size:.1f}" for size in (one.first_mib, one.last_mib, one.most_mib, one.mib_an_hour)]
        rows.append((one.process, sizes[0], sizes[1], sizes[2], sizes[3], f"{one.bytes_an_order(rate):.0f}"))
    orders = len(measured.accepted)
    times = ", ".join(f"{name} p50 {percentile(v, 0.5):.1f} ms, p99 {percentile(v, 0.99):.1f} ms" for name, v in _latencies(measured))
    counts = f"refused {measured.refused}, frames missing {measured.missing}, restarts {restarts}"
    return f"{orders:,} orders in {minutes:g} minutes at {rate:g}/s; {counts}; {times}\n{table(rows)}"


def _latencies(measured: Measured) -> list[tuple[str, list[float]]]:
    return [("POST to 202", measured.accepted), ("POST to frame", measured.framed)]


def main() -> None:
    """Run it. Exits 1 without a stack, or when an order was refused, its frame did not come, or a process was started again."""
    parser = argparse.ArgumentParser(description="Watch the memory of the running stack under a steady load.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=200.0, help="orders a second")
    parser.add_argument("--warm-up", type=float, default=5.0, help="minutes that count for nothing")
    parser.add_argument("--samples", type=Path, help="keep all samples in this file, as JSON")
    asked = parser.parse_args()
    folder = StackFolder(stack_settings().home)
    record = read_record(folder)
    if record is None:
        sys.exit("no stack runs here: start one with `./orders up`")
    before, watch = _restarts(record), _Watch(folder)
    try:
        measured = run_load(http=record.urls.http, feed=record.urls.feed, rate=asked.rate, seconds=asked.minutes * 60)
    finally:
        watch.stop()
        if asked.samples:
            asked.samples.write_text(json.dumps(watch.samples), encoding="utf-8")
    restarts = watch.restarts - before
    found = growths(watch.samples, warm_up_s=asked.warm_up * 60)
    sys.stdout.write(_report(found, measured, rate=asked.rate, minutes=asked.minutes, restarts=restarts))
    sys.exit(0 if measured and not restarts else 1)


if __name__ == "__main__":
    main()
