"""What the headers of a command may say."""

import pytest

from command_api.headers import CommandHeaders, read_correlation, read_headers
from event_schemas.codes import Code
from infra.http.problems import Problem

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def read(*, versioned: bool = True, content_type: str | None = "application/json", **headers: str) -> CommandHeaders:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    if content_type is not None:
        raw.append((b"content-type", content_type.encode()))
    return read_headers(raw, versioned=versioned)


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"']
)
def test_json_in_utf_8_is_taken(media_type: str):
    assert read(content_type=media_type).faults == ()


@pytest.mark.parametrize(
    "media_type", [None, "", "text/plain", "application/json; charset=latin-1", "application/jsonl", "application/merge-patch+json"]
)
def test_any_other_body_is_refused(media_type: str | None):
    with pytest.raises(Problem) as refused:
        read(content_type=media_type)
    assert refused.value.code is Code.UNSUPPORTED_MEDIA_TYPE


def test_a_compressed_body_is_refused():
    with pytest.raises(Problem) as refused:
        read(content_encoding="gzip")
    assert refused.value.code is Code.UNSUPPORTED_MEDIA_TYPE


@pytest.mark.parametrize("key", ["k", "k" * 255, '"quoted"', "with spaces", "~!@#$%^&*()"])
def test_idempotency_keys_that_are_taken(key: str):
    assert read(idempotency_key=key).idempotency_key == key


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "ké", "tab\there", "\x7f"])
def test_idempotency_keys_that_are_refused(key: str):
    (fault,) = read(idempotency_key=key).faults
    assert (fault["pointer"], fault["header"]) == ("", "Idempotency-Key")


def test_a_header_that_is_sent_twice_is_refused():
    raw = [(b"content-type", b"application/json"), (b"idempotency-key", b"a"), (b"idempotency-key", b"b")]
    (fault,) = read_headers(raw, versioned=False).faults
    assert fault["detail"] == "Idempotency-Key must be sent once"


@pytest.mark.parametrize(("if_match", "version"), [('"0"', 0), ('"3"', 3), ('"999999999"', 999_999_999)])
def test_if_match_names_a_version(if_match: str, version: int):
    headers = read(if_match=if_match)
    assert (headers.expected_version, headers.if_match, headers.faults) == (version, if_match, ())


@pytest.mark.parametrize(
    "if_match", ["*", "3", 'W/"3"', '"3", "4"', '"03"', '"-1"', '"1000000000"', '"2147483648"', '"99999999999"', '""', '"abc"', '"٣"', ""]
)
def test_any_other_if_match_is_refused(if_match: str):
    raw = [(b"content-type", b"application/json"), (b"if-match", if_match.encode())]
    headers = read_headers(raw, versioned=True)
    assert headers.expected_version is None
    assert headers.faults[0]["header"] == "If-Match"


def test_if_match_has_no_meaning_for_a_new_order():
    assert read(versioned=False, if_match='"1"').faults[0]["header"] == "If-Match"


def test_the_correlation_id_is_the_clients():
    assert read(x_correlation_id="cart-17", traceparent=TRACE).correlation_id == "cart-17"


@pytest.mark.parametrize("correlation_id", ["", "c" * 201, "cé"])
def test_correlation_ids_that_are_refused(correlation_id: str):
    assert read(x_correlation_id=correlation_id).faults[0]["header"] == "X-Correlation-Id"


def test_without_one_it_is_the_trace_id():
    headers = read(traceparent=TRACE)
    assert (headers.correlation_id, headers.traceparent) == ("4bf92f3577b34da6a3ce929d0e0e4736", TRACE)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        "ff" + TRACE[2:],
        TRACE.upper(),
        "00-" + "0" * 32 + TRACE[35:],
        TRACE[:36] + "0" * 16 + "-01",
        TRACE + "-" + "a" * 1_000_000,
    ],
)
def test_an_unusable_traceparent_is_passed_by(traceparent: str):
    headers = read(traceparent=traceparent)
    assert (headers.correlation_id, headers.traceparent, headers.faults) == (None, None, ())
    assert read_correlation([(b"traceparent", traceparent.encode())]) is None


@pytest.mark.parametrize("more", [1, 2])
def test_a_traceparent_that_is_sent_more_than_once_is_passed_by(more: int):
    raw = [(b"content-type", b"application/json"), *[(b"traceparent", TRACE.encode())] * (1 + more)]
    headers = read_headers(raw, versioned=False)
    assert (headers.correlation_id, headers.traceparent, headers.faults) == (None, None, ())
    assert read_correlation(raw) is None


def test_what_correlates_before_a_request_is_checked_is_what_its_command_gets():
    for traceparent in (TRACE, "cc" + TRACE[2:] + "-more"):
        assert read_correlation([(b"traceparent", traceparent.encode())]) == read(traceparent=traceparent).correlation_id == TRACE[3:35]
