"""The folder of one run: the stack's ORDERS_HOME, the kit's own journals, and who runs it, so that a later run can clear up."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from order_service.stack.folder import StackFolder
from order_service.stack.process_identity import ProcessIdentity
from tools.local_stack.end import end_stack

_PREFIX = "orders-faults-"
_OWNER = "kit.json"


class KitHome:
    """A folder below the system's temporary folder. `end` it in any case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = StackFolder(folder)

    @classmethod
    def create(cls) -> "KitHome":
        """A new one, owned by this process."""
        home = cls(Path(tempfile.mkdtemp(prefix=_PREFIX)))
        (home.folder / _OWNER).write_text(json.dumps(ProcessIdentity.own()), encoding="utf-8")
        home.stack.create()
        return home

    def end(self, *, keep: bool) -> None:
        """End every process of its stack, and remove it; with `keep` its data, logs and journals stay, and no later run removes them."""
        end_stack(self.stack)
        if keep:
            (self.folder / _OWNER).unlink(missing_ok=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def clear_leftovers() -> list[Path]:
    """End the stacks and remove the folders of runs whose own process was killed; which those were."""
    cleared = []
    for home in _ownerless():
        home.end(keep=False)
        cleared.append(home.folder)
    return cleared


def _ownerless() -> Iterator[KitHome]:
    for owner in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_OWNER}"):
        try:
            if owner.stat().st_uid == os.geteuid() and ProcessIdentity(*json.loads(owner.read_text(encoding="utf-8"))).find() is None:
                yield KitHome(owner.parent)
        except (OSError, ValueError, TypeError):
            continue  # another run is just making or removing it
