"""Which codes are currencies, and until when each was in use. Pure: the list is a file of this release.

`currencies.csv` beside this module holds every code that a release of this project takes, its name, and the last day on which it was
in use: empty while it is. The file only grows. A code that ISO 4217 withdraws gets its day and stays, so that an order from before
that day is read and taken as ever. The day is the last one on which the currency was legal tender anywhere (Unicode CLDR). Where CLDR
has none, or is more than a year before the month of withdrawal in ISO 4217's list three, it is the last day of that month.
"""

import csv
from collections.abc import Mapping
from datetime import UTC, date, datetime
from importlib.resources import files
from types import MappingProxyType


def _read(text: str) -> dict[str, date | None]:
    return {row["code"]: date.fromisoformat(row["withdrawn"]) if row["withdrawn"] else None for row in csv.DictReader(text.splitlines())}


LAST_DAYS: Mapping[str, date | None] = MappingProxyType(_read((files("event_schemas") / "currencies.csv").read_text(encoding="utf-8")))
"""Each code's last day in use, or None while it is in use."""
CURRENCIES = frozenset(LAST_DAYS)
"""Every code that is or was a currency."""


def currency_code(code: str) -> str:
    """The code itself, if it is or was a currency.

    Raises:
        ValueError: It never was one; the text says what one looks like.
    """
    if code not in CURRENCIES:
        raise ValueError("must be an ISO 4217 currency code in capitals, such as EUR")
    return code


def in_use(code: str, at: datetime) -> str:
    """The code itself, if the currency was in use at this time, which has an offset.

    The last day counts whole, in UTC: a currency withdrawn on 2023-01-14 is in use until 2023-01-15T00:00:00Z. What is no currency
    at all is for `currency_code` to refuse.

    Raises:
        ValueError: The currency was withdrawn before; the text names its last day.
    """
    last = LAST_DAYS.get(code)
    if last is not None and at.astimezone(UTC).date() > last:
        raise ValueError(f"must be a currency in use: {code} was withdrawn, its last day was {last.isoformat()}")
    return code
