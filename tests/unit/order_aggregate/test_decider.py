"""Every command on every status, and what each leaves behind."""

from uuid import uuid4

import pytest

from event_schemas.codes import Code
from event_schemas.commands import Line
from event_schemas.decoding import decode_record
from event_schemas.events import OrderCancelled, OrderCreated, OrderShipped
from event_schemas.ids import record_id
from event_schemas.values import MAX_AMOUNT, MAX_LINES, MAX_QUANTITY
from tests.support.given import NOON, ORDER, Envelope, cancel, create, given, invalid, keyed, ship


def test_creating_an_order_adds_up_its_lines_exactly():
    lines = (Line(sku="a", quantity=3, unit_price="0.3333"), Line(sku="b", quantity=1, unit_price="14.66"))

    record = given().when(create(*lines)).then("OrderCreated", version=1)

    assert isinstance(record.data, OrderCreated)
    assert record.data.units == 4
    assert record.data.total == "15.6599"
    assert record.data.ordered_at == NOON


def test_the_largest_order_that_a_client_may_send_has_an_exact_total_that_every_reader_takes():
    lines = tuple(Line(sku="a", quantity=MAX_QUANTITY, unit_price=f"{MAX_AMOUNT}.0000") for _ in range(MAX_LINES))

    record = given().when(create(*lines)).then("OrderCreated", version=1)

    assert isinstance(record.data, OrderCreated)
    assert (record.data.units, record.data.total) == (10_000_000, "10000000000000000.0000")
    assert decode_record(record.encoded()) == record


@pytest.mark.parametrize(
    ("price", "said", "total"),
    [("0", "0", "0"), ("0.0001", "0.0001", "0.0003"), ("0.0000", "0.0000", "0.0000"), ("007.50", "7.50", "22.50")],
)
def test_an_amount_is_decimal_text_without_leading_zeros_or_exponent(price, said, total):
    record = given().when(create(Line(sku="a", quantity=3, unit_price=price))).then("OrderCreated", version=1)

    assert isinstance(record.data, OrderCreated)
    assert (record.data.lines[0].unit_price, record.data.total) == (said, total)


def test_creating_an_order_that_exists_is_rejected():
    given(create()).when(create()).then_rejected(Code.ALREADY_EXISTS, version=1)


def test_shipping_an_order():
    record = given(create()).when(ship("1Z999")).then("OrderShipped", version=2)

    assert isinstance(record.data, OrderShipped)
    assert (record.data.customer_id, record.data.tracking_number, record.data.shipped_at) == ("ada", "1Z999", NOON)


def test_shipping_what_does_not_exist_is_rejected():
    rejected = given().when(ship()).then_rejected(Code.ORDER_NOT_FOUND, version=0)

    assert rejected.data.customer_id is None


def test_shipping_twice_is_rejected():
    given(create(), ship()).when(ship()).then_rejected(Code.ALREADY_SHIPPED, version=2)


def test_shipping_a_cancelled_order_is_rejected():
    given(create(), cancel()).when(ship()).then_rejected(Code.ALREADY_CANCELLED, version=2)


def test_cancelling_an_order_carries_what_sums_must_give_back():
    record = given(create()).when(cancel("too late")).then("OrderCancelled", version=2)

    assert isinstance(record.data, OrderCancelled)
    assert (record.data.units, record.data.total, record.data.currency, record.data.ordered_at) == (2, "9.00", "EUR", NOON)


def test_cancelling_what_does_not_exist_is_rejected():
    given().when(cancel()).then_rejected(Code.ORDER_NOT_FOUND, version=0)


def test_cancelling_twice_is_rejected():
    given(create(), cancel()).when(cancel()).then_rejected(Code.ALREADY_CANCELLED, version=2)


def test_cancelling_a_shipped_order_is_rejected():
    rejected = given(create(), ship()).when(cancel()).then_rejected(Code.ALREADY_SHIPPED, version=2)

    assert rejected.data.customer_id == "ada"


@pytest.mark.parametrize(
    "history", [(), (create(),), (create(), ship()), (create(), cancel())], ids=["none", "created", "shipped", "cancelled"]
)
def test_an_invalid_command_is_rejected_on_every_status(history):
    rejected = given(*history).when(invalid("data.lines: too short")).then_rejected(Code.INVALID_COMMAND, version=len(history))

    assert rejected.data.detail == "data.lines: too short"


def test_a_rejection_does_not_raise_the_version():
    partition = given(create(), ship(), ship(), cancel()).partition

    assert partition.order(ORDER).version == 2


def test_a_command_that_comes_again_adds_nothing():
    command, refused = create(), ship(envelope=Envelope(order_id=uuid4()))

    given(command).when(command).then_nothing()
    given(refused).when(refused).then_nothing()


def test_another_command_under_a_used_key_is_rejected():
    given(create(envelope=keyed("k"))).when(cancel(envelope=keyed("k"))).then_rejected(Code.IDEMPOTENCY_KEY_REUSED, version=1)


def test_a_key_that_was_only_ever_rejected_is_used_all_the_same():
    given(ship(envelope=keyed("k"))).when(create(envelope=keyed("k"))).then_rejected(Code.IDEMPOTENCY_KEY_REUSED, version=0)


def test_an_expected_version_that_is_not_the_orders_is_a_conflict_that_names_both():
    rejected = given(create()).when(ship(envelope=Envelope(expected_version=7))).then_rejected(Code.VERSION_CONFLICT, version=1)

    assert "version 1" in rejected.data.detail
    assert "7" in rejected.data.detail


def test_the_expected_version_lets_a_command_pass():
    given(create()).when(cancel(envelope=Envelope(expected_version=1))).then("OrderCancelled", version=2)


def test_an_expected_version_of_nothing_is_an_order_not_found():
    given().when(ship(envelope=Envelope(expected_version=1))).then_rejected(Code.ORDER_NOT_FOUND)


def test_a_record_is_a_pure_function_of_command_and_state():
    command = create()

    first, second = (given().when(command).then("OrderCreated", version=1) for _ in range(2))

    assert first.id == record_id(command.id)
    assert first.occurred_at == command.issued_at
    assert first.encoded() == second.encoded()
