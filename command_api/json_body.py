"""Bytes to JSON, strictly: what two parsers could read differently is refused."""

import json
from typing import Any

import orjson

_SHOWN = 100
"""Characters of a name that an answer repeats."""


class Malformed(ValueError):
    """The bytes are no JSON that everyone reads alike; the text says where."""


def parse_json(body: bytes) -> Any:
    """Decode a request's body.

    Raises Malformed for what is no JSON (NaN, Infinity, lone surrogates and numbers beyond a double included) and for an
    object that names a member twice: RFC 8785, over which the fingerprint is taken, knows neither.
    """
    if not body:
        raise Malformed("the body is empty, a JSON object is expected")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not _plainly_unique(body, value):
        _refuse_repeated_names(body)
    return value


def _plainly_unique(body: bytes, value: Any) -> bool:
    """Whether counting colons shows that no name is repeated: a member that orjson dropped leaves one too many.

    In a body without backslashes each colon either follows a name or stands in a text that comes out as it is.
    """
    try:
        return b"\\" not in body and body.count(b":") == orjson.dumps(value).count(b":")
    except orjson.JSONEncodeError:  # nested more deeply than it writes
        return False


def _refuse_repeated_names(body: bytes) -> None:
    # orjson keeps the last of two members silently, so the standard parser has a second look; numbers don't matter to it.
    try:
        json.loads(body, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise Malformed("the body is nested too deeply") from error


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise Malformed(f"the body names a member twice: {name[:_SHOWN]!r}")
        seen.add(name)
