"""What `./orders tail` shows."""

from typing import Any
from uuid import UUID

import orjson
import pytest

from event_schemas.events import Record
from order_service.commands.tail import event_line
from tests.support.records import cancelled, created, rejected, shipped

ORDER = UUID("6a1f0e7c-7a35-5c5f-8b6d-0d6f3ad1c001")


def as_event(record: Record) -> dict[str, Any]:
    """The record as the feed sends it."""
    event: dict[str, Any] = orjson.loads(record.encoded())
    return event


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (created(ORDER), ["OrderCreated", "6a1f0e7c", "v1", "ada", "9.00 EUR"]),
        (shipped(ORDER), ["OrderShipped", "v2", "T-1"]),
        (cancelled(ORDER), ["OrderCancelled", "changed my mind", "-9.00 EUR"]),
        (rejected(ORDER, version=2), ["CommandRejected", "ShipOrder refused", "order_not_found"]),
    ],
)
def test_each_type_says_what_matters(record: Record, words: list[str]) -> None:
    line = event_line(as_event(record)).plain
    assert all(word in line for word in words), line


def test_only_rejections_are_red() -> None:
    assert "red" in {str(span.style).split()[-1] for span in event_line(as_event(rejected())).spans}
    assert "red" not in {str(span.style).split()[-1] for span in event_line(as_event(created())).spans}


def test_no_text_of_a_record_reaches_the_terminal_as_an_order_to_it() -> None:
    event = as_event(rejected())
    event["data"]["detail"] = "\x1b]0;title\x07 [bold]not markup[/bold]"
    line = event_line(event).plain
    assert "\x1b" not in line
    assert "[bold]not markup[/bold]" in line


def test_a_later_release_s_event_is_shown_without_guessing() -> None:
    event = as_event(created()) | {"type": "OrderReturned", "data": {"customer_id": "ada"}}
    assert "of a later release" in event_line(event).plain
