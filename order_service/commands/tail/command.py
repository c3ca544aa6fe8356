"""`./orders tail`: the live feed in a terminal."""

import asyncio
import os
import sys
from typing import Annotated, Any, NoReturn
from uuid import UUID

import orjson
import typer
from rich.console import Console

from order_service.commands.tail.feed import FeedRefused, FeedUnavailable, Follower
from order_service.commands.tail.lines import event_line
from order_service.stack.addresses import urls
from order_service.stack.running import stack_settings


def tail(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line: the event, with the feed's position after it")] = False,
    start: Annotated[str, typer.Option("--from", help="latest, earliest, or a position")] = "latest",
    order: Annotated[UUID | None, typer.Option(help="Only this order")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer")] = None,
    url: Annotated[str | None, typer.Option(help="The feed; default: the running stack's")] = None,
) -> None:
    """Show events as they happen, rejections in red; goes on after a lost connection. Ctrl-C ends it.

    Exits 1 when no feed answers.
    """
    wanted = {name: str(value) for name, value in (("order_id", order), ("customer_id", customer)) if value is not None}
    show = _show_json if as_json else _Lines().show
    follower = Follower(url or urls(stack_settings(), None, None).feed, wanted, start, show=show, say=_say)
    try:
        asyncio.run(follower.follow())
    except KeyboardInterrupt:
        return
    except _EnoughRead:
        # The interpreter must not stumble over the closed pipe again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except FeedRefused as error:
        _fail(str(error), 2)
    except FeedUnavailable as error:
        _fail(str(error), 1)


class _EnoughRead(Exception):
    """Whoever read our output has gone, as in `tail --json | head`."""


class _Terminal(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise _EnoughRead


class _Lines:
    """Coloured on a terminal, plain elsewhere; NO_COLOR is heeded."""

    def __init__(self) -> None:
        self._console = _Terminal(highlight=False, soft_wrap=True)

    def show(self, event: dict[str, Any], _position: str) -> None:
        self._console.print(event_line(event))


def _show_json(event: dict[str, Any], position: str) -> None:
    try:
        sys.stdout.write(orjson.dumps({**event, "position": position}).decode() + "\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise _EnoughRead from error


def _say(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"-- {text}\n")


def _fail(message: str, code: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(code)
