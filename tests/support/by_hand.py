"""Commands that no gateway writes: what somebody may put into the topic by hand, and what becomes of it."""

from typing import NamedTuple
from uuid import UUID

import orjson

from tests.support.given import Envelope, cancel, create, ship


class ByHand(NamedTuple):
    """Bytes, and the reason with which they are refused. `rejected`: their ids can be read, so that they end in a record."""

    value: bytes
    reason: str
    rejected: bool = True


def _raw(value: bytes, member: bytes, text: bytes) -> bytes:
    """The same command with this JSON text as the value of a member that is a text."""
    begin = value.index(b'"' + member + b'":') + len(member) + 3
    end = value.index(b'"', begin + 1) + 1
    return value[:begin] + text + value[end:]


def written_by_hand(order_id: UUID) -> dict[str, ByHand]:
    """By name. All are of this order, as far as their ids can be read."""
    envelope = Envelope(order_id=order_id)

    def placed() -> bytes:
        return create(envelope=envelope).encoded()

    def shipped(text: bytes) -> bytes:
        return _raw(ship(envelope=envelope).encoded(), b"tracking_number", text)

    def cancelled(**members: object) -> bytes:
        return orjson.dumps(orjson.loads(cancel(envelope=envelope).encoded()) | members)

    return {
        "data is a text": ByHand(cancelled(data="too late"), "data: Expected `object`, got `str`"),
        "data is a list": ByHand(cancelled(data=[1]), "data: Expected `object`, got `array`"),
        "data is null": ByHand(cancelled(data=None), "data: Expected `object`, got `null`"),
        "a number in place of a text": ByHand(shipped(b"5"), "data.tracking_number: Expected `str`, got `int`"),
        "a text in place of a number": ByHand(
            placed().replace(b'"quantity":2', b'"quantity":"2"'), "data.lines.0.quantity: Expected `int`, got `str`"
        ),
        "an amount that is a number": ByHand(placed().replace(b'"4.50"', b"4.50"), "data.lines.0.unit_price: Expected `str`"),
        "an amount that is none": ByHand(placed().replace(b'"4.50"', b'"NaN"'), "data.lines.0.unit_price: must be a decimal string"),
        "a key's hash that is none": ByHand(cancelled(key_hash="x", data={}), "data: Object missing required field `reason`"),
        "a version that is none": ByHand(cancelled(expected_version=2**63), "expected_version: Expected `int` <= 2147483647"),
        "a schema version that is a text": ByHand(cancelled(schema_version="1"), "schema_version: Expected `int`, got `str`"),
        "a type that is a number": ByHand(cancelled(type=7), "type: Expected `str`, got `int`"),
        "a time that is a number": ByHand(cancelled(issued_at=1769860800), "issued_at: Expected `datetime`, got `int`"),
        "an escaped control character": ByHand(shipped(b'"a\\u0000b"'), "data.tracking_number: must hold no control characters"),
        "members of no meaning": ByHand(cancelled(surprise=1), "Object contains unknown field `surprise`"),
        "1,000 levels": ByHand(shipped(b"[" * 1000 + b"]" * 1000), "data.tracking_number: Expected `str`, got `array`"),
        "100,000 levels": ByHand(shipped(b"[" * 100_000 + b"]" * 100_000), "not JSON", rejected=False),
        "100,000 levels without an end": ByHand(shipped(b'{"a":' * 100_000), "not JSON", rejected=False),
        "1 MB of digits": ByHand(shipped(b"9" * 1_000_000), "not JSON", rejected=False),
        "a text of 1 MB of digits": ByHand(shipped(b'"' + b"9" * 1_000_000 + b'"'), "data.tracking_number: must have 1 to 200 characters"),
        "half a surrogate pair": ByHand(shipped(b'"\\ud800"'), "not JSON", rejected=False),
        "half a surrogate pair in an id": ByHand(_raw(placed(), b"id", b'"\\udc00"'), "not JSON", rejected=False),
        "no UTF-8 in a text": ByHand(shipped(b'"\xff"'), "not JSON", rejected=False),
        "no UTF-8 in an unknown member": ByHand(placed()[:-1] + b',"later":"\xed\xa0\x80"}', "not JSON", rejected=False),
        "no UTF-8 at all": ByHand(b"\xff\xfe\x00junk", "not JSON", rejected=False),
        "a list": ByHand(b"[" + placed() + b"]", "not a JSON object", rejected=False),
        "cut off": ByHand(placed()[:-20], "not JSON", rejected=False),
        "an id in capitals": ByHand(cancelled(id=str(order_id).upper()), "id must be a UUID in canonical lower-case form", rejected=False),
        "an id that is a number": ByHand(cancelled(id=5), "id must be a UUID in canonical lower-case form", rejected=False),
    }


def with_members_twice(order_id: UUID) -> bytes:
    """A ShipOrder that says each of two members twice; the last of them is right."""
    value = ship("last", Envelope(order_id=order_id)).encoded()
    twice = value.replace(b'"tracking_number":"last"', b'"tracking_number":7,"tracking_number":"first","tracking_number":"last"')
    return twice.replace(b'"actor":', b'"actor":null,"actor":', 1)
