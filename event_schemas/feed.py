"""The live feed's frames, both ways; `docs` and the AsyncAPI page are generated from these models."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from event_schemas.values import Closed, CustomerId, Id, Text

SUBPROTOCOL = "orders.v1.json"
LATEST, EARLIEST = "latest", "earliest"


class FeedCode(StrEnum):
    """The stable codes of `error` frames."""

    MALFORMED_JSON = "malformed_json"
    VALIDATION_FAILED = "validation_failed"
    UNKNOWN_TYPE = "unknown_type"
    SUBSCRIPTION_EXISTS = "subscription_exists"
    SUBSCRIPTION_UNKNOWN = "subscription_unknown"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    NOT_READY = "not_ready"
    LOG_BROKEN = "log_broken"
    NEWER_SCHEMA = "newer_schema"
    SNAPSHOT_UNAVAILABLE = "snapshot_unavailable"


class ResetReason(StrEnum):
    """Why a subscription can't go on from its position."""

    MALFORMED = "malformed"
    OTHER_LOG = "other_log"
    BEYOND_THE_END = "beyond_the_end"
    LOG_REPLACED = "log_replaced"


class CloseCode:
    """Why the server ends a connection, beside the protocol's own codes.

    4000 to 4099: stop, the client must be mended first. 4100 to 4199: back off, then resume from the last position. 4200 to 4299:
    come back now, after `retry_after_ms` of the reason if it names that.
    """

    BAD_FRAMES = 4000
    NO_SUBSCRIPTION = 4001
    TOO_MANY_FRAMES = 4002
    SLOW = 4100
    INTERNAL = 4101
    GOING_AWAY = 4200


RecordType = Literal["OrderCreated", "OrderShipped", "OrderCancelled", "CommandRejected"]


class FeedFilter(Closed):
    """Which records are wanted: those of a customer, of an order, of these types; of all that are named; every record when empty."""

    customer_id: CustomerId | None = None
    order_id: Id | None = None
    types: Annotated[tuple[RecordType, ...], Field(min_length=1, max_length=4)] | None = None


class Subscribe(Closed):
    """From the client: send me records. `from`: `latest`, `earliest` or a position that the feed or the HTTP API gave out.

    With `snapshot` the matching orders come first, as they stand, and then the records from there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    type: Literal["subscribe"] = "subscribe"
    id: Text | None = None
    filter: FeedFilter = FeedFilter()
    start: Annotated[str, Field(alias="from", min_length=1, max_length=100_000)] = LATEST
    snapshot: bool = False

    @model_validator(mode="after")
    def _a_snapshot_is_of_some_orders(self) -> Self:
        if self.snapshot and self.filter.customer_id is None and self.filter.order_id is None:
            raise ValueError("snapshot: needs filter.customer_id or filter.order_id, which say of what")
        if self.snapshot and self.start != LATEST:
            raise ValueError("from: leave it out with snapshot, the records follow from where the snapshot was taken")
        return self


class Unsubscribe(Closed):
    """From the client: no more of that subscription."""

    type: Literal["unsubscribe"] = "unsubscribe"
    id: Text | None = None


class _FromServer(Closed):
    id: str | None = None

    def encoded(self) -> bytes:
        """The frame's bytes."""
        return self.model_dump_json(exclude_none=True).encode()


class Subscribed(_FromServer):
    """The subscription stands; its events begin after `position`."""

    type: Literal["subscribed"] = "subscribed"
    position: str


class Snapshot(_FromServer):
    """A piece of the matching orders, each as `GET /orders/{id}` shows it, at `position` or later; `more`: another piece follows.

    Records follow from `position`: an order here may be newer than some of them, so drop versions that you hold already.
    """

    type: Literal["snapshot"] = "snapshot"
    position: str
    orders: list[dict[str, Any]]
    more: bool


class EventFrame(_FromServer):
    """A record that matches. `seq` counts the subscription's events from 1; `position` is where to go on after this one."""

    type: Literal["event"] = "event"
    seq: int
    position: str
    event: dict[str, Any]


class CaughtUp(_FromServer):
    """Everything that was there has been sent; what follows is live. Once per subscription."""

    type: Literal["caught_up"] = "caught_up"
    position: str


class Heartbeat(_FromServer):
    """Everything up to `position` that matches has been sent, also when it was nothing."""

    type: Literal["heartbeat"] = "heartbeat"
    position: str


class Reset(_FromServer):
    """The subscription has ended, its position means nothing in this log: forget what was folded and start anew from `position`."""

    type: Literal["reset"] = "reset"
    reason: ResetReason
    position: str


class Unsubscribed(_FromServer):
    """The subscription has ended, as asked for."""

    type: Literal["unsubscribed"] = "unsubscribed"


class FeedError(_FromServer):
    """A frame was refused, or a subscription could not go on; `detail` says what would be right."""

    type: Literal["error"] = "error"
    code: FeedCode
    detail: str
