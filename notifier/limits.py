"""What a client of the feed may do, beside what operators set (docs/settings.md)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes."""

    handshake_s: float = 10.0
    first_frame_s: float = 10.0
    ping_s: float = 20.0
    """Between two pings; a client of whom nothing is heard from one to the next is cut off."""
    frame_bytes: int = 64 * 1024
    frames: int = 500
    """Most frames, control frames included, that a client may send in `frames_s`."""
    frames_s: float = 10.0
    close_s: float = 2.0
    """How long a client that has closed may keep its socket open."""
    goodbye_s: float = 1.0
    """How long clients may take to go when the process ends."""
