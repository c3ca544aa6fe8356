"""Make the checkout's .venv what requirements.lock and pyproject.toml ask for; run by `./orders`, before anything is installed.

Only the standard library is at hand, and this file is run by its path. With --check: exit 0 when nothing is to be done.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

UV = "uv==0.13.9"
_CHECKOUT = Path(__file__).resolve().parents[1]
_VENV = _CHECKOUT / ".venv"
_PYTHON = _VENV / "bin" / "python"
_STAMP = _VENV / "orders-stamp"
"""Written when all is installed: what it was installed from."""


def fingerprint() -> str:
    """What an environment depends on. The path too: a venv can't be moved."""
    made_from = [(_CHECKOUT / name).read_bytes() for name in ("requirements.lock", "pyproject.toml")]
    place = f"{_CHECKOUT} {UV} {sys.version_info.major}.{sys.version_info.minor}"
    return hashlib.sha256(b"\0".join([*made_from, place.encode()])).hexdigest()


def is_current() -> bool:
    """Whether nothing is to be done. Asked of the environment's own Python."""
    try:
        return _STAMP.read_text(encoding="utf-8") == fingerprint()
    except FileNotFoundError:
        return False


def is_usable() -> bool:
    """Whether a venv was made here, with a Python that runs: then it need not be made anew."""
    try:
        made_here = f" {_VENV}\n" in (_VENV / "pyvenv.cfg").read_text(encoding="utf-8")
        version = "import sys, pip; sys.exit(sys.version_info[:2] != (%d, %d))" % sys.version_info[:2]  # noqa: UP031 braces are clearer without
        return made_here and subprocess.run([_PYTHON, "-I", "-c", version], capture_output=True, check=False).returncode == 0  # noqa: S603
    except OSError:
        return False


def make_venv() -> None:
    """A new venv; nothing half made is left. Ends the process with what to install when Python can't make one."""
    shutil.rmtree(_VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-I", "-m", "venv", _VENV], capture_output=True, text=True, check=False)  # noqa: S603
    if made.returncode != 0:
        shutil.rmtree(_VENV, ignore_errors=True)
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        reason = made.stderr.strip().rpartition("\n")[2]
        if "ensurepip" in made.stderr + made.stdout or "No module named venv" in made.stderr:
            reason = "this Python lacks its venv module"
        sys.exit(f"orders: .venv could not be made: {reason}\n        Debian: apt install {package}")


def install() -> None:
    """Install uv, with it the exact packages of the lock, and the project. Ends the process when one fails; the next run goes on."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}}
    if "PIP_INDEX_URL" in environment:
        environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
    python = str(_PYTHON)
    uv = [python, "-m", "uv", "pip"]
    for command in (
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV],
        [*uv, "sync", "--quiet", "--compile-bytecode", "--python", python, "--require-hashes", str(_CHECKOUT / "requirements.lock")],
        [*uv, "install", "--quiet", "--python", python, "--no-deps", "--no-index", "--editable", str(_CHECKOUT)],
    ):
        if subprocess.run(command, env=environment, cwd=_CHECKOUT, stdout=sys.stderr, check=False).returncode != 0:  # noqa: S603
            sys.exit("orders: the packages could not be installed, see above. Is the network there? A proxy is taken from HTTPS_PROXY.")


def main() -> None:
    """Bring the environment up to date. Two terminals don't disturb each other: the second waits, and finds the work done."""
    checkout = os.open(_CHECKOUT, os.O_RDONLY)
    fcntl.flock(checkout, fcntl.LOCK_EX)
    if is_current():
        return
    if not os.access(_CHECKOUT, os.W_OK):
        sys.exit(f"orders: {_CHECKOUT} has no environment yet, and you may not write there: run ./orders once as its owner, or use a copy")
    sys.stderr.write("orders: bringing the environment in .venv up to date, once (about 150 MB)\n")
    if not is_usable():
        make_venv()
    _STAMP.unlink(missing_ok=True)
    install()
    _STAMP.write_text(fingerprint(), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if is_current() else 1)
    main()
