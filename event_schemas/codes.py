"""The stable codes of everything that can be answered in place of success, with their HTTP status."""

from enum import StrEnum


class Code(StrEnum):
    """Why something was refused. Clients branch on these: a code is never renamed, nor given another meaning."""

    # Judged by the aggregate; these stand in CommandRejected
    ORDER_NOT_FOUND = "order_not_found"
    ALREADY_EXISTS = "already_exists"
    ALREADY_SHIPPED = "already_shipped"
    ALREADY_CANCELLED = "already_cancelled"
    INVALID_COMMAND = "invalid_command"
    VERSION_CONFLICT = "version_conflict"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    # Refused before any route sees it; the connection ends
    HEAD_TOO_LARGE = "head_too_large"
    TARGET_TOO_LONG = "target_too_long"
    HEAD_TOO_SLOW = "head_too_slow"
    MALFORMED_REQUEST = "malformed_request"
    # Refused at the door; nothing is appended
    MALFORMED_JSON = "malformed_json"
    VALIDATION_FAILED = "validation_failed"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BACKLOG_TOO_OLD = "backlog_too_old"
    BROKER_UNAVAILABLE = "broker_unavailable"
    # Reads
    COMMAND_UNKNOWN = "command_unknown"
    CUSTOMER_NOT_FOUND = "customer_not_found"
    READ_MODEL_UNAVAILABLE = "read_model_unavailable"
    READ_MODEL_BEHIND = "read_model_behind"
    REBUILDING = "rebuilding"
    # The feed over HTTP
    ORIGIN_REFUSED = "origin_refused"
    FEED_FULL = "feed_full"
    # The service itself
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_READY = "not_ready"
    INTERNAL_ERROR = "internal_error"


STATUS: dict[Code, int] = {
    Code.ORDER_NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ALREADY_SHIPPED: 409,
    Code.ALREADY_CANCELLED: 409,
    Code.INVALID_COMMAND: 422,
    Code.VERSION_CONFLICT: 412,
    Code.IDEMPOTENCY_KEY_REUSED: 422,
    Code.HEAD_TOO_LARGE: 431,
    Code.TARGET_TOO_LONG: 414,
    Code.HEAD_TOO_SLOW: 408,
    Code.MALFORMED_REQUEST: 400,
    Code.MALFORMED_JSON: 400,
    Code.VALIDATION_FAILED: 422,
    Code.BODY_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.BACKLOG_TOO_OLD: 429,
    Code.BROKER_UNAVAILABLE: 503,
    Code.COMMAND_UNKNOWN: 404,
    Code.CUSTOMER_NOT_FOUND: 404,
    Code.READ_MODEL_UNAVAILABLE: 503,
    Code.READ_MODEL_BEHIND: 503,
    Code.REBUILDING: 503,
    Code.ORIGIN_REFUSED: 403,
    Code.FEED_FULL: 503,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.NOT_READY: 503,
    Code.INTERNAL_ERROR: 500,
}
"""The HTTP status in which each code is answered (RFC 9457 problem details)."""
