"""The list of currencies: complete beside the public one, growing only, and when a currency was in use."""

import csv
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pycountry
import pytest

from event_schemas.currencies import CURRENCIES, LAST_DAYS, currency_code, in_use

_RELEASED = Path(__file__).with_name("released_currencies.txt")
_FILE = Path("event_schemas/currencies.csv")
_WITHDRAWN_SINCE_PYCOUNTRY_24_6_1 = {"ANG", "BGN", "CUC", "HRK", "SLL", "ZWL"}
_LAST_OF_HRK = date(2023, 1, 14)


@pytest.fixture(scope="module")
def rows(request) -> list[dict[str, str]]:
    with (request.config.rootpath / _FILE).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_currency_of_pycountry_is_in_use_here():
    known = {currency.alpha_3: currency.name for currency in pycountry.currencies}
    missing = {code: name for code, name in known.items() if code not in LAST_DAYS}

    assert not missing, f"add to {_FILE}, sorted, without a day, and the code to {_RELEASED.name}: {missing}"
    assert not {code for code in known if LAST_DAYS[code]}, f"ISO 4217 has these still (or again): take their day out of {_FILE}"


def test_no_currency_is_in_use_here_that_pycountry_no_longer_has():
    known = {currency.alpha_3 for currency in pycountry.currencies}
    withdrawn = sorted(code for code, last in LAST_DAYS.items() if last is None and code not in known)

    assert not withdrawn, f"give each its last day in use in {_FILE}, with the source of that day in the commit: {withdrawn}"


def test_the_list_only_grows():
    released = _RELEASED.read_text(encoding="utf-8").split()

    assert not set(released) - CURRENCIES, "a code that was released stays: orders in it stand in the log and may come again"
    assert not CURRENCIES - set(released), f"add the new codes to {_RELEASED.name}, so that no one takes them out again"
    assert released == sorted(released)


def test_the_file_is_sorted_and_each_code_stands_in_it_once(rows):
    codes = [row["code"] for row in rows]

    assert codes == sorted(set(codes))
    assert all(len(code) == 3 and code.isascii() and code.isalpha() and code.isupper() for code in codes)


def test_every_row_has_a_name_and_a_day_or_none(rows):
    for row in rows:
        assert list(row) == ["code", "name", "withdrawn"]
        assert row["name"] == row["name"].strip() != ""
        assert row["withdrawn"] == "" or date.fromisoformat(row["withdrawn"]).isoformat() == row["withdrawn"], row


def test_no_day_lies_ahead_of_what_is_known(rows):
    assert all(row["withdrawn"] <= datetime.now(UTC).date().isoformat() for row in rows), "a day that is to come may still be put off"


def test_what_earlier_releases_took_and_is_withdrawn_has_its_day():
    assert {code for code, last in LAST_DAYS.items() if last} >= _WITHDRAWN_SINCE_PYCOUNTRY_24_6_1
    assert LAST_DAYS["HRK"] == _LAST_OF_HRK


def test_the_list_cannot_be_changed():
    with pytest.raises(TypeError):
        LAST_DAYS["EUR"] = date(2000, 1, 1)


@pytest.mark.parametrize("code", ["EUR", "HRK", "XTS"])
def test_a_code_that_is_or_was_a_currency_is_taken(code):
    assert currency_code(code) == code


@pytest.mark.parametrize("code", ["", "eur", "EURO", "EUR ", " EUR", "ZZZ", "€", "978", "ＥＵＲ", "EUR\n"])
def test_any_other_is_refused(code):
    with pytest.raises(ValueError, match=r"^must be an ISO 4217 currency code in capitals, such as EUR$"):
        currency_code(code)


def _at(text: str, hours: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(hours=hours)))


@pytest.mark.parametrize(
    "at",
    [
        *(_at("1990-01-01T00:00:00"), _at("2023-01-14T00:00:00"), _at("2023-01-14T23:59:59.999999")),
        _at("2023-01-15T00:59:59", hours=1),  # still the 14th in UTC
    ],
)
def test_a_withdrawn_currency_is_in_use_until_its_last_day_ends(at):
    assert in_use("HRK", at) == "HRK"


@pytest.mark.parametrize("at", [_at("2023-01-15T00:00:00"), _at("2023-01-14T23:00:00", hours=-1), _at("2026-11-28T12:00:00")])
def test_a_withdrawn_currency_is_refused_from_the_next_day_on(at):
    with pytest.raises(ValueError, match=r"HRK was withdrawn, its last day was 2023-01-14$"):
        in_use("HRK", at)


def test_a_currency_in_use_is_taken_at_any_time():
    assert in_use("EUR", datetime.max.replace(tzinfo=UTC)) == "EUR"
