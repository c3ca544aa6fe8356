"""Ask a process on this machine how it is."""

import http.client
import json
from typing import Literal, NamedTuple

_TIMEOUT_S = 1.5


class Probed(NamedTuple):
    """What a process says of itself."""

    state: Literal["starting", "running", "waiting"]
    detail: str | None = None


def probe_http(address: str, port: int) -> Probed | None:
    """What `GET /health/ready` answers, None when nothing does."""
    connection = http.client.HTTPConnection(address, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        body = json.loads(connection.getresponse().read())
        return Probed(body["state"], body.get("detail"))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
