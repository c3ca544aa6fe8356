"""The request headers that matter to a command, read in one pass and checked."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from command_api.problems import Fault, header_fault
from event_schemas.codes import Code
from event_schemas.trace_context import TRACEPARENT, trace_id
from infra.http.preferences import Preferences, read_preferences
from infra.http.problems import Problem

PRINTABLE = re.compile("[!-~]([ -~]*[!-~])?")
"""What a key and a correlation id must be; blanks around a header's value do not belong to it."""
VERSION = re.compile('"(0|[1-9][0-9]{0,8})"')
"""What If-Match must be: an order's version in quotes. No order has more than 999,999,999 records."""
MAX_KEY = 255
MAX_CORRELATION = 200
_JSON = re.compile(r'application/json(\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
_WANTED = {
    b"content-type": "Content-Type",
    b"content-encoding": "Content-Encoding",
    b"idempotency-key": "Idempotency-Key",
    b"if-match": "If-Match",
    b"x-correlation-id": "X-Correlation-Id",
    b"traceparent": TRACEPARENT,
}

_IDENTIFYING = frozenset({"Idempotency-Key", "If-Match"})
_CORRELATING = frozenset({b"x-correlation-id", b"traceparent"})

RawHeaders = Sequence[tuple[bytes, bytes]]


class CommandHeaders(NamedTuple):
    """What a request says beside its body. `if_match` is the header as sent, `expected_version` what it means.

    `faults`: what is wrong with the headers; it is answered together with what is wrong with the body. `identifying`: the client
    named its command by a key of its own, and each header that counts for the command's id was sent once.
    """

    idempotency_key: str | None
    if_match: str | None
    expected_version: int | None
    correlation_id: str | None
    traceparent: str | None
    preferences: Preferences
    faults: tuple[Fault, ...] = ()
    identifying: bool = False


def read_correlation(raw: RawHeaders) -> str | None:
    """The correlation id that a request carries, None when it carries none that can be used. Never refuses anything."""
    if not any(name in _CORRELATING for name, _ in raw):
        return None
    sent, _ = _collected(raw)
    correlation = sent.get("X-Correlation-Id")
    if correlation is not None:
        return correlation if PRINTABLE.fullmatch(correlation) and len(correlation) <= MAX_CORRELATION else None
    return trace_id(sent.get(TRACEPARENT, ""))


def read_headers(raw: RawHeaders, *, versioned: bool) -> CommandHeaders:
    """The headers of a command. `versioned`: the command changes an order that exists, so If-Match may name its version.

    Raises Problem (unsupported_media_type) when the body is not announced as JSON in UTF-8.
    """
    sent, faults = _collected(raw)
    repeated = {fault["header"] for fault in faults}
    _require_json(sent)
    key, if_match, correlation, trace = (sent.get(n) for n in ("Idempotency-Key", "If-Match", "X-Correlation-Id", TRACEPARENT))
    if key is not None and not (PRINTABLE.fullmatch(key) and len(key) <= MAX_KEY):
        faults.append(header_fault("Idempotency-Key", f"must have 1 to {MAX_KEY} printable ASCII characters"))
    if correlation is not None and not (PRINTABLE.fullmatch(correlation) and len(correlation) <= MAX_CORRELATION):
        faults.append(header_fault("X-Correlation-Id", f"must have 1 to {MAX_CORRELATION} printable ASCII characters"))
    trace_of_client = trace_id(trace) if trace is not None else None
    expected_version = _expected_version(if_match, versioned, faults)
    return CommandHeaders(
        idempotency_key=key,
        if_match=if_match,
        expected_version=expected_version,
        correlation_id=correlation or trace_of_client,
        # An unusable traceparent starts no trace of its own and is no error (W3C Trace Context).
        traceparent=trace if trace_of_client else None,
        preferences=read_preferences(raw),
        faults=tuple(faults),
        identifying=key is not None and repeated.isdisjoint(_IDENTIFYING),
    )


def _collected(raw: RawHeaders) -> tuple[dict[str, str], list[Fault]]:
    sent: dict[str, str] = {}
    faults: list[Fault] = []
    for raw_name, value in raw:
        name = _WANTED.get(raw_name)
        if name is None:
            continue
        if name not in sent:
            sent[name] = value.decode("latin-1").strip(" \t")
        elif name == TRACEPARENT:
            sent[name] = ""  # it is unknown which of the two is meant: no trace, and no error
        else:
            faults.append(header_fault(name, "must be sent once"))
    return sent, faults


def _require_json(sent: dict[str, str]) -> None:
    if not _JSON.fullmatch(sent.get("Content-Type", "")):
        raise Problem(
            Code.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json, in UTF-8", headers={"Accept-Post": "application/json"}
        )
    if sent.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(Code.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding must not be used", headers={"Accept-Encoding": "identity"})


def _expected_version(if_match: str | None, versioned: bool, faults: list[Fault]) -> int | None:
    if if_match is None:
        return None
    if not versioned:
        faults.append(header_fault("If-Match", "belongs to ship and cancel: an order that is created has no version yet"))
        return None
    found = VERSION.fullmatch(if_match)
    if found is None:
        faults.append(header_fault("If-Match", 'must be one strong ETag of an order, such as "3"; neither *, nor W/, nor a list'))
        return None
    return int(found.group(1))
