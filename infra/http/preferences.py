"""The header `Prefer` (RFC 7240), as far as this service knows preferences. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_WAIT_S = 30
"""Longest wait that is granted, in seconds; a client that asks for more gets this much, and `Preference-Applied` says so."""

VARY = {"Vary": "Prefer"}
"""On every answer that a preference may change."""

_COMMA = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*"?)+')
_SEMICOLON = re.compile(r'(?:[^;"]|"(?:\\.|[^"\\])*"?)+')
_PREFERENCE = re.compile(r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:=[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:\\.|[^"\\])*")?)?""")


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a client prefers. `wait_s`: seconds that it wants to wait for an outcome, None when it asks for no wait.

    `for_visible`: the wait is to last until the read models hold the outcome. `respond_async`: 202 is welcome.
    """

    wait_s: int | None = None
    for_visible: bool = False
    respond_async: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """`Preference-Applied` with what was granted, if anything was, and `Vary`."""
        granted = [
            *(["respond-async"] if self.respond_async else []),
            *([f"wait={self.wait_s}"] if self.wait_s is not None else []),
            *(["for=visible"] if self.for_visible else []),
        ]
        return {"Preference-Applied": ", ".join(granted), **VARY} if granted else VARY


_NONE = Preferences()


def read_preferences(raw_headers: Iterable[tuple[bytes, bytes]]) -> Preferences:
    """The preferences of a request. RFC 7240: unknown or unusable ones are ignored; of several with the same name the first one holds."""
    sent: dict[str, str] = {}
    for name, value in raw_headers:
        if name == b"prefer":
            for text in _COMMA.findall(value.decode("latin-1")):
                found = _PREFERENCE.fullmatch(_SEMICOLON.findall(text)[0].strip(" \t")) if text.strip(" \t;") else None
                if found is not None:
                    sent.setdefault(found.group(1).lower(), _word(found.group(2) or ""))
    if not sent:
        return _NONE
    wait_s = _seconds(sent.get("wait", ""))
    return Preferences(
        wait_s=wait_s,
        for_visible=wait_s is not None and sent.get("for") == "visible",
        respond_async=sent.get("respond-async") == "",
    )


def _word(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _seconds(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    return MAX_WAIT_S if len(digits) > 4 else min(int(digits or "0"), MAX_WAIT_S)
