"""What `doctor` finds about servers, without any."""

import pytest

from infra.process.settings import Settings
from order_service.findings import server_findings


@pytest.fixture(autouse=True)
def _no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)


def test_servers_that_are_not_named_are_faults_where_none_can_be_started() -> None:
    found = list(server_findings(Settings(), embedded=False))

    assert [(one.verdict, one.words.partition(" ")[0]) for one in found] == [("fail", "KAFKA_BOOTSTRAP_SERVERS"), ("fail", "DATABASE_URL")]


def test_and_nothing_to_speak_of_where_the_stack_brings_them() -> None:
    assert list(server_findings(Settings(), embedded=True)) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ada:secret@127.0.0.1:1/orders", "PostgreSQL does not answer at 127.0.0.1:1"),
        ("nonsense secret", "DATABASE_URL is no PostgreSQL URL"),
    ],
)
def test_a_database_that_can_not_be_used_is_named_without_its_password(url: str, words: str) -> None:
    (found,) = server_findings(Settings(DATABASE_URL=url), embedded=True)

    assert found.verdict == "fail"
    assert found.words.startswith(words)
    assert "secret" not in found.words
