"""A service of a few lines for the supervisor's tests: `python fake_service.py FOLDER NAME`.

Serves its health on ORDERS_HEALTH_PORT. Files in FOLDER change what it does: `NAME.waits` holds the detail it waits with,
`NAME.exits` the code it ends with at once, `NAME.stays` makes it ignore SIGTERM.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

folder, name = Path(sys.argv[1]), sys.argv[2]
waits, exits, stays = (folder / f"{name}.{what}" for what in ("waits", "exits", "stays"))


class Health(BaseHTTPRequestHandler):
    """`GET /health/ready` as every service answers it."""

    def do_GET(self) -> None:
        """Running, or waiting with the detail of the file."""
        detail = waits.read_text() if waits.exists() else None
        body = json.dumps({"state": "waiting" if detail else "running", "detail": detail}).encode()
        self.send_response(503 if detail else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


if exits.exists():
    sys.stdout.write(f"{name} gives up\n")
    sys.exit(int(exits.read_text()))
if stays.exists():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdout.write(f"{name} started\n")
sys.stdout.flush()
HTTPServer(("127.0.0.1", int(os.environ["ORDERS_HEALTH_PORT"])), Health).serve_forever()
