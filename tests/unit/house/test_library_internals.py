"""The private and undocumented parts of libraries that the code uses (docs/decisions/0012): an upgrade that changes one fails here.

What a part does is tested here where no test of the code that uses it shows it without a broker or a database.
"""

import ast
import asyncio
import gc
import inspect
import re
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import faust
import faust.streams
import uvicorn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver
from mode.threads import ServiceThread
from psycopg import AsyncCopy, adapters
from psycopg.adapt import Transformer
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection
from websockets.server import ServerProtocol

from command_api.command_log import _retire
from infra.postgres.table_copy import CopyBuffer
from infra.postgres.table_definition import TableDefinition
from projections.tables.daily_sales import TABLE
from tests.support.house import PRODUCT, ROOT, modules, syntax, table

_PAGE = (ROOT / "docs/decisions/0012-private-parts-of-libraries.md").read_text(encoding="utf-8")
_NAMED_TUPLES = {"_replace", "_asdict", "_fields", "_make"}
_PYTHONS_OWN = {"_exit"}
_MAY_ASK = re.compile(r"(?<!self)(?<!cls)\._[a-z]", re.IGNORECASE)


def _asks_for(function: Any) -> set[str]:
    """The attributes and globals that a function, or one within it, asks for by name."""
    codes: list[CodeType] = [inspect.unwrap(function).__code__]
    names: set[str] = set()
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return names


# The page


def _private_names(module: Path) -> set[str]:
    """What a module asks of other objects than its own by a name that begins with an underscore, and that it does not define itself."""
    if not _MAY_ASK.search((ROOT / module).read_text(encoding="utf-8")):
        return set()
    nodes = list(ast.walk(syntax(module)))
    attributes = [node for node in nodes if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr)]
    others = {node.attr for node in attributes if not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})}
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    kept = {node.attr for node in attributes if isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)} - {"_do_heartbeat"}
    return others - defined - kept - _NAMED_TUPLES - _PYTHONS_OWN


def test_every_private_name_that_the_code_asks_a_library_for_stands_on_the_page():
    missing = {(str(module), name) for module in modules(*PRODUCT) for name in _private_names(module) if f"{name}`" not in _PAGE}

    assert not missing


def test_every_use_names_the_tests_that_notice_an_upgrade():
    for row in table(_PAGE, "## What is left"):
        assert row[-1].startswith("test_"), row[1]


# Faust and mode: pinned to one version


def test_faust_asks_for_what_the_transport_puts_in_its_place():
    assert "_new_consumer_thread" in _asks_for(faust_consumer.ThreadDelegateConsumer.__init__)
    assert "_drain_messages" in _asks_for(faust_consumer.Fetcher._fetcher.fun)
    assert "_settings_extra" in _asks_for(driver.Producer._new_producer)
    assert "_create_directories" in _asks_for(faust.App.on_first_start)
    assert "_CStreamIterator" in _asks_for(faust.streams.Stream.__aiter__)


async def test_a_thread_leaves_a_loop_open_that_it_was_handed_unless_it_is_told_to_close_it():
    handed = asyncio.new_event_loop()
    thread = ServiceThread(thread_loop=handed)  # type: ignore[abstract]

    assert thread._close_thread_loop_on_stop is False
    assert "_close_thread_loop_on_stop" in _asks_for(ServiceThread._start_thread)
    handed.close()


def test_faust_fetches_by_a_coroutine_of_these_arguments():
    fetch = driver.AIOKafkaConsumerThread._fetch_records

    assert inspect.iscoroutinefunction(fetch)
    assert list(inspect.signature(fetch).parameters) == ["self", "consumer", "active_partitions", "timeout", "max_records"]
    assert list(inspect.signature(driver.AIOKafkaConsumerThread._ensure_consumer).parameters) == ["self"]
    assert "_producer" in vars(driver.Producer)


async def test_what_is_put_into_the_queues_of_a_channels_subscribers_is_what_an_agent_iterates_over():
    channel: Any = faust.App("internals", broker="memory://", store="memory://").channel(maxsize=1)
    agents = aiter(channel)

    for subscriber in channel._subscribers:
        subscriber.queue.put_nowait("a fetch")

    assert await asyncio.wait_for(anext(agents), 5) == "a fetch"


# aiokafka


async def test_a_consumer_has_a_coordinator_whose_heartbeat_can_be_watched():
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1", max_poll_records=7)

    assert (consumer._max_poll_records, consumer._coordinator) == (7, None)
    assert inspect.iscoroutinefunction(GroupCoordinator._do_heartbeat)
    assert list(inspect.signature(GroupCoordinator._do_heartbeat).parameters) == ["self"]
    # By the instance, so that what stands there in its place is asked.
    assert "_do_heartbeat" in _asks_for(GroupCoordinator._heartbeat_routine)
    await consumer.stop()


async def _given_up_with(batches: int) -> list[str]:
    """What becomes of the batches of a producer that is given up: the first was sent and waits to be sent again, the others wait."""
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    accumulator = producer._message_accumulator
    held = [await accumulator.add_message(TopicPartition("t", number), b"k", b"v", 1.0) for number in range(batches)]
    again = accumulator._pop_batch(TopicPartition("t", 0))
    accumulator.reenqueue(again)

    async def stop() -> None:
        producer._closed = True  # as the real one does before it waits for the broker
        await asyncio.sleep(60)

    producer.stop = stop
    await _retire(producer, 0.01)
    await asyncio.sleep(0)
    assert again not in accumulator._pending_batches
    return [str(future.exception()) for future in held]


async def test_a_producer_that_is_given_up_fails_all_that_it_holds():
    unexpected: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unexpected.append(context))

    assert await _given_up_with(batches=3) == [str(KafkaError("given up"))] * 3
    gc.collect()  # a failure that nothing has looked at is told when it is freed
    assert not unexpected


async def test_a_producers_client_knows_the_partitions_and_can_be_made_to_ask_again():
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")

    assert producer.client.cluster.partitions_for_topic("never heard of") is None
    asked = producer.client.force_metadata_update()
    assert inspect.isawaitable(asked)
    asked.cancel()
    await producer.client.close()


def test_a_message_takes_no_more_than_is_estimated():
    key, value, headers = b"k" * 36, b"v" * 1000, [("traceparent", b"t" * 55)]
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=1, producer_epoch=1, base_sequence=1, batch_size=10_000
    )
    builder.append(0, timestamp=1_700_000_000_000, key=key, value=value, headers=headers)

    assert 1000 < len(builder.build()) <= DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers)


# websockets


def test_a_connection_is_asked_by_the_names_that_the_feed_puts_itself_behind():
    assert "process_event" in _asks_for(Connection.data_received)
    assert list(inspect.signature(ServerConnection.process_event).parameters) == ["self", "event"]
    assert inspect.iscoroutinefunction(Connection.drain)
    assert list(inspect.signature(Connection.send_data).parameters) == ["self"]


async def test_a_server_knows_its_connections_and_handlers():
    async def handler(_: ServerConnection) -> None: ...

    async def create_server() -> asyncio.Server: ...  # type: ignore[empty-body]

    server = Server(create_server, handler)

    assert (server.all_connections, server.handler_tasks) == (set(), set())


def test_a_protocol_holds_a_parser_that_can_be_closed_and_an_exception_that_can_be_forgotten():
    protocol = ServerProtocol(select_subprotocol=lambda *_: None)

    assert {"select_subprotocol", "parser", "parser_exc"} <= vars(protocol).keys()
    protocol.parser.close()


# psycopg


def _no_connection() -> Any:
    """As much of a connection as a COPY asks for that only makes bytes."""
    connection = SimpleNamespace(pgconn=None)
    connection.cursor = lambda: SimpleNamespace(connection=connection, adapters=adapters, pgresult=None, _tx=Transformer(), _pgconn=None)
    return connection


def test_a_copy_that_is_never_entered_makes_the_bytes_of_rows():
    copy = AsyncCopy(_no_connection().cursor(), binary=True)
    copy.set_types(["int4"])

    assert not copy.formatter.write_row((7,))  # kept until it is worth sending
    assert bytes(copy.formatter.end()) == b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\1\0\0\0\4\0\0\0\7" + b"\xff\xff"


def test_rows_can_be_added_to_a_buffer_without_a_statement():
    definition: TableDefinition[Any] = TABLE
    assert CopyBuffer(_no_connection(), definition).add(()) is None


# uvicorn and FastAPI


def test_uvicorn_takes_signals_by_a_method_that_can_be_put_away():
    assert "capture_signals" in _asks_for(uvicorn.Server.serve)


def test_uvicorns_protocol_is_where_it_was_and_has_the_parts_that_bounds_are_built_on():
    assert HTTP_PROTOCOLS["httptools"] == f"{HttpToolsProtocol.__module__}:{HttpToolsProtocol.__name__}"
    assert STATUS_LINE[431].startswith(b"HTTP/1.1 431 ")
    parts = {"pipeline", "cycle", "flow", "parser", "headers", "scope", "transport", "loop", "server_state"}
    assert parts <= _asks_for(HttpToolsProtocol.__init__) | _asks_for(HttpToolsProtocol.connection_made)
    assert list(inspect.signature(HttpToolsProtocol._unset_keepalive_if_required).parameters) == ["self"]
    assert {"pause_reading", "resume_reading"} <= vars(FlowControl).keys()


def test_all_methods_of_a_path_are_found_through_routers():
    app, router = FastAPI(openapi_url=None, docs_url=None, redoc_url=None), APIRouter(prefix="/orders")
    for method in ("GET", "POST"):
        router.add_api_route("/{order_id}", lambda: None, methods=[method])
    app.include_router(router)

    here = [route for route in iter_route_contexts(app.routes) if route.path_regex.match("/orders/1")]

    assert {method for route in here for method in route.methods or ()} == {"GET", "POST"}
