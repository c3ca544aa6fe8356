"""The three POSTs. Each ends in 202 after the broker's acknowledgement, in the outcome if the client waits for it, or in a problem."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from structlog.contextvars import bind_contextvars

from command_api import openapi
from command_api.body import MAX_PARTS, LargeBodies, Malformed, has_too_many_parts, parse_json, read_body
from command_api.dry_run import Rehearse, rehearsed, wants_dry_run
from command_api.envelopes import CANCEL, CREATE, SHIP, CommandRoute, Refused, Sender, build_command
from command_api.headers import read_correlation, read_headers
from command_api.identity import ANONYMOUS
from command_api.openapi_answers import responses
from command_api.problems import invalid
from command_api.repeats import decided_before, repeated
from command_api.submission import CommandAppender, Submission, submit
from command_api.waiting import Follower
from event_schemas.codes import Code
from event_schemas.commands import Command
from event_schemas.values import canonical_uuid
from infra.http.problems import CORRELATION, Problem

Clock = Callable[[], datetime]
Handler = Callable[[Request], Awaitable[Response]]

_TOO_MANY_PARTS = f"the body must have at most {MAX_PARTS} parts: objects, arrays, their members and items, all together"


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and nothing else, so that a server may call it directly.

    FastAPI's own handling of dependencies, bodies and response models costs more than everything that is done here.
    """


@dataclass(frozen=True, slots=True)
class _Ports:
    """What the routes use."""

    log: CommandAppender
    clock: Clock
    follower: Follower | None
    rehearse: Rehearse | None
    large_bodies: LargeBodies


def create_command_router(
    log: CommandAppender,
    clock: Clock = lambda: datetime.now(UTC),
    *,
    follower: Follower | None = None,
    rehearse: Rehearse | None = None,
) -> APIRouter:
    """The routes of the commands, appending to `log`. `clock` gives the time in UTC at which a command is issued.

    Without `follower` no request waits for an outcome, and one that breaks a rule is refused whatever became of an earlier one like it.
    Without `rehearse` dry runs are refused.
    """
    ports = _Ports(log, clock, follower, rehearse, LargeBodies())
    router = APIRouter(route_class=DirectRoute, tags=["commands"])
    for kind in (CREATE, SHIP, CANCEL):
        router.add_api_route(
            kind.path,
            _handler(kind, ports),
            methods=["POST"],
            status_code=202,
            name=kind.name,
            operation_id=kind.name,
            summary=openapi.SUMMARIES[kind],
            description=openapi.DESCRIPTION,
            response_class=Response,
            responses=responses(kind),
            openapi_extra=openapi.operation(kind),
        )
    return router


def _handler(kind: CommandRoute, ports: _Ports) -> Handler:
    async def take(request: Request) -> Response:
        made_up = str(uuid4())
        # The correlation id is known before anything is checked, so that refusals and log lines bear it, too.
        correlation = read_correlation(request.scope["headers"])
        _correlate(request, correlation or made_up)
        order_id = None if kind is CREATE else _order_id(request.path_params["order_id"])
        headers = read_headers(request.scope["headers"], versioned=kind is not CREATE)
        dry_run = wants_dry_run(request.scope["query_string"])
        if not isinstance(dry_run, bool):
            # Nobody knows whether a dry run is meant, so there is nothing to be repeated.
            headers = headers._replace(faults=(dry_run, *headers.faults), identifying=False)
        # Ids are made from a key always: one that a 503 gives to a client leads its retry to the same command.
        sender = Sender(caller=ANONYMOUS, key=headers.idempotency_key or made_up, at=ports.clock())
        body = await read_body(request.scope, request.receive)
        async with ports.large_bodies.turn(len(body)):
            command = build_command(kind, order_id, _json(body), headers, sender)
        if isinstance(command, Refused):
            return await _repeated(request, ports, command, correlation, dry_run=bool(dry_run))
        _correlate(request, command.correlation_id)
        if dry_run:
            response = rehearsed(*await _rehearsed(ports, command))
        else:
            response = await submit(Submission(kind, command, headers, sender.key, request.receive), ports.log, ports.follower)
        response.headers[CORRELATION] = command.correlation_id
        return response

    return take


async def _repeated(request: Request, ports: _Ports, refused: Refused, correlation: str | None, *, dry_run: bool) -> Response:
    outcome = await decided_before(refused, ports.follower)
    assert ports.follower is not None  # it knew the outcome
    correlation_id = correlation or str(outcome.command_id)
    _correlate(request, correlation_id)
    if dry_run:
        response = rehearsed(outcome, ports.follower.position(outcome))
    else:
        response = await repeated(refused, outcome, ports.follower, request.receive)
    response.headers[CORRELATION] = correlation_id
    return response


def _correlate(request: Request, correlation_id: str) -> None:
    request.scope["correlation_id"] = correlation_id
    bind_contextvars(correlation_id=correlation_id)


def _json(body: bytes) -> Any:
    if has_too_many_parts(body):
        raise invalid([{"pointer": "", "detail": _TOO_MANY_PARTS}])
    try:
        return parse_json(body)
    except Malformed as error:
        raise Problem(Code.MALFORMED_JSON, str(error)) from error


async def _rehearsed(ports: _Ports, command: Command) -> Any:
    if ports.rehearse is None:
        raise Problem(Code.READ_MODEL_UNAVAILABLE, "a dry run reads the order, and no read models are configured: set DATABASE_URL")
    return await ports.rehearse(command)


def _order_id(text: str) -> UUID:
    try:
        return canonical_uuid(text)
    except ValueError:
        raise Problem(Code.ORDER_NOT_FOUND, "no such order: an order id is a UUID in canonical lower-case form") from None
