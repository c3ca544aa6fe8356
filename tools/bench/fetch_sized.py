"""`python -m tools.bench.fetch_sized MODULE RECORDS`: a worker whose fetches hold at most that many records, for the curves."""

import importlib
import sys

from infra.faust import app as faust_app


def main() -> None:
    """Run the worker's own `main`."""
    module, records = sys.argv[1:]
    faust_app.FETCH_RECORDS = int(records)
    importlib.import_module(f"{module}.__main__").main()


if __name__ == "__main__":
    main()
