"""The live feed: the records of the log, fanned out by websocket and as server-sent events, and clients for both.

Other packages import the modules of `DOORS` only.
"""

DOORS: list[str] = [
    "notifier.client",
    "notifier.feed",
    "notifier.sse.api",
    "notifier.sse.streams",
]
