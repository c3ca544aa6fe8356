"""`./orders bench`: what the system does, part by part, beside the least that would do the same; or, with `stack`, the running stack."""

import json
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import typer

from infra.process.settings import Settings
from tools.bench.feed_load.loads import LOADS
from tools.bench.process import clear_leftovers
from tools.bench.report import Finding, as_object, as_text
from tools.bench.run import FAILURES, PARTS, keep, keep_load, run_bench, run_load
from tools.bench.servers import Servers
from tools.bench.sizes import FULL, FULL_LOAD, QUICK, QUICK_LOAD
from tools.bench.stack_load import stack as stack_report
from tools.bench.stack_load.knee import knee

app = typer.Typer(help="Measure each part beside its floor, on servers of its own; all parts unless one is named.")

Json = Annotated[bool, typer.Option("--json", help="One JSON object")]
Quick = Annotated[bool, typer.Option("--quick", help="Smaller rounds: all parts in about two minutes")]


def _bench(names: Sequence[str], *, quick: bool, as_json: bool) -> None:
    _prepare()
    report = run_bench(names, QUICK if quick else FULL, jar_folder=Settings().jar_folder, tell=_tell)
    sys.stdout.write(json.dumps(as_object(report)) + "\n" if as_json else as_text(report, bars=sys.stdout.isatty()))
    try:
        _tell(f"kept in {keep(report, names)}")
    except OSError as error:
        _tell(f"the result could not be kept: {error}")
    raise typer.Exit(1 if report.failed else 0)


@app.callback(invoke_without_command=True)
def every_part(context: typer.Context, *, as_json: Json = False, quick: Quick = False) -> None:
    """Measure each part beside its floor, on servers of its own; all parts unless one is named."""
    if context.invoked_subcommand is None:
        _bench(list(PARTS), quick=quick, as_json=as_json)


@app.command("all")
def all_parts(*, as_json: Json = False, quick: Quick = False) -> None:
    """Every part."""
    _bench(list(PARTS), quick=quick, as_json=as_json)


@app.command()
def accept(*, as_json: Json = False, quick: Quick = False) -> None:
    """POST → 202 of one gateway: requests a second, and its CPU time a request. Floor: bare FastAPI."""
    _bench(["accept"], quick=quick, as_json=as_json)


@app.command()
def decide(*, as_json: Json = False, quick: Quick = False) -> None:
    """Commands a second of one aggregate worker. Floor: bare aiokafka and the same decide."""
    _bench(["decide"], quick=quick, as_json=as_json)


@app.command()
def project(*, as_json: Json = False, quick: Quick = False) -> None:
    """Records a second of one projections worker. Floor: one plain loop that writes the same rows."""
    _bench(["project"], quick=quick, as_json=as_json)


@app.command()
def rebuild(*, as_json: Json = False, quick: Quick = False) -> None:
    """Records a second of a rebuild. Floor: reading, decoding and copying the same rows."""
    _bench(["rebuild"], quick=quick, as_json=as_json)


@app.command()
def feed(*, as_json: Json = False, quick: Quick = False) -> None:
    """Frames a second to 1,000 clients. Floor: a loop that writes a ready frame to as many sockets."""
    _bench(["feed"], quick=quick, as_json=as_json)


@app.command()
def path(*, as_json: Json = False, quick: Quick = False) -> None:
    """POST → frame, open loop, at 50, 200 and 500 a second. Floor: two hops through Kafka alone."""
    _bench(["path"], quick=quick, as_json=as_json)


app.command("stack")(stack_report.stack)


@app.command("feed-load")
def feed_load(
    load: Annotated[str, typer.Argument(help=f"One of {', '.join(LOADS)}")], *, as_json: Json = False, quick: Quick = False
) -> None:
    """The feed with thousands of clients: held, with many matches, with stalled ones, all cut at once, a long way behind."""
    if load not in LOADS:
        raise typer.BadParameter(f"there is no load {load!r}: take one of {', '.join(LOADS)}", param_hint="LOAD")
    size = QUICK_LOAD if quick else FULL_LOAD
    _load(f"feed-load-{load}", lambda servers: LOADS[load](servers, size), as_json=as_json)


@app.command("knee")
def find_knee(
    *,
    rate: Annotated[float | None, typer.Option(min=10, max=100_000, help="Orders a second to hold; default: look for the knee")] = None,
    seconds: Annotated[float, typer.Option(min=1, max=1200, help="How long to hold it")] = 180,
    as_json: Json = False,
) -> None:
    """How many orders a second the whole system takes end to end; held for a while, then overloaded. The load is among the cores."""
    _load("knee", lambda servers: knee(servers, rate=rate, seconds=seconds, tell=_tell), as_json=as_json)


def _load(name: str, load: Callable[[Servers], Awaitable[Sequence[Finding]]], *, as_json: bool) -> None:
    _prepare()
    try:
        result = run_load(name, load, Settings().jar_folder)
    except FAILURES as error:
        _tell(f"{name} could not be measured: {type(error).__name__}: {error}")
        raise typer.Exit(1) from error
    sys.stdout.write(json.dumps(result.as_object()) + "\n" if as_json else str(result))
    try:
        _tell(f"kept in {keep_load(result)}")
    except OSError as error:
        _tell(f"the result could not be kept: {error}")
    raise typer.Exit(0 if result.stands else 1)


def _prepare() -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it complains while topics are made anew
    for folder in clear_leftovers():
        _tell(f"ended and removed what a killed run had left: {folder}")


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
