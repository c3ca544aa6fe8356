"""Generate jars.lock from pom.xml: `python -m tools.local_stack.embedded.lock_jars`.

For developers; needs mvn, which decides what belongs together.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.local_stack.embedded.jar_lock import LOCK, POM, Jar, JarLock, pom_fingerprint


def resolve(target: Path) -> tuple[Jar, ...]:
    """Let mvn copy all jars to `target`, laid out as in a repository, and describe them. Raises CalledProcessError when mvn fails."""
    copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true", f"-DoutputDirectory={target}"]
    subprocess.run(["mvn", "-q", "-B", "-f", str(POM), *copy], check=True)  # noqa: S603, S607 a developer's own mvn
    return tuple(_describe(jar, target) for jar in sorted(target.rglob("*.jar")))


def _describe(jar: Path, root: Path) -> Jar:
    content = jar.read_bytes()
    return Jar(jar.relative_to(root).as_posix(), len(content), hashlib.sha256(content).hexdigest())


def main() -> None:
    """Write the lock beside the pom."""
    with tempfile.TemporaryDirectory() as folder:
        lock = JarLock(pom_fingerprint(), resolve(Path(folder)))
    LOCK.write_text(lock.render(), encoding="utf-8")
    sys.stdout.write(f"{LOCK.name}: {len(lock.jars)} jars, {lock.size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
