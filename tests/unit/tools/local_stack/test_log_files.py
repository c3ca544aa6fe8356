"""Logs: put aside when large, found by service, followed."""

from pathlib import Path

import pytest

from tools.local_stack.log_files import LogFollower, logs_of, rotate


def test_a_large_log_is_put_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old " * 10)
        rotate(log, largest_bytes=40)
        assert log.stat().st_size == 40, "not too large yet"
        writer.write(b"x")
        rotate(log, largest_bytes=40)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "gateway.log.1").read_bytes() == b"old " * 10 + b"x"


def test_a_services_logs_are_those_of_all_its_instances(tmp_path: Path) -> None:
    for name in ("kafka.log", "kafka-2.log", "kafka-gc.log", "kafka.log.1", "gateway.log"):
        (tmp_path / name).touch()
    assert [log.name for log in logs_of(tmp_path, "kafka")] == ["kafka-2.log", "kafka.log"]
    assert len(logs_of(tmp_path)) == 4


def test_following_prints_whole_lines_with_their_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, other = tmp_path / "gateway.log", tmp_path / "kafka.log"
    log.write_text("one\ntwo\nthree\n")
    follower = LogFollower(lambda: logs_of(tmp_path), last_lines=2)
    follower.print_new()
    assert capsys.readouterr().out == "gateway | two\ngateway | three\n"
    with log.open("a") as writer:
        writer.write("fo")
        writer.flush()
        follower.print_new()
        assert capsys.readouterr().out == ""
        writer.write("ur\n")
    other.write_text("born later\n")
    follower.print_new()
    assert capsys.readouterr().out == "gateway | four\nkafka   | born later\n"
    log.write_text("after rotation\n")
    follower.print_new()
    assert "gateway | after rotation\n" in capsys.readouterr().out


@pytest.mark.parametrize(("count", "shown"), [(0, []), (1, ["b"]), (5, ["a", "b"])])
def test_it_begins_with_the_last_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, shown: list[str]) -> None:
    (tmp_path / "x.log").write_text("a\nb\n")
    LogFollower(lambda: logs_of(tmp_path), last_lines=count).print_new()
    assert capsys.readouterr().out.splitlines() == [f"x | {line}" for line in shown]
