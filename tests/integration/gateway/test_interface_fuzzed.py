"""Schemathesis against the running gateway: no server error, no answer that `/openapi.json` does not know."""

import contextlib
from collections import Counter
from datetime import UTC, datetime

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.generation.stateful import run_state_machine_as_test

from event_schemas.currencies import LAST_DAYS
from gateway.app import openapi_document
from tests.integration.gateway.conftest import Stack
from tests.support.service_process import ServiceProcess

# What OpenAPI can't say of `ordered_at`: at most 60 s ahead.
_PAST = st.datetimes(datetime(1990, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001
schemathesis.openapi.format("date-time", _PAST)
# A stream never ends: tests/integration/notifier/test_feed.py asks for it.
schema = schemathesis.openapi.from_dict(openapi_document()).exclude(path="/feed")


def _checks_left_out(case: Case) -> list[object]:
    # Positions and cursors are opaque: nobody can make up a valid one. Schemathesis takes the quotes from an ETag. And to a JSON
    # Schema 2.0 is an integer; we refuse it. Nor can it say when a currency was withdrawn.
    unsure = case.method == "GET" or "If-Match" in (case.headers or {}) or _holds_a_float(case.body) or _may_be_withdrawn(case.body)
    # Who waits meets the rules, too: an order that is not there, that was shipped, a key that was used.
    waits = "wait" in str((case.headers or {}).get("Prefer", ""))
    left_out = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")] if unsure or waits else []
    # Under a key that was used, what breaks a rule may repeat what was decided; then it gets that one's outcome.
    if case.method == "POST" and "Idempotency-Key" in (case.headers or {}):
        left_out.append(schemathesis.checks.CHECKS.get_one("negative_data_rejection"))
    # A read that is given no position may come before what was written is there; tests/e2e/test_outcomes_to_trust.py reads with one.
    return [*left_out, schemathesis.checks.CHECKS.get_one("ensure_resource_availability")]


def _may_be_withdrawn(body: object) -> bool:
    """Whether the order is in a currency that was withdrawn: a JSON Schema can't say that `ordered_at` decides then."""
    return isinstance(body, dict) and LAST_DAYS.get(str(body.get("currency"))) is not None


def _holds_a_float(body: object) -> bool:
    if isinstance(body, dict | list):
        return any(_holds_a_float(part) for part in (body.values() if isinstance(body, dict) else body))
    return isinstance(body, float)


@schema.parametrize()
@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_every_answer_is_documented(case: Case, stack: Stack, gateway: ServiceProcess, workers: list[ServiceProcess]) -> None:
    case.call_and_validate(base_url=stack.url, excluded_checks=_checks_left_out(case))


WAITS = ["wait=5", "wait=2, for=visible", "respond-async, wait=1", "wait=0"]


@pytest.mark.parametrize("requests", [60, pytest.param(3_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_every_answer_of_a_story_is_documented(requests: int, stack: Stack, gateway: ServiceProcess, workers: list[ServiceProcess]) -> None:
    """Orders placed, shipped, cancelled and read, each request made from earlier answers; every other one waits for its outcome."""
    answered: Counter[int] = Counter()
    wrong: list[Exception] = []

    class Story(schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Case) -> None:
            if case.method == "POST" and len(str(case.body)) % 2:
                case.headers["Prefer"] = WAITS[len(str(case.body)) % len(WAITS)]

        def get_call_kwargs(self, case: Case) -> dict[str, object]:
            return {"base_url": stack.url}

        def validate_response(self, response: object, case: Case, additional_checks: object = None, **kwargs: object) -> None:
            answered[response.status_code] += 1  # type: ignore[attr-defined]
            try:
                case.validate_response(response, excluded_checks=_checks_left_out(case), transport_kwargs=kwargs)  # type: ignore[arg-type]
            except Exception as error:
                wrong.append(error)
                raise

    # Time passes between two requests, so that a story told again may go another way: Hypothesis calls that flaky.
    settings = hypothesis.settings(
        max_examples=10, stateful_step_count=12, deadline=None, database=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    while answered.total() < requests and not wrong:
        with contextlib.suppress(hypothesis.errors.FlakyStrategyDefinition):
            run_state_machine_as_test(Story, settings=settings)
    print(f"\n{answered.total()} requests: {dict(sorted(answered.items()))}")
    assert not wrong
    assert 500 not in answered
