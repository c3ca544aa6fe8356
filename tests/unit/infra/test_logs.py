"""What a log line holds, and what it never does."""

import json
import logging

import pytest

from infra.process.logs import configure_logging
from infra.process.settings import Settings


@pytest.fixture(autouse=True)
def _restored():
    root, quiet = logging.getLogger(), logging.getLogger("aiokafka")
    before, level, filters = root.handlers, root.level, list(quiet.filters)
    yield
    root.handlers, quiet.filters = before, filters
    root.setLevel(level)


def _fail_with(secret: str) -> None:
    password = secret
    raise RuntimeError("could not connect with " + "x" * len(password))


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_shows_no_local_variables(capsys, form):
    configure_logging(Settings(ORDERS_LOG_FORMAT=form), "tests")
    try:
        _fail_with("-".join(["hunter", "2"]))
    except RuntimeError:
        logging.getLogger("infra.tests").exception("no connection")

    written = capsys.readouterr().err
    assert "could not connect" in written
    assert "hunter-2" not in written


def test_json_is_one_object_a_line_with_the_service(capsys):
    configure_logging(Settings(ORDERS_LOG_FORMAT="json"), "gateway")
    logging.getLogger("infra.tests").warning("waiting for %s", "kafka", extra={"order_id": "o-1"})

    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["service"], said["event"], said["level"], said["order_id"]) == ("gateway", "waiting for kafka", "warning", "o-1")


def test_an_absent_broker_is_not_repeated_by_its_client(capsys):
    configure_logging(Settings(), "tests")
    logging.getLogger("aiokafka").error("Unable connect to node with id %s: %s", 1, "refused")
    logging.getLogger("aiokafka").error("something else")

    assert [line.split("] ")[1] for line in capsys.readouterr().err.splitlines()] == ["something else"]
