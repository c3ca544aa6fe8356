"""When `./orders` makes its environment anew."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "order_service").mkdir()
    for name in ("requirements.lock", "pyproject.toml", "order_service/environment.py"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    module = str(tmp_path / "order_service/environment.py")
    script = f"import runpy; e = runpy.run_path({module!r}); e['_STAMP'].write_text(e['fingerprint']())"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)
    return tmp_path


def is_current(checkout: Path) -> bool:
    return subprocess.run([sys.executable, "-I", "-S", checkout / "order_service/environment.py", "--check"], check=False).returncode == 0


def test_a_stamp_of_the_same_things_is_current(copy: Path) -> None:
    assert is_current(copy)


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_another_lock_is_not(copy: Path, name: str) -> None:
    with (copy / name).open("a") as file:
        file.write("\n")
    assert not is_current(copy)


def test_another_place_is_not(copy: Path) -> None:
    moved = copy.rename(copy.with_name("moved"))
    assert not is_current(moved)


def test_an_unfinished_one_is_not(copy: Path) -> None:
    (copy / ".venv" / "orders-stamp").unlink()
    assert not is_current(copy)
