"""What the supervisor says of its work stands in its log, whichever module says it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from order_service.stack.folder import StackFolder
from tools.local_stack import end, supervise, supervised_process, supervisor


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    logger = logging.getLogger("tools")
    handlers, level = logger.handlers, logger.level
    yield
    logger.handlers, logger.level = handlers, level


@pytest.mark.parametrize("module", [end, supervise, supervised_process, supervisor])
def test_a_line_of_each_module_is_kept(module, tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    folder.create()
    supervise._log_to(folder)

    module._log.info("said by %s", module.__name__)

    assert f"said by {module.__name__}" in (folder.logs / "supervisor.log").read_text(encoding="utf-8")
