"""Websocket frames of a server, made by hand: one write for many, and nothing per client but a few bytes. Pure.

Only right while no extension is negotiated and no fragmented message is under way; the server sees to both.
"""

_TEXT = 0x81
"""Final fragment, text; a server does not mask."""


def text_frame(payload: bytes) -> bytes:
    """The payload (UTF-8) as one text frame, RFC 6455 section 5.2."""
    length = len(payload)
    if length < 126:
        return bytes((_TEXT, length)) + payload
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2) + payload
    return b"\x81\x7f" + length.to_bytes(8) + payload
