"""What the feed counts."""

from prometheus_client import Counter, Gauge, Histogram

CONNECTIONS = Gauge("orders_feed_connections", "Open connections to the feed")
SUBSCRIPTIONS = Gauge("orders_feed_subscriptions", "Subscriptions that are offered what comes live, those that replay included")
BUFFERED = Gauge("orders_feed_buffered_bytes", "Bytes that wait for clients that read too slowly")
EVENTS_SENT = Counter("orders_feed_events_sent", "Event frames sent")
RING_RECORDS = Gauge("orders_feed_ring_records", "Records kept in memory for those who come back")
RING_BYTES = Gauge("orders_feed_ring_bytes", "Bytes that those records take")
RESUMES = Counter("orders_feed_resumes", "Subscriptions that went on at a position, by where from: memory, log, or reset", ["tier"])
REPLAYED = Counter("orders_feed_replayed_records", "Records read again for a subscription, from memory or from the log", ["tier"])
RESETS = Counter("orders_feed_resets", "Reset frames sent", ["reason"])
REFUSED = Counter("orders_feed_refused_frames", "Frames of clients that were answered with an error", ["code"])
REFUSED_CONNECTIONS = Counter("orders_feed_refused_connections", "Connections refused before the upgrade", ["reason"])
PARKS = Counter("orders_feed_parks", "Times a client read too slowly and its subscriptions were taken back to their position")
SLOW_CLOSES = Counter("orders_feed_slow_closes", "Connections ended because the client did not read")
CLOSES = Counter("orders_feed_closes", "Connections that ended, by close code; 1006: without a word", ["code"])
DELAY = Histogram(
    "orders_feed_delay_seconds",
    "From an event's append to its frames being written",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
