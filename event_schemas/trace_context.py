"""Which `traceparent` is handed on: a valid one of W3C Trace Context (https://www.w3.org/TR/trace-context/), of bounded length.

Any other value starts no trace and is no error, as the standard says. The gateway checks what a client sends. The aggregate checks
what stands in a command, where other writers and earlier releases may have put anything.
"""

import re
from collections.abc import Iterable

TRACEPARENT = "traceparent"
"""The header's name, over HTTP and in Kafka."""
MAX_TRACEPARENT = 512
"""Characters. Version 00 has 55; a later one may go on, and a record of ours must still have room for it."""

_IDS = r"-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_VALID = re.compile(rf"00{_IDS}|(?!00|ff)[0-9a-f]{{2}}{_IDS}(?:-[\x20-\x7e]*)?")


def trace_id(traceparent: str) -> str | None:
    """The trace's id; None when this starts no trace."""
    if len(traceparent) > MAX_TRACEPARENT:
        return None
    valid = _VALID.fullmatch(traceparent)
    return valid and (valid[1] or valid[2])


def traceparent_of(headers: Iterable[tuple[str, bytes | None]]) -> bytes | None:
    """The one valid `traceparent` among a Kafka message's headers; None when there is none, or more than one."""
    sent = [value for name, value in headers if name == TRACEPARENT]
    if len(sent) != 1 or sent[0] is None:
        return None
    return sent[0] if trace_id(sent[0].decode("latin-1")) else None
