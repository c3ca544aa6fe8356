"""What the docs name exists: files, links, commands, settings, metrics, the README's ids."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from command_api.identity import ANONYMOUS, fingerprint, identify
from event_schemas.topics import TOPICS
from infra.process.settings import Settings
from order_service.cli import COMMANDS
from tests.support.house import PACKAGES, ROOT, files, modules, table
from tests.support.readme import first_request

_PAGES = [path for path in files() if path.suffix == ".md"]
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
_FILE = re.compile(r"`((?:" + "|".join([*PACKAGES, "tests", "docs", "examples"]) + r")/[\w./-]+)`")
_COMMAND = re.compile(r"\./orders ([a-z][a-z-]*)")
_VARIABLE = re.compile(r"\b((?:ORDERS|KAFKA)_[A-Z_]+[A-Z]|DATABASE_URL|MAVEN_REPOSITORY_URL)\b")
_METRIC = re.compile(r'(Counter|Gauge|Histogram)\(\s*"(orders_\w+)"')
_ELSEWHERE = {"ORDERS_PYTHON", "ORDERS_POSTGRES_PASSWORD"}
"""Read by the script `orders` and by Compose, not by the services."""
_BEGINNINGS = {"test_without_"}
"""Of the names of several tests."""
_EXAMPLES = {"projections/tables/refusals.py", "tests/unit/projections/test_refusals.py"}
"""Files that docs/extend.md tells the reader to write."""


def _text(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", _PAGES, ids=str)
def test_links_lead_somewhere(page):
    for target, anchor in _LINK.findall(_text(page)):
        linked = (ROOT / page.parent / target).resolve() if target else ROOT / page
        assert linked.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in _anchors(linked.relative_to(ROOT)), f"{page} links to {target}#{anchor}"


@pytest.mark.parametrize("page", _PAGES, ids=str)
def test_files_that_are_named_exist(page):
    missing = {name for name in _FILE.findall(_text(page)) if name not in _EXAMPLES and not (ROOT / name).exists()}

    assert not missing


@pytest.mark.parametrize("page", _PAGES, ids=str)
def test_commands_that_are_named_exist(page):
    assert set(_COMMAND.findall(_text(page))) <= {command.name for command in COMMANDS}


@pytest.mark.parametrize("page", _PAGES, ids=str)
def test_variables_that_are_named_exist(page):
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}

    assert set(_VARIABLE.findall(_text(page))) <= known | _ELSEWHERE


def test_every_metric_is_documented_and_no_other():
    code = "\n".join((ROOT / module).read_text(encoding="utf-8") for module in modules(*PACKAGES))
    exposed = {name + ("_total" if kind == "Counter" else "") for kind, name in _METRIC.findall(code)}

    assert {row[0] for row in table(_text(Path("docs/operations.md")), "## What to watch")} == exposed


@pytest.mark.parametrize("page", _PAGES, ids=str)
def test_addresses_with_a_question_mark_are_quoted_because_zsh_would_look_for_files(page):
    typed = re.findall(r"^(?:\$ +|    )?curl .*$", _text(page), re.MULTILINE)

    assert not [line for line in typed if "?" in re.sub(r"'[^']*'|\"[^\"]*\"", "", line)]


@cache
def _tests_there() -> set[str]:
    files_of_tests = (path for path in files() if path.suffix == ".py" and path.parts[0] == "tests")
    return {name for path in files_of_tests for name in re.findall(r"^ *(?:async )?def (test_\w+)", _text(path), re.MULTILINE)}


@pytest.mark.parametrize("page", _PAGES, ids=str)
def test_the_tests_that_a_page_names_exist(page):
    assert not set(re.findall(r"`(test_\w+)`", _text(page))) - _tests_there() - _BEGINNINGS


def test_the_readmes_ids_are_those_that_its_reader_gets():
    path, key, body, answer = first_request()
    asked = fingerprint(method="POST", path=path, if_match=None, body=json.loads(body))

    identity = identify(caller=ANONYMOUS, key=key, order_id=None, fingerprint=asked)

    assert (answer["command_id"], answer["order_id"]) == (str(identity.command_id), str(identity.order_id))
    assert _text(Path("README.md")).count(answer["order_id"]) >= 2, "the README reads another order than it places"


def test_every_topic_is_documented():
    for topic in TOPICS:
        assert f"`{topic.name}`" in _text(Path("docs/architecture.md"))
