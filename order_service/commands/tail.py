"""`./orders tail`: the live feed in a terminal."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn
from uuid import UUID

import orjson
import typer
from rich.console import Console
from rich.text import Text

from event_schemas.feed_codes import FeedCode
from notifier.client import Event, FeedClient, FeedStopped, Item, Joined, Lost, Reset, Wanted
from order_service.stack.running import stack_settings, urls
from order_service.terminal import fail, local_time, printable

_NEEDS_AN_OPERATOR = {FeedCode.LOG_BROKEN, FeedCode.NEWER_SCHEMA}
"""A service waits for an operator; a person at a terminal wants to know."""
STYLES = {"OrderCreated": "green", "OrderShipped": "cyan", "OrderCancelled": "yellow", "CommandRejected": "bold red"}


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
        fail(str(error), 2)
    except FeedUnavailable as error:
        fail(str(error), 1)


class _EnoughRead(Exception):
    """The reader of our output has gone, as in `tail --json | head`."""


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


class FeedUnavailable(Exception):
    """The feed is not there, or will not serve this; the text says why."""


class FeedRefused(Exception):
    """The feed does not understand what was asked for; the text names the field."""


class Follower:
    """Hands every event that matches to `show`, once; tells `say` what happens to the connection."""

    def __init__(
        self, url: str, wanted: dict[str, str], start: str, *, show: Callable[[dict[str, Any], str], None], say: Callable[[str], None]
    ) -> None:
        self._url, self._wanted, self._show, self._say = url, Wanted(wanted, start), show, say
        self._joined_once = False

    async def follow(self) -> None:
        """Never returns. Raises FeedUnavailable when the feed is not there at first or gives up on us, FeedRefused for a wrong request."""
        try:
            async with FeedClient(self._url, wanted=self._wanted) as feed:
                async for item in feed:
                    self._take(item)
        except FeedStopped as error:
            if error.code == FeedCode.VALIDATION_FAILED:
                raise FeedRefused(str(error)) from error
            raise FeedUnavailable(f"{self._url}: {error}") from error

    def _take(self, item: Item) -> None:
        match item:
            case Event(event, position):
                self._show(event, position)
            case Joined():
                self._say("connected again" if self._joined_once else f"following {self._url}; Ctrl-C ends")
                self._joined_once = True
            case Reset(reason):
                self._say(f"the log is another one than before ({reason}): starting anew")
            case Lost(detail, code=code) if code in _NEEDS_AN_OPERATOR:
                raise FeedUnavailable(f"the feed gave up: {detail}")
            case Lost() if not self._joined_once:
                raise FeedUnavailable(f"no feed answers at {self._url}: start the stack with `./orders up`, or name the feed with --url")
            case Lost():
                self._say("connection lost, trying again")


def event_line(event: dict[str, Any]) -> Text:
    """Local time, type, start of the order's id, version, customer, and what matters of this type; rejections stand out in red."""
    rejected = event["type"] == "CommandRejected"
    line = Text(no_wrap=True, end="")
    line.append(local_time(event["occurred_at"]), "dim")
    line.append(f"  {printable(event['type']):15}", STYLES.get(event["type"], ""))
    line.append(f"  {str(event['order_id'])[:8]}", "bold")
    line.append(f" v{event['version']:<3}", "dim")
    line.append(f"  {printable(event['data'].get('customer_id') or '-'):12}")
    line.append(f"  {printable(what_matters(event))}", "red" if rejected else "")
    return line


def what_matters(event: dict[str, Any]) -> str:
    """The part of an event that people want to know."""
    data = event["data"]
    match event["type"]:
        case "OrderCreated":
            return f"{data['total']} {data['currency']}, {data['units']} units"
        case "OrderShipped":
            return str(data["tracking_number"])
        case "OrderCancelled":
            return f"{data['reason']} (-{data['total']} {data['currency']})"
        case "CommandRejected":
            return f"{data['command_type']} refused: {data['code']}, {data['detail']}"
        case _:
            return "of a later release than this one"
