"""Fetching: only what the lock says arrives, whole, and nothing twice."""

import hashlib
from pathlib import Path

import pytest

from tools.local_stack.embedded import jars
from tools.local_stack.embedded.jars import Jar, JarLock, JarsUnavailable, fetch_jars, missing_jars

CONTENT = {f"g/a{n}/1/a{n}-1.jar": f"content {n}".encode() for n in range(3)}
LOCK = JarLock("pom", tuple(Jar(path, len(content), hashlib.sha256(content).hexdigest()) for path, content in CONTENT.items()))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for path, content in CONTENT.items():
        file = tmp_path / "repository" / path
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    return tmp_path / "repository"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars.time, "sleep", lambda _: None)


def fetch(folder: Path, repository: Path) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    fetch_jars(folder, repository_url=repository.as_uri(), lock=LOCK, progress=lambda done, total: told.append((done, total)))
    return told


def test_all_arrive_and_progress_is_told(tmp_path: Path, repository: Path) -> None:
    told = fetch(tmp_path / "jars", repository)
    assert told[-1] == (27, 27)
    assert sorted(file.read_bytes() for file in (tmp_path / "jars").iterdir()) == sorted(CONTENT.values())


def test_nothing_is_fetched_twice(tmp_path: Path, repository: Path) -> None:
    fetch(tmp_path / "jars", repository)
    assert fetch(tmp_path / "jars", tmp_path / "gone") == []


def test_an_interrupted_run_goes_on(tmp_path: Path, repository: Path) -> None:
    hidden = repository / "g/a1/1/a1-1.jar"
    hidden.rename(tmp_path / "hidden")
    with pytest.raises(JarsUnavailable):
        fetch(tmp_path / "jars", repository)
    (tmp_path / "hidden").rename(hidden)
    fetch(tmp_path / "jars", repository)
    assert missing_jars(tmp_path / "jars", LOCK) == []


@pytest.mark.parametrize("damage", [b"", b"content X", b"content 10"])
def test_damage_is_noticed_and_mended(tmp_path: Path, repository: Path, damage: bytes) -> None:
    fetch(tmp_path / "jars", repository)
    (tmp_path / "jars" / "a1-1.jar").write_bytes(damage)
    assert [jar.name for jar in missing_jars(tmp_path / "jars", LOCK)] == ["a1-1.jar"]
    fetch(tmp_path / "jars", repository)
    assert missing_jars(tmp_path / "jars", LOCK) == []


def test_another_content_never_gets_its_name(tmp_path: Path, repository: Path) -> None:
    (repository / "g/a1/1/a1-1.jar").write_bytes(b"content X")
    with pytest.raises(JarsUnavailable, match=r"a1-1\.jar.*MAVEN_REPOSITORY_URL"):
        fetch(tmp_path / "jars", repository)
    assert not (tmp_path / "jars" / "a1-1.jar").exists()
    assert not list((tmp_path / "jars").glob("*.part"))
