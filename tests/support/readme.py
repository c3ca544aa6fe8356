"""The first request of README.md and its answer, as they stand there."""

import json
import re
from typing import Any, NamedTuple

from tests.support.house import ROOT


class FirstRequest(NamedTuple):
    """The POST that the README lets its reader type, and the ids that it says come back."""

    path: str
    key: str
    body: str
    answer: dict[str, Any]


def first_request() -> FirstRequest:
    """Read from the README's text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(
        r"^\$ curl -i -X POST http://127\.0\.0\.1:8000(?P<path>\S+) .*-H 'Idempotency-Key: (?P<key>[^']+)' \\\n"
        r" +-d '(?P<body>[^']+)'\n(?P<answer>.*?)^```$",
        text,
        re.MULTILINE | re.DOTALL,
    )
    assert found, "README.md has no POST with an Idempotency-Key"
    return FirstRequest(found["path"], found["key"], found["body"], json.loads(found["answer"].splitlines()[-1]))
