"""Reading a file of orders, whatever stands in it."""

import gzip
import hashlib
import io
import sys
from pathlib import Path

import pytest

from order_service.commands.submit.lines import BadLine, Order, OrderFile, order_of

LINE = b'{"reference": "cdnow-000001", "customer_id": "ada"}'


async def read(path: str) -> list[Order | BadLine]:
    file, lines = OrderFile(path), []
    while (line := await file.next()) is not None:
        lines.append(line)
    file.close()
    return lines


@pytest.mark.parametrize("name", ["orders.ndjson", "orders.gz"])
async def test_gzip_is_recognised_by_its_bytes(tmp_path: Path, name: str):
    content = b"\n".join([LINE] * 1000)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    lines = await read(str(tmp_path / name))

    assert [line.number for line in lines] == list(range(1, 1001))
    assert {(line.key, line.body) for line in lines if isinstance(line, Order)} == {("cdnow-000001", LINE)}


async def test_standard_input(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(LINE + b"\r\n\n" + LINE)))))
    assert [line.number for line in await read("-")] == [1, 3]


async def test_a_bad_line_does_not_stop_the_others(tmp_path: Path):
    (tmp_path / "orders").write_bytes(b"\n".join([b"no json", LINE, b" " * 3_000_000 + b"x", LINE]))
    lines = await read(str(tmp_path / "orders"))

    assert [type(line) for line in lines] == [BadLine, Order, BadLine, Order]
    assert [line.number for line in lines] == [1, 2, 3, 4]
    assert isinstance(lines[2], BadLine)
    assert "longer than" in lines[2].detail


async def test_a_gzip_file_that_is_cut_off_is_an_error(tmp_path: Path):
    (tmp_path / "orders.gz").write_bytes(gzip.compress(LINE * 5000)[:-20])
    with pytest.raises((OSError, EOFError)):
        await read(str(tmp_path / "orders.gz"))


@pytest.mark.parametrize("reference", ["cdnow-000001", "a b", "x" * 255])
def test_the_reference_is_the_key(reference: str):
    order = order_of(1, f'{{"reference": "{reference}"}}'.encode())
    assert isinstance(order, Order)
    assert order.key == reference


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"reference": null}',
        b'{"reference": 7}',
        b'{"reference": ""}',
        '{"reference": "é"}'.encode(),
        b'{"reference": " a"}',
        b"[]",
    ],
)
def test_without_a_usable_reference_it_is_the_lines_hash(line: bytes):
    order = order_of(1, line)
    assert isinstance(order, Order)
    assert order.key == hashlib.sha256(line).hexdigest()
