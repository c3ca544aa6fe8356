"""How many parts a body has, counted in its bytes: what has far too many for any command is not parsed. Pure.

A parser makes an object of every part, and works for up to a tenth of a second on a quarter of a megabyte of them. Nobody else is
served meanwhile, and a client may send many such bodies at once.
"""

MAX_PARTS = 4_096
"""Objects, arrays, and commas between their parts. An order of 100 lines has a tenth of that, so what is wrong with one that is
somewhat too long can still be named."""

_MARKS = (b",", b"{", b"[")


def has_too_many_parts(body: bytes) -> bool:
    """Whether a body has more than MAX_PARTS of these outside of its texts."""
    if _marks(body) <= MAX_PARTS:
        return False
    # A part has two texts at most, a text two quotes that no backslash escapes. One that ends in a backslash may count as half,
    # none as more. What has more quotes than that is not taken apart, either.
    if body.count(b'"') - body.count(b'\\"') > 4 * MAX_PARTS + 2:
        return True
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    return _marks(b"".join(plain.split(b'"')[::2])) > MAX_PARTS


def _marks(text: bytes) -> int:
    return sum(text.count(mark) for mark in _MARKS)
