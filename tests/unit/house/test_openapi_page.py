"""`docs/openapi.json` is what the gateway says of itself, and says all of it."""

import json
from typing import Any

import pytest

from event_schemas.codes import STATUS, Code
from gateway.openapi import openapi_text
from infra.http.problems import MEDIA_TYPE
from tests.support.house import ROOT

_DOCUMENT: dict[str, Any] = json.loads(openapi_text())
_OPERATIONS = [(f"{method.upper()} {path}", operation) for path, item in _DOCUMENT["paths"].items() for method, operation in item.items()]
_ELSEWHERE = {
    Code.NOT_FOUND,
    Code.METHOD_NOT_ALLOWED,
    Code.HEAD_TOO_LARGE,
    Code.TARGET_TOO_LONG,
    Code.HEAD_TOO_SLOW,
    Code.MALFORMED_REQUEST,
}
"""Answered where no route is."""


def test_the_committed_document_is_current():
    page = ROOT / "docs" / "openapi.json"

    assert page.read_text(encoding="utf-8") == openapi_text(), (
        "docs/openapi.json is stale: run `python -m gateway.openapi > docs/openapi.json`"
    )


def test_every_code_that_a_route_answers_is_described():
    described = {
        code
        for _, operation in _OPERATIONS
        for answer in operation["responses"].values()
        for code in Code
        if f"`{code}`" in answer["description"]
    }

    assert described == set(Code) - _ELSEWHERE


@pytest.mark.parametrize(("name", "operation"), _OPERATIONS, ids=[name for name, _ in _OPERATIONS])
def test_every_refusal_is_a_problem_in_the_status_of_its_codes(name: str, operation: dict[str, Any]):
    for status, answer in operation["responses"].items():
        if int(status) >= 400 and not name.startswith("GET /health"):
            assert answer["content"].keys() == {MEDIA_TYPE}, (name, status)
            named = [code for code in Code if f"`{code}`" in answer["description"]]
            assert {STATUS[code] for code in named} == {int(status)}, (name, status)


@pytest.mark.parametrize("path", ["/orders", "/orders/{order_id}/ship", "/orders/{order_id}/cancel"])
def test_every_refusal_of_a_post_has_an_example_of_each_code_and_the_correlation_id(path: str):
    for status, answer in _DOCUMENT["paths"][path]["post"]["responses"].items():
        assert answer["headers"]["X-Correlation-Id"]["required"]
        for code, example in answer["content"].get(MEDIA_TYPE, {}).get("examples", {}).items():
            assert (example["value"]["code"], example["value"]["status"]) == (code, int(status))
            assert len(example["value"]["detail"]) > 10
