"""An order's state in a few dozen bytes. In memory an order takes these and 20 bytes more, and 16 for each command and key."""

import struct
from datetime import UTC, datetime, timedelta
from typing import assert_never

from order_aggregate.order import CancelledOrder, CreatedOrder, NoOrder, OrderState, ShippedOrder

FOLD_VERSION = 2
"""Raise it with any change of `evolve` or of this encoding: snapshots of another version are ignored."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_ORDER = NoOrder()
_CREATED = struct.Struct(">cIqI3sB")
_ENDED = struct.Struct(">cI")


def packed_state(state: OrderState) -> bytes:
    """The state as bytes. NoOrder has none: an order that is not there is not kept."""
    match state:
        case CreatedOrder():
            total = state.total.encode()
            ordered = (state.ordered_at - _EPOCH) // _MICROSECOND
            head = _CREATED.pack(b"C", state.version, ordered, state.units, state.currency.encode(), len(total))
            return head + total + state.customer_id.encode()
        case ShippedOrder():
            return _ENDED.pack(b"S", state.version) + state.customer_id.encode()
        case CancelledOrder():
            return _ENDED.pack(b"X", state.version) + state.customer_id.encode()
        case NoOrder():
            raise ValueError("an order that was never placed has no state")
        case _:
            assert_never(state)


def unpacked_state(packed: bytes | None) -> OrderState:
    """The state that these bytes are; NoOrder for None. Raises ValueError for bytes that `packed_state` did not write."""
    if packed is None:
        return _NO_ORDER
    if packed[:1] == b"C":
        _, version, ordered, units, currency, length = _CREATED.unpack_from(packed)
        total, customer = packed[_CREATED.size : _CREATED.size + length], packed[_CREATED.size + length :]
        return CreatedOrder(version, customer.decode(), _EPOCH + ordered * _MICROSECOND, currency.decode(), units, total.decode())
    _, version = _ENDED.unpack_from(packed)
    customer_id = packed[_ENDED.size :].decode()
    match packed[:1]:
        case b"S":
            return ShippedOrder(version, customer_id)
        case b"X":
            return CancelledOrder(version, customer_id)
        case kind:
            raise ValueError(f"{kind!r} is no kind of state")
