"""`requirements.lock` holds every dependency of `pyproject.toml` in one exact version that satisfies it, with hashes."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.house import ROOT

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
_ENTRIES = re.findall(r"^([A-Za-z0-9._-]+\S*==\S+.*?)\s*\\\n((?:\s+--hash=sha256:[0-9a-f]{64}.*\n)+)", _LOCK, re.MULTILINE)
_LOCKED = {canonicalize_name(Requirement(pin).name): Requirement(pin) for pin, _ in _ENTRIES}
_GROUPS = (_PROJECT["project"]["dependencies"], *_PROJECT["dependency-groups"].values())
_WANTED = [Requirement(text) for group in _GROUPS for text in group]


@pytest.mark.parametrize("wanted", _WANTED, ids=str)
def test_a_dependency_is_locked_in_a_version_that_satisfies_it(wanted):
    pin = _LOCKED.get(canonicalize_name(wanted.name))

    assert pin is not None, f"{wanted} is not in requirements.lock"
    assert wanted.specifier.contains(str(pin.specifier).removeprefix("==")), f"{pin} does not satisfy {wanted}"


def test_every_entry_is_exact_and_has_hashes():
    lines = [line for line in _LOCK.splitlines() if line and not line.startswith((" ", "#", "-"))]

    assert len(lines) == len(_ENTRIES) == len(_LOCKED)


def test_no_entry_comes_from_anywhere_but_the_configured_index():
    assert not re.search(r"^\s*(-e|--(extra-)?index-url|--find-links)|://", _LOCK, re.MULTILINE)
