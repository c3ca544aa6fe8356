"""PostgreSQL that is away: said in one line, waited for, and nothing lost."""

import asyncio
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from gateway.app import create_app
from infra.errors import DatabaseAway
from infra.postgres.connections import DatabaseSession, connection_arguments, database_address, new_snapshot_pool
from infra.process.health import Health
from infra.process.settings import Settings
from projections.api import create_query_router
from projections.queries.read_models import ReadModels
from tests.integration.projections.conftest import FakeLogEnd, make_worker
from tests.support.fetched import fetched_run
from tests.support.records import created
from tests.support.service_process import eventually
from tools.local_stack.embedded.postgres import EmbeddedPostgres


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, to be stopped."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.start()
    yield server
    server.stop()
    server.erase()


def _settings(postgres: EmbeddedPostgres) -> Settings:
    return Settings(DATABASE_URL=postgres.url)


def _password(postgres: EmbeddedPostgres) -> str:
    return str(connection_arguments(_settings(postgres), "test")["password"])


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_worker_keeps_its_fetch_until_postgresql_is_back(postgres, caplog, how):
    caplog.set_level(logging.DEBUG)
    worker = make_worker(_settings(postgres))
    await worker.own_all()
    await worker.projector.handle({0: fetched_run([created() for _ in range(10)])})
    await asyncio.to_thread(getattr(postgres, how))

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        working = tasks.create_task(worker.projector.handle({0: fetched_run([created() for _ in range(10)], start=10)}))
        await eventually(lambda: _is(worker.health, "waiting"))
        address = database_address(_settings(postgres))
        assert worker.health.detail == f"PostgreSQL does not answer at {address}: start it or set DATABASE_URL"
        await asyncio.to_thread(postgres.start)

    assert dict(working.result().done) == {0: 20}
    assert worker.health.detail is None
    assert _password(postgres) not in caplog.text
    await worker.session.close()


async def _is(health: Health, state: str) -> bool:
    return health.state == state


async def test_a_worker_that_waits_can_be_stopped_at_once(postgres):
    worker = make_worker(_settings(postgres))
    await worker.own_all()
    await asyncio.to_thread(postgres.stop)
    working = asyncio.create_task(worker.projector.handle({0: fetched_run([created()])}))
    await eventually(lambda: _is(worker.health, "waiting"))
    working.cancel()
    done, _ = await asyncio.wait({working}, timeout=20)
    assert done
    assert working.cancelled()


async def test_reads_say_so_within_seconds_and_work_again_when_it_is_back(postgres, caplog):
    caplog.set_level(logging.DEBUG)
    settings = _settings(postgres)
    worker = make_worker(settings)
    await worker.own_all()
    reads = ReadModels(settings, new_snapshot_pool(settings, "test-reads", max_size=4), FakeLogEnd())
    await reads.start()
    app = create_app(Health("gateway"), [create_query_router(reads)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://orders") as client:
        assert {(await answer).status_code for answer in [client.get("/sales") for _ in range(8)]} == {200}

        await asyncio.to_thread(postgres.stop)
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(client.get("/sales") for _ in range(8)))
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "read_model_unavailable")}
        assert all(answer.headers["retry-after"] for answer in answers)

        await asyncio.to_thread(postgres.start)
        assert {answer.status_code for answer in await asyncio.gather(*(client.get("/sales") for _ in range(8)))} == {200}

        # A restart that no one noticed: every connection in the pool is dead, and no reader learns of it.
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(postgres.start)
        assert {answer.status_code for answer in await asyncio.gather(*(client.get("/sales") for _ in range(8)))} == {200}
    await reads.stop()
    await worker.session.close()
    assert _password(postgres) not in caplog.text


async def test_a_frozen_postgresql_is_unavailable_too(postgres):
    settings = _settings(postgres)
    worker = make_worker(settings)
    await worker.own_all()
    reads = ReadModels(settings, new_snapshot_pool(settings, "test-reads", max_size=4), FakeLogEnd())
    await reads.start()
    app = create_app(Health("gateway"), [create_query_router(reads)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://orders") as client:
        await client.get("/sales")
        server = psutil.Process(postgres.pid)
        frozen = [server, *server.children(recursive=True)]
        for process in frozen:
            process.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(20):
                answer = await client.get("/sales")
            assert (answer.status_code, answer.json()["code"]) == (503, "read_model_unavailable")
        finally:
            for process in frozen:
                process.send_signal(signal.SIGCONT)

        async def answers() -> bool:
            return (await client.get("/sales")).status_code == 200

        await eventually(answers)
    await reads.stop()
    await worker.session.close()


async def test_a_wrong_password_is_said_without_saying_it(postgres, caplog):
    caplog.set_level(logging.DEBUG)
    address = database_address(_settings(postgres))
    settings = Settings(DATABASE_URL=f"postgresql://orders:not-the-one@{address}/orders")
    health = Health("projections")
    session = DatabaseSession(settings, health, "test")

    async def never(_: object) -> None:
        raise AssertionError

    asking = asyncio.create_task(session.in_transaction(never))
    await eventually(lambda: _is(health, "waiting"))
    asking.cancel()
    assert f"PostgreSQL at {address} says: password authentication failed" in str(health.detail)
    assert "not-the-one" not in caplog.text + str(health.detail) + repr(settings)


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@h:x/y%", "postgresql://u:hunter2@[", "hunter2", "postgresql://u:hunter2%@h/y"])
def test_a_url_that_can_not_be_read_is_not_quoted(url):
    with pytest.raises(DatabaseAway) as refused:
        connection_arguments(Settings(DATABASE_URL=url), "test")
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_no_url_says_what_to_do():
    with pytest.raises(DatabaseAway, match="DATABASE_URL is not set"):
        connection_arguments(Settings(DATABASE_URL=None), "test")
