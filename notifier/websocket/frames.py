"""Websocket frames of a server, made by hand: one write for many, and nothing per client but a few bytes. Pure.

Only right while no extension is negotiated and no fragmented message is under way; the server sees to both.
"""

_TEXT = 0x81
"""Final fragment, text; a server does not mask."""
PING = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """The payload (UTF-8) as one text frame, RFC 6455 section 5.2."""
    length = len(payload)
    if length < 126:
        return bytes((_TEXT, length)) + payload
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2) + payload
    return b"\x81\x7f" + length.to_bytes(8) + payload


class SharedFrames:
    """Frames that are made once as long as the same payload goes to one client after the other."""

    __slots__ = ("_frame", "_payload")

    def __init__(self) -> None:
        self._payload = b""
        self._frame = text_frame(b"")

    def text(self, payload: bytes) -> bytes:
        """As `text_frame`."""
        if payload is not self._payload:
            self._payload, self._frame = payload, text_frame(payload)
        return self._frame
