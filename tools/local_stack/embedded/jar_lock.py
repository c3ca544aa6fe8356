"""The committed list of the broker's jars, and the pom.xml that it was generated from."""

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Self
from xml.etree import ElementTree

_HERE = Path(__file__).parent
POM = _HERE / "pom.xml"
LOCK = _HERE / "jars.lock"
_POM_NAMESPACE = {"m": "http://maven.apache.org/POM/4.0.0"}


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
    """`group:artifact:version` of what pom.xml itself asks for."""
    dependencies = ElementTree.parse(POM).getroot().iterfind("m:dependencies/m:dependency", _POM_NAMESPACE)  # noqa: S314 our own file
    return {
        ":".join(dependency.findtext(f"m:{part}", "", _POM_NAMESPACE) for part in ("groupId", "artifactId", "version"))
        for dependency in dependencies
    }
