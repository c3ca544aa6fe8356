"""One stack for all end-to-end tests of a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home: Path = tmp_path_factory.mktemp("stack")
    running = Stack(home)
    try:
        running.start()
        yield running
    finally:
        running.stop()
