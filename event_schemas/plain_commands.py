"""Reading the commands that are as they should be, quickly: each check here is at least as strict as the models' own.

What does not pass is None, and the models say what is wrong with it, if anything is. So no verdict depends on this module; a
property test compares both ways on commands of every kind, good and bad.
"""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from event_schemas.commands import (
    CancelOrder,
    CancelOrderCommand,
    Command,
    CreateOrder,
    CreateOrderCommand,
    ShipOrder,
    ShipOrderCommand,
)
from event_schemas.constructed import constructed, uuid_of
from event_schemas.values import CURRENCIES, MAX_AMOUNT, MAX_LINES, MAX_QUANTITY, Line

_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_KEY_HASH = re.compile("[0-9a-f]{64}").fullmatch
_TIME = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{6})?Z", re.ASCII).fullmatch
_AMOUNT = re.compile(r"\d{1,10}(\.\d{1,4})?", re.ASCII).fullmatch
_CHANNEL = re.compile("[a-z0-9][a-z0-9_-]{0,31}").fullmatch


class _Doubtful(Exception):
    """Not for this module to judge."""


def plain_command(message: dict[str, Any]) -> Command | None:
    """The command that a decoded JSON object of the current version is; None when that is not plain to see."""
    try:
        command, read_data = _KINDS[message["type"]]
        fields = {
            "id": _id(message["id"]),
            "schema_version": _version(message["schema_version"]),
            "order_id": _id(message["order_id"]),
            "key_hash": _key_hash(message.get("key_hash")),
            "expected_version": _expected(message.get("expected_version")),
            "correlation_id": _text(message["correlation_id"]),
            "issued_at": _time(message["issued_at"]),
            "actor": _text(message["actor"]),
            "type": message["type"],
            "data": read_data(message["data"]),
        }
        _no_more(message, len(fields) - ("key_hash" not in message) - ("expected_version" not in message))
    except (_Doubtful, KeyError, TypeError, ValueError, AttributeError):
        return None
    made: Command = constructed(command, fields)
    return made


def _create(data: dict[str, Any]) -> CreateOrder:
    lines, reference, channel = data["lines"], data.get("reference"), data.get("sales_channel")
    if type(lines) is not list or not 0 < len(lines) <= MAX_LINES or data["currency"] not in CURRENCIES:
        raise _Doubtful
    if channel is not None and not _CHANNEL(channel):
        raise _Doubtful
    customer_id = _text(data["customer_id"])
    if "/" in customer_id:
        raise _Doubtful
    fields = {
        "customer_id": customer_id,
        "currency": data["currency"],
        "lines": tuple(map(_line, lines)),
        "ordered_at": _time(data["ordered_at"]),
        "reference": None if reference is None else _text(reference),
        "sales_channel": channel,
    }
    _no_more(data, len(fields) - ("reference" not in data) - ("sales_channel" not in data))
    return constructed(CreateOrder, fields)


def _line(line: dict[str, Any]) -> Line:
    quantity, price = line["quantity"], line["unit_price"]
    if type(quantity) is not int or not 1 <= quantity <= MAX_QUANTITY or not _AMOUNT(price):
        raise _Doubtful
    unit_price = Decimal(price)
    if unit_price > MAX_AMOUNT:
        raise _Doubtful
    _no_more(line, 3)
    return constructed(Line, {"sku": _text(line["sku"]), "quantity": quantity, "unit_price": unit_price})


def _ship(data: dict[str, Any]) -> ShipOrder:
    _no_more(data, 1)
    return constructed(ShipOrder, {"tracking_number": _text(data["tracking_number"])})


def _cancel(data: dict[str, Any]) -> CancelOrder:
    _no_more(data, 1)
    return constructed(CancelOrder, {"reason": _text(data["reason"])})


_KINDS: dict[str, tuple[Any, Callable[[dict[str, Any]], Any]]] = {
    "CreateOrder": (CreateOrderCommand, _create),
    "ShipOrder": (ShipOrderCommand, _ship),
    "CancelOrder": (CancelOrderCommand, _cancel),
}


def _no_more(content: dict[str, Any], count: int) -> None:
    if len(content) != count:
        raise _Doubtful


def _id(text: str) -> UUID:
    if not _ID(text):
        raise _Doubtful
    return uuid_of(int(text.replace("-", ""), 16))


def _version(number: int) -> int:
    if type(number) is not int or number < 1:
        raise _Doubtful
    return number


def _expected(number: int | None) -> int | None:
    if number is not None and (type(number) is not int or number < 0):
        raise _Doubtful
    return number


def _key_hash(text: str | None) -> str | None:
    if text is not None and not _KEY_HASH(text):
        raise _Doubtful
    return text


def _text(text: str) -> str:
    # All printable is stricter than what the models ask for, and quick.
    if type(text) is not str or not 0 < len(text) <= 200 or not text.isprintable():
        raise _Doubtful
    return text


def _time(text: str) -> datetime:
    if not _TIME(text):
        raise _Doubtful
    return datetime.fromisoformat(text)
