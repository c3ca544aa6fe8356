"""The kit's client against gateways that answer badly, and what it does with the homes of runs that were killed."""

import json
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from order_service.stack.process_identity import ProcessIdentity
from tools.faults.kit_stack import KitHome, clear_leftovers
from tools.faults.load import client as client_module
from tools.faults.load.client import Client
from tools.faults.load.workload import History, Sent

Answer = Callable[[web.Request, int], Awaitable[web.StreamResponse]]
_TAKEN = {"command_id": "c-1", "order_id": "o-1", "status": "pending"}


async def _sent_to(answer: Answer, *, seconds: float = 0.05) -> tuple[list[Sent], list[str | None]]:
    """What one client, sending a single request, made of these answers; and the keys that the gateway saw."""
    keys: list[str | None] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers.get("Idempotency-Key"))
        return await answer(request, len(keys))

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    async with TestServer(app) as server:
        history = History()
        client = Client([str(server.make_url("")).rstrip("/")], seed=3, rate=1.0, history=history)
        await client.run(seconds, patience_s=5.0)
    return history.sent, keys


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    _want(monkeypatch, key="k-1")


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    _want(monkeypatch, key=None)


def _want(monkeypatch: pytest.MonkeyPatch, *, key: str | None) -> None:
    intent = client_module.Workload(1)._create()
    monkeypatch.setattr(client_module.Workload, "next", lambda _self: type(intent)(intent.marker, "create", "/orders", intent.body, key))


@pytest.mark.usefixtures("keyed")
@pytest.mark.parametrize("status", [500, 503, 429])
async def test_an_answer_that_settles_nothing_is_asked_for_again_under_the_same_key(status: int):
    async def answer(_: web.Request, times: int) -> web.Response:
        return web.json_response({}, status=status) if times == 1 else web.json_response(_TAKEN, status=202)

    (sent,), keys = await _sent_to(answer)

    assert keys == ["k-1", "k-1"]
    assert ([attempt.said for attempt in sent.attempts], sent.ending, sent.command_id) == ([str(status), "202"], "pending", "c-1")


@pytest.mark.usefixtures("keyed")
async def test_a_lost_connection_is_tried_again_under_the_same_key():
    async def answer(request: web.Request, times: int) -> web.Response:
        if times == 1:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(_TAKEN, status=202)

    (sent,), keys = await _sent_to(answer)

    assert (keys, sent.ending, len(sent.attempts)) == (["k-1", "k-1"], "pending", 2)


@pytest.mark.usefixtures("keyless")
async def test_without_a_key_a_lost_answer_is_left_alone():
    async def answer(request: web.Request, _: int) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    (sent,), keys = await _sent_to(answer)

    assert (keys, sent.ending, sent.refused) == ([None], None, None)


@pytest.mark.usefixtures("keyless")
async def test_a_key_that_the_gateway_gives_is_used_for_the_retry():
    async def answer(_: web.Request, times: int) -> web.Response:
        return web.json_response({"idempotency_key": "given"}, status=503) if times == 1 else web.json_response(_TAKEN, status=202)

    (sent,), keys = await _sent_to(answer)

    assert (keys, sent.key, sent.ending) == ([None, "given"], "given", "pending")


@pytest.mark.usefixtures("keyed")
async def test_a_refusal_at_the_door_is_remembered_and_an_ending_is_believed():
    async def refuse(_: web.Request, __: int) -> web.Response:
        return web.json_response({"code": "validation_failed"}, status=422)

    async def reject(_: web.Request, __: int) -> web.Response:
        return web.json_response({**_TAKEN, "code": "already_shipped", "version": 2}, status=409)

    (refused,), _ = await _sent_to(refuse)
    (rejected,), _ = await _sent_to(reject)

    assert refused.refused is not None
    assert "validation_failed" in refused.refused
    assert (rejected.ending, rejected.code, rejected.version) == ("rejected", "already_shipped", 2)


# Homes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _owner_is(home: KitHome, identity: ProcessIdentity) -> None:
    (home.folder / "kit.json").write_text(json.dumps(identity), encoding="utf-8")


def _ended_process() -> ProcessIdentity:
    return ProcessIdentity(psutil.Process().pid, 0.0)  # this number, but of a process that began at another time


def test_a_later_run_removes_the_home_of_a_run_that_was_killed(folder: Path):
    home = KitHome.create()
    _owner_is(home, _ended_process())

    assert clear_leftovers() == [home.folder]
    assert not list(folder.iterdir())


def test_the_home_of_a_run_that_goes_on_is_left_alone(folder: Path):
    home = KitHome.create()

    assert clear_leftovers() == []
    assert home.folder.exists()
    home.end(keep=False)
    assert not list(folder.iterdir())


def test_a_home_that_was_kept_is_left_alone(folder: Path):
    home = KitHome.create()
    home.end(keep=True)

    assert clear_leftovers() == []
    assert home.folder.parent == folder
    assert (home.folder / "logs").exists()


def test_folders_of_others_are_left_alone(folder: Path):
    (folder / "orders-faults-x").mkdir()
    (folder / "orders-faults-x" / "kit.json").write_text("not ours", encoding="utf-8")

    assert clear_leftovers() == []
