"""The read models of this release, and the version of their folds. Pure."""

from typing import Any

from infra.postgres.table_definition import TableDefinition
from projections.tables import command_outcomes, customer_summaries, daily_sales, order_details, order_history

FOLD_VERSION = 2
"""Raised with every change of a table or of a fold that gives other rows; a generation names the version that filled it."""

TABLES: tuple[TableDefinition[Any], ...] = (
    order_details.TABLE,
    order_history.TABLE,
    customer_summaries.TABLE,
    daily_sales.TABLE,
    command_outcomes.TABLE,
)
