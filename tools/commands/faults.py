"""`./orders faults`."""

import asyncio
import json
import logging
import secrets
import signal
import sys
from pathlib import Path
from typing import Annotated

import psycopg
import typer
import uvloop

from tools.faults.checks.raw_topics import TopicUnreadable
from tools.faults.fault_injector import cards
from tools.faults.kit_stack import KitHome, KitStack, StackDidNotStart, clear_leftovers
from tools.faults.run import Outcome, Plan, run_kit
from tools.faults.verdict import as_object, as_text, verdict_of

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def faults(  # noqa: PLR0913 each by its name
    *,
    minutes: Annotated[float, typer.Option(min=0.5, max=1440, help="How long there is load, and faults")] = 5,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the schedule and the mix; default: a new one, which is told")] = None,
    rate: Annotated[float, typer.Option(min=1, max=1000, help="Commands a second")] = 30,
    every: Annotated[float, typer.Option(min=1, max=600, help="Seconds between two faults, about")] = 6,
    only: Annotated[list[str] | None, typer.Option(help="Only these faults, as in freeze:order_aggregate, kill or kafka")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict as one JSON object")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the stack's data and logs; after a failure they are kept anyway")] = False,
) -> None:
    """Run a stack of its own, hurt it under load in every way, and check every promise from the raw topics and tables.

    Three brokers, two workers, two gateways, two notifiers, on free ports and in a temporary folder. Exits 0 when all held.
    """
    try:
        deck = cards(only or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from error
    for folder in clear_leftovers():
        _tell(f"ended and removed what a killed run had left: {folder}")
    plan = Plan(seconds=minutes * 60, seed=secrets.randbelow(2**32) if seed is None else seed, rate=rate, every_s=every, deck=deck)
    home = KitHome.create()
    stack = KitStack(home)
    _log_to(home.folder)
    _tell(f"seed {plan.seed}; home {home.folder} (ORDERS_HOME={home.folder} ./orders status)")
    kept = True
    try:
        outcome = _run(plan, home, stack)
        kept = keep or (outcome is not None and verdict_of(outcome) != "PASS")
    finally:
        for number in _STOPS:
            signal.signal(number, signal.SIG_IGN)  # no signal may interrupt the clean-up
        home.end(keep=kept)
        stack.collect_guests()
        if kept:
            _tell(f"data, logs and history are kept in {home.folder}")
    if outcome is None:
        raise typer.Exit(1)
    sys.stdout.write(json.dumps(as_object(outcome)) + "\n" if as_json else as_text(outcome))
    raise typer.Exit(0 if verdict_of(outcome) == "PASS" else 1)


def _run(plan: Plan, home: KitHome, stack: KitStack) -> Outcome | None:
    """The outcome, None when the user stopped the run."""

    async def until_told_to_stop() -> Outcome:
        task = asyncio.current_task()
        assert task is not None
        for number in _STOPS:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await run_kit(plan, home, stack, _tell)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(until_told_to_stop())
    except asyncio.CancelledError:
        _tell("stopped; clearing up")
        return None
    except (StackDidNotStart, TopicUnreadable, psycopg.Error) as error:
        _tell(f"the run could not be judged: {error}")
        raise typer.Exit(1) from error


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _log_to(folder: Path) -> None:
    """The fault injector's journal; the Kafka client's complaints about killed brokers go there too."""
    handler = logging.FileHandler(folder / "faults.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    for name, level in (("tools.faults", logging.INFO), ("aiokafka", logging.ERROR), ("websockets", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
