"""The rules. `decide` judges, `evolve` records. Pure: time comes from the command."""

from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

from event_schemas.codes import Code
from event_schemas.commands import CancelOrderCommand, Command, CreateOrderCommand, InvalidCommand, ShipOrderCommand
from event_schemas.events import (
    CommandRejectedRecord,
    EventData,
    OrderCancelled,
    OrderCancelledRecord,
    OrderCreated,
    OrderCreatedRecord,
    OrderedLine,
    OrderShipped,
    OrderShippedRecord,
    Record,
)
from event_schemas.pydantic_internals import constructed
from event_schemas.values import Line
from order_aggregate.order import CancelledOrder, CreatedOrder, NoOrder, OrderState, ShippedOrder

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A command's other ending: refused, with a stable code and a text for people."""

    code: Code
    detail: str


def decide(command: Command | InvalidCommand, state: OrderState, *, key_used: bool = False) -> EventData | Rejection:
    """Judge a command that was not decided before. Its whole ending is one event or one rejection.

    `key_used`: another command with the same Idempotency-Key was decided before.
    """
    if key_used:
        return Rejection(Code.IDEMPOTENCY_KEY_REUSED, "the Idempotency-Key was used before for another request")
    match command:
        case CreateOrderCommand():
            return _create_order(command, state)
        case ShipOrderCommand():
            return _version_conflict(command, state) or _ship_order(command, state)
        case CancelOrderCommand():
            return _version_conflict(command, state) or _cancel_order(command, state)
        case InvalidCommand():
            return Rejection(Code.INVALID_COMMAND, command.problem)
        case _:
            assert_never(command)


def _version_conflict(command: ShipOrderCommand | CancelOrderCommand, state: OrderState) -> Rejection | None:
    if command.expected_version is None or isinstance(state, NoOrder) or command.expected_version == state.version:
        return None
    return Rejection(Code.VERSION_CONFLICT, f"the order is at version {state.version}, not {command.expected_version}")


def _create_order(command: CreateOrderCommand, state: OrderState) -> OrderCreated | Rejection:
    match state:
        case NoOrder():
            wanted = command.data
            return constructed(
                OrderCreated,
                {
                    "customer_id": wanted.customer_id,
                    "currency": wanted.currency,
                    "lines": tuple(map(_ordered_line, wanted.lines)),
                    "units": sum([line.quantity for line in wanted.lines]),
                    "total": sum([line.quantity * line.unit_price for line in wanted.lines], _NOTHING),
                    "ordered_at": wanted.ordered_at,
                    "reference": wanted.reference,
                    "sales_channel": wanted.sales_channel,
                },
            )
        case CreatedOrder() | ShippedOrder() | CancelledOrder():
            return Rejection(Code.ALREADY_EXISTS, "an order with this id was placed before")
        case _:
            assert_never(state)


def _ordered_line(line: Line) -> OrderedLine:
    return constructed(OrderedLine, {"sku": line.sku, "quantity": line.quantity, "unit_price": line.unit_price})


def _ship_order(command: ShipOrderCommand, state: OrderState) -> OrderShipped | Rejection:
    match state:
        case CreatedOrder():
            return OrderShipped.model_construct(
                customer_id=state.customer_id, tracking_number=command.data.tracking_number, shipped_at=command.issued_at
            )
        case ShippedOrder() | CancelledOrder() | NoOrder():
            return _not_open(state)
        case _:
            assert_never(state)


def _cancel_order(command: CancelOrderCommand, state: OrderState) -> OrderCancelled | Rejection:
    match state:
        case CreatedOrder():
            return OrderCancelled.model_construct(
                customer_id=state.customer_id,
                reason=command.data.reason,
                cancelled_at=command.issued_at,
                ordered_at=state.ordered_at,
                currency=state.currency,
                units=state.units,
                total=state.total,
            )
        case ShippedOrder() | CancelledOrder() | NoOrder():
            return _not_open(state)
        case _:
            assert_never(state)


def _not_open(state: ShippedOrder | CancelledOrder | NoOrder) -> Rejection:
    match state:
        case ShippedOrder():
            return Rejection(Code.ALREADY_SHIPPED, "the order was shipped")
        case CancelledOrder():
            return Rejection(Code.ALREADY_CANCELLED, "the order was cancelled")
        case NoOrder():
            return Rejection(Code.ORDER_NOT_FOUND, "there is no order with this id")
        case _:
            assert_never(state)


def evolve(state: OrderState, record: Record) -> OrderState:
    """The order after a record. Every record is accepted, since it already happened."""
    match record:
        case OrderCreatedRecord(data=data):
            return CreatedOrder(record.version, data.customer_id, data.ordered_at, data.currency, data.units, data.total)
        case OrderShippedRecord(data=data):
            return ShippedOrder(record.version, data.customer_id)
        case OrderCancelledRecord(data=data):
            return CancelledOrder(record.version, data.customer_id)
        case CommandRejectedRecord():
            return state
        case _:
            assert_never(record)
