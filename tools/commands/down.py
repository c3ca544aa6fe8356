"""`./orders down`."""

import sys

from infra.process.settings import Settings
from order_service.stack.folder import StackFolder
from tools.local_stack.end import end_stack


def down() -> None:
    """Stop everything, and end what a killed run left behind. The data stay."""
    ended = end_stack(StackFolder(Settings().home))
    sys.stdout.write(f"{ended}\n")
