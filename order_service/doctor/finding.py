"""One line of `doctor`."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """What was looked at, how it is, and, when it is not well, what to do."""

    verdict: Literal["ok", "warn", "fail"]
    subject: str
    words: str
