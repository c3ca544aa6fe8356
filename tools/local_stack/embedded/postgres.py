"""PostgreSQL 18 on this machine: on loopback only, with a password, as root or not."""

import os
import secrets
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tools.local_stack.embedded.postgres_binaries import User, binaries, erase_binaries, server_user
from tools.local_stack.ports import free_port, is_free
from tools.local_stack.process import FOLDER, Launch, ServerFailed, ServerProcess, last_lines

USER = "orders"
DATABASE = "orders"
_START_S = 30
_STOP_S = 4
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    # One machine without replicas: fewer processes.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
}


class EmbeddedPostgres:
    """A PostgreSQL server on 127.0.0.1 that keeps its data, its password and its port in `folder`.

    >>> with EmbeddedPostgres(tmp_path / "postgres") as postgres:
    ...     psycopg.connect(postgres.url)

    For fault tests: `kill()` ends it as a crash would, `start()` recovers. All calls block. The role `orders` owns the database `orders`.
    """

    def __init__(self, folder: Path, *, port: int | None = None, logs: Path | None = None) -> None:
        """`port`: by default a free one, kept for the next start. The log is `logs`/postgres.log, by default in `folder`."""
        self.folder = folder.absolute()
        self.log = (logs or folder).absolute() / "postgres.log"
        self.process: ServerProcess | None = None
        self.port = 0
        self._wanted_port = port
        self._password = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process number, None when it does not run."""
        return self.process.pid if self.process else None

    @property
    def url(self) -> str:
        """URL of the database, with password; known after `prepare`."""
        return self._url(DATABASE)

    def prepare(self) -> None:
        """Everything up to the start: programs, password, an initialised data folder. Raises NoPostgres, ServerFailed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        user = server_user()
        programs = binaries(self.folder, user)
        self._password = self._kept("password", lambda: secrets.token_urlsafe(24))
        self.port = self._settle_port()
        _initialise(self.folder, programs, user, self._password)
        settings = [f"--{name}={value}" for name, value in (_SETTINGS | {"port": str(self.port)}).items()]
        self.process = ServerProcess(_launch(self.folder / "data", [str(programs / "postgres"), "-D", FOLDER, *settings], user), self.log)

    def start(self, timeout_s: float = _START_S) -> None:
        """Prepare, start, wait until it answers, and see to the database. Raises NoPostgres, ServerFailed."""
        if self.pid is None:
            self.prepare()
            self.launch()
        assert self.process is not None
        self.process.start()
        try:
            self.process.wait_until(self.answers, timeout_s)
            self.ensure_database()
        except BaseException:
            self.stop()
            raise

    def launch(self) -> Launch:
        """How to start the server now, for a caller that keeps the process; after `prepare`. Raises ServerFailed while another one runs."""
        assert self.process is not None
        remove_stale_lock(self.folder / "data")
        return self.process.launch

    def answers(self) -> bool:
        """Whether the server accepts connections, after recovery if need be."""
        return answers(self._url("postgres"))

    def ensure_database(self) -> None:
        """Create the database unless it is there."""
        with psycopg.connect(self._url("postgres"), autocommit=True, connect_timeout=5) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))

    def stop(self) -> None:
        """End the server in order (open transactions are rolled back), after 4 s with force. The data stays."""
        if self.process:
            self.process.stop(_STOP_S)

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL); its helpers notice and end too."""
        if self.process is None or self.process.pid is None:
            return
        helpers = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        psutil.wait_procs(helpers, timeout=5)

    def erase(self) -> None:
        """Remove the data and everything else that this class made. For a server that does not run."""
        erase_binaries(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}:{quote(self._password, safe='')}@127.0.0.1:{self.port}/{database}"

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        file = self.folder / name
        if not file.exists():
            part = file.with_name(f".{name}.part")
            part.unlink(missing_ok=True)
            _write_private(part, make())
            part.replace(file)
        return file.read_text(encoding="utf-8")

    def _settle_port(self) -> int:
        if self._wanted_port:
            return self._wanted_port
        kept = int(self._kept("port", lambda: str(free_port())))
        if is_free(kept):
            return kept
        (self.folder / "port").unlink()
        return int(self._kept("port", lambda: str(free_port())))


def answers(url: str) -> bool:
    """Whether a PostgreSQL server accepts connections at this URL. No password is tried."""
    return psycopg.pq.PGconn.ping(make_conninfo(url, connect_timeout=2).encode()) == psycopg.pq.Ping.OK


def _launch(folder: Path, command: list[str], user: User | None) -> Launch:
    """Start `command`, in which FOLDER stands for `folder`. Another user gets the folder as an open descriptor, and need not be able
    to enter the folders above it."""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if user and sys.platform == "linux":
        return Launch(tuple(command), environment, stop_signal=signal.SIGINT, user=user, open_folder=folder)
    plain = tuple(argument.replace(FOLDER, str(folder)) for argument in command)
    return Launch(plain, environment, stop_signal=signal.SIGINT, user=user)


def _initialise(folder: Path, programs: Path, user: User | None, password: str) -> None:
    """Make the data folder, whole or not at all: a run that was cut off leaves nothing that looks like data."""
    data, part = folder / "data", folder / "data.part"
    if (data / "PG_VERSION").exists():
        return
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    _write_private(part / "password", password)
    if user:
        os.chown(part, *user)
        os.chown(part / "password", *user)
    command = [
        str(programs / "initdb"),
        "-D",
        f"{FOLDER}/data",
        f"--username={USER}",
        "--auth=scram-sha-256",
        f"--pwfile={FOLDER}/password",
    ]
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
    log = folder / "initdb.log"
    if _launch(part, [*command, *locale], user).popen(log).wait(_START_S) != 0:
        raise ServerFailed(f"initdb failed:\n{last_lines(log)}")
    (part / "data").rename(data)
    shutil.rmtree(part)


def _write_private(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as content:
        content.write(text)


def remove_stale_lock(data: Path) -> None:
    """For a server about to start: take away what a crash left.

    After a crash postmaster.pid names a process that ended; its number may be another's by now, and PostgreSQL would not start.
    Raises ServerFailed when it does run.
    """
    lock = data / "postmaster.pid"
    try:
        owner = psutil.Process(int(lock.read_text(encoding="utf-8").split()[0]))
        runs = owner.name() == "postgres" and Path(owner.cwd()) == data
    except FileNotFoundError:
        return
    except (psutil.NoSuchProcess, ValueError, IndexError):
        runs = False
    if runs:
        raise ServerFailed(
            f"another PostgreSQL (process {owner.pid}) runs on {data}: stop it first, `./orders down` ends what a killed run left"
        )
    lock.unlink()
