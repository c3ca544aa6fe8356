"""From every version that was ever released to the one that this release works with, one step at a time. Pure.

A step is a pure function of `data`, the content of the envelope. Any writer may have written anything under a version, so a step
takes every JSON object and raises nothing; the model judges what comes out. What stands in a topic is never rewritten.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Data = dict[str, Any]
Upcaster = Callable[[Data], Data]
Steps = Mapping[str, Mapping[int, Upcaster]]
"""By type, then by the version that a step starts from: it leads to the next one."""


class UpcasterGap(Exception):
    """A released version can't be brought to the current one, so a log that holds it could not be folded."""


def _placed_before_channels_were_asked(data: Data) -> Data:
    # The field is not left absent: since version 2, absence says that a client was asked and named none. In version 1 a field of
    # this name was an unknown one, which every reader ignored.
    return {**data, "sales_channel": "unknown"}


COMMAND_STEPS: Steps = {"CreateOrder": {1: _placed_before_channels_were_asked}}
RECORD_STEPS: Steps = {"OrderCreated": {1: _placed_before_channels_were_asked}}


def chains(versions: Mapping[str, int], steps: Steps) -> dict[str, Sequence[Upcaster]]:
    """By type, all its steps in order: the one at index n - 1 leads from version n to n + 1.

    `versions`: the current one of each type. Raises UpcasterGap unless there is exactly one step from each version before it.
    """
    unknown = steps.keys() - versions.keys()
    if unknown:
        raise UpcasterGap(f"there are upcasters for {', '.join(sorted(unknown))}, but no such message")
    for name, current in versions.items():
        wanted, found = set(range(1, current)), set(steps.get(name, ()))
        if wanted != found:
            missing, needless = sorted(wanted - found), sorted(found - wanted)
            wrong = f"is missing from version {missing[0]}" if missing else f"leads on from version {needless[0]}"
            raise UpcasterGap(f"{name} is at version {current}, but an upcaster {wrong}: event_schemas/upcasters.py")
    return {name: tuple(steps[name][version] for version in range(1, current)) if current > 1 else () for name, current in versions.items()}


def upcast(message: dict[str, Any], chain: Sequence[Upcaster]) -> dict[str, Any]:
    """The message as the current version would have said it; as it is when its version or its data are of no use."""
    version, data = message.get("schema_version"), message.get("data")
    if type(version) is not int or not 1 <= version <= len(chain) or not isinstance(data, dict):
        return message
    for step in chain[version - 1 :]:
        data = step(data)
    return {**message, "schema_version": len(chain) + 1, "data": data}
