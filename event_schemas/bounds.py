"""Bounds on how much of a message is checked, member by member, before it is clear that it is not one of ours. Pure.

A model names every fault of what it is given. In a quarter of a megabyte there may be a hundred thousand, and each costs a
thousand times the memory of its bytes.
"""

from typing import Any

from event_schemas.values import MAX_LINES

MAX_MEMBERS = 32
"""Members of an object that are looked at one by one; no message of ours has half as many."""


def beyond_bounds(data: Any, *, with_lines: bool) -> tuple[tuple[str | int, ...], str] | None:
    """The first bound that a command's data breaks, and where: there is nothing to be validated then.

    `with_lines`: the data may have `lines`.
    """
    if not isinstance(data, dict):
        return None
    if len(data) > MAX_MEMBERS:
        return (), _TOO_MANY_MEMBERS
    lines = data.get("lines") if with_lines else None
    if not isinstance(lines, list):
        return None
    if len(lines) > MAX_LINES:
        return ("lines",), f"must have at most {MAX_LINES} items"
    for index, line in enumerate(lines):
        if isinstance(line, dict) and len(line) > MAX_MEMBERS:
            return ("lines", index), _TOO_MANY_MEMBERS
    return None


_TOO_MANY_MEMBERS = f"must have at most {MAX_MEMBERS} members"
