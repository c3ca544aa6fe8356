"""Which files are begun first: those that take longest, so that no worker is left with one when all others are done."""

SLOWEST_FIRST = (
    "tests/e2e/test_the_readmes_path.py",
    "tests/integration/tools/bench/test_parts.py",
    "tests/faults/",
    "tests/integration/order_aggregate/test_aggregate.py",
    "tests/integration/gateway/test_fold_change.py",
    "tests/integration/projections/test_rebuild.py",
    "tests/e2e/",
    "tests/integration/projections/test_verify.py",
    "tests/integration/tools/",
    "tests/integration/gateway/",
    "tests/integration/",
    "tests/unit/infra/test_watchdog.py",
    "tests/unit/notifier/",
    "tests/unit/gateway/",
    "tests/unit/command_api/",
    "tests/unit/order_aggregate/",
)
"""Files and folders, the longest first (measured); everything else comes after them. A name that is no longer there does no harm."""


def turn(node_id: str) -> int:
    """Of a test's file."""
    return next((number for number, name in enumerate(SLOWEST_FIRST) if node_id.startswith(name)), len(SLOWEST_FIRST))
