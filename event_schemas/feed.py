"""The live feed's frames, both ways; `docs` and the AsyncAPI page are generated from these models."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from event_schemas.feed_codes import LATEST, FeedCode, ResetReason
from event_schemas.registry import RECORD_KINDS
from event_schemas.request_types import CustomerId, Id, RecordType, Request, Text


class FeedFilter(Request):
    """Which records are wanted: those of a customer, of an order, of these types; of all that are named; every record when empty."""

    customer_id: CustomerId | None = None
    order_id: Id | None = None
    types: Annotated[tuple[RecordType, ...], Field(min_length=1, max_length=len(RECORD_KINDS))] | None = None


class Subscribe(Request):
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


class Unsubscribe(Request):
    """From the client: no more of that subscription."""

    type: Literal["unsubscribe"] = "unsubscribe"
    id: Text | None = None


class _FromServer(Request):
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
