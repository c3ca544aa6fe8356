"""The live feed's names and codes: what a client needs of them, and nothing that costs it an import. Pure."""

from enum import StrEnum

SUBPROTOCOL = "orders.v1.json"
LATEST, EARLIEST = "latest", "earliest"


class FeedCode(StrEnum):
    """The stable codes of `error` frames."""

    MALFORMED_JSON = "malformed_json"
    VALIDATION_FAILED = "validation_failed"
    UNKNOWN_TYPE = "unknown_type"
    SUBSCRIPTION_EXISTS = "subscription_exists"
    SUBSCRIPTION_UNKNOWN = "subscription_unknown"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    NOT_READY = "not_ready"
    LOG_BROKEN = "log_broken"
    NEWER_SCHEMA = "newer_schema"
    SNAPSHOT_UNAVAILABLE = "snapshot_unavailable"


class ResetReason(StrEnum):
    """Why a subscription can't go on from its position."""

    MALFORMED = "malformed"
    OTHER_LOG = "other_log"
    BEYOND_THE_END = "beyond_the_end"
    LOG_REPLACED = "log_replaced"


class CloseCode:
    """Why the server ends a connection, beside the protocol's own codes.

    4000 to 4099: stop, the client must be mended first. 4100 to 4199: back off, then resume from the last position. 4200 to 4299:
    come back now, after `retry_after_ms` of the reason if it names that.
    """

    BAD_FRAMES = 4000
    NO_SUBSCRIPTION = 4001
    TOO_MANY_FRAMES = 4002
    SLOW = 4100
    INTERNAL = 4101
    GOING_AWAY = 4200
