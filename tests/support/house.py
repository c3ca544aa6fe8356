"""The repository as its tests see it: packages, modules, tracked files."""

import ast
import re
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("event_schemas", "infra", "command_api", "order_aggregate", "projections", "notifier", "gateway", "order_service")
"""What a wheel and the image hold."""
PACKAGES = (*PRODUCT, "tools")
_SKIPPED = re.compile(r"(^|/)(\.venv|\.orders|\.git|__pycache__|\.\w+_cache|\.hypothesis|\w+\.egg-info)(/|$)")


def modules(*packages: str) -> list[Path]:
    """The Python files of these packages, relative to the root."""
    return sorted(path.relative_to(ROOT) for package in packages for path in (ROOT / package).rglob("*.py"))


@cache
def syntax(module: Path) -> ast.Module:
    """A module, parsed."""
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), str(module))


@cache
def imports(module: Path) -> Sequence[tuple[str, int]]:
    """Every import of a module, wherever it stands in it: the imported module's full name, and the line."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(syntax(module)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = list(module.parent.parts[: len(module.parent.parts) - node.level + 1]) if node.level else []
            found.append((".".join([*package, *([node.module] if node.module else [])]), node.lineno))
    return found


def files() -> list[Path]:
    """The files that belong to the repository, committed or about to be, relative to the root."""
    try:
        command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        listed = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
    return sorted(path for name in listed if name and (ROOT / (path := Path(name))).is_file() and not _SKIPPED.search(name))


def texts() -> Iterator[tuple[Path, str]]:
    """Those of them that are text."""
    for path in files():
        try:
            yield path, (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of the first Markdown table below a heading, without backticks; the table's own head is left out."""
    _, found, below = text.partition(f"\n{heading}\n")
    assert found, f"there is no heading {heading!r}"
    lines: list[str] = []
    for line in below.splitlines():
        if line.startswith("|"):
            lines.append(line)
        elif lines or line.startswith("#"):
            break
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]
