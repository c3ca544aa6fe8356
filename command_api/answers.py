"""What the three POSTs answer. The classes are written as JSON, and OpenAPI describes the answers by them."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from infra.http.problems import COMMAND_ID, ORDER_ID, POSITION

PROMISE = "nothing was appended, and nothing is promised: what comes before the command may change its outcome"


class PendingCommand(Struct, frozen=True, kw_only=True):
    """The broker has the command. `detail`: with a wait whose time is up, that nothing is known yet."""

    command_id: UUID
    order_id: UUID
    status: Literal["pending"]
    detail: str | UnsetType = UNSET


class AcceptedCommand(Struct, frozen=True, kw_only=True):
    """The command ended in an event."""

    command_id: UUID
    order_id: UUID
    status: Literal["accepted"]
    version: Annotated[int, Meta(description="The order's version after it")]
    position: Annotated[str, Meta(description="Give it to a read as `position=`, and that read sees this write")]
    visible: Annotated[bool, Meta(description="With `for=visible`: whether the read models hold it already")] | UnsetType = UNSET


class DryRun(Struct, frozen=True, kw_only=True):
    """What would be decided now."""

    would: Literal["accept", "reject"]
    position: Annotated[str, Meta(description="Up to here the order's history was looked at")]
    promise: Annotated[str, Meta(description="Says that nothing is promised")]
    code: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET


EXAMPLES = {
    PendingCommand: {"command_id": COMMAND_ID, "order_id": ORDER_ID, "status": "pending"},
    AcceptedCommand: {"command_id": COMMAND_ID, "order_id": ORDER_ID, "status": "accepted", "version": 1, "position": POSITION},
    DryRun: {"would": "accept", "position": POSITION, "promise": PROMISE},
}
"""One of each, as OpenAPI shows it."""
