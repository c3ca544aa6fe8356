"""The three POSTs. Each ends in 202 after the broker's acknowledgement, or in a problem."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from command_api import openapi
from command_api.command_log import NotAcknowledged
from command_api.envelopes import CANCEL, CREATE, SHIP, CommandKind, Sender, build_command
from command_api.headers import CommandHeaders, read_headers
from command_api.identity import ANONYMOUS
from command_api.json_body import Malformed, parse_json
from command_api.request_body import read_body
from event_schemas.codes import Code
from event_schemas.commands import Command
from event_schemas.positions import CommandPlace
from infra.problems import Problem


class Appends(Protocol):
    """Where commands go; CommandLog is one."""

    async def append(self, order_id: str, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> CommandPlace:
        """Append a command, see CommandLog. Raises NotAcknowledged."""
        ...


Clock = Callable[[], datetime]
Handler = Callable[[Request], Awaitable[Response]]


class _BareRoute(APIRoute):
    """A route whose endpoint is called with the request and nothing else.

    FastAPI's own handling of dependencies, bodies and response models costs more than everything that is done here.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


def create_command_router(log: Appends, clock: Clock = lambda: datetime.now(UTC)) -> APIRouter:
    """The routes of the commands, appending to `log`. `clock` gives the time in UTC at which a command is issued."""
    router = APIRouter(route_class=_BareRoute, tags=["commands"])
    for kind in (CREATE, SHIP, CANCEL):
        router.add_api_route(
            kind.path,
            _handler(kind, log, clock),
            methods=["POST"],
            status_code=202,
            name=kind.name,
            operation_id=kind.name,
            summary=openapi.SUMMARIES[kind],
            response_class=Response,
            responses=openapi.responses(kind),
            openapi_extra=openapi.operation(kind),
        )
    return router


def _handler(kind: CommandKind, log: Appends, clock: Clock) -> Handler:
    async def take(request: Request) -> Response:
        order_id = None if kind is CREATE else _order_id(request.path_params["order_id"])
        headers = read_headers(request.scope["headers"], versioned=kind is not CREATE)
        try:
            body = parse_json(await read_body(request.scope, request.receive))
        except Malformed as error:
            raise Problem(Code.MALFORMED_JSON, str(error)) from error
        # Ids are made from a key always: one that a 503 gives to a client leads its retry to the same command.
        sender = Sender(caller=ANONYMOUS, key=headers.idempotency_key or str(uuid4()), at=clock())
        command = build_command(kind, order_id, body, headers, sender)
        return _pending(command, await _appended(log, command, headers, sender.key))

    return take


def _order_id(text: str) -> UUID:
    try:
        order_id = UUID(text)
    except ValueError:
        order_id = None
    if order_id is None or str(order_id) != text:
        raise Problem(Code.ORDER_NOT_FOUND, "no such order: an order id is a UUID in canonical lower-case form")
    return order_id


async def _appended(log: Appends, command: Command, headers: CommandHeaders, key: str) -> CommandPlace:
    kafka_headers = [("traceparent", headers.traceparent.encode())] if headers.traceparent else []
    try:
        return await log.append(str(command.order_id), command.model_dump_json(exclude_none=True).encode(), kafka_headers)
    except NotAcknowledged as error:
        raise Problem(
            Code.BROKER_UNAVAILABLE,
            "outcome unknown, retry with this Idempotency-Key: the broker has not acknowledged the command",
            headers={"Retry-After": "1"},
            idempotency_key=key,
        ) from error


def _pending(command: Command, place: CommandPlace) -> Response:
    body = {"command_id": command.id, "order_id": command.order_id, "status": "pending"}
    location = f"/commands/{command.id}?submitted={place.token()}"
    return Response(orjson.dumps(body), status_code=202, media_type="application/json", headers={"Location": location})
