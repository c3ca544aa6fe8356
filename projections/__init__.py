"""The read models: tables folded from `order-events` into PostgreSQL, their rebuilds, and the queries that read them.

Other packages import the modules of `DOORS` only.
"""

DOORS: list[str] = [
    "projections.api",
    "projections.command_lookup.outcomes",
    "projections.operations",
    "projections.queries.operations_api",
    "projections.queries.read_models",
    "projections.queries.sql",
    "projections.tables.order_history",
]
