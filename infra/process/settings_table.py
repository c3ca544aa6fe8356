"""The page `docs/settings.md`, made from the settings themselves: `python -m infra.process.settings_table > docs/settings.md`."""

import sys
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from infra.process.settings import Settings

_INTRODUCTION = """# Settings

Every setting is one environment variable, read once when a process starts; an empty value counts as unset. There is no
settings file. A value that can't be used ends the process with a message that names the variable.

This page is generated: `python -m infra.process.settings_table > docs/settings.md`.
"""
_PLAIN = {str: "text", int: "whole number", float: "number", Path: "path", SecretStr: "secret"}
_LIMITS = (("ge", "from"), ("gt", "above"), ("le", "up to"), ("lt", "below"))


def settings_page() -> str:
    """The whole page."""
    return _INTRODUCTION + "\n" + settings_table()


def settings_table() -> str:
    """One line a setting: variable, default, what it may be, and what it means."""
    rows = [("Variable", "Default", "Value", "Meaning"), ("---", "---", "---", "---")]
    rows += [_row(field) for field in Settings.model_fields.values()]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def _row(field: FieldInfo) -> tuple[str, str, str, str]:
    return f"`{field.validation_alias}`", _default(field), _value(field), field.description or ""


def _default(field: FieldInfo) -> str:
    return "" if field.default is None else f"`{_number(field.default)}`"


def _value(field: FieldInfo) -> str:
    kind = next(part for part in _parts(field.annotation) if part is not NoneType)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    return _PLAIN[kind] + _limits(field.metadata)


def _parts(annotation: Any) -> tuple[Any, ...]:
    parts = get_args(annotation)
    return parts if NoneType in parts else (annotation,)


def _limits(metadata: list[Any]) -> str:
    words = [f"{word} {_number(getattr(limit, name))}" for name, word in _LIMITS for limit in metadata if hasattr(limit, name)]
    return f", {' '.join(words)}" if words else ""


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.stdout.write(settings_page())
