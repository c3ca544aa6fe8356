"""Ids follow from what the client sent, whatever its formatting, and stay the same in every release."""

import json
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from command_api.body import parse_json
from command_api.identity import ANONYMOUS, Identity, canonical, fingerprint, identify, length_prefixed

ORDER = UUID("7c0d9f0e-5f6e-5a6b-8a43-2d1c7e9b3a55")
BODY = {"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = texts | st.integers(-1000, 1000) | st.booleans() | st.none()
bodies = st.dictionaries(texts, scalars | st.lists(scalars, max_size=3), max_size=4)


plain_names = st.sampled_from(["customer_id", "lines", "sku", "Zz", "a", "a1", "_", "reference"])
valid_bodies = st.recursive(
    texts | st.integers(1, 100_000) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_names, inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(plain_names, valid_bodies, max_size=5))
def test_the_short_way_to_the_canonical_form_of_a_valid_body_is_the_rfcs(body: dict[str, Any]):
    assert canonical(body) == rfc8785.dumps(body)


def identity_of(
    body: Any, *, key: str = "k-1", order_id: UUID | None = None, path: str = "/orders", if_match: str | None = None
) -> Identity:
    sent = fingerprint(method="POST", path=path, if_match=if_match, body=body)
    return identify(caller=ANONYMOUS, key=key, order_id=order_id, fingerprint=sent)


def test_the_derivation_is_a_promise():
    """A client may repeat its request in a year: these values never change."""
    create = identity_of(BODY)
    ship = identity_of({"tracking_number": "1Z"}, order_id=ORDER, path=f"/orders/{ORDER}/ship", if_match='"3"')

    assert (
        fingerprint(method="POST", path="/orders", if_match=None, body=BODY)
        == "44875844dbba01e990baa2df8de6c50e10361a9906c70b9ed9c46f5197f6511b"
    )
    assert str(create.command_id) == "9a9446c0-413b-5d86-8114-73bafcb39c4a"
    assert str(create.order_id) == "9f5645b7-d86e-59b8-bcf8-f2c4bbf59909"
    assert create.key_hash == "3c8509f26b54d51357e59e9302b04a7525d8f0f082cabbdb3e6a9e6167a907fc"
    assert str(ship.command_id) == "c10627e1-7c20-5267-b692-b4cfe845abb5"
    assert ship.key_hash == "cec649ab4338b6fadc4651d9befa78920e539134a3f228d40984704cde3c8ce2"


@given(bodies, st.randoms(use_true_random=False))
def test_formatting_and_the_order_of_members_make_no_difference(body: dict[str, Any], random: Any):
    shuffled = list(body.items())
    random.shuffle(shuffled)
    formatted = json.dumps(dict(shuffled), indent=random.choice([None, 1, 4]), ensure_ascii=random.choice([True, False]))

    assert identity_of(parse_json(formatted.encode())) == identity_of(body)


@given(bodies, bodies)
def test_another_body_under_the_key_is_another_command_on_the_same_order(one: dict[str, Any], other: dict[str, Any]):
    first, second = identity_of(one), identity_of(other)

    assert (first.order_id, first.key_hash) == (second.order_id, second.key_hash)
    # As text: Python says True == 1, JSON does not.
    assert (first.command_id == second.command_id) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_another_key_is_another_order():
    assert identity_of(BODY, key="k-1").order_id != identity_of(BODY, key="k-2").order_id


def test_a_default_that_is_spelled_out_is_another_body():
    assert identity_of(BODY).command_id != identity_of(BODY | {"reference": None}).command_id


def test_one_key_for_ship_then_cancel_of_one_order_is_seen_as_reused():
    ship = identity_of({}, order_id=ORDER, path=f"/orders/{ORDER}/ship")
    cancel = identity_of({}, order_id=ORDER, path=f"/orders/{ORDER}/cancel")

    assert ship.key_hash == cancel.key_hash
    assert ship.command_id != cancel.command_id
    assert ship.order_id == ORDER


def test_one_key_on_two_orders_are_two_commands():
    other = UUID(int=ORDER.int + 1)

    assert identity_of({}, order_id=ORDER).key_hash != identity_of({}, order_id=other).key_hash


def test_if_match_belongs_to_the_request():
    assert identity_of({}, order_id=ORDER, if_match='"1"').command_id != identity_of({}, order_id=ORDER, if_match='"2"').command_id


@pytest.mark.parametrize(("one", "other"), [(("ab", "c"), ("a", "bc")), (("a",), ("a", "")), (("1:a",), ("a",)), (("é",), ("e",))])
def test_no_two_lists_of_parts_join_to_the_same_bytes(one: tuple[str, ...], other: tuple[str, ...]):
    assert length_prefixed(*one) != length_prefixed(*other)


@given(st.lists(texts, max_size=4), st.lists(texts, max_size=4))
def test_joining_is_injective(one: list[str], other: list[str]):
    assert (length_prefixed(*one) == length_prefixed(*other)) == (one == other)
