"""From a request to the command that stands in `order-commands`. Pure: the time and a client's missing key come from outside."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from command_api.headers import CommandHeaders
from command_api.identity import fingerprint, identify
from command_api.problems import invalid
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


def build_command(route: CommandRoute, order_id: UUID | None, body: Any, headers: CommandHeaders, sender: Sender) -> Command:
    """The command that a request asks for. `order_id` is None for CREATE. Raises Problem (validation_failed), every fault named."""
    data = parse_request(route.request, body, now=sender.at)
    if isinstance(data, list) or headers.faults:
        raise invalid([*headers.faults, *(data if isinstance(data, list) else ())])
    path = route.path if order_id is None else route.path.format(order_id=order_id)
    identity = identify(
        caller=sender.caller,
        key=sender.key,
        order_id=order_id,
        fingerprint=fingerprint(method="POST", path=path, if_match=headers.if_match, body=body),
    )
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
