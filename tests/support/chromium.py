"""A real browser for tests: headless Chromium, told what to do over its own debugging port."""

import asyncio
import itertools
import shutil
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-domain-reliability"),
    # No other host than this machine, whatever a page asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1000,700",
)
START_S, ANSWER_S = 40.0, 20.0


def find_chromium() -> str | None:
    """The browser's program, None when the machine has none (`.ci/run` installs it)."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class Failed(Exception):
    """The page's script raised, or the browser refused."""


class Page:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}

    async def open(self, url: str) -> None:
        """Show a page; returns when its scripts have run."""
        if not self._session:
            target = await self._tell("Target.createTarget", url="about:blank")
            attached = await self._tell("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            self._session = {"sessionId": attached["sessionId"]}
        await self._tell("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise. Raises Failed when it throws."""
        said = await self._tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in said:
            raise Failed(said["exceptionDetails"].get("exception", {}).get("description") or said["exceptionDetails"]["text"])
        return said["result"].get("value")

    async def until(self, script: str, timeout_s: float = ANSWER_S) -> None:
        """Return when an expression is true. Raises TimeoutError, which says what the page shows, when it does not become so."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not await self.run(script):
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"{script} did not become true; the page shows: {await self.run('document.body.innerText')}")
            await asyncio.sleep(0.05)

    async def screenshot(self, file: Path) -> None:
        """What the page looks like, as PNG."""
        file.write_bytes(b64decode((await self._tell("Page.captureScreenshot", format="png"))["data"]))

    async def _tell(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._connection.send(orjson.dumps({"id": number, "method": method, "params": params, **self._session}).decode())
        async with asyncio.timeout(ANSWER_S):
            while (said := orjson.loads(await self._connection.recv())).get("id") != number:
                pass
        if "error" in said:
            raise Failed(f"{method}: {said['error']['message']}")
        result: dict[str, Any] = said["result"]
        return result


@asynccontextmanager
async def browser(program: str, folder: Path) -> AsyncIterator[Page]:
    """Chromium with an empty profile in `folder`, and one tab of it."""
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen([program, *_ARGUMENTS, f"--user-data-dir={folder}"], stdout=log, stderr=log)
    try:
        port, path = await _debugging_port(folder / "DevToolsActivePort", process)
        async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, compression=None, proxy=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _debugging_port(file: Path, process: subprocess.Popen[bytes]) -> tuple[int, str]:
    async with asyncio.timeout(START_S):
        while True:
            if process.poll() is not None:
                raise Failed(f"chromium ended with {process.returncode}: {(file.parent / 'chromium.log').read_text()[-1000:]}")
            if file.exists() and len(lines := file.read_text().splitlines()) == 2:
                return int(lines[0]), lines[1]
            await asyncio.sleep(0.05)
