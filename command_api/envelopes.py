"""From a request to the command that stands in `order-commands`. Pure: the time and a client's missing key come from outside."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from command_api.headers import CommandHeaders
from command_api.identity import Identity, fingerprint, identify
from command_api.problems import Fault
from command_api.requests import CancelOrderRequest, CreateOrderRequest, RequestModel, ShipOrderRequest, parse_request
from event_schemas.commands import CancelOrder, Command, CommandData, CreateOrder, ShipOrder
from event_schemas.registry import new_command


@dataclass(frozen=True, slots=True)
class CommandRoute:
    """How a client asks for one of the commands: the path and the body."""

    data: type[CommandData]
    path: str
    request: RequestModel

    @property
    def name(self) -> str:
        """The command's type."""
        return self.data.__name__


CREATE = CommandRoute(CreateOrder, "/orders", CreateOrderRequest)
SHIP = CommandRoute(ShipOrder, "/orders/{order_id}/ship", ShipOrderRequest)
CANCEL = CommandRoute(CancelOrder, "/orders/{order_id}/cancel", CancelOrderRequest)


class Sender(NamedTuple):
    """The sender of a command, its Idempotency-Key (made up for a client that sent none), and the time."""

    caller: str
    key: str
    at: datetime


class Refused(NamedTuple):
    """A request that breaks a rule, every fault named.

    `identity`: the command that the request would be. One under a key of its client's may repeat a command that was decided when the
    rule was wider. None: it can't be a repeat.
    """

    route: CommandRoute
    headers: CommandHeaders
    faults: list[Fault]
    identity: Identity | None


def build_command(route: CommandRoute, order_id: UUID | None, body: Any, headers: CommandHeaders, sender: Sender) -> Command | Refused:
    """The command that a request asks for, or why it asks for none. `order_id` is None for CREATE."""
    data = parse_request(route.request, body, now=sender.at)
    if isinstance(data, list) or headers.faults:
        identity = _identity_of_refused(route, order_id, body, headers, sender) if headers.identifying else None
        return Refused(route, headers, [*headers.faults, *(data if isinstance(data, list) else ())], identity)
    identity = _identity(route, order_id, body, headers, sender)
    # From values that are valid already; the aggregate checks every command that it reads.
    return new_command(
        data,
        command_id=identity.command_id,
        order_id=identity.order_id,
        key_hash=identity.key_hash,
        expected_version=headers.expected_version,
        correlation_id=headers.correlation_id or str(identity.command_id),
        issued_at=sender.at,
        actor=sender.caller,
    )


def _identity(route: CommandRoute, order_id: UUID | None, body: Any, headers: CommandHeaders, sender: Sender) -> Identity:
    path = route.path if order_id is None else route.path.format(order_id=order_id)
    return identify(
        caller=sender.caller,
        key=sender.key,
        order_id=order_id,
        fingerprint=fingerprint(method="POST", path=path, if_match=headers.if_match, body=body),
    )


def _identity_of_refused(route: CommandRoute, order_id: UUID | None, body: Any, headers: CommandHeaders, sender: Sender) -> Identity | None:
    try:
        return _identity(route, order_id, body, headers, sender)
    except orjson.JSONEncodeError:
        # Nested more deeply than orjson writes. No release took such a body, so it repeats nothing.
        return None
