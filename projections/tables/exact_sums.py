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


def decimal_text(amount: Decimal) -> str:
    """The amount in plain decimal notation, never with an exponent, decimals as they came."""
    text = str(amount)
    return text if "E" not in text else format(amount, "f")  # `str` is quicker, and enough for nearly every amount
