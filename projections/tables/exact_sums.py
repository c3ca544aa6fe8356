"""Exact sums of money: Python's own arithmetic rounds to 28 digits. Pure."""

from decimal import Context, Decimal

_EXACT = Context(prec=1000)
"""More digits than any sum of amounts has, so that nothing is ever rounded."""


def plus(total: Decimal, amount: Decimal) -> Decimal:
    """The exact sum, with as many decimals as the finer of the two."""
    return _EXACT.add(total, amount)


def minus(total: Decimal, amount: Decimal) -> Decimal:
    """The exact difference, with as many decimals as the finer of the two."""
    return _EXACT.subtract(total, amount)
