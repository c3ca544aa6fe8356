"""Who may import whom (docs/architecture.md): an arrow against the house is found here, not in a review."""

import sys

import pytest

from tests.support.house import PACKAGES, PRODUCT, imports, modules

_SERVICES = {"command_api", "order_aggregate", "projections", "notifier"}
_MAY_IMPORT: dict[str, set[str]] = {
    "event_schemas": set(),
    "infra": {"event_schemas"},
    **{service: {"event_schemas", "infra"} for service in _SERVICES},
    "gateway": {"event_schemas", "infra", *_SERVICES},
    "order_service": {"event_schemas", "infra", *_SERVICES},
    "tools": {*PRODUCT},
}
_EVENT_SCHEMAS_STANDS_ON = {"pydantic", "orjson", "pycountry", "pydantic_core"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_lies_below_it(package):
    allowed = {package, *_MAY_IMPORT[package]}
    wrong = [
        f"{module}:{line} imports {name}"
        for module in modules(package)
        for name, line in imports(module)
        if name.partition(".")[0] in {*PACKAGES, "tests"} - allowed
    ]

    assert not wrong, "\n".join(wrong)


def test_messages_need_nothing_but_their_three_libraries():
    allowed = {*sys.stdlib_module_names, *_EVENT_SCHEMAS_STANDS_ON, "event_schemas"}
    wrong = [
        f"{module}:{line} imports {name}"
        for module in modules("event_schemas")
        for name, line in imports(module)
        if name.partition(".")[0] not in allowed
    ]

    assert not wrong, "\n".join(wrong)


_IMPURE = {"aiokafka", "asyncio", "faust", "logging", "os", "psycopg", "random", "secrets", "time"}


@pytest.mark.parametrize(
    "module",
    [
        *("order_aggregate/decider.py", "order_aggregate/order.py", "order_aggregate/partition_state.py"),
        *("projections/tables/order_details.py", "projections/tables/order_history.py", "projections/tables/customer_summaries.py"),
        *("projections/tables/daily_sales.py", "projections/tables/command_outcomes.py", "projections/tables/exact_sums.py"),
        *("projections/queries/time_travel.py", "event_schemas/upcasters.py", "order_service/schema_compatibility.py"),
    ],
)
def test_what_decides_and_folds_is_pure(module):
    (path,) = [path for path in modules(module.partition("/")[0]) if str(path) == module]

    assert not {name.partition(".")[0] for name, _ in imports(path)} & _IMPURE
