"""Schemathesis against the running gateway: no server error, no answer that `/openapi.json` does not know."""

from datetime import UTC, datetime

import hypothesis
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case

from order_service.gateway import openapi_document
from tests.integration.gateway.conftest import Stack
from tests.support.service_process import ServiceProcess

# What OpenAPI can't say of `ordered_at`: at most 60 s ahead.
_PAST = st.datetimes(datetime(1990, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001
schemathesis.openapi.format("date-time", _PAST)
schema = schemathesis.openapi.from_dict(openapi_document())


def _holds_a_float(body: object) -> bool:
    if isinstance(body, dict | list):
        return any(_holds_a_float(part) for part in (body.values() if isinstance(body, dict) else body))
    return isinstance(body, float)


@schema.parametrize()
@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_every_answer_is_documented(case: Case, stack: Stack, gateway: ServiceProcess, workers: list[ServiceProcess]) -> None:
    # Positions and cursors are opaque: nobody can make up a valid one. Schemathesis takes the quotes from an ETag. And to a JSON
    # Schema 2.0 is an integer; we refuse it.
    unsure = case.method == "GET" or "If-Match" in (case.headers or {}) or _holds_a_float(case.body)
    excluded = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")] if unsure else []
    case.call_and_validate(base_url=stack.url, excluded_checks=excluded)
