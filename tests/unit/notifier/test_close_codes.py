"""The contract of the close codes: every one documented, in the range that says what to do."""

import re

from event_schemas.feed_codes import CloseCode
from tests.support.house import ROOT

CODES = {value for name, value in vars(CloseCode).items() if name.isupper()}
_PAGE = (ROOT / "docs" / "feed.md").read_text(encoding="utf-8")


def test_every_code_is_documented_and_no_other() -> None:
    assert {int(code) for code in re.findall(r"^\| (4\d{3}) \|", _PAGE, re.MULTILINE)} == CODES


def test_every_code_is_in_a_range_that_says_what_to_do() -> None:
    assert all(4000 <= code < 4300 for code in CODES)
    for begin in (4000, 4100, 4200):
        assert f"| **{begin} to {begin + 99}** |" in _PAGE
        assert any(begin <= code < begin + 100 for code in CODES)
