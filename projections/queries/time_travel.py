"""An order as it was: its history, folded up to a version or a time by the very fold that keeps `order_details`. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from event_schemas.decoding import decode_record
from event_schemas.recorded import RecordedMessage
from projections.tables import order_details
from projections.tables.order_details import OrderDetails
from projections.tables.order_history import HistoryEntry


@dataclass(frozen=True, slots=True)
class AtVersion:
    """The order right after the event that made it this version."""

    version: int

    def __str__(self) -> str:
        return f"at version {self.version}"


@dataclass(frozen=True, slots=True)
class AsOf:
    """The order at this time, by `occurred_at`: the time of the commands, not that of the log."""

    time: datetime

    def __str__(self) -> str:
        return f"on {self.time.isoformat()}"


Moment = AtVersion | AsOf


def order_at(history: Iterable[HistoryEntry], moment: Moment) -> OrderDetails | None:
    """The order as it was, None before its creation and beyond its last version. `history`: in the order of the log.

    Clocks may disagree, the log does not: what stands behind the first event after the time had not happened either, whatever
    its own time says. So this is always a state that the order was in. Raises NewerSchema for a record of a later release.
    """
    order: OrderDetails | None = None
    for event in _events(history):
        if isinstance(moment, AsOf) and event.record.occurred_at > moment.time:
            break
        if isinstance(moment, AtVersion) and event.record.version > moment.version:
            break
        order = order_details.evolve(order, event)
    if order is not None and isinstance(moment, AtVersion) and order.version != moment.version:
        return None
    return order


def _events(history: Iterable[HistoryEntry]) -> Iterable[RecordedMessage]:
    for entry in history:
        value = entry.envelope.encode()
        # Neither the log's time nor the command's place is kept beside an envelope, and no order depends on either.
        counted = RecordedMessage(decode_record(value), entry.partition, entry.record_offset, timestamp_ms=0, command_offset=0, value=value)
        if order_details.key_of(counted) is not None:
            yield counted
