"""How a process ends itself when going on could damage the log."""

import logging
import os
import sys
from typing import NoReturn

GUARD_EXIT = 70
"""Exit code of a process that ended itself; the supervisor starts it again at once."""

_log = logging.getLogger(__name__)


def end_process(reason: str) -> NoReturn:
    """End this process now: no handlers, no commits, no goodbyes. The log says where the next one goes on.

    An exception would unwind a Faust stream, which acknowledges what it was about to lose.
    """
    _log.critical("ending this process: %s", reason, exc_info=sys.exc_info()[0] is not None)
    logging.shutdown()
    os._exit(GUARD_EXIT)
