"""`./orders projections …`: rebuild the read models beside the live ones, compare, switch, go back, verify, and settle what is parked."""

import sys
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer

from infra.process.settings import Settings
from order_service.commands.projections import view
from order_service.commands.projections.asked import asked, connected, status_of
from order_service.progress import Progress, json_progress, new_progress
from order_service.stack.running import stack_settings
from order_service.terminal import fail
from projections.operations import (
    Different,
    Findings,
    OperationRefused,
    Parked,
    ParkedState,
    Promoter,
    Rebuild,
    RebuildOptions,
    RebuildProgress,
    Unparked,
    VerifyOptions,
    discard,
    drop_generation,
    find_parked,
    retry,
    verify,
)

_TELL_S = 2.0
app = typer.Typer(no_args_is_help=True)
_Json = Annotated[bool, typer.Option("--json", help="JSON for machines")]
_Accept = Annotated[bool, typer.Option("--accept-differences", help="Switch though the rows differ: a change of the folds is meant to")]
_Order = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id")]
_Table = Annotated[str | None, typer.Option("--table", help="Only in this table; default: in all")]
_Schema = Annotated[str | None, typer.Option("--schema", help="In this generation; default: the live one")]


@app.command()
def status(*, as_json: _Json = False) -> None:
    """Show the generations: which is live, how far each is, and what is parked."""
    found = asked(status_of(stack_settings()))
    sys.stdout.write(_line(view.status_json(found)) if as_json else view.status_text(found))
    if any(one.lag_records is None for one in found.generations):
        sys.stderr.write("the log can't be read, so how far they are behind is unknown: is Kafka running?\n")
        raise typer.Exit(1)


@app.command()
def rebuild(  # noqa: PLR0913 - one argument an option
    *,
    promote: Annotated[bool, typer.Option("--promote", help="Switch to it when it is complete and equal")] = False,
    accept_differences: _Accept = False,
    throttle: Annotated[float | None, typer.Option(help="Records a second at most, to leave room for the live path", min=1)] = None,
    workers: Annotated[int, typer.Option(help="Processes that fold, one partition at a time each", min=1, max=64)] = 2,
    skip_poison: Annotated[bool, typer.Option("--skip-poison", help="Park what a fold can't take, and go on")] = False,
    as_json: _Json = False,
) -> None:
    """Make the next generation beside the live one, from the log's first record. Stopped at any moment, the next call goes on."""
    settings = stack_settings()
    with _progress(as_json=as_json) as shown:
        options = RebuildOptions(workers=workers, throttle=throttle, skip_poison=skip_poison)
        built = asked(Rebuild(settings, options, lambda progress: _show_rebuild(shown, progress)).run())
    if not promote:
        told = {"ready": built.schema}
        sys.stdout.write(_line(told) if as_json else f"{built.schema} is ready: `./orders projections promote` switches to it\n")
        return
    _promote(settings, built.schema, accept_differences=accept_differences, back=False, as_json=as_json)


@app.command()
def promote(
    schema: Annotated[str | None, typer.Argument(help="Default: the newest that is ready")] = None,
    *,
    accept_differences: _Accept = False,
    as_json: _Json = False,
) -> None:
    """Bring a generation to where the live one is, compare both, and if they are equal switch readers and writers to it."""
    _promote(stack_settings(), schema, accept_differences=accept_differences, back=False, as_json=as_json)


@app.command()
def rollback(*, accept_differences: _Accept = False, as_json: _Json = False) -> None:
    """Go back to the generation that was live before, caught up and compared first."""
    _promote(stack_settings(), None, accept_differences=accept_differences, back=True, as_json=as_json)


@app.command()
def drop(schema: Annotated[str, typer.Argument(metavar="SCHEMA")], *, as_json: _Json = False) -> None:
    """Remove a generation that is not the live one."""
    asked(drop_generation(stack_settings(), schema))
    sys.stdout.write(_line({"dropped": schema}) if as_json else f"{schema} is dropped\n")


@app.command("verify")
def verify_(
    *,
    sample: Annotated[int, typer.Option(help="Only so many orders, drawn from the log", min=0)] = 0,
    order: Annotated[str | None, typer.Option(help="Only this order")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Rewrite the rows that differ, and only those")] = False,
    as_json: _Json = False,
) -> None:
    """Fold the log anew and compare with the live read models, while writes go on. Exits 1 when a row differs."""
    options = VerifyOptions(sample=sample, order_id=None if order is None else _order_id(order), repair=repair)
    with _progress(as_json=as_json) as shown:
        watching = verify(stack_settings(), options, lambda records, total: _show(shown, "verifying", {"records": records, "total": total}))
        findings, repaired = asked(watching)
    for drift in findings.drifts:
        sys.stdout.write("".join(map(_line, view.drift_json(drift))) if as_json else view.drift_text(drift))
    if as_json:
        sys.stdout.write(_line(view.findings_json(findings, None if repaired is None else repaired.rows)))
    else:
        _summary(findings, sums=not (sample or order))
    if repaired:
        sys.stderr.write(f"repaired: {repaired.rows} rows rewritten\n" if not as_json else "")
        sys.stderr.writelines(f"left: {one}\n" for one in repaired.left)
    raise typer.Exit(1 if findings.drifts else 0)


@app.command("parked")
def parked_(
    *,
    schema: _Schema = None,
    every: Annotated[bool, typer.Option("--all", help="Those too that were discarded")] = False,
    as_json: _Json = False,
) -> None:
    """List records that a fold could not take, with the reason, and those of the same order that wait behind them."""
    found = asked(_find_parked(stack_settings(), schema, every=every))
    sys.stdout.write("".join(_line(view.parked_json(one)) for one in found) if as_json else view.parked_text(found))


@app.command("retry")
def retry_(order: _Order, *, table: _Table = None, schema: _Schema = None, as_json: _Json = False) -> None:
    """Fold an order's parked records again, in order. Exits 1 when some still can't be folded."""
    order_id = _order_id(order)
    _settled(asked(connected(stack_settings(), lambda c: retry(c, order_id, table=table, schema=schema))), as_json=as_json)


@app.command("discard")
def discard_(order: _Order, *, table: _Table = None, schema: _Schema = None, as_json: _Json = False) -> None:
    """Give up the first record of an order that can't be folded, and fold what waits behind it."""
    order_id = _order_id(order)
    _settled(asked(connected(stack_settings(), lambda c: discard(c, order_id, table=table, schema=schema))), as_json=as_json)


def _promote(settings: Settings, schema: str | None, *, accept_differences: bool, back: bool, as_json: bool) -> None:
    shown = _progress(as_json=as_json)
    try:
        done = asked(Promoter(settings, shown.say).promote(schema, accept_differences=accept_differences, back=back))
    except Different as different:
        if as_json:
            sys.stdout.write(_line({"promoted": None, "compared": view.comparison_json(different.compared)}))
        else:
            sys.stdout.write(view.comparison_text(different.compared))
        fail("they differ, nothing was switched: `--accept-differences` switches all the same", 1)
    if as_json:
        sys.stdout.write(_line(view.promotion_json(done)))
        return
    sys.stdout.write(view.comparison_text(done.compared) if done.compared else "")
    sys.stdout.write(f"{done.to_schema} is live now")
    sys.stdout.write(f"; {done.from_schema} is kept for `./orders projections rollback`\n" if done.from_schema else "\n")


def _progress(*, as_json: bool) -> Progress:
    return json_progress() if as_json else new_progress(sys.stderr, every_s=_TELL_S)


def _show(shown: Progress, phase: str, numbers: dict[str, Any]) -> None:
    shown.show(view.progress_text(phase, numbers), numbers["records"], numbers["total"], phase=phase, numbers=numbers)


def _show_rebuild(shown: Progress, progress: RebuildProgress) -> None:
    eta = None if progress.eta_s is None else round(progress.eta_s, 1)
    numbers = {"schema": progress.schema, "records": progress.records, "total": progress.total}
    _show(shown, progress.phase, numbers | {"percent": round(progress.percent, 1), "rate": round(progress.rate), "eta_s": eta})


def _summary(findings: Findings, *, sums: bool) -> None:
    looked = f"{findings.rows} rows of {findings.schema} against {findings.records} records"
    scope = "" if sums else "; sums over several orders were not looked at"
    verdict = f"{len(findings.drifts)} rows differ" if findings.drifts else "all as the log says"
    parked = f", {findings.parked_orders} orders parked" if findings.parked_orders else ""
    sys.stderr.write(f"{looked}: {verdict}{parked}{scope}\n")


def _settled(done: list[Unparked], *, as_json: bool) -> None:
    for one in done:
        if as_json:
            sys.stdout.write(_line(vars(one)))
            continue
        rest = f", {one.left} still wait: {view.cut(one.reason)}" if one.left else ""
        sys.stdout.write(f"{one.table}: {one.folded} records folded, {one.discarded} discarded{rest}\n")
    raise typer.Exit(1 if any(one.left for one in done) else 0)


async def _find_parked(settings: Settings, schema: str | None, *, every: bool) -> list[Parked]:
    status = await status_of(settings, lags=False)
    wanted = schema or status.live
    if wanted not in {one.generation.schema for one in status.generations}:
        raise OperationRefused(f"there is no generation {wanted}" if wanted else "there are no read models yet")
    states: tuple[ParkedState, ...] = ("poison", "waiting", "discarded") if every else ("poison", "waiting")
    return await connected(settings, lambda connection: find_parked(connection, str(wanted), states=states))


def _order_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        fail(f"{view.cut(text)} is no order's id, which is a UUID", 2)


def _line(told: object) -> str:
    return orjson.dumps(told).decode() + "\n"
