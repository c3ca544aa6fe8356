"""A small request can be wrong in a hundred thousand places: the answer stays small, and so does the work."""

import itertools
import string
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import orjson
import pytest
from fastapi import FastAPI, Query
from hypothesis import given
from hypothesis import strategies as st

from command_api import body
from command_api.body import Malformed, parse_json
from command_api.requests import CancelOrderRequest, CreateOrderRequest, RequestModel, ShipOrderRequest, parse_request
from command_api.routes import create_command_router
from gateway.app import create_app
from gateway.problems import render_problems
from infra.process.health import Health
from tests.unit.command_api.test_command_routes import BODY, JSON, RecordingLog

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LINE = BODY["lines"][0]
MANY = {f"m{number}": 0 for number in range(33)}
TOO_MANY = "must have at most 32 members"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Health("gateway"), [create_command_router(RecordingLog())])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as made:
        yield made


@pytest.mark.timeout(30)
def test_a_member_named_twice_among_very_many_is_found_in_one_pass():
    """Comparing each name with each would take minutes."""
    names = ["".join(letters) for letters in itertools.islice(itertools.product(string.ascii_letters, repeat=4), 200_000)]
    body = "{" + ",".join(f'"{name}":0' for name in [*names, names[-1]]) + "}"

    with pytest.raises(Malformed, match=f"twice: '{names[-1]}'"):
        parse_json(body.encode())


def test_a_long_name_that_stands_twice_is_not_repeated_in_full():
    name = "n" * 100_000

    with pytest.raises(Malformed) as refused:
        parse_json(f'{{"{name}":1,"{name}":2}}'.encode())

    assert len(str(refused.value)) < 200


BEYOND: dict[str, tuple[RequestModel, Any, str, str]] = {
    "lines": (CreateOrderRequest, {"lines": [{}] * 101, "currency": "?"}, "/lines", "must have at most 100 items"),
    "lines of nothing": (CreateOrderRequest, BODY | {"lines": [0] * 101}, "/lines", "must have at most 100 items"),
    "members": (CreateOrderRequest, MANY, "", TOO_MANY),
    "members of a shipment": (ShipOrderRequest, MANY, "", TOO_MANY),
    "members of a cancellation": (CancelOrderRequest, MANY, "", TOO_MANY),
    "members of a line": (CreateOrderRequest, BODY | {"lines": [LINE, MANY, MANY]}, "/lines/1", TOO_MANY),
}


@pytest.mark.parametrize("beyond", BEYOND.values(), ids=BEYOND)
def test_beyond_a_bound_nothing_else_is_looked_at(beyond: tuple[RequestModel, Any, str, str]):
    model, body, pointer, detail = beyond

    assert parse_request(model, body, now=NOW) == [{"pointer": pointer, "detail": detail}]


def test_within_the_bounds_every_fault_is_found():
    members = {f"m{number}": 0 for number in range(29)}
    faults = parse_request(CreateOrderRequest, members | BODY | {"lines": [{}] * 100}, now=NOW)

    assert isinstance(faults, list)
    assert len(faults) == 29 + 300


async def test_lines_of_another_command_are_an_unknown_field(client: httpx.AsyncClient):
    path = "/orders/7c0d9f0e-5f6e-5a6b-8a43-2d1c7e9b3a55/ship"
    answer = await client.post(path, json={"tracking_number": "1Z", "lines": [0] * 101})

    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/lines"]
    assert "no known field" in answer.json()["detail"]


async def test_an_answer_lists_twenty_faults_and_counts_the_others(client: httpx.AsyncClient):
    answer = await client.post("/orders", json=BODY | {"lines": [{}] * 100})

    assert len(answer.json()["errors"]) == 20
    assert answer.json()["detail"] == "/lines/0/sku: is required (and 299 more)"


async def test_a_thousand_lines_are_answered_with_the_bound_that_they_break(client: httpx.AsyncClient):
    answer = await client.post("/orders", json=BODY | {"lines": [LINE] * 1_000})

    assert answer.json()["errors"] == [{"pointer": "/lines", "detail": "must have at most 100 items"}]


QUARTER_OF_A_MEGABYTE = {
    "lines": b'{"customer_id":"a","currency":"EUR","lines":[' + b",".join([b"{}"] * 85_000) + b"]}",
    "items": b'{"lines":[' + b",".join([b"0"] * 125_000) + b"]}",
    "members": b"{" + b",".join(b'"%x":0' % number for number in range(25_000)) + b"}",
    "a member twice": b"{" + b",".join([b'"a":0'] * 40_000) + b"}",
    "no JSON": b"," * 250_000,
    "names that end in a backslash": b"{" + b",".join(b'"%x\\\\":0' % number for number in range(20_000)) + b"}",
    "nothing but objects in objects": b"[" + b",".join([b'{"a":' * 900 + b"0" + b"}" * 900] * 40) + b"]",
}


@pytest.mark.parametrize("body", QUARTER_OF_A_MEGABYTE.values(), ids=QUARTER_OF_A_MEGABYTE)
async def test_a_quarter_of_a_megabyte_of_parts_is_not_parsed(body: bytes, client: httpx.AsyncClient):
    answer = await client.post("/orders", content=body, headers=JSON)

    too_many = "the body must have at most 4096 parts: objects, arrays, their members and items, all together"
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"pointer": "", "detail": too_many}])


@pytest.mark.parametrize("text", [",", '"', "\\", '",', "\\,", ',"\\'])
async def test_an_order_is_taken_whose_texts_are_full_of_what_parts_are_counted_by(text: str, client: httpx.AsyncClient):
    line = LINE | {"sku": (text * 64)[:64]}
    answer = await client.post("/orders", json=BODY | {"lines": [line] * 100, "reference": (text * 64)[:64]})

    assert answer.status_code == 202, answer.text


@given(
    st.recursive(
        st.none() | st.integers(0, 9) | st.text(alphabet='a,"\\:[{é'),
        lambda parts: st.lists(parts) | st.dictionaries(st.text(alphabet='a,"\\'), parts),
        max_leaves=60,
    ),
    st.integers(1, 60),
)
def test_parts_that_are_separated_are_counted_whatever_their_texts_are(value: Any, most: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body, "MAX_PARTS", most)
        assert body.has_too_many_parts(orjson.dumps(value)) == (marks(value) > most)


def marks(value: Any) -> int:
    """Objects, arrays and the commas between their parts."""
    if not isinstance(value, dict | list):
        return 0
    parts = list(value.values()) if isinstance(value, dict) else value
    return max(1, len(parts)) + sum(marks(part) for part in parts)


async def test_the_detail_does_not_repeat_a_long_name_in_full(client: httpx.AsyncClient):
    answer = await client.post("/orders", content=orjson.dumps(BODY | {"n" * 100_000: 1}), headers=JSON)

    assert answer.json()["errors"][0]["pointer"] == "/" + "n" * 100_000
    assert len(answer.json()["detail"]) < 300


async def test_faults_of_headers_are_counted_alike(client: httpx.AsyncClient):
    answer = await client.post("/orders", json=BODY, headers=[("If-Match", '"1"')] * 30)

    assert len(answer.json()["errors"]) == 20
    assert answer.json()["detail"] == "If-Match must be sent once (and 29 more)"


async def test_faults_of_parameters_are_counted_alike():
    app = FastAPI()
    render_problems(app)

    @app.get("/")
    async def root(number: Annotated[list[int], Query()]) -> None:
        pass

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        problem = (await client.get("/", params={"number": ["x"] * 1000})).json()

    assert len(problem["errors"]) == 20
    assert problem["detail"].endswith(" (and 980 more)")
    assert problem["detail"].count("query parameter") == 20
