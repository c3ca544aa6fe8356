"""`./orders show`: a history as a table, what each event changed, and an exit code for everything that can't be shown."""

import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import orjson
import pytest

from event_schemas.codes import Code
from projections.queries.time_travel import AsOf, AtVersion, order_at
from projections.queries.views import OrderView
from projections.tables import order_history
from tests.support.fetched import counted_run
from tests.support.records import NOON, created, rejected, shipped
from tests.unit.order_service.test_cli import orders

ORDER = UUID("6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01")
LATER = NOON + timedelta(hours=1)
STORY = [
    created(ORDER, command_id=UUID(int=1)),
    rejected(ORDER, version=1, code=Code.VERSION_CONFLICT, command_type="ShipOrder", command_id=UUID(int=2), occurred_at=LATER),
    shipped(ORDER, tracking_number="T-\u202e9", command_id=UUID(int=3), occurred_at=LATER + timedelta(hours=1)),
]


class _Gateway(BaseHTTPRequestHandler):
    """Answers as the query API does, from one history."""

    history: ClassVar = [order_history.evolve(None, counted) for counted in counted_run(STORY)]

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        entries = [entry for entry in self.history if path.startswith(f"/orders/{entry.order_id}")]
        if path.endswith("/events"):
            items = [orjson.loads(entry.envelope) for entry in entries]
            return self._say({"items": items} if items else None, "there is no record of an order with this id")
        moment = AtVersion(int(query["version"][0])) if "version" in query else AsOf(_time(query["as_of"][0]))
        past = order_at(entries, moment)
        return self._say(past and OrderView.model_validate(past).model_dump(mode="json"), f"there was no such order {moment}")

    def _say(self, body: Any, absent: str) -> None:
        content = orjson.dumps(body or {"code": "order_not_found", "detail": absent})
        self.send_response(200 if body else 404)
        self.send_header("Orders-Position", "e.x")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Silent."""


def _time(text: str):
    return NOON.fromisoformat(text)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Gateway)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _lines(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_history_is_a_table_with_refused_commands_marked(url, capsys):
    assert orders("show", str(ORDER), "--url", url) == 0

    lines = _lines(capsys)
    assert lines[:3] == [f"order {ORDER}", "shipped, version 2: 2 units, 9.00 EUR", "customer ada"]
    assert lines[4].split() == ["version", "when", "type", "by", "command", "what"]
    rows = [line.split() for line in lines[5:]]
    assert [row[0] for row in rows] == ["1", "✗", "2"]
    assert [row[3] for row in rows] == ["OrderCreated", "CommandRejected", "OrderShipped"]
    assert rows[1][4:] == ["tests", "ShipOrder", "00000000", "ShipOrder", "refused:", "version_conflict,", "not", "so"]
    assert lines[7].endswith("T-?9"), "a terminal obeys what it is shown"
    assert "\u202e" not in "".join(lines)


def test_refused_commands_are_red_on_a_terminal(url, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert orders("show", str(ORDER), "--url", url) == 0

    lines = _lines(capsys)
    assert [line.startswith("\x1b[31m") for line in lines[5:]] == [False, True, False]


def test_what_each_event_changed(url, capsys):
    assert orders("show", str(ORDER), "--diff", "--url", url) == 0

    changed = [line.strip() for line in _lines(capsys) if line.startswith("           ")]
    assert "+ status: created" in changed
    assert '+ lines: [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]' in changed
    assert changed[changed.index("~ status: created → shipped") :] == [
        "~ status: created → shipped",
        "~ version: 1 → 2",
        "+ tracking_number: T-?9",
        "+ shipped_at: 2026-01-31T12:00:00Z",
    ]


@pytest.mark.parametrize(
    ("moment", "versions"),
    [
        (("--version", "1"), ["1", "✗"]),
        (("--version", "2"), ["1", "✗", "2"]),
        (("--as-of", "2026-01-31T12:59:59Z"), ["1"]),
        (("--as-of", "2026-01-31T14:00:00+01:00"), ["1", "✗"]),
        (("--as-of", "2030-01-01T00:00:00Z"), ["1", "✗", "2"]),
    ],
)
def test_an_order_as_it_was(url, capsys, moment, versions):
    assert orders("show", str(ORDER), *moment, "--url", url) == 0

    lines = _lines(capsys)
    assert lines[0].startswith(f"order {ORDER}, as it was ")
    assert lines[1].startswith("created" if "2" not in versions else "shipped")
    assert [line.split()[0] for line in lines[5:]] == versions


def test_json_is_what_the_gateway_answers_with_the_changes(url, capsys):
    assert orders("show", str(ORDER), "--diff", "--json", "--url", url) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["order"]["status"] == "shipped"
    assert [item["changes"].get("status") for item in told["items"]] == [{"to": "created"}, None, {"from": "created", "to": "shipped"}]
    assert {**told["items"][1], "changes": None} == {**orjson.loads(STORY[1].encoded()), "changes": None}


def test_an_order_of_which_there_are_only_refused_commands(url, capsys, monkeypatch):
    refused = rejected(UUID(int=7))
    monkeypatch.setattr(_Gateway, "history", [order_history.evolve(None, counted) for counted in counted_run([refused])])
    assert orders("show", str(UUID(int=7)), "--diff", "--url", url) == 0

    lines = _lines(capsys)
    assert lines[0] == "no such order: every command for it was refused"
    assert lines[-1].split()[0] == "✗"
    assert orders("show", str(UUID(int=7)), "--version", "0", "--url", url) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((str(UUID(int=9)),), 1, "there is no record of an order with this id"),
        ((str(ORDER), "--version", "3"), 1, "there was no such order at version 3"),
        ((str(ORDER), "--version", "0"), 1, "there was no such order at version 0"),
        ((str(ORDER), "--as-of", "2020-01-01T00:00:00Z"), 1, "there was no such order on 2020-01-01T00:00:00+00:00"),
        ((str(ORDER), "--as-of", "yesterday"), 2, "--as-of: must be a time with an offset"),
        ((str(ORDER), "--version", "1", "--as-of", "2020-01-01T00:00:00Z"), 2, "can't be combined"),
        ((str(ORDER), "--version", "-1"), 2, "--version"),
        (("nonsense",), 2, "ORDER"),
        ((), 2, "ORDER"),
    ],
)
def test_what_can_not_be_shown(url, capsys, arguments, code, told):
    assert orders("show", *arguments, "--url", url) == code
    assert told in capsys.readouterr().err


def test_without_a_gateway_it_says_so(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert orders("show", str(ORDER), "--url", f"http://127.0.0.1:{taken.getsockname()[1]}") == 1
    assert "does not answer" in capsys.readouterr().err
