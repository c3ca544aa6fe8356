"""Frames of the feed as server-sent events (WHATWG HTML, 9.2): the same bytes as data, the position as id. Pure."""

_KIND_AT = len(b'{"type":"')
_POSITION = b'"position":"'
_LAST_PIECE = b'"more":false}'
_ENDS = {b"reset", b"error"}


class SseFrames:
    """Makes the events of one stream. `snapshot`: it begins with one; until that is complete there is no position to go on from."""

    __slots__ = ("_has_position", "over")

    def __init__(self, *, snapshot: bool = False) -> None:
        self._has_position = not snapshot
        self.over = False
        """Whether the frame made last ends the subscription, and so the stream."""

    def event(self, payload: bytes) -> bytes:
        """A frame (JSON, its `type` first, without an `id`) as an event. An `error` is called `failed`: browsers have one of their own."""
        kind = payload[_KIND_AT : payload.index(b'"', _KIND_AT)]
        self._has_position = self._has_position or (kind == b"snapshot" and payload.endswith(_LAST_PIECE))
        self.over = kind in _ENDS
        name = b"failed" if kind == b"error" else kind
        return b"event: %b\n%bdata: %b\n\n" % (name, self._id(payload) if self._has_position else b"", _one_line(payload))

    def _id(self, payload: bytes) -> bytes:
        # No text within the JSON can look like this: there, a quotation mark stands behind a backslash.
        begin = payload.find(_POSITION)
        if begin < 0:
            return b""
        begin += len(_POSITION)
        return b"id: %b\n" % payload[begin : payload.index(b'"', begin)]


def retry(wait_ms: int) -> bytes:
    """How long a browser is to wait before it connects again."""
    return b"retry: %d\n\n" % wait_ms


def closing(members: bytes) -> bytes:
    """The last event of a stream: why it ends, as JSON; in place of a websocket's close code and reason."""
    return b"event: closing\ndata: %b\n\n" % members


def _one_line(payload: bytes) -> bytes:
    """A record stands in the frame as it was written: JSON may be written in lines, and these would end the data."""
    if b"\n" in payload or b"\r" in payload:
        return payload.replace(b"\r", b" ").replace(b"\n", b" ")
    return payload
