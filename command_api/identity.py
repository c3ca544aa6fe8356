"""Ids that follow from what the client sent, so that nothing has to be stored to recognise a repeat.

The derivation is a promise: a client may send a command again in a year, through any release. Golden values pin it in
`tests/unit/command_api/test_command_identity.py`.
"""

import hashlib
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from event_schemas.ids import name_based

ANONYMOUS = "anonymous"
"""The caller, while there are no identities."""

_NAMESPACE = UUID("6f0f6d1c-6f5b-4a3e-9a55-3a0d7a1f6c42")


def length_prefixed(*parts: str | bytes) -> bytes:
    """Join texts so that no two different lists give the same bytes: each is preceded by its length in UTF-8 bytes."""
    encoded = [part if isinstance(part, bytes) else part.encode() for part in parts]
    return b"".join([b"%d:%b" % (len(part), part) for part in encoded])


def fingerprint(*, method: str, path: str, if_match: str | None, body: Any) -> str:
    """The request's SHA-256 (hex), over the JSON as it was sent, before defaults are filled in.

    `body` is the decoded JSON of a request; RFC 8785 makes its formatting and the order of its members irrelevant. Raises
    orjson.JSONEncodeError for a body that is nested more than 254 levels deep, which is no valid one.
    """
    return hashlib.sha256(length_prefixed(method, path, if_match or "", canonical(body))).hexdigest()


def canonical(body: Any) -> bytes:
    """RFC 8785 of the decoded JSON of a valid request.

    Such a body has texts, whole numbers below 2**53 and no floats, and the names of its members are ASCII: what is left of the RFC is
    what orjson does when it sorts. A test holds it against a complete implementation of the RFC. Another body, with floats for instance,
    gets bytes of its own: enough to tell that it repeats no valid request.
    """
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


class Identity(NamedTuple):
    """What identifies a command: its own id, its order's, and the hash by which the aggregate notices a key that is used twice."""

    command_id: UUID
    order_id: UUID
    key_hash: str


def identify(*, caller: str, key: str, order_id: UUID | None, fingerprint: str) -> Identity:
    """The identity of a command sent under an Idempotency-Key.

    `order_id` is the order that is shipped or cancelled, and part of the key's scope; None creates an order, whose id
    then follows from caller and key, so that another body under the key meets the order that the first one created.
    """
    scope = (caller, key) if order_id is None else (caller, key, str(order_id))
    return Identity(
        command_id=_uuid("command", *scope, fingerprint),
        order_id=_uuid("order", caller, key) if order_id is None else order_id,
        key_hash=hashlib.sha256(length_prefixed(*scope)).hexdigest(),
    )


def _uuid(*parts: str) -> UUID:
    return name_based(_NAMESPACE.bytes + length_prefixed(*parts))
