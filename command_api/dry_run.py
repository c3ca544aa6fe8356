"""`?dry_run=true`: what would be decided now, with nothing appended and nothing promised."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import Response

from command_api.problems import Fault
from event_schemas.commands import Command
from infra.event_log.command_outcomes import Outcome

Rehearse = Callable[[Command], Awaitable[tuple[Outcome, str]]]
"""The outcome that the command would have, and the position up to which the order's history was looked at.

A command that was decided already has its own outcome, whose `command_offset` is not negative. Raises Problem as any read."""

PROMISE = "nothing was appended, and nothing is promised: what comes before the command may change its outcome"


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
    body: dict[str, Any] = {"would": "accept" if outcome.code is None else "reject", "position": position, "promise": PROMISE}
    if outcome.code is not None:
        body |= {"code": outcome.code, "detail": outcome.detail}
    elif outcome.command_offset >= 0:
        body["detail"] = "this command was accepted already, and sending it again changes nothing"
    return Response(orjson.dumps(body), media_type="application/json")
