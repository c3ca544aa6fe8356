"""Modules stay small enough to be read at a sitting."""

import pytest

from tests.support.house import PACKAGES, ROOT, modules


@pytest.mark.parametrize(("packages", "limit"), [(PACKAGES, 300), (("tests",), 400)], ids=["product", "tests"])
def test_modules_are_small(packages, limit):
    lengths = {module: len((ROOT / module).read_text(encoding="utf-8").splitlines()) for module in modules(*packages)}

    large = [f"{module} has {length} lines: split it where it does two things" for module, length in lengths.items() if length > limit]

    assert not large, "\n".join(large)
