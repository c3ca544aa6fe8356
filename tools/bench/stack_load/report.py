"""`./orders bench stack`: how long an order takes on the running stack, and what memory its processes hold."""

import json
import sys
from typing import Annotated

import aiohttp
import typer

from order_service.plain_table import table
from order_service.stack.folder import StackFolder
from order_service.stack.record import StackRecord, read_record
from order_service.stack.running import stack_settings
from tools.bench.process_usage import family, memory_mib
from tools.bench.stack_load.load import Measured, run_load
from tools.bench.timings import percentile


def stack(
    *,
    rate: Annotated[float, typer.Option(min=1, max=5000, help="Orders a second, posted on a fixed schedule")] = 50,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="For how long")] = 20,
    wait: Annotated[bool, typer.Option("--wait", help="Each order waits for its outcome: Prefer: wait, with an Idempotency-Key")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object")] = False,
) -> None:
    """Post orders at a steady rate and time the answer and the frame on the websocket; then the memory of each process.

    The orders stay in the log, of customers bench-0 to bench-99. Exits 1 when an order was refused or its frame did not come.
    """
    settings = stack_settings()
    record = read_record(StackFolder(settings.home))
    if record is None:
        sys.stderr.write("no stack runs here: start one with `./orders up`\n")
        raise typer.Exit(1)
    try:
        measured = run_load(http=record.urls.http, feed=record.urls.feed, rate=rate, seconds=seconds, wait=wait)
    except (OSError, aiohttp.ClientError) as error:
        sys.stderr.write(f"the stack does not answer at {record.urls.http}: {error}\n")
        raise typer.Exit(1) from error
    memory = memory_of_stack(record)
    sys.stdout.write(
        _as_json(measured, memory)
        if as_json
        else _as_text(measured, memory, f"{rate:g} orders/s for {seconds:g} s", "POST to 201" if wait else "POST to 202")
    )
    raise typer.Exit(0 if measured else 1)


def memory_of_stack(record: StackRecord) -> dict[str, float]:
    """Proportional set size in MiB of each process of the stack, its children included (PSS: shared pages are split among sharers)."""
    sizes = {}
    for process in record.processes:
        found = process.process.find() if process.process else None
        if found is not None:
            sizes[process.name] = memory_mib(family(found))
    supervisor = record.supervisor.find()
    if supervisor is not None:
        sizes["supervisor"] = memory_mib([supervisor])
    return sizes


def _as_text(measured: Measured, memory: dict[str, float], load: str, answered: str) -> str:
    rows = [("", "count", "p50 ms", "p90 ms", "p99 ms", "max ms")]
    for name, values in ((answered, measured.accepted), ("POST to frame", measured.framed)):
        shares = [f"{percentile(values, share):.1f}" for share in (0.5, 0.9, 0.99, 1.0)]
        rows.append((name, str(len(values)), shares[0], shares[1], shares[2], shares[3]))
    sizes = [("process", "MiB (PSS)"), *((name, f"{size:.0f}") for name, size in memory.items()), ("all", f"{sum(memory.values()):.0f}")]
    summary = f"{load}; refused {measured.refused}, frames missing {measured.missing}\n"
    return f"{summary}{table(rows)}\n{table(sizes)}"


def _as_json(measured: Measured, memory: dict[str, float]) -> str:
    latencies = {
        name: {f"p{int(share * 100)}": round(percentile(values, share), 2) for share in (0.5, 0.9, 0.99, 1.0)} if values else {}
        for name, values in (("accepted_ms", measured.accepted), ("framed_ms", measured.framed))
    }
    counts = {"accepted": len(measured.accepted), "framed": len(measured.framed), "refused": measured.refused, "missing": measured.missing}
    return json.dumps({**counts, **latencies, "memory_mib": {name: round(size, 1) for name, size in memory.items()}}) + "\n"
