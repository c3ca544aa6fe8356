"""What is read of `Prefer`: RFC 7240's grammar, and nothing that this service does not know."""

import pytest

from infra.http.preferences import MAX_WAIT_S, Preferences, read_preferences


def read(*values: str) -> Preferences:
    return read_preferences([(b"content-type", b"application/json"), *((b"prefer", value.encode("latin-1")) for value in values)])


@pytest.mark.parametrize(
    ("values", "wait_s"),
    [
        (["wait=10"], 10),
        (["WAIT = 10"], 10),
        (['wait="10"'], 10),
        (["wait=0"], 0),
        (["wait=31"], MAX_WAIT_S),
        (["wait=" + "9" * 5000], MAX_WAIT_S),
        (["wait=007"], 7),
        (["respond-async, wait=5"], 5),
        (["respond-async", "wait=5"], 5),
        (["wait=5; foo=bar; baz"], 5),
        (['return="a, wait=9"; x=";", wait=5'], 5),
        (["wait=5, wait=10"], 5),
        (["", ",, ;, wait=5,"], 5),
        (["handling=lenient, wait=5"], 5),
    ],
)
def test_waits_that_are_understood(values: list[str], wait_s: int):
    assert read(*values).wait_s == wait_s


@pytest.mark.parametrize(
    "value", ["", "wait", "wait=", "wait=-1", "wait=1.5", "wait=ten", "wait=١", "await=5", "x; wait=5", 'x="wait=5', "wait==5", "é=1"]
)
def test_what_is_of_no_use_is_ignored(value: str):
    assert read(value.encode().decode("latin-1")) == Preferences()


def test_visibility_is_a_kind_of_wait():
    assert read("wait=3, for=visible") == Preferences(wait_s=3, for_visible=True)
    assert read("for=visible") == Preferences()
    assert read("wait=3, for=ever") == Preferences(wait_s=3)


def test_what_was_granted_is_said():
    assert read("wait=99, for=visible, colour=red").headers == {"Preference-Applied": "wait=30, for=visible", "Vary": "Prefer"}
    assert read("respond-async").headers == {"Preference-Applied": "respond-async", "Vary": "Prefer"}
    assert read("colour=red").headers == {"Vary": "Prefer"}
