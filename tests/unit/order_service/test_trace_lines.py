"""How a trace looks: every step with its time and what it took."""

from order_service.commands.trace import render

ITEM = {
    "command_id": "c-1",
    "order_id": "o-1",
    "type": "ShipOrder",
    "status": "rejected",
    "code": "already_shipped",
    "detail": "the order was shipped",
    "version": 2,
    "position": "e.p",
    "record_id": "r-1",
    "correlation_id": "cart-17",
    "received_at": "2026-03-01T12:00:00.000500Z",
    "appended_at": "2026-03-01T12:00:00.002000Z",
    "decided_at": "2026-03-01T12:00:00.014000Z",
    "projections": {"order_details": "visible", "daily_sales": "behind"},
}


def test_the_chain():
    lines = [line.split() for line in render([ITEM]).splitlines()]

    assert " ".join(lines[0]) == "ShipOrder c-1: rejected, already_shipped: the order was shipped"
    assert ["received", "2026-03-01T12:00:00.000Z"] in lines
    assert ["appended", "2026-03-01T12:00:00.002Z", "+2", "ms"] in lines
    assert ["decided", "2026-03-01T12:00:00.014Z", "+12", "ms"] in lines
    assert ["daily_sales", "behind"] in lines


def test_a_command_that_was_deleted():
    text = render([ITEM | {"appended_at": None}])

    assert "deleted" in text
    assert "+14 ms" in text
