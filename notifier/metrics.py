"""What the feed counts."""

from prometheus_client import Counter, Gauge, Histogram

CONNECTIONS = Gauge("orders_feed_connections", "Open connections to the feed")
SUBSCRIPTIONS = Gauge("orders_feed_subscriptions", "Subscriptions, those that replay included")
EVENTS_SENT = Counter("orders_feed_events_sent", "Event frames sent")
REPLAYED = Counter("orders_feed_replayed_records", "Records read from the log again for a subscription")
RESETS = Counter("orders_feed_resets", "Reset frames sent", ["reason"])
REFUSED = Counter("orders_feed_refused_frames", "Frames of clients that were answered with an error", ["code"])
SLOW_CLOSES = Counter("orders_feed_slow_closes", "Connections ended because the client did not read")
DELAY = Histogram(
    "orders_feed_delay_seconds",
    "From an event's append to its frames being written",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
