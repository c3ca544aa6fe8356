"""`sales_channel` on its way from the body of `POST /orders` into the command."""

from datetime import UTC, datetime

import pytest

from command_api.requests import CreateOrderRequest, parse_request
from event_schemas.commands import CreateOrder

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
BODY = {"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}


@pytest.mark.parametrize("told", [{}, {"sales_channel": None}, {"sales_channel": "web"}, {"sales_channel": "shop-7_b"}])
def test_it_is_kept_as_it_was_said(told):
    data = parse_request(CreateOrderRequest, BODY | told, now=NOW)

    assert isinstance(data, CreateOrder)
    assert data.sales_channel == told.get("sales_channel")


@pytest.mark.parametrize("told", ["", "Web", "a b", "-web", "x" * 33, "web\n", 7, []])
def test_it_is_a_name_in_small_letters(told):
    faults = parse_request(CreateOrderRequest, BODY | {"sales_channel": told}, now=NOW)

    assert isinstance(faults, list)
    assert [fault["pointer"] for fault in faults] == ["/sales_channel"]
