"""Importing a module does nothing: settings are read, apps made and loops run in a `main`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house import PACKAGES, modules, syntax

_DOES_SOMETHING = {"Settings", "FastAPI", "App", "create_app", "hardened_app", "configure_logging", "getenv", "run", "basicConfig"}
_READS_ENVIRONMENT = {"environ", "environb"}


@pytest.mark.parametrize("module", modules(*PACKAGES), ids=str)
def test_importing_a_module_does_nothing(module):
    assert not list(_effects(module)), "settings are read once, in `main`; pass them on"


def _effects(module: Path) -> Iterator[str]:
    for node in _run_on_import(syntax(module).body):
        if isinstance(node, ast.Call) and _name(node.func) in _DOES_SOMETHING:
            yield f"{module}:{node.lineno} calls {_name(node.func)}()"
        elif isinstance(node, ast.Attribute) and node.attr in _READS_ENVIRONMENT:
            yield f"{module}:{node.lineno} reads the environment"


def _run_on_import(statements: list[ast.stmt]) -> Iterator[ast.AST]:
    """All nodes but the bodies of functions and what runs only as a script. Decorators and defaults do run."""
    todo: list[ast.AST] = list(statements)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and _name(node.test.left) == "__name__":
            continue
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += [*node.decorator_list, *node.args.defaults, *(default for default in node.args.kw_defaults if default)]
        elif isinstance(node, ast.Lambda):
            todo += node.args.defaults
        else:
            todo += ast.iter_child_nodes(node)


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
    return ""


def test_a_side_effect_would_be_found():
    tree = ast.parse("class A:\n    x = Settings()\nif debug:\n    y = os.environ['Y']\ndef f():\n    return Settings()\n")

    found = [node.lineno for node in _run_on_import(tree.body) if isinstance(node, ast.Call) or getattr(node, "attr", "") == "environ"]

    assert sorted(found) == [2, 4]
