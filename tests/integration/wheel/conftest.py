"""The project as a wheel, installed in a folder of its own, and the services of the gateway's tests."""

import os
import site
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.integration.gateway.conftest import Stack, gateway, stack, workers  # noqa: F401 the same servers, of this folder's own
from tests.support.service_process import CHECKOUT, ServiceProcess, free_port

_RUN = """import runpy, sys
sys.path[:0] = sys.argv.pop(1).split(":")
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)"""
"""Without `site`, so that the checkout, which the environment names in a .pth file, is not on the path."""


class InstalledWheel:
    """Runs modules of an installed wheel; the packages that it depends on are the environment's."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.wheel, self.folder, self.home = wheel, folder, folder.with_name("home")
        self.home.mkdir()

    def command(self, module: str, *arguments: str) -> list[str]:
        path = ":".join([str(self.folder), *site.getsitepackages()])
        return [sys.executable, "-I", "-S", "-c", _RUN, path, module, *arguments]

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ORDERS_", "KAFKA_", "DATABASE_URL"))}
        return {**inherited, "ORDERS_HOME": str(self.home), **variables}

    def orders(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`orders ARGUMENTS`, as the installed script runs it, in a folder that is no checkout."""
        return subprocess.run(
            self.command("order_service", *arguments),
            env=self.environment(variables),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> InstalledWheel:
    """Built by uv, whose own build backend it is, and installed by it: nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "build", "--quiet", "--offline", "--no-index", "--wheel", "--out-dir", folder, CHECKOUT], check=True)
    (wheel,) = folder.glob("*.whl")
    place = folder / "installed"
    subprocess.run([*uv, "pip", "install", "--quiet", "--offline", "--no-index", "--no-deps", "--target", place, wheel], check=True)
    return InstalledWheel(wheel, place)


@pytest.fixture(scope="module")
async def feed_port(stack: Stack, workers: list[ServiceProcess]) -> AsyncIterator[str]:  # noqa: F811 the fixtures above
    """Of a notifier beside the gateway, the aggregate and the projections."""
    port = str(free_port())
    notifier = ServiceProcess("notifier", {**stack.environment, "ORDERS_FEED_PORT": port}, stack.folder / "notifier.log").start()
    await notifier.until("running")
    yield port
    notifier.end()
