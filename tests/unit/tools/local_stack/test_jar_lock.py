"""The committed lock: of this pom, complete, and without any host."""

from tools.local_stack.embedded.jars import LOCK, POM, JarLock, direct_coordinates, pom_fingerprint, read_lock


def test_the_lock_is_of_this_pom() -> None:
    lock = read_lock()
    assert lock.pom_sha256 == pom_fingerprint(), "pom.xml has changed: run python -m tools.local_stack.embedded.jars"
    assert direct_coordinates() <= {jar.coordinates for jar in lock.jars}


def test_the_log_binding_fits_the_log4j_that_kafka_brings() -> None:
    versions = {jar.coordinates.rpartition(":")[2] for jar in read_lock().jars if jar.path.startswith("org/apache/logging/log4j/")}
    assert len(versions) == 1


def test_names_are_unique_and_entries_whole() -> None:
    jars = read_lock().jars
    assert len({jar.name for jar in jars}) == len(jars) > 40
    assert all(jar.size > 0 and len(jar.sha256) == 64 and jar.path.endswith(".jar") for jar in jars)


def test_there_is_no_host_in_it() -> None:
    assert "://" not in LOCK.read_text()
    assert POM.read_text().count("://") == 1  # the namespace


def test_it_reads_what_it_writes() -> None:
    assert JarLock.parse(read_lock().render()) == read_lock()
    assert read_lock().render() == LOCK.read_text()
