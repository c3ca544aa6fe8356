"""`./orders down`."""

import sys

from infra.settings import Settings
from order_service.stack_end import end_stack
from order_service.stack_folder import StackFolder


def down() -> None:
    """Stop everything, and end what a killed run left behind. The data stay."""
    ended = end_stack(StackFolder(Settings().home))
    sys.stdout.write(f"{ended}\n")
