"""The messages in Kafka and on the feed, how they are written as bytes and read back, and which records count.

Other packages import the modules of `DOORS` only.
"""

DOORS: list[str] = [
    "event_schemas.codes",
    "event_schemas.commands",
    "event_schemas.currencies",
    "event_schemas.decoding",
    "event_schemas.encoding",
    "event_schemas.events",
    "event_schemas.feed",
    "event_schemas.feed_codes",
    "event_schemas.ids",
    "event_schemas.positions",
    "event_schemas.recorded",
    "event_schemas.registry",
    "event_schemas.request_types",
    "event_schemas.schema_files",
    "event_schemas.topics",
    "event_schemas.trace_context",
    "event_schemas.values",
]
