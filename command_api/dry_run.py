"""`?dry_run=true`: what would be decided now, with nothing appended and nothing promised."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from fastapi import Response
from msgspec import UNSET

from command_api.answers import PROMISE, DryRun
from command_api.problems import Fault
from event_schemas.commands import Command
from event_schemas.encoding import encoded
from infra.event_log.command_outcomes import Outcome

Rehearse = Callable[[Command], Awaitable[tuple[Outcome, str]]]
"""The outcome that the command would have, and the position up to which the order's history was looked at.

A command that was decided already has its own outcome, whose `command_offset` is not negative. Raises Problem as any read."""


def wants_dry_run(query: bytes) -> bool | Fault:
    """What the query string says about `dry_run`; the fault when it says something of no use."""
    if not query:
        return False
    sent = [value for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True) if name == "dry_run"]
    match sent:
        case [] | ["false"]:
            return False
        case ["true"]:
            return True
        case _:
            return {"pointer": "", "parameter": "dry_run", "detail": "query parameter dry_run: must be true or false, once"}


def rehearsed(outcome: Outcome, position: str) -> Response:
    """The answer to a dry run."""
    code, detail = (UNSET, UNSET) if outcome.code is None else (outcome.code, outcome.detail or "")
    if outcome.code is None and outcome.command_offset >= 0:
        detail = "this command was accepted already, and sending it again changes nothing"
    answer = DryRun(would="accept" if outcome.code is None else "reject", position=position, promise=PROMISE, code=code, detail=detail)
    return Response(encoded(answer), media_type="application/json")
