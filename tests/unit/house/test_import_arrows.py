"""Who may import whom (docs/architecture.md): an arrow against the house is found here, not in a review."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.house import PACKAGES, PRODUCT, ROOT, imports, modules, syntax

_SERVICES = {"command_api", "order_aggregate", "projections", "notifier"}
_MAY_IMPORT: dict[str, set[str]] = {
    "event_schemas": set(),
    "infra": {"event_schemas"},
    **{service: {"event_schemas", "infra"} for service in _SERVICES},
    "gateway": {"event_schemas", "infra", *_SERVICES},
    "order_service": {"event_schemas", "infra", *_SERVICES},
    "tools": {*PRODUCT},
}
_EVENT_SCHEMAS_STANDS_ON = {"msgspec", "orjson", "typing_extensions"}
_STANDS_ON_PYDANTIC = {Path("event_schemas/request_types.py"), Path("event_schemas/feed.py")}
"""What clients send is told in pydantic's terms; a message needs none of it."""
_IMPURE = {
    *("aiohttp", "aiokafka", "asyncio", "faust", "fastapi", "logging", "os", "prometheus_client", "psycopg", "psycopg_pool"),
    *("random", "secrets", "socket", "subprocess", "threading", "time", "uvicorn", "websockets"),
}
_LOOKS_INSIDE = Path("tools/bench")
"""The bench measures parts that no one else uses by themselves, so it alone goes past the doors."""


def _name(module: Path) -> str:
    return ".".join(module.with_suffix("").parts).removesuffix(".__init__")


@cache
def _modules() -> dict[str, Path]:
    return {_name(module): module for module in modules(*PACKAGES)}


@cache
def _imported(module: Path) -> frozenset[str]:
    """The project's modules that this one imports, wherever the import stands in it."""
    found = set()
    for node in ast.walk(syntax(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in _modules() else node.module for name in whole}
    return frozenset(found & _modules().keys())


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


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_entered_by_its_doors(package):
    doors = set(importlib.import_module(package).DOORS)
    entered = {
        name: module
        for module in modules(*PACKAGES)
        if module.parts[0] != package and not module.is_relative_to(_LOOKS_INSIDE)
        for name in _imported(module)
        if name.partition(".")[0] == package
    }

    past = [f"{entered[name]} imports {name}, which is no door of {package}" for name in sorted(entered.keys() - doors)]

    assert not past, "\n".join(past)
    assert doors <= _modules().keys(), f"{package} names doors that are not there"
    if package not in {"order_service", "tools"}:  # those are entered by name, from the command line
        assert doors <= entered.keys(), f"{package} names doors that no one uses"


@pytest.mark.parametrize("package", PACKAGES)
def test_naming_the_doors_imports_nothing(package):
    assert not list(imports(Path(package) / "__init__.py"))


@pytest.mark.parametrize(("package", "most"), [("projections", 10), ("notifier", 5)])
def test_a_large_package_has_few_doors(package, most):
    assert len(importlib.import_module(package).DOORS) <= most


def test_no_module_imports_itself_by_way_of_others():
    _assert_no_circle({name: _imported(module) - {name} for name, module in _modules().items()})


def test_no_package_imports_itself_by_way_of_others():
    packages: dict[str, set[str]] = {package: set() for package in PACKAGES}
    for name, module in _modules().items():
        own = name.partition(".")[0]
        packages[own] |= {imported.partition(".")[0] for imported in _imported(module)} - {own}

    _assert_no_circle(packages)


def _assert_no_circle(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' imports '.join(reversed(error.args[1]))}")


def test_messages_need_nothing_but_their_three_libraries():
    allowed = {*sys.stdlib_module_names, *_EVENT_SCHEMAS_STANDS_ON, "event_schemas"}
    wrong = [
        f"{module}:{line} imports {name}"
        for module in modules("event_schemas")
        for name, line in imports(module)
        if name.partition(".")[0] not in allowed | ({"pydantic"} if module in _STANDS_ON_PYDANTIC else set())
    ]

    assert not wrong, "\n".join(wrong)


def test_no_message_is_read_or_decided_by_way_of_pydantic():
    behind = {one for module in ("recorded", "decoding", "schema_files") for one in _behind(Path(f"event_schemas/{module}.py"))}
    behind |= set(_behind(Path("order_aggregate/partition_state.py")))

    assert not behind & _STANDS_ON_PYDANTIC


def _says_pure(module: Path) -> bool:
    if "Pure" not in (ROOT / module).read_text(encoding="utf-8"):
        return False  # most, and each process that runs tests asks for all of them
    return re.search(r"\bPure\b", ast.get_docstring(syntax(module)) or "") is not None


def _behind(module: Path) -> Iterator[Path]:
    """The module, and everything of the project that it imports, directly or not."""
    todo, seen = [module], {module}
    while todo:
        yield (one := todo.pop())
        new = {_modules()[name] for name in _imported(one)} - seen
        todo += new
        seen |= new


@pytest.mark.parametrize("module", [module for module in modules(*PACKAGES) if _says_pure(module)], ids=str)
def test_what_says_that_it_is_pure_is(module):
    impure = [f"{one}:{line} imports {name}" for one in _behind(module) for name, line in imports(one) if name.partition(".")[0] in _IMPURE]

    assert not impure, f"{module} is not pure:\n" + "\n".join(impure)


@pytest.mark.parametrize(
    "module",
    [
        *("event_schemas/recorded.py", "event_schemas/upcasters.py", "event_schemas/messages.py", "event_schemas/commands.py"),
        *("event_schemas/events.py", "event_schemas/registry.py", "event_schemas/field_checks.py", "event_schemas/encoding.py"),
        *(
            "event_schemas/ids.py",
            "event_schemas/values.py",
            "infra/kafka/partitioner.py",
            "order_aggregate/decider.py",
            "order_aggregate/order.py",
        ),
        *("order_aggregate/partition_state.py", "projections/queries/time_travel.py", "order_service/schema_compatibility.py"),
        *(str(module) for module in modules("projections") if module.parent == Path("projections/tables")),
    ],
)
def test_what_decides_and_folds_says_that_it_is_pure(module):
    assert _says_pure(Path(module)), "else nothing holds it to that"


def test_the_feeds_client_loads_no_more_than_it_needs():
    loaded = "import sys, notifier.client; print(*sorted(name for name in sys.modules if name.partition('.')[0] in set(sys.argv[1:])))"
    command = [
        sys.executable,
        "-c",
        loaded,
        *PACKAGES,
        "faust",
        "aiokafka",
        "fastapi",
        "psycopg",
        "prometheus_client",
        "pydantic",
        "msgspec",
    ]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.split()

    assert found == [
        *("event_schemas", "event_schemas.feed_codes"),
        *("notifier", "notifier.client", "notifier.client.endings", "notifier.client.feed_client", "notifier.client.items"),
        "notifier.client.state",
    ]
