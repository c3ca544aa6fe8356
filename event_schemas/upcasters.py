"""From every version that was ever released to the one that this release works with, one step at a time. Pure.

A step is a pure function of `data`, the content of the envelope. Any writer may have written anything under a version, so a step
takes every JSON object and raises nothing; the current version's shape judges what comes out. What stands in a topic is never
rewritten. Which steps lead a message from version 1 on is said in `event_schemas/registry.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

Data = dict[str, Any]
Upcaster = Callable[[Data], Data]


def placed_before_channels_were_asked(data: Data) -> Data:
    """From version 1 of CreateOrder and OrderCreated to version 2."""
    # The field is not left absent: since version 2, absence says that a client was asked and named none. In version 1 a field of
    # this name was an unknown one, which every reader ignored.
    return {**data, "sales_channel": "unknown"}


def upcast(message: dict[str, Any], steps: Sequence[Upcaster]) -> dict[str, Any]:
    """The message as the current version would have said it; as it is when its version or its data are of no use."""
    version, data = message.get("schema_version"), message.get("data")
    if type(version) is not int or not 1 <= version <= len(steps) or not isinstance(data, dict):
        return message
    for step in steps[version - 1 :]:
        data = step(data)
    return {**message, "schema_version": len(steps) + 1, "data": data}
