"""Finds the subscriptions that want a record by its order, customer and type: the cost is that of the matches. Pure."""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from event_schemas.feed import FeedFilter


class Facts(Protocol):
    """What filters look at; `notifier.feed_event.FeedEvent` has them. A rejection without an order has no customer."""

    @property
    def order_id(self) -> UUID:
        """The order that the record is about."""
        ...

    @property
    def customer_id(self) -> str | None:
        """The customer that the record is about."""
        ...

    @property
    def type(self) -> str:
        """The record's type."""
        ...


class Filtered(Protocol):
    """Something with a filter."""

    @property
    def filter(self) -> FeedFilter:
        """Which records are wanted."""
        ...


T = TypeVar("T", bound=Filtered)


def matches(wanted: FeedFilter, record: Facts) -> bool:
    """Whether a filter lets a record through."""
    return (
        (wanted.order_id is None or wanted.order_id == record.order_id)
        and (wanted.customer_id is None or wanted.customer_id == record.customer_id)
        and (wanted.types is None or record.type in wanted.types)
    )


class FilterIndex(Generic[T]):
    """Subscriptions by the narrowest thing they ask for: an order, a customer, types, or nothing."""

    def __init__(self) -> None:
        self._by_key: dict[object, dict[T, None]] = {}
        self._size = 0

    def add(self, subscription: T) -> None:
        """Make `wanting` find the subscription."""
        for key in _keys(subscription.filter):
            self._by_key.setdefault(key, {})[subscription] = None
        self._size += 1

    def remove(self, subscription: T) -> None:
        """Undo `add`; leaves nothing behind."""
        was_there = False
        for key in _keys(subscription.filter):
            found = self._by_key.get(key, {})
            was_there = found.pop(subscription, self) is None
            if not found:
                self._by_key.pop(key, None)
        self._size -= was_there

    def wanting(self, record: Facts) -> list[T]:
        """All that want this record, each once; a list of its own, so that they may be removed while it is walked."""
        found = list(self._by_key.get(_EVERYTHING, ()))
        found += self._by_key.get(("type", record.type), ())
        if of_customer := self._by_key.get(("customer", record.customer_id)):
            found += (one for one in of_customer if one.filter.types is None or record.type in one.filter.types)
        if of_order := self._by_key.get(("order", record.order_id)):
            found += (one for one in of_order if matches(one.filter, record))
        return found

    def __len__(self) -> int:
        return self._size


_EVERYTHING = "everything"


def _keys(wanted: FeedFilter) -> Iterator[object]:
    if wanted.order_id is not None:
        yield ("order", wanted.order_id)
    elif wanted.customer_id is not None:
        yield ("customer", wanted.customer_id)
    elif wanted.types is not None:
        yield from (("type", name) for name in set(wanted.types))
    else:
        yield _EVERYTHING
