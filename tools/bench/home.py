"""The folder of one bench run, and the processes that it started, so that a later run can clear up after one that was killed."""

import json
import os
import shutil
import signal
import tempfile
from pathlib import Path

from order_service.stack.process_identity import ProcessIdentity, end_processes

_PREFIX = "orders-bench-"
_RECORD = "bench.json"


class BenchHome:
    """A folder below the system's temporary folder. `end` it in any case."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.folder.chmod(0o755)  # PostgreSQL may run as another user
        self._started: list[ProcessIdentity] = []
        self._write()

    def started(self, *pids: int) -> None:
        """Remember processes that this run has started."""
        self._started += [ProcessIdentity.of(pid) for pid in pids]
        self._write()

    def end(self) -> None:
        """End what still runs, and remove the folder."""
        end_processes(self._started, grace_s=2.0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self) -> None:
        record = {"owner": ProcessIdentity.own(), "started": self._started}
        (self.folder / _RECORD).write_text(json.dumps(record), encoding="utf-8")


def clear_leftovers() -> list[Path]:
    """End the processes and remove the folders of bench runs that were killed; which folders those were."""
    cleared = []
    for record in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_RECORD}"):
        try:
            content = json.loads(record.read_text(encoding="utf-8"))
            if record.stat().st_uid != os.geteuid() or ProcessIdentity(*content["owner"]).find() is not None:
                continue
            started = [ProcessIdentity(*one) for one in content["started"]]
        except (OSError, ValueError, TypeError, KeyError):
            continue  # another run is just making or removing it
        end_processes(started, grace_s=0, stop_signal=signal.SIGKILL)
        shutil.rmtree(record.parent, ignore_errors=True)
        cleared.append(record.parent)
    return cleared
