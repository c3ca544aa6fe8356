"""Which subscriptions want a record: found by its order and its customer, so the cost is that of the matches. Pure."""

from typing import Generic, Protocol, TypeVar

from event_schemas.events import Record
from event_schemas.feed import FeedFilter


class Filtered(Protocol):
    """Something with a filter."""

    @property
    def filter(self) -> FeedFilter:
        """Which records it wants."""
        ...


T = TypeVar("T", bound=Filtered)


def customer_of(record: Record) -> str | None:
    """The customer whom a record is about; a rejection without an order has none."""
    return record.data.customer_id


def matches(wanted: FeedFilter, record: Record) -> bool:
    """Whether a filter lets a record through."""
    return (wanted.order_id is None or wanted.order_id == record.order_id) and (
        wanted.customer_id is None or wanted.customer_id == customer_of(record)
    )


class FilterIndex(Generic[T]):
    """Subscriptions by the narrowest thing they ask for."""

    def __init__(self) -> None:
        self._by_key: dict[object, dict[T, None]] = {}

    def add(self, subscription: T) -> None:
        """From now on it is found."""
        self._by_key.setdefault(_key(subscription.filter), {})[subscription] = None

    def remove(self, subscription: T) -> None:
        """From now on it is not found; leaves nothing behind."""
        key = _key(subscription.filter)
        found = self._by_key.get(key, {})
        found.pop(subscription, None)
        if not found:
            self._by_key.pop(key, None)

    def wanting(self, record: Record) -> list[T]:
        """All that want this record, each once; a list of its own, so that they may be removed while it is walked."""
        found = list(self._by_key.get(_EVERYTHING, ()))
        found += self._by_key.get(("customer", customer_of(record)), ())
        found += (one for one in self._by_key.get(("order", record.order_id), ()) if matches(one.filter, record))
        return found

    def __len__(self) -> int:
        return sum(len(found) for found in self._by_key.values())


_EVERYTHING = "everything"


def _key(wanted: FeedFilter) -> object:
    if wanted.order_id is not None:
        return ("order", wanted.order_id)
    return _EVERYTHING if wanted.customer_id is None else ("customer", wanted.customer_id)
