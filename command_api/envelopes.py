"""From a request to the command that stands in `order-commands`. Pure: the time and a client's missing key come from outside."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from command_api.headers import CommandHeaders
from command_api.identity import fingerprint, identify
from command_api.problems import invalid
from command_api.requests import CreateOrderRequest, RequestModel, parse_request
from event_schemas.commands import (
    COMMAND_SCHEMA_VERSIONS,
    CancelOrder,
    CancelOrderCommand,
    Command,
    CreateOrderCommand,
    ShipOrder,
    ShipOrderCommand,
)
from event_schemas.pydantic_internals import constructed


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One of the three things that a client may ask for: its route, its body and its envelope."""

    name: str
    path: str
    request: RequestModel
    envelope: type[CreateOrderCommand] | type[ShipOrderCommand] | type[CancelOrderCommand]


CREATE = CommandKind("CreateOrder", "/orders", CreateOrderRequest, CreateOrderCommand)
SHIP = CommandKind("ShipOrder", "/orders/{order_id}/ship", ShipOrder, ShipOrderCommand)
CANCEL = CommandKind("CancelOrder", "/orders/{order_id}/cancel", CancelOrder, CancelOrderCommand)


class Sender(NamedTuple):
    """The sender of a command, its Idempotency-Key (made up for a client that sent none), and the time."""

    caller: str
    key: str
    at: datetime


def build_command(kind: CommandKind, order_id: UUID | None, body: Any, headers: CommandHeaders, sender: Sender) -> Command:
    """The command that a request asks for. `order_id` is None for CREATE. Raises Problem (validation_failed), every fault named."""
    data = parse_request(kind.request, body, now=sender.at)
    if isinstance(data, list) or headers.faults:
        raise invalid([*headers.faults, *(data if isinstance(data, list) else ())])
    path = kind.path if order_id is None else kind.path.format(order_id=order_id)
    identity = identify(
        caller=sender.caller,
        key=sender.key,
        order_id=order_id,
        fingerprint=fingerprint(method="POST", path=path, if_match=headers.if_match, body=body),
    )
    fields: dict[str, Any] = {
        "id": identity.command_id,
        "schema_version": COMMAND_SCHEMA_VERSIONS[kind.name],
        "order_id": identity.order_id,
        "key_hash": identity.key_hash,
        "expected_version": headers.expected_version,
        "correlation_id": headers.correlation_id or str(identity.command_id),
        "issued_at": sender.at,
        "actor": sender.caller,
        "type": kind.name,
        "data": data,
    }
    # Built from values that are valid already; the aggregate validates every command that it reads.
    made: Command = constructed(kind.envelope, fields)
    return made
