"""`docs/problems.md` lists every code that a client can meet, with its status, and no other."""

import re

from event_schemas.codes import STATUS, Code
from event_schemas.feed_codes import FeedCode, ResetReason
from tests.support.house import PACKAGES, ROOT, modules, table

_PAGE = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")


def test_every_code_has_a_status():
    assert set(STATUS) == set(Code)


def test_every_http_code_is_documented_with_its_status():
    documented = {row[0]: row[1] for row in table(_PAGE, "## HTTP")}

    assert documented == {str(code): str(STATUS[code]) for code in Code}


def test_every_code_of_the_feed_is_documented():
    assert {row[0] for row in table(_PAGE, "## Feed: `error` frames")} == set(FeedCode)


def test_every_reason_to_reset_is_documented():
    assert {row[0] for row in table(_PAGE, "## Feed: `reset` frames")} == set(ResetReason)


def test_every_code_has_a_meaning():
    for heading in ("## HTTP", "## Feed: `error` frames", "## Feed: `reset` frames"):
        for row in table(_PAGE, heading):
            assert len(row[-1]) > 10, row


def test_a_code_that_nothing_answers_is_called_reserved_and_no_other():
    code = "\n".join((ROOT / path).read_text(encoding="utf-8") for path in modules(*PACKAGES) if path.name != "codes.py")
    unused = {str(name) for name in Code if not re.search(rf"(?<!\w)Code\.{name.name}\b", code)}

    assert {row[0] for row in table(_PAGE, "## HTTP") if row[2].startswith("Reserved: ")} == unused
