"""Modules stay small enough to be read at a sitting, and folders small enough to be looked through."""

import ast
from collections import Counter

import pytest

from tests.support.house import PACKAGES, PRODUCT, ROOT, modules, syntax


@pytest.mark.parametrize(("packages", "limit"), [(PACKAGES, 300), (("tests",), 400)], ids=["product", "tests"])
def test_modules_are_small(packages, limit):
    lengths = {module: len((ROOT / module).read_text(encoding="utf-8").splitlines()) for module in modules(*packages)}

    large = [f"{module} has {length} lines: split it where it does two things" for module, length in lengths.items() if length > limit]

    assert not large, "\n".join(large)


def test_functions_are_small():
    functions = (
        (module, node)
        for module in modules(*PACKAGES)
        for node in ast.walk(syntax(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    lengths = {f"{module}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1 for module, node in functions}

    assert not [f"{name} has {length} lines" for name, length in lengths.items() if length > 40]


def test_folders_are_small():
    counts = Counter(module.parent for module in modules(*PACKAGES) if module.name != "__init__.py")

    assert not [f"{folder} holds {count} modules: divide it by what they do" for folder, count in counts.items() if count > 20]


def test_everything_that_is_deployed_lies_within_three_folders():
    assert not [module for module in modules(*PRODUCT) if len(module.parts) > 4]


def test_there_are_no_more_modules_than_a_reader_can_keep_apart():
    assert len(modules(*PACKAGES)) <= 300
