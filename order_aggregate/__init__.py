"""The order aggregate: each command is decided and ends in one record of `order-events`.

Other packages import the modules of `DOORS` only.
"""

DOORS: list[str] = [
    "order_aggregate.partition_state",
]
