"""A page of orders as frames: bounded, complete, as the contract says."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_schemas.feed import Snapshot
from notifier import order_pages
from notifier.order_pages import Page, pieces


@given(st.lists(st.text(max_size=40), max_size=20), st.booleans(), st.none() | st.text(min_size=1, max_size=20), st.integers(1, 200))
def test_all_orders_in_frames_of_the_contract(texts: list[str], last: bool, subscription_id: str | None, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_pages, "PIECE_BYTES", size)
        page = Page("e.AAA", [orjson.dumps({"reference": text}) for text in texts], last=last)
        frames = list(pieces(page, subscription_id))
    read = [Snapshot.model_validate(orjson.loads(frame)) for frame in frames]
    assert [order["reference"] for frame in read for order in frame.orders] == texts
    assert [frame.more for frame in read] == [True] * (len(read) - 1) + [not last]
    assert {(frame.id, frame.position) for frame in read} == {(subscription_id, "e.AAA")}
    for frame in read:
        assert len(frame.orders) <= 1 or sum(len(orjson.dumps(order)) for order in frame.orders) <= size
