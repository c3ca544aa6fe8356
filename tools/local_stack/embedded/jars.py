"""The broker's jars: which ones, by the lock, and how they come to this machine, byte for byte.

`python -m tools.local_stack.embedded.jars` makes jars.lock from pom.xml. The command is for developers, and needs mvn, which decides what
belongs together.
"""

import hashlib
import http.client
import json
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Self
from xml.etree import ElementTree

_HERE = Path(__file__).parent
POM = _HERE / "pom.xml"
LOCK = _HERE / "jars.lock"
_POM_NAMESPACE = {"m": "http://maven.apache.org/POM/4.0.0"}
_PARALLEL = 8
_TRIES = 4
_TIMEOUT_S = 30
Progress = Callable[[int, int], None]
"""Called with the bytes fetched so far and the bytes to fetch in all."""


class Jar(NamedTuple):
    """One file of the broker: where a Maven repository keeps it, and what it must contain."""

    path: str
    """Path below a Maven repository's root: group/artifact/version/file."""
    size: int
    """Bytes."""
    sha256: str

    @property
    def name(self) -> str:
        """The file's name, unique in a lock."""
        return PurePosixPath(self.path).name

    @property
    def coordinates(self) -> str:
        """`group:artifact:version`, read from the path."""
        *group, artifact, version, _ = self.path.split("/")
        return f"{'.'.join(group)}:{artifact}:{version}"


class JarLock(NamedTuple):
    """Exact jars, and the fingerprint of the pom.xml that they were resolved from."""

    pom_sha256: str
    jars: tuple[Jar, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a lock file. Raises ValueError or KeyError when it is none."""
        content = json.loads(text)
        return cls(content["pom_sha256"], tuple(Jar(**jar) for jar in content["jars"]))

    def render(self) -> str:
        """The text of the lock file; `parse` reads it back."""
        jars = [jar._asdict() for jar in self.jars]
        return json.dumps({"pom_sha256": self.pom_sha256, "jars": jars}, indent=2) + "\n"

    @property
    def size(self) -> int:
        """Bytes of all jars together."""
        return sum(jar.size for jar in self.jars)


def read_lock() -> JarLock:
    """The committed lock."""
    return JarLock.parse(LOCK.read_text(encoding="utf-8"))


def pom_fingerprint() -> str:
    """sha256 of the committed pom.xml."""
    return hashlib.sha256(POM.read_bytes()).hexdigest()


def direct_coordinates() -> set[str]:
    """`group:artifact:version` of the jars that pom.xml itself asks for."""
    dependencies = ElementTree.parse(POM).getroot().iterfind("m:dependencies/m:dependency", _POM_NAMESPACE)  # noqa: S314 our own file
    return {
        ":".join(dependency.findtext(f"m:{part}", "", _POM_NAMESPACE) for part in ("groupId", "artifactId", "version"))
        for dependency in dependencies
    }


def resolve(target: Path) -> tuple[Jar, ...]:
    """Let mvn copy all jars to `target`, laid out as in a repository, and describe them. Raises CalledProcessError when mvn fails."""
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true", f"-DoutputDirectory={target}"]
    subprocess.run(["mvn", "-q", "-B", "-f", str(POM), *copy], check=True)  # noqa: S603, S607 a developer's own mvn
    return tuple(_describe(jar, target) for jar in sorted(target.rglob("*.jar")))


def _describe(jar: Path, root: Path) -> Jar:
    content = jar.read_bytes()
    return Jar(jar.relative_to(root).as_posix(), len(content), hashlib.sha256(content).hexdigest())


class JarsUnavailable(Exception):
    """A jar could not be fetched; the text says which, why, and what to do."""


def default_repository_url() -> str:
    """The Maven repository that the library jgo brings."""
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 importing jgo takes 0.3 s, and is needed only once in a cache's life

    return str(MAVEN_CENTRAL_URL)


def missing_jars(folder: Path, lock: JarLock) -> list[Jar]:
    """The lock's jars that `folder` lacks or holds in another form than the lock says."""
    return [jar for jar in lock.jars if not _is_intact(folder / jar.name, jar)]


def fetch_jars(
    folder: Path, *, repository_url: str | None = None, lock: JarLock | None = None, progress: Progress | None = None
) -> list[Path]:
    """All jars of the lock in `folder`, each verified by size and sha256; what is there and intact is not fetched again.

    A jar appears under its name only when it is whole, so that an interrupted run goes on where it stood, and two runs don't disturb
    each other. Proxies and SSL_CERT_FILE are honoured. Raises JarsUnavailable.
    """
    lock = lock or read_lock()
    folder.mkdir(parents=True, exist_ok=True)
    missing = missing_jars(folder, lock)
    if missing:
        _fetch_all(missing, folder, (repository_url or default_repository_url()).rstrip("/"), progress)
    return [folder / jar.name for jar in lock.jars]


def _fetch_all(jars: list[Jar], folder: Path, repository_url: str, progress: Progress | None) -> None:
    total, done = sum(jar.size for jar in jars), 0
    with ThreadPoolExecutor(_PARALLEL) as pool:
        fetches = {pool.submit(_fetch, jar, folder, repository_url): jar for jar in sorted(jars, key=lambda jar: -jar.size)}
        try:
            for fetch in as_completed(fetches):
                fetch.result()
                done += fetches[fetch].size
                if progress:
                    progress(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(jar: Jar, folder: Path, repository_url: str) -> None:
    url = f"{repository_url}/{jar.path}"
    for attempt in range(1, _TRIES + 1):
        try:
            content = _download(url)
            _check(content, jar)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if attempt == _TRIES:
                raise JarsUnavailable(
                    f"could not fetch {jar.name} from {repository_url}: {error}. "
                    "Is the network there? A proxy is taken from HTTPS_PROXY, a mirror from MAVEN_REPOSITORY_URL."
                ) from error
            time.sleep(0.2 * 2**attempt)
        else:
            _place(content, folder / jar.name)
            return


def _download(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 the operator's own repository address
        content: bytes = response.read()
        return content


def _check(content: bytes, jar: Jar) -> None:
    if len(content) != jar.size or hashlib.sha256(content).hexdigest() != jar.sha256:
        raise ValueError(f"what came is not the jar of the lock ({len(content)} bytes instead of {jar.size}, or another sha256)")


def _place(content: bytes, target: Path) -> None:
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _is_intact(file: Path, jar: Jar) -> bool:
    try:
        if file.stat().st_size != jar.size:
            return False
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


def main() -> None:
    """Write the lock beside the pom."""
    with tempfile.TemporaryDirectory() as folder:
        lock = JarLock(pom_fingerprint(), resolve(Path(folder)))
    LOCK.write_text(lock.render(), encoding="utf-8")
    sys.stdout.write(f"{LOCK.name}: {len(lock.jars)} jars, {lock.size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
