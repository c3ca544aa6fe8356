"""An order's state survives its bytes."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregate.order import CancelledOrder, CreatedOrder, NoOrder, ShippedOrder
from order_aggregate.state_encoding import packed_state, unpacked_state

_VERSIONS = st.integers(1, 2**31 - 1)
_CUSTOMERS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
_CREATED = st.builds(
    CreatedOrder,
    _VERSIONS,
    _CUSTOMERS,
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from(["EUR", "USD", "JPY"]),
    st.integers(1, 2**31 - 1),
    st.decimals(min_value=0, max_value=10**16, places=4).map(str) | st.sampled_from(["0", "0.00", "00.10", "9" * 17 + ".9999"]),
)


@given(_CREATED | st.builds(ShippedOrder, _VERSIONS, _CUSTOMERS) | st.builds(CancelledOrder, _VERSIONS, _CUSTOMERS))
def test_a_state_survives_its_bytes(state):
    assert unpacked_state(packed_state(state)) == state


def test_an_order_that_can_change_no_more_costs_five_bytes_and_its_customer():
    assert len(packed_state(ShippedOrder(2, "cdnow-00004"))) == 5 + len("cdnow-00004")


def test_no_order_has_no_bytes():
    assert unpacked_state(None) == NoOrder()
    with pytest.raises(ValueError, match="never placed"):
        packed_state(NoOrder())


def test_bytes_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="kind"):
        unpacked_state(b"?\x00\x00\x00\x01ada")


def test_times_at_the_edges_survive():
    for moment in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)):
        state = CreatedOrder(1, "ada", moment, "EUR", 1, "0")
        assert unpacked_state(packed_state(state)).ordered_at == moment  # type: ignore[union-attr]
