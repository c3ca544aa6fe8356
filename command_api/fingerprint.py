"""What makes two requests under one Idempotency-Key the same request."""

import hashlib
from typing import Any

import orjson


def length_prefixed(*parts: str | bytes) -> bytes:
    """Join texts so that no two different lists give the same bytes: each is preceded by its length in UTF-8 bytes."""
    encoded = [part if isinstance(part, bytes) else part.encode() for part in parts]
    return b"".join([b"%d:%b" % (len(part), part) for part in encoded])


def fingerprint(*, method: str, path: str, if_match: str | None, body: Any) -> str:
    """The request's SHA-256 (hex), over the JSON as it was sent, before defaults are filled in.

    `body` is the decoded JSON of a valid request; RFC 8785 makes its formatting and the order of its members irrelevant.
    """
    return hashlib.sha256(length_prefixed(method, path, if_match or "", canonical(body))).hexdigest()


def canonical(body: Any) -> bytes:
    """RFC 8785 of the decoded JSON of a valid request.

    Such a one has texts, whole numbers below 2**53 and no floats, and the names of its members are ASCII: what is left of the RFC is
    what orjson does when it sorts. A test holds it against a complete implementation of the RFC.
    """
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
