"""Cursors: every place in the list survives its token, and nothing else is one."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.queries.sql import Cursor, NoCursor


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_survives_its_token(ordered_at, order_id):
    cursor = Cursor(ordered_at, order_id)
    assert Cursor.parse(cursor.token()) == cursor


@given(st.text())
def test_other_text_is_no_cursor(text):
    with pytest.raises(NoCursor):
        Cursor.parse(text)


def test_a_cursor_cut_off_or_padded_is_none():
    token = Cursor(datetime(2026, 1, 31, tzinfo=UTC), UUID(int=1)).token()
    for broken in (token[:-1], token + "=", token + "AA", "*" + token[1:], token.replace("A", "é", 1)):
        with pytest.raises(NoCursor):
            Cursor.parse(broken)
