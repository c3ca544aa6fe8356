"""The rules. `decide` judges, `evolve` records. Pure: time comes from the command."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import mul
from typing import assert_never

from event_schemas.codes import Code
from event_schemas.commands import CancelOrder, Command, CreateOrder, InvalidCommand, Line, ShipOrder
from event_schemas.events import CommandRejected, EventData, OrderCancelled, OrderCreated, OrderedLine, OrderShipped, Record
from order_aggregate.order import CancelledOrder, CreatedOrder, NoOrder, OrderState, ShippedOrder


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
    if isinstance(command, InvalidCommand):
        return Rejection(Code.INVALID_COMMAND, command.problem)
    match command.data:
        case CreateOrder() as wanted:
            return _create_order(wanted, state)
        case ShipOrder() as wanted:
            return _version_conflict(command, state) or _ship_order(wanted, command.issued_at, state)
        case CancelOrder() as wanted:
            return _version_conflict(command, state) or _cancel_order(wanted, command.issued_at, state)
        case _ as never:
            assert_never(never)


def _version_conflict(command: Command, state: OrderState) -> Rejection | None:
    if command.expected_version is None or isinstance(state, NoOrder) or command.expected_version == state.version:
        return None
    return Rejection(Code.VERSION_CONFLICT, f"the order is at version {state.version}, not {command.expected_version}")


def _create_order(wanted: CreateOrder, state: OrderState) -> OrderCreated | Rejection:
    match state:
        case NoOrder():
            quantities = [line.quantity for line in wanted.lines]
            prices = [Decimal(line.unit_price) for line in wanted.lines]
            return OrderCreated(
                customer_id=wanted.customer_id,
                currency=wanted.currency,
                lines=tuple([_ordered(line, price) for line, price in zip(wanted.lines, prices, strict=True)]),
                units=sum(quantities),
                total=str(sum(map(mul, quantities, prices))),
                ordered_at=wanted.ordered_at,
                reference=wanted.reference,
                sales_channel=wanted.sales_channel,
            )
        case CreatedOrder() | ShippedOrder() | CancelledOrder():
            return Rejection(Code.ALREADY_EXISTS, "an order with this id was placed before")
        case _:
            assert_never(state)


def _ordered(line: Line, price: Decimal) -> OrderedLine:
    return OrderedLine(sku=line.sku, quantity=line.quantity, unit_price=str(price))


def _ship_order(wanted: ShipOrder, at: datetime, state: OrderState) -> OrderShipped | Rejection:
    match state:
        case CreatedOrder():
            return OrderShipped(customer_id=state.customer_id, tracking_number=wanted.tracking_number, shipped_at=at)
        case ShippedOrder() | CancelledOrder() | NoOrder():
            return _not_open(state)
        case _:
            assert_never(state)


def _cancel_order(wanted: CancelOrder, at: datetime, state: OrderState) -> OrderCancelled | Rejection:
    match state:
        case CreatedOrder():
            return OrderCancelled(
                customer_id=state.customer_id,
                reason=wanted.reason,
                cancelled_at=at,
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
    match record.data:
        case OrderCreated() as order:
            return CreatedOrder(record.version, order.customer_id, order.ordered_at, order.currency, order.units, order.total)
        case OrderShipped() as order:
            return ShippedOrder(record.version, order.customer_id)
        case OrderCancelled() as order:
            return CancelledOrder(record.version, order.customer_id)
        case CommandRejected():
            return state
        case _ as never:
            assert_never(never)
