"""What readers of the log count of the records that they pass by."""

from prometheus_client import Counter

from event_schemas.recorded import Classified, Undecodable, Void

_VOID = Counter("orders_void_records", "Records of the log that do not stand at the place their writer named")
_UNDECODABLE = Counter("orders_unreadable_records", "Records of the log that are no envelope")


def count_passed_by(classified: Classified) -> None:
    """Count a record that a reader passes by. Each process counts a record once: where it follows the log, not where it looks back."""
    match classified:
        case Void():
            _VOID.inc()
        case Undecodable():
            _UNDECODABLE.inc()
