"""A later release: a copy of the checkout that also knows the command `ReturnOrder` and its event `OrderReturned`."""

from pathlib import Path
from uuid import UUID, uuid4

import orjson

from tests.support.given import NOON
from tests.support.releases import Change, changed_release

_COMMANDS, _EVENTS = "event_schemas/commands.py", "event_schemas/events.py"
_REGISTRY, _DECIDER = "event_schemas/registry.py", "order_aggregate/decider.py"
_RETURN_ORDER = "class ReturnOrder(Closed, frozen=True, kw_only=True):\n    reason: Annotated[str, TEXT]\n\n\n"
_ORDER_RETURNED = "class OrderReturned(Open, frozen=True, kw_only=True):\n    reason: str\n\n\n"
_JUDGED = "        case ReturnOrder() as wanted:\n            return OrderReturned(reason=wanted.reason)\n"
_FOLDED = "        case OrderReturned():\n            return CancelledOrder(record.version, state.customer_id)\n"

RETURNS: tuple[Change, ...] = (
    (_COMMANDS, "CommandData = CreateOrder |", f"{_RETURN_ORDER}CommandData = ReturnOrder | CreateOrder |"),
    (_EVENTS, "EventData = OrderCreated |", f"{_ORDER_RETURNED}EventData = OrderReturned | OrderCreated |"),
    (_REGISTRY, "import CancelOrder, Command,", "import ReturnOrder, CancelOrder, Command,"),
    (_REGISTRY, "import CommandRejected, OrderCancelled,", "import OrderReturned, CommandRejected, OrderCancelled,"),
    (_REGISTRY, "    CommandKind(CancelOrder),\n", "    CommandKind(CancelOrder),\n    CommandKind(ReturnOrder),\n"),
    (
        _REGISTRY,
        "    RecordKind(CommandRejected),\n",
        "    RecordKind(OrderReturned, ends=ReturnOrder),\n    RecordKind(CommandRejected),\n",
    ),
    (_DECIDER, "import CancelOrder, Command,", "import ReturnOrder, CancelOrder, Command,"),
    (_DECIDER, "import CommandRejected, EventData,", "import OrderReturned, CommandRejected, EventData,"),
    (_DECIDER, "        case CancelOrder() as wanted:\n", f"{_JUDGED}        case CancelOrder() as wanted:\n"),
    (_DECIDER, "        case CommandRejected():\n", f"{_FOLDED}        case CommandRejected():\n"),
)
"""An order that is there can be returned, and is taken for cancelled afterwards. Folds of the read models stay as they are."""


def later_release(folder: Path) -> Path:
    """The later release's checkout."""
    return changed_release(folder, *RETURNS, newer=0)


def return_order(order_id: UUID) -> tuple[UUID, bytes]:
    """The id and the bytes of a command that only the later release knows."""
    command_id = uuid4()
    message = {
        "id": str(command_id),
        "schema_version": 1,
        "order_id": str(order_id),
        "correlation_id": str(command_id),
        "issued_at": NOON.isoformat(),
        "actor": "anonymous",
        "type": "ReturnOrder",
        "data": {"reason": "too small"},
    }
    return command_id, orjson.dumps(message)
